// One server process of the races: a session manager on a real engine, driven by messages.
//
//   node racer.ts <engine> <url> <table>
import { createRequire } from "node:module";
import type { SessionError } from "../../src/errors.ts";
import { SessionManager } from "../../src/manager.ts";
import type { Store } from "../../src/store.ts";
import { driver } from "./drivers.ts";

export interface RaceData {
  count: number;
  flash: string;
  [key: `k${number}`]: number;
}

export type Command =
  | { readonly do: "begin" | "check" }
  | { readonly do: "count"; readonly token: string; readonly times: number }
  | { readonly do: "keys"; readonly token: string; readonly from: number; readonly times: number }
  | { readonly do: "renew" | "take" | "destroy" | "read"; readonly token: string }
  /** Writes and touches until the session is over. */
  | { readonly do: "storm"; readonly token: string };

export interface Outcome {
  readonly token?: string | undefined;
  readonly data?: Partial<RaceData> | undefined;
  readonly done?: number | undefined;
  readonly code?: string | undefined;
}

type Open = (url: string, table: string) => Promise<Store>;

const engines: Readonly<Record<string, Open>> = {
  postgres: async (url, table) => {
    const { PostgresStore } = await import("../../src/stores/postgres.ts");
    type Pg = { default: { Pool: new (options: object) => never } };
    const { default: pg } = await driver<Pg>("pg");
    return new PostgresStore(new pg.Pool({ connectionString: url, max: 6 }), { table });
  },
  mysql: async (url, table) => {
    const { MySQLStore } = await import("../../src/stores/mysql.ts");
    type MySQL = { default: { createPool(options: object): never } };
    const { default: mysql } = await driver<MySQL>("mysql2/promise");
    return new MySQLStore(mysql.createPool({ uri: url, connectionLimit: 6 }), { table });
  },
  sqlite: async (url, table) => {
    const { SQLiteStore } = await import("../../src/stores/sqlite.ts");
    const { DatabaseSync } = await import("node:sqlite");
    return new SQLiteStore(new DatabaseSync(url), { table });
  },
  "better-sqlite3": async (url, table) => {
    const { SQLiteStore } = await import("../../src/stores/sqlite.ts");
    const require = createRequire(new URL("better-sqlite3/package.json", import.meta.url));
    const Database = require("better-sqlite3") as new (file: string) => never;
    return new SQLiteStore(new Database(url), { table });
  },
};

async function carryOut(sessions: SessionManager<RaceData>, command: Command): Promise<Outcome> {
  const given = "token" in command ? command.token : undefined;
  if (command.do === "check") {
    await sessions.check();
    return {};
  }
  if (command.do === "storm") {
    for (let done = 0; ; done++) {
      // SQLite answers without a turn of the event loop, and the logout would never be heard.
      await new Promise((resolve) => setImmediate(resolve));
      const session = await sessions.loadToken(given);
      if (session.isNew) return { done, code: "empty" };
      session.update("count", (n) => (n ?? 0) + 1);
      await session.touch();
      await session.commit();
    }
  }
  const times = "times" in command ? command.times : 1;
  for (let i = 0; i < times; i++) {
    const session = await sessions.loadToken(given);
    if (command.do === "begin") {
      session.set("count", 0);
      session.set("flash", "once");
    } else if (session.isNew) return { code: "empty" };
    if (command.do === "count") session.update("count", (n) => (n ?? 0) + 1);
    if (command.do === "keys") session.set(`k${command.from + i}`, i);
    if (command.do === "renew") session.renewToken();
    if (command.do === "destroy") session.destroy();
    if (command.do === "read") {
      const data = session.keys().map((key) => [key, session.get(key)]);
      return { data: Object.fromEntries(data) as Partial<RaceData> };
    }
    if (command.do === "take" && session.take("flash") === undefined) return { code: "nothing" };
    await session.commit();
    if (command.do === "begin" || command.do === "renew") return { token: session.token };
  }
  return { done: times };
}

const [engine = "", url = "", table = ""] = process.argv.slice(2);
if (process.send !== undefined && engine in engines) {
  const store = await (engines[engine] as Open)(url, table);
  const sessions = new SessionManager<RaceData>({
    store,
    development: true,
    idleTimeout: "10m",
    touchInterval: 1,
    storeTimeout: "15s",
    onEvent: () => {},
  });
  process.on("message", ({ id, command }: { id: number; command: Command }) => {
    carryOut(sessions, command)
      .catch((error: SessionError): Outcome => ({ code: error.code ?? String(error) }))
      .then((outcome) => process.send?.({ id, outcome }))
      .catch(() => process.exit(1));
  });
  process.on("disconnect", () => process.exit(0));
  process.send("ready");
}
