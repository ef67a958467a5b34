/** The application without a port: what server.ts serves, and tests over HTTPS. */
import type { RequestListener } from "node:http";

// For `import { type Options, SessionManager } from "scs-session"` and
// `import { sessionHandler } from "scs-session/adapters/node"`; the demo runs without a build.
import { type Options, SessionManager } from "../../src/index.ts";
import { sessionHandler } from "../../src/adapters/node.ts";
import { RequestLog } from "./log.ts";
import { createRoutes, type Data } from "./routes.ts";

export interface App {
  readonly listener: RequestListener;
  readonly sessions: SessionManager<Data>;
}

/**
 * `name` is the engine's, for people.
 *
 * @throws {SessionError} When the options contradict each other.
 */
export function createApp(name: string, options: Options): App {
  const log = new RequestLog();
  const sessions = new SessionManager<Data>({ ...options, store: log.watch(options.store) });
  const { lifetime, idleTimeout = lifetime, cookie, store } = sessions.settings;
  const about = {
    store: name,
    lifetime,
    idleTimeout,
    cookie: cookie.name,
    keepsAll: store.abilities.guarantees.includes("G1"),
  };
  const routes = createRoutes(sessions, about, log);
  return { sessions, listener: log.listener(sessionHandler(sessions, routes), new Set(["/log"])) };
}
