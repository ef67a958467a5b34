/** `--store <url>`: which engine keeps the sessions. A new engine is one entry in `engines`. */
import { randomBytes } from "node:crypto";
import { createPool } from "mysql2/promise";
import { createClient, createCluster } from "redis";

// For `import { MemoryStore } from "scs-session/stores/memory"` and its like; the demo runs without a
// build.
import { CookieStore } from "../../src/stores/cookie.ts";
import { MemoryStore } from "../../src/stores/memory.ts";
import { MySQLStore } from "../../src/stores/mysql.ts";
import { type PostgresClient, PostgresStore } from "../../src/stores/postgres.ts";
import { RedisStore } from "../../src/stores/redis.ts";
import { SQLiteStore } from "../../src/stores/sqlite.ts";
import type { SessionManager } from "../../src/index.ts";

type Store = SessionManager["settings"]["store"];

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
  cookie,
  sqlite,
  postgres,
  postgresql: postgres,
  mysql,
  mariadb: mysql,
  redis,
  rediss: redis,
  "redis+cluster": cluster,
  "rediss+cluster": cluster,
};

/**
 * Opens the engine that `url` names by its scheme; `memory` alone is enough for that one. Tables are
 * made when they are missing.
 *
 * @throws {Error} One line for people. It never repeats the URL, which may hold a password.
 */
export async function openStore(url: string): Promise<Opened> {
  const scheme = url.split(":", 1)[0]?.toLowerCase() ?? "";
  const open = Object.hasOwn(engines, scheme) ? engines[scheme] : undefined;
  if (open === undefined) {
    const known = Object.keys(engines).join(", ");
    throw new Error(`--store names no engine that the demo knows; there are: ${known}`);
  }
  try {
    const opened = await open(url);
    await opened.store.check?.();
    return opened;
  } catch (error) {
    throw new Error(`--store ${scheme}: ${reason(error)}`, { cause: error });
  }
}

/**
 * `cookie:`: the sessions are in the browser, sealed under SESSION_KEY; what has ended is remembered
 * in this process.
 */
async function cookie(): Promise<Opened> {
  const given = process.env["SESSION_KEY"];
  const key = given ?? randomBytes(32).toString("base64url");
  const revocations = new MemoryStore();
  const store = new CookieStore({ keys: [{ id: "demo", key }], revocations });
  if (given === undefined) {
    // A real server never prints its key.
    console.log(
      `A new key. To keep sessions over a restart, start with:\n\n  SESSION_KEY=${key}\n`,
    );
  }
  return ready("cookies", store);
}

/** `sqlite:sessions.db`, or `sqlite::memory:`. */
async function sqlite(url: string): Promise<Opened> {
  const { DatabaseSync } = await import("node:sqlite");
  const database = new DatabaseSync(url.slice("sqlite:".length));
  const store = new SQLiteStore(database);
  await store.setUp();
  return ready("SQLite", store, async () => database.close());
}

async function postgres(url: string): Promise<Opened> {
  // It has no types of its own.
  const driver: string = "pg";
  const { default: pg } = (await import(driver)) as {
    default: { Pool: new (options: object) => PostgresClient & Pool };
  };
  const pool = new pg.Pool({ connectionString: url, query_timeout: 5000 });
  // Without it, a restart of the server ends this process.
  pool.on("error", complain);
  const store = new PostgresStore(pool);
  await store.setUp();
  return ready("PostgreSQL", store, () => pool.end());
}

interface Pool {
  on(event: "error", listener: (error: unknown) => void): unknown;
  end(): Promise<void>;
}

async function mysql(url: string): Promise<Opened> {
  const pool = createPool(url.replace(/^mariadb:/i, "mysql:"));
  const store = new MySQLStore(pool);
  await store.setUp();
  return ready("MySQL", store, () => pool.end());
}

async function redis(url: string): Promise<Opened> {
  const client = createClient({
    url,
    socket: { connectTimeout: 5000, reconnectStrategy: patience },
  });
  client.on("error", complain);
  await client.connect();
  return ready("Redis", new RedisStore(client), async () => client.destroy());
}

/** `redis+cluster://host:port,host:port`. */
async function cluster(url: string): Promise<Opened> {
  const [scheme = "", hosts = ""] = url.split("+cluster://", 2);
  const client = createCluster({
    rootNodes: hosts.split(",").map((host) => ({ url: `${scheme}://${host}` })),
  });
  client.on("error", complain);
  await client.connect();
  return ready("Redis Cluster", new RedisStore(client), async () => client.destroy());
}

/** Gives up at the start, and tries for ever once it has worked. */
let started = false;
function patience(retries: number): number | Error {
  if (!started && retries > 2) return new Error("no answer");
  return Math.min(1000, 50 * 2 ** retries);
}

/** What a connection says on its own; before the start, the start's own error says it. */
function complain(error: unknown): void {
  if (started) console.error(`scs-session demo: ${reason(error)}`);
}

function ready(name: string, store: Store, close?: () => Promise<void>): Opened {
  started = true;
  return { store, name, close: close ?? (async () => {}) };
}

/** What went wrong, in a line; drivers wrap several failed addresses in one error without a message. */
function reason(error: unknown): string {
  if (error instanceof AggregateError && error.message === "") return reason(error.errors[0]);
  const text = error instanceof Error ? error.message || error.name : String(error);
  return text.split("\n", 1)[0] ?? "";
}
