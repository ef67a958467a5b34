// cookie-session: the session in a cookie, signed but readable.
import cookieSession from "cookie-session";
import { frameworks } from "../frameworks.mjs";
import { idleMs, peerRoutes, properties, secret } from "./peer.mjs";

export async function open({ idle }) {
  const routes = peerRoutes({ open: (req) => req.session, ...properties });
  const server = await frameworks.Express(routes, (app) =>
    app.use(cookieSession({ name: "session", keys: [secret], ...(idle && { maxAge: idleMs }) })),
  );
  return { server };
}
