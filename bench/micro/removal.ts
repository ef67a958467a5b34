// What removing expired records does to requests: `node bench/micro/removal.ts [sessions] [server...]`,
// 200 000 sessions and postgres, mysql and sqlite when not said. On servers of its own.
//
// A table in which a fifth of the sessions has ended. Four requests at a time load (six of ten), touch
// (two) and change (two) live ones: first while nothing is removed, then while a sweeper works; once
// with its default interval, and once with a tenth of it. At the end, the server's own plan for each statement
// of the sweeper, with the values of a step that was seen.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import type { Store } from "../../src/store.ts";
import { type MySQL2Client, mysqlSchema, MySQLStore } from "../../src/stores/mysql.ts";
import { type PgClient, postgresSchema, PostgresStore } from "../../src/stores/postgres.ts";
import { type SQLiteClient, sqliteSchema, SQLiteStore } from "../../src/stores/sqlite.ts";
import { startMariaDB } from "../../test/servers/mariadb.ts";
import { startPostgres } from "../../test/servers/postgres.ts";
import { driver } from "../../test/stores/drivers.ts";

type Row = Readonly<Record<string, unknown>>;
type Seen = readonly [text: string, values: readonly unknown[]];

interface Bench {
  readonly name: string;
  /** An engine on the table; statements that it runs go to `seen`, by their text. */
  store(sweepInterval: number | false, seen?: Map<string, Seen>): Store & { close(): void };
  rows(text: string, values?: readonly unknown[]): Promise<readonly Row[]>;
  plan(seen: Seen): Promise<string[]>;
  end(): Promise<void>;
}

const [given = "200000", ...names] = process.argv.slice(2);
const count = Number(given);
const hour = 3_600_000;
const digest = new Uint8Array(32).fill(7);
const seconds = 15;

/** `client`, with a method that also tells what it is called with. */
function spied<Client extends object>(
  client: Client,
  method: string,
  tell: (...args: never[]) => void,
): Client {
  return new Proxy(client, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name);
      if (typeof value !== "function") return value;
      return (...args: never[]): unknown => {
        if (name === method) tell(...args);
        return Reflect.apply(value, target, args);
      };
    },
  });
}

async function postgres(): Promise<Bench> {
  interface Pool extends PgClient {
    query(text: string | { text: string; values: unknown[] }): Promise<{ rows: never[] }>;
    end(): Promise<void>;
  }
  type Pg = { default: { Pool: new (options: object) => Pool } };
  const server = await startPostgres({ own: true });
  const { default: pg } = await driver<Pg>("pg");
  const pool = new pg.Pool({ connectionString: server.url, max: 4 });
  const rows = async (text: string): Promise<readonly Row[]> => (await pool.query(text)).rows;
  const [shown] = await rows("SHOW server_version");
  await pool.query(postgresSchema({ table: "removal" }));
  await pool.query(
    "INSERT INTO removal SELECT 'bench:' || md5(i::text), 1, decode(repeat('07', 32), 'hex'), " +
      "decode(repeat(md5(i::text), 12) || repeat('00', 8), 'hex'), now(), now() + interval '1 day', " +
      "CASE WHEN i % 5 = 0 THEN now() ELSE now() + interval '1 hour' END " +
      `FROM generate_series(1, ${count}) i`,
  );
  await pool.query("VACUUM ANALYZE removal");
  return {
    name: `PostgreSQL ${String(shown?.["server_version"]).split(" ")[0]}`,
    store(sweepInterval, seen) {
      const client = spied(pool, "query", (call: { text: string; values: unknown[] }) =>
        seen?.set(call.text, [call.text, call.values]),
      );
      return new PostgresStore(client, { table: "removal", sweepInterval });
    },
    rows,
    async plan([text, values]) {
      const explain = `EXPLAIN (ANALYZE, BUFFERS OFF, COSTS OFF, TIMING OFF) ${text}`;
      const found = await pool.query({ text: explain, values: [...values] });
      return found.rows.map((row: Row) => String(row["QUERY PLAN"]));
    },
    async end() {
      await pool.end();
      await server.stop();
    },
  };
}

