/**
 * The demo: `npm start`, or `PORT=8080 npm start -- --store memory --lifetime 2m --idle 20s`.
 *
 * This file reads the settings, starts and stops; routes.ts is what an application would write.
 */
import { parseArgs } from "node:util";

// For `import type { Duration } from "scs-session"`; the demo runs without a build.
import type { Duration } from "../../src/index.ts";
import { createApp } from "./app.ts";
import { hasCode, listen, type Listening } from "./listen.ts";
import { openStore, type Opened } from "./stores.ts";

/** Ctrl-C reaches us twice under `npm start`: from the terminal, and passed on by npm. */
const sameKeyPress = 500;

const settings = await orFail(async () => readSettings());
const engine: Opened = await orFail(() => openStore(settings.store));
const app = await orFail(async () => {
  const { lifetime, idleTimeout } = settings;
  // `development`: plain HTTP on localhost; leave it out in production.
  return createApp(engine.name, { store: engine.store, lifetime, idleTimeout, development: true });
});
const server: Listening = await orFail(() => listen(settings.port, app.listener));

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
    await app.sessions.close();
    await engine.close();
  }).then(() => process.exit(0));
}

interface Settings {
  readonly port: number;
  readonly store: string;
  readonly lifetime: Duration;
  readonly idleTimeout: Duration;
}

function readSettings(): Settings {
  const { values } = parseArgs({
    options: {
      store: { type: "string", default: "memory" },
      lifetime: { type: "string", default: "1h" },
      idle: { type: "string", default: "10m" },
    },
  });
  const port = process.env["PORT"] ?? "4000";
  // 0 lets the system choose; the lines above tell which.
  if (!/^\d{1,5}$/.test(port) || Number(port) > 65_535) {
    throw new Error(`PORT must be a whole number from 0 to 65535, not ${JSON.stringify(port)}`);
  }
  // The manager checks the durations.
  const [lifetime, idleTimeout] = [values.lifetime as Duration, values.idle as Duration];
  return { port: Number(port), store: values.store, lifetime, idleTimeout };
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
