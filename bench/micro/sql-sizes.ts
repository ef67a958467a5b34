// How much room a session takes in each SQL engine, table and indexes together:
// `node bench/micro/sql-sizes.ts [sessions] [engine]`, 5000 and all when not said. On servers of its own.
//
// Fresh, and after each was changed five times, which leaves dead versions and half-full pages. The data
// are random, so nothing is saved by compression.
import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import type { Store } from "../../src/store.ts";
import { MySQLStore } from "../../src/stores/mysql.ts";
import { PostgresStore } from "../../src/stores/postgres.ts";
import { SQLiteStore } from "../../src/stores/sqlite.ts";
import { startMariaDB } from "../../test/servers/mariadb.ts";
import { startPostgres } from "../../test/servers/postgres.ts";
import { mysqlClients, postgresClients } from "../../test/stores/sql-clients.ts";

const count = Number(process.argv[2] ?? 5000);
const sizes = [100, 200, 1024, 4096, 65_536];
const digest = new Uint8Array(32).fill(7);
const hour = 3_600_000;

interface Engine {
  readonly name: string;
  /** A store on a new table, and how many bytes that table has on disk. */
  make(table: string): Promise<{ readonly store: Store; bytes(): Promise<number> }>;
  end(): Promise<void>;
}

async function postgres(): Promise<Engine> {
  const server = await startPostgres({ own: true });
  const { client, run, end } = await postgresClients.pg(server.url, { timeout: 60_000 });
  return {
    name: "PostgreSQL",
    make: async (table) => {
      const store = new PostgresStore(client, { table, sweepInterval: false });
      await store.setUp();
      const bytes = async (): Promise<number> => {
        const reply = await run(`SELECT pg_total_relation_size('${table}')::float8 AS n`);
        return (reply as { rows: { n: number }[] }).rows[0]?.n ?? 0;
      };
      return { store, bytes };
    },
    end: async () => {
      await end();
      await server.stop();
    },
  };
}

async function mariadb(): Promise<Engine> {
  const server = await startMariaDB({ own: true });
  const { client, run, end } = await mysqlClients.mysql2(server.url, { timeout: 60_000 });
  return {
    name: "MariaDB",
    make: async (table) => {
      const store = new MySQLStore(client, { table, sweepInterval: false });
      await store.setUp();
      const bytes = async (): Promise<number> => {
        await run(`ANALYZE TABLE ${table}`);
        // Pages in use: the file itself grows by megabytes.
        const sql = `SELECT data_length + index_length AS n FROM information_schema.tables WHERE table_name = '${table}'`;
        return Number(((await run(sql)) as [{ n: number }[]])[0][0]?.n);
      };
      return { store, bytes };
    },
    end: async () => {
      await end();
      await server.stop();
    },
  };
}

function sqlite(): Engine {
  const folder = mkdtempSync(join(tmpdir(), "scs-session-sizes-"));
  const open: DatabaseSync[] = [];
  return {
    name: "SQLite",
    make: async (table) => {
      const db = new DatabaseSync(join(folder, `${table}.db`));
      open.push(db);
      const store = new SQLiteStore(db, { table, sweepInterval: false });
      await store.setUp();
      db.exec("PRAGMA synchronous = OFF");
      const pragma = (name: string): number =>
        Number(Object.values(db.prepare(`PRAGMA ${name}`).get() ?? {})[0]);
      return { store, bytes: async () => pragma("page_count") * pragma("page_size") };
    },
    end: async () => {
      for (const each of open) each.close();
      rmSync(folder, { recursive: true });
    },
  };
}

/** Runs for every session, ten at a time. */
async function each(sessions: number, run: (i: number) => Promise<unknown>): Promise<void> {
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < sessions) await run(next++);
  };
  await Promise.all(Array.from({ length: 10 }, worker));
}

// As the manager makes them: name, colon, 24 characters.
const keys = Array.from(
  { length: count },
  () => `__Host-Http-session:${randomBytes(18).toString("base64url")}`,
);
const rows: object[] = [];
const engines = { postgres, mariadb, sqlite };
for (const [name, start] of Object.entries(engines)) {
  if (process.argv[3] !== undefined && process.argv[3] !== name) continue;
  const engine = await start();
  for (const size of sizes) {
    // Of the largest, a few show it.
    const sessions = size > 10_000 ? Math.ceil(count / 10) : count;
    const { store, bytes } = await engine.make(`sized_${size}`);
    await each(sessions, async (i) =>
      store.create(keys[i] ?? "", {
        digest,
        data: randomBytes(size),
        lifetime: hour,
        idle: hour / 2,
      }),
    );
    const fresh = (await bytes()) / sessions;
    for (let version = 1; version <= 5; version++) {
      const data = randomBytes(size);
      await each(sessions, async (i) => store.update(keys[i] ?? "", { version, digest, data }));
    }
    const changed = (await bytes()) / sessions;
    rows.push({
      engine: engine.name,
      "bytes of data": size,
      fresh: Math.round(fresh),
      "changed 5 times": Math.round(changed),
    });
  }
  await engine.end();
}
console.table(rows);
