// Every engine that several processes can share, by the name of its client: how to open it.
import { createRequire } from "node:module";
import type { Store } from "../../src/store.ts";
import { MySQLStore } from "../../src/stores/mysql.ts";
import { type PgClient, type PostgresJsClient, PostgresStore } from "../../src/stores/postgres.ts";
import { type RedisClient, RedisStore } from "../../src/stores/redis.ts";
import { type SQLiteClient, SQLiteStore } from "../../src/stores/sqlite.ts";
import { driver } from "../stores/drivers.ts";
import { clustered, type Connected, guarded, standalone } from "../stores/redis-drivers/clients.ts";

/** What to open, as it can be handed to another process. */
export interface Source {
  readonly engine: string;
  /** A server's URL, as test/servers gives it; the path of a file for SQLite. */
  readonly url: string;
  /** The table, or the prefix of keys: one of its own for each test. */
  readonly space: string;
  /** The most connections, where the client has a pool. Default 6. */
  readonly connections?: number | undefined;
  /** False: nothing is asked of the engine but what requests ask. Default true. */
  readonly sweep?: boolean | undefined;
  /** The manager's, in a server process. Default 15 s: what takes longer without a fault, hangs. */
  readonly storeTimeout?: number | undefined;
  /** For Redis: see `RedisStore`. */
  readonly waitForReplicas?: { readonly count: number; readonly timeout: number } | undefined;
}

export interface Opened {
  readonly store: Store & { setUp?(): Promise<void> };
  /** Of the SQL engines: one statement on a connection of the store's own pool. */
  readonly raw?: (sql: string) => Promise<readonly Readonly<Record<string, unknown>>[]>;
  end(): Promise<unknown> | void;
}

type Row = Readonly<Record<string, unknown>>;
type Open = (source: Source) => Promise<Opened>;

/** Of the SQL engines. */
function tableOf({ space: table, sweep }: Source): { table: string; sweepInterval?: false } {
  return sweep === false ? { table, sweepInterval: false } : { table };
}

interface Ends {
  end(): Promise<unknown>;
}

async function pg(source: Source): Promise<Opened> {
  const { url, connections = 6 } = source;
  type Pool = PgClient & Ends & { on(event: "error", listener: () => void): unknown };
  const { default: module } = await driver<{
    default: { Pool: new (options: object) => Pool };
  }>("pg");
  const pool = new module.Pool({ connectionString: url, max: connections });
  pool.on("error", () => {});
  const raw = async (text: string): Promise<Row[]> =>
    (await pool.query({ text, values: [] })).rows as Row[];
  return { store: new PostgresStore(pool, tableOf(source)), raw, end: () => pool.end() };
}

async function postgresJs(source: Source): Promise<Opened> {
  const { url, connections = 6 } = source;
  type Client = PostgresJsClient & Ends;
  const { default: postgres } = await driver<{
    default: (url: string, options: object) => Client;
  }>("postgres");
  const sql = postgres(url, { max: connections, onnotice: () => {} });
  const raw = async (text: string): Promise<Row[]> => (await sql.unsafe(text)) as Row[];
  return { store: new PostgresStore(sql, tableOf(source)), raw, end: () => sql.end() };
}

type MySQLPool = ConstructorParameters<typeof MySQLStore>[0] & Ends;

async function mysql2(source: Source): Promise<Opened> {
  const { url, connections = 6 } = source;
  type Pool = MySQLPool & { query(sql: string): Promise<[Row[], unknown]> };
  const { default: module } = await driver<{
    default: { createPool(options: object): Pool };
  }>("mysql2/promise");
  const pool = module.createPool({ uri: url, connectionLimit: connections });
  const raw = async (sql: string): Promise<Row[]> => (await pool.query(sql))[0];
  return { store: new MySQLStore(pool, tableOf(source)), raw, end: () => pool.end() };
}

async function mariadb(source: Source): Promise<Opened> {
  const { url, connections = 6 } = source;
  type Pool = MySQLPool & { query(sql: string): Promise<Row[]> };
  const { default: module } = await driver<{
    default: { createPool(options: object): Pool };
  }>("mariadb");
  const { hostname: host, port, username: user, pathname } = new URL(url);
  const pool = module.createPool({
    host,
    port: Number(port),
    user,
    database: pathname.slice(1),
    connectionLimit: connections,
  });
  const raw = (sql: string): Promise<Row[]> => pool.query(sql);
  return { store: new MySQLStore(pool, tableOf(source)), raw, end: () => pool.end() };
}

async function sqlite(source: Source): Promise<Opened> {
  const { DatabaseSync } = await import("node:sqlite");
  const database = new DatabaseSync(source.url);
  const raw = async (sql: string): Promise<Row[]> => database.prepare(sql).all();
  // As with the manager's timeout in these tests: what waits longer, on any machine, hangs.
  const options = { ...tableOf(source), busyTimeout: 10_000 };
  return { store: new SQLiteStore(database, options), raw, end: () => database.close() };
}

/** Installed by test/stores/better-sqlite3.test.ts or test/history/races.test.ts. */
async function betterSqlite(source: Source): Promise<Opened> {
  const require = createRequire(new URL("../stores/better-sqlite3/package.json", import.meta.url));
  type Database = SQLiteClient & { close(): void };
  const Class = require("better-sqlite3") as new (file: string) => Database;
  const database = new Class(source.url);
  const raw = async (sql: string): Promise<Row[]> => database.prepare(sql).all() as Row[];
  const options = { ...tableOf(source), busyTimeout: 10_000 };
  return { store: new SQLiteStore(database, options), raw, end: () => database.close() };
}

function redis(connect: (source: Source) => Promise<Connected>): Open {
  return async (source) => {
    const connected = await connect(source);
    const { space: prefix, waitForReplicas } = source;
    const client: RedisClient = connected.client;
    return { store: new RedisStore(client, { prefix, waitForReplicas }), end: connected.end };
  };
}

/** `redis+cluster://a:1,b:2` and `redis+sentinel://a:1,b:2/name`: what no URL parser takes. */
function listed(url: string): { targets: { host: string; port: number }[]; name: string } {
  const [hosts = "", name = ""] = url.replace(/^.*:\/\//, "").split("/");
  const targets = hosts.split(",").map((each) => {
    const [host = "", port = ""] = each.split(":");
    return { host, port: Number(port) };
  });
  return { targets, name };
}

const open: Readonly<Record<string, Open>> = {
  pg,
  postgres: postgresJs,
  mysql2,
  mariadb,
  "node:sqlite": sqlite,
  "better-sqlite3": betterSqlite,
  ...Object.fromEntries(
    Object.entries(standalone).map(([name, connect]) => [
      name,
      redis(({ url }) => connect(listed(url).targets[0] ?? { host: "", port: 0 })),
    ]),
  ),
  ...Object.fromEntries(
    Object.entries(clustered).map(([name, connect]) => [
      `${name} cluster`,
      redis(({ url }) => connect(listed(url).targets[0] ?? { host: "", port: 0 })),
    ]),
  ),
  ...Object.fromEntries(
    Object.entries(guarded).map(([name, connect]) => [
      `${name} sentinel`,
      redis(({ url }) => {
        const { targets, name: primary } = listed(url);
        return connect(targets, primary);
      }),
    ]),
  ),
};

/** Opens it; on the SQL engines the table may not be there yet: `setUp`. */
export async function openEngine(source: Source): Promise<Opened> {
  const engine = open[source.engine];
  if (engine === undefined) throw new Error(`no engine ${source.engine}`);
  return await engine(source);
}