async function mysql(): Promise<Bench> {
  type Pool = MySQL2Client & {
    query(text: string, values?: unknown[]): Promise<[Row[], unknown]>;
    end(): Promise<void>;
  };
  const server = await startMariaDB({ own: true, args: ["--innodb-buffer-pool-size=1G"] });
  const { default: mysql2 } = await driver<{
    readonly default: { createPool(options: object): Pool };
  }>("mysql2/promise");
  const pool = mysql2.createPool({ uri: server.url, connectionLimit: 4 });
  const rows = async (text: string): Promise<readonly Row[]> => (await pool.query(text))[0];
  const [shown] = await rows("SELECT VERSION() AS version");
  await rows(mysqlSchema({ table: "removal" }));
  // Digits by cross join: the same on MariaDB and MySQL.
  const digits =
    "(SELECT 0 AS d UNION SELECT 1 UNION SELECT 2 UNION SELECT 3 UNION SELECT 4 UNION SELECT 5 UNION SELECT 6 UNION SELECT 7 UNION SELECT 8 UNION SELECT 9)";
  const places = Array.from({ length: String(count - 1).length }, (_, i) => i);
  const number = places.map((i) => `n${i}.d * ${10 ** i}`).join(" + ");
  const now = "(TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(3)) DIV 1000)";
  await rows(
    "INSERT INTO removal SELECT CONCAT('bench:', MD5(i)), 1, UNHEX(REPEAT('07', 32)), " +
      `UNHEX(CONCAT(REPEAT(MD5(i), 12), REPEAT('00', 8))), ${now}, ${now} + 24 * ${hour}, ` +
      `IF(i % 5 = 0, ${now}, ${now} + ${hour}) FROM (SELECT ${number} AS i FROM ` +
      `${places.map((i) => `${digits} n${i}`).join(", ")}) numbers WHERE i < ${count}`,
  );
  await rows("ANALYZE TABLE removal");
  return {
    name: String(shown?.["version"]),
    store(sweepInterval, seen) {
      const client = spied(pool, "execute", (text: string, values: unknown[]) =>
        seen?.set(text, [text, values]),
      );
      return new MySQLStore(client, { table: "removal", sweepInterval });
    },
    rows,
    async plan([text, values]) {
      // Bytes as the driver's own kind, which `query` can write out.
      const bound = values.map((value) =>
        value instanceof Uint8Array ? Buffer.from(value) : value,
      );
      const [found] = await pool.query(`EXPLAIN ${text}`, bound);
      return found.map(
        (row) =>
          `${String(row["type"])} on ${String(row["key"])}, ${String(row["rows"])} rows; ${String(row["Extra"])}`,
      );
    },
    async end() {
      await pool.end();
      await server.stop();
    },
  };
}

async function sqlite(): Promise<Bench> {
  const folder = mkdtempSync(join(tmpdir(), "scs-session-removal-"));
  const db = new DatabaseSync(join(folder, "sessions.db"));
  const [shown] = db.prepare("SELECT sqlite_version() AS v").all();
  db.exec("PRAGMA journal_mode = WAL");
  db.exec(sqliteSchema({ table: "removal" }));
  const now = "CAST(round(unixepoch('subsec') * 1000) AS INTEGER)";
  db.exec(
    `WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < ${count - 1}) ` +
      // Keys that are in no order, as ids are.
      `INSERT INTO removal SELECT 'bench:' || hex(randomblob(16)), 1, x'${"07".repeat(32)}', ` +
      `randomblob(200), ${now}, ${now} + 24 * ${hour}, ` +
      `CASE WHEN i % 5 = 0 THEN ${now} ELSE ${now} + ${hour} END FROM n`,
  );
  return {
    name: `SQLite ${String(shown?.["v"])}`,
    store(sweepInterval, seen) {
      const client: SQLiteClient = {
        exec: (sql) => db.exec(sql),
        prepare(sql) {
          const statement = db.prepare(sql);
          return {
            run: (...values) => {
              seen?.set(sql, [sql, values]);
              return statement.run(...values);
            },
            all: (...values) => {
              seen?.set(sql, [sql, values]);
              return statement.all(...values);
            },
          };
        },
      };
      return new SQLiteStore(client, { table: "removal", sweepInterval });
    },
    rows: async (text) => db.prepare(text).all(),
    async plan([text, values]) {
      const found = db.prepare(`EXPLAIN QUERY PLAN ${text}`).all(...(values as string[]));
      return found.map((row) => String(row["detail"]));
    },
    async end() {
      db.close();
      rmSync(folder, { recursive: true });
    },
  };
}

