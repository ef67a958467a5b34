// @fastify/session in its cheapest settings: by default it writes and sends a cookie on every request
// (`rolling`), and saves a session for every visitor (`saveUninitialized`).
import cookie from "@fastify/cookie";
import session from "@fastify/session";
import { frameworks } from "../frameworks.mjs";
import { counted, idleMs, peerRoutes, properties, secret } from "./peer.mjs";

export async function open({ idle, count }) {
  const sessions = new Map();
  const store = counted(new session.MemoryStore(sessions), ["get", "set", "destroy"], count);
  const routes = peerRoutes({
    open: (request) => request.session,
    ...properties,
    renew: async (request) => {
      await request.session.regenerate();
      return request.session;
    },
  });
  const server = await frameworks.Fastify(routes, async (app) => {
    await app.register(cookie);
    await app.register(session, {
      secret,
      store,
      rolling: idle,
      saveUninitialized: false,
      cookie: { secure: false, ...(idle && { maxAge: idleMs }) },
    });
  });
  return { server, clear: () => sessions.clear() };
}
