// @fastify/secure-session: the session in a cookie, sealed by libsodium (native code).
import secureSession from "@fastify/secure-session";
import { frameworks } from "../frameworks.mjs";
import { idleMs, peerRoutes } from "./peer.mjs";

export async function open({ idle }) {
  const routes = peerRoutes({
    open: (request) => request.session,
    get: (session, key) => session.get(key),
    set: (session, key, value) => session.set(key, value),
  });
  const server = await frameworks.Fastify(routes, (app) =>
    app.register(secureSession, {
      key: Buffer.alloc(32, 7),
      cookie: { path: "/", httpOnly: true },
      ...(idle && { expiry: idleMs / 1000 }),
    }),
  );
  return { server };
}