/** Four at a time for some seconds; the times of one request in ms. */
async function load(
  run: (i: number) => Promise<unknown>,
  seconds: number,
): Promise<Record<string, number>> {
  const times: number[] = [];
  const until = performance.now() + seconds * 1000;
  let i = 0;
  const worker = async (): Promise<void> => {
    while (performance.now() < until) {
      const start = performance.now();
      await run(i++);
      times.push(performance.now() - start);
      // SQLite answers at once: timers must get their turn, as they do between requests.
      if (i % 8 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
  };
  await Promise.all([worker(), worker(), worker(), worker()]);
  times.sort((a, b) => a - b);
  const at = (q: number): number => Number((times[Math.floor(times.length * q)] ?? 0).toFixed(2));
  return {
    "requests/s": Math.round(times.length / seconds),
    p50: at(0.5),
    p99: at(0.99),
    "p99.9": at(0.999),
    max: at(0.9999999),
  };
}

async function measure(bench: Bench, interval: number): Promise<void> {
  const left = async (): Promise<number> =>
    Number((await bench.rows("SELECT count(*) AS n FROM removal"))[0]?.["n"]);
  // A part of the table that is spread over all of it: keys are in no order.
  const keys = (await bench.rows("SELECT id FROM removal LIMIT 60000")).map(({ id }) =>
    id instanceof Uint8Array ? new TextDecoder().decode(id) : String(id),
  );
  for (let i = keys.length - 1; i > 0; i--) {
    const j = Math.floor(Math.random() * (i + 1));
    [keys[i], keys[j]] = [keys[j] ?? "", keys[i] ?? ""];
  }
  const requests = bench.store(false);
  const live: string[] = [];
  for (const key of keys) {
    if (live.length === 20_000) break;
    if ((await requests.load(key)) !== undefined) live.push(key);
  }
  const versions = new Map<string, number>();
  const data = new Uint8Array(200);
  const request = async (i: number): Promise<void> => {
    const key = live[i % live.length] ?? "";
    if (i % 10 < 6) await requests.load(key);
    else if (i % 10 < 8) await requests.touch(key, digest, hour + i);
    else {
      const version = versions.get(key) ?? 1;
      const { done } = await requests.update(key, { version, digest, data });
      if (!done) throw new Error("an update lost");
      versions.set(key, version + 1);
    }
  };
  await load(request, 5);
  const quiet = await load(request, seconds);
  const seen = new Map<string, Seen>();
  const before = await left();
  const sweeping = bench.store(interval, seen);
  await sweeping.load("wake");
  // The first step comes after a pause, the next ones soon: the table is behind.
  const giveUp = Date.now() + 60_000;
  while ((await left()) === before) {
    if (Date.now() > giveUp) throw new Error("nothing is removed: give more sessions");
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  const first = await left();
  const busy = await load(request, seconds);
  const removed = first - (await left());
  await sweeping.close();
  console.log(
    `\n${bench.name}, ${count} sessions, a fifth of them ended, sweepInterval ${interval}`,
  );
  console.table({
    "nothing removed": quiet,
    sweeping: { ...busy, "removed/s": Math.round(removed / seconds) },
  });
  for (const one of seen.values()) {
    if (!/DELETE|ORDER BY/.test(one[0])) continue;
    console.log(one[0].replaceAll(/(\?, ){9,}\?/g, "?, ..., ?"));
    for (const line of await bench.plan(one)) console.log(`    ${line}`);
  }
  await requests.close();
  await bench.end();
}

const benches = { postgres, mysql, sqlite };
for (const [name, start] of Object.entries(benches)) {
  if (names.length > 0 && !names.includes(name)) continue;
  // A table of its own each time: a sweeper begins at the first key, where the one before it was.
  for (const interval of [10_000, 1000]) await measure(await start(), interval);
}
