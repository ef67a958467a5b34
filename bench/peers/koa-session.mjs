// koa-session with a store outside the cookie: a Map of its objects, the cheapest there can be.
import session from "koa-session";
import { frameworks } from "../frameworks.mjs";
import { counted, idleMs, peerRoutes, properties, secret } from "./peer.mjs";

export async function open({ idle, count }) {
  const sessions = new Map();
  const store = counted(
    {
      get: async (id) => sessions.get(id),
      set: async (id, data) => void sessions.set(id, data),
      destroy: async (id) => void sessions.delete(id),
    },
    ["get", "set", "destroy"],
    count,
  );
  const routes = peerRoutes({
    open: (ctx) => ctx.session,
    ...properties,
    renew: async (ctx) => {
      await ctx.session.regenerate();
      return ctx.session;
    },
  });
  const server = await frameworks.Koa(routes, (app) => {
    app.keys = [secret];
    app.use(session({ store, ...(idle && { rolling: true, maxAge: idleMs }) }, app));
  });
  return { server, clear: () => sessions.clear() };
}
