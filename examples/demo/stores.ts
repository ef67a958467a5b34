/** `--store <url>`: which engine keeps the sessions. A new engine is one line in `engines`. */

// For `import { MemoryStore } from "scs-session/stores/memory"`; the demo runs without a build.
import { MemoryStore } from "../../src/stores/memory.ts";
import type { Store } from "../../src/store.ts";

/** An engine that is ready to use. */
export interface Opened {
  readonly store: Store;
  /** For people, without host and password: `memory`. */
  readonly name: string;
  /** Ends the client that the engine was given, if there is one: `sessions.close()` leaves it open. */
  close(): Promise<void>;
}

type Open = (url: string) => Promise<Opened>;

const engines: Record<string, Open> = {
  memory: async () => ready("memory", new MemoryStore()),
};

/** Schemes whose engines are on the way. */
const later = new Set(["postgres", "postgresql", "mysql", "mariadb", "redis", "rediss", "sqlite"]);

/**
 * Opens the engine that `url` names by its scheme; `memory` alone is enough for that one.
 *
 * @throws {Error} One line for people. It never repeats the URL, which may hold a password.
 */
export async function openStore(url: string): Promise<Opened> {
  const scheme = url.split(":", 1)[0]?.toLowerCase() ?? "";
  if (Object.hasOwn(engines, scheme)) return (engines[scheme] as Open)(url);
  const known = Object.keys(engines).join(", ");
  if (later.has(scheme)) {
    throw new Error(`--store ${scheme}: this engine arrives in a later version; now: ${known}`);
  }
  throw new Error(`--store names no engine that the demo knows; now: ${known}`);
}

function ready(name: string, store: Store, close?: () => Promise<void>): Opened {
  return { store, name, close: close ?? (async () => {}) };
}
