/**
 * The demo: `npm start`, or `PORT=8080 npm start -- --store memory`.
 *
 * This file reads the settings, starts and stops; routes.ts is what an application would write.
 */
import { parseArgs } from "node:util";

// For `import { SessionManager } from "scs-session"` and
// `import { sessionHandler } from "scs-session/adapters/node"`; the demo runs without a build.
import { SessionManager } from "../../src/index.ts";
import { sessionHandler } from "../../src/adapters/node.ts";
import { hasCode, listen, type Listening } from "./listen.ts";
import { createRoutes, type Data } from "./routes.ts";
import { openStore, type Opened } from "./stores.ts";

const minute = 60_000;
const lifetime = 60 * minute;
const idleTimeout = 10 * minute;

/** Ctrl-C reaches us twice under `npm start`: from the terminal, and passed on by npm. */
const sameKeyPress = 500;

const settings = await orFail(async () => readSettings());
const engine: Opened = await orFail(() => openStore(settings.store));
const sessions = new SessionManager<Data>({
  store: engine.store,
  lifetime,
  idleTimeout,
  development: true, // plain HTTP on localhost; leave it out in production
});
const routes = createRoutes(sessions, { store: engine.name, lifetime, idleTimeout });
const server: Listening = await orFail(() =>
  listen(settings.port, sessionHandler(sessions, routes)),
);

console.log(`scs-session demo on http://localhost:${server.port} (sessions: ${engine.name})

Try:
  curl -i -c cookies localhost:${server.port}/put
  curl -i -b cookies localhost:${server.port}/get

or open http://localhost:${server.port} in a browser. Ctrl-C stops.`);

let stoppedAt: number | undefined;
process.on("SIGINT", () => stop(130));
process.on("SIGTERM", () => stop(143));

/** Lets requests in progress finish, then commits, then the engine's client. A second signal forces. */
function stop(forcedStatus: number): void {
  if (stoppedAt !== undefined) {
    if (performance.now() - stoppedAt > sameKeyPress) process.exit(forcedStatus);
    return;
  }
  stoppedAt = performance.now();
  console.log("Stopping.");
  void orFail(async () => {
    await server.close();
    await sessions.close();
    await engine.close();
  }).then(() => process.exit(0));
}

function readSettings(): { readonly port: number; readonly store: string } {
  const { values } = parseArgs({ options: { store: { type: "string", default: "memory" } } });
  const port = process.env["PORT"] ?? "4000";
  // 0 lets the system choose; the lines above tell which.
  if (!/^\d{1,5}$/.test(port) || Number(port) > 65_535) {
    throw new Error(`PORT must be a whole number from 0 to 65535, not ${JSON.stringify(port)}`);
  }
  return { port: Number(port), store: values.store };
}

/** What `task` gives; when it fails, one clear line and exit status 1. */
async function orFail<T>(task: () => Promise<T>): Promise<T> {
  try {
    return await task();
  } catch (error) {
    console.error(`scs-session demo: ${explain(error)}`);
    process.exit(1);
  }
}

function explain(error: unknown): string {
  if (hasCode(error, "EADDRINUSE")) {
    return `port ${settings.port} is in use; choose another, as in PORT=8080 npm start`;
  }
  if (hasCode(error, "EACCES"))
    return `port ${settings.port} needs more rights; choose one above 1023`;
  return error instanceof Error ? (error.message.split("\n", 1)[0] ?? "") : String(error);
}
