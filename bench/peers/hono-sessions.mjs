// hono-sessions with its MemoryStore. Without `autoExtendExpiration`, which writes on every request,
// except where the idle timeout is measured.
import { MemoryStore, sessionMiddleware } from "hono-sessions";
import { frameworks } from "../frameworks.mjs";
import { counted, idleMs, peerRoutes } from "./peer.mjs";

export async function open({ idle, count }) {
  const store = new MemoryStore();
  const methods = ["getSessionById", "createSession", "persistSessionData", "deleteSession"];
  const routes = peerRoutes({
    open: (c) => c.get("session"),
    get: (session, key) => session.get(key),
    set: (session, key, value) => session.set(key, value),
    renew: (c, session) => {
      c.set("session_key_rotation", true);
      return session;
    },
  });
  const middleware = sessionMiddleware({
    store: counted(store, methods, count),
    autoExtendExpiration: idle,
    ...(idle && { expireAfterSeconds: idleMs / 1000 }),
  });
  const server = await frameworks.Hono(routes, (app) => app.use(middleware));
  return { server, clear: () => store.data.clear() };
}
