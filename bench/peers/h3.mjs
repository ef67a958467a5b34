// h3's useSession with its defaults: the session in a cookie, the key derived anew on each request.
import { useSession } from "h3";
import { frameworks } from "../frameworks.mjs";
import { idleMs, peerRoutes, secret } from "./peer.mjs";

export async function open({ idle }) {
  const config = { password: secret, ...(idle && { idleTimeout: idleMs / 1000 }) };
  const routes = peerRoutes({
    open: async (event) => ({ session: await useSession(event, config), changes: {} }),
    get: ({ session }, key) => session.data[key],
    set: ({ changes }, key, value) => void (changes[key] = value),
    save: ({ session, changes }) => session.update(changes),
  });
  return { server: await frameworks.h3(routes) };
}
