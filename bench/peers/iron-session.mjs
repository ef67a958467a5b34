// iron-session: the session in a cookie, sealed with WebCrypto.
import { getIronSession } from "iron-session";
import { frameworks } from "../frameworks.mjs";
import { peerRoutes, properties, secret } from "./peer.mjs";

export async function open() {
  const options = { password: secret, cookieName: "session" };
  const routes = peerRoutes({
    open: (req, res) => getIronSession(req, res, options),
    ...properties,
    save: (session) => session.save(),
  });
  return { server: await frameworks["node:http"](routes) };
}
