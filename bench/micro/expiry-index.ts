// What an index on an expiry costs: `node bench/micro/expiry-index.ts [sessions]`, 200 000 when not
// said. On a PostgreSQL of its own. (What removing expired records without one costs: removal.ts.)
//
// Touches and creates per second, and bytes of write-ahead log for each, with no index beside the
// primary key, with one on `deadline`, and with one on `idle`.
import { PostgresStore, postgresSchema } from "../../src/stores/postgres.ts";
import { startPostgres } from "../../test/servers/postgres.ts";
import { driver } from "../../test/stores/drivers.ts";

interface Pool {
  query(text: string | { text: string; values: unknown[] }): Promise<{ rows: never[] }>;
  connect(): Promise<unknown>;
  end(): Promise<void>;
}

const count = Number(process.argv[2] ?? 200_000);
const hour = 3_600_000;
const digest = new Uint8Array(32).fill(7);

const server = await startPostgres({ own: true });
type Pg = { default: { Pool: new (options: object) => Pool } };
const { default: pg } = await driver<Pg>("pg");
const pool = new pg.Pool({ connectionString: server.url, max: 4 });

async function one(text: string): Promise<Record<string, number>> {
  const [row] = (await pool.query(text)).rows as Record<string, number>[];
  return row ?? {};
}

/** Sessions of 200 bytes. */
async function fill(table: string): Promise<void> {
  await pool.query(postgresSchema({ table }));
  await pool.query(
    `INSERT INTO ${table} SELECT 'bench:' || md5(i::text), 1, decode(repeat('07', 32), 'hex'), ` +
      "decode(repeat(md5(i::text), 12) || repeat('00', 8), 'hex'), now(), now() + interval '1 day', " +
      "now() + interval '1 hour' " +
      `FROM generate_series(1, ${count}) i`,
  );
}

async function keysOf(table: string): Promise<string[]> {
  const text = `SELECT id FROM ${table} WHERE idle > now() ORDER BY random() LIMIT 20000`;
  return (await pool.query(text)).rows.map((row: { id: string }) => row.id);
}

/** Runs four at a time for some seconds; how often, and the slowest percentiles in ms. */
async function load(
  seconds: number,
  run: (i: number) => Promise<unknown>,
): Promise<{ n: number; rate: number; p50: number; p99: number; max: number }> {
  const times: number[] = [];
  const until = performance.now() + seconds * 1000;
  let i = 0;
  const worker = async (): Promise<void> => {
    while (performance.now() < until) {
      const start = performance.now();
      await run(i++);
      times.push(performance.now() - start);
    }
  };
  await Promise.all([worker(), worker(), worker(), worker()]);
  times.sort((a, b) => a - b);
  const at = (q: number): number => Number((times[Math.floor(times.length * q)] ?? 0).toFixed(2));
  const n = times.length;
  return { n, rate: Math.round(n / seconds), p50: at(0.5), p99: at(0.99), max: at(0.99999) };
}

const wal = async (): Promise<number> =>
  Number((await one("SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::float8 AS n"))["n"]);

const designs = {
  "primary key only": undefined,
  "index on deadline": "deadline",
  "index on idle": "idle",
};
const results: object[] = [];
for (const [design, column] of Object.entries(designs)) {
  const table = `touch_${column ?? "none"}`;
  await fill(table);
  if (column !== undefined) await pool.query(`CREATE INDEX ON ${table} (${column})`);
  await pool.query(`VACUUM ANALYZE ${table}`);
  await pool.query("CHECKPOINT");
  const store = new PostgresStore(pool, { table, sweepInterval: false });
  const keys = await keysOf(table);
  const before = await wal();
  const touches = await load(5, (i) =>
    store.touch(keys[i % keys.length] ?? "", digest, hour + 2 * i),
  );
  const between = await wal();
  const data = new Uint8Array(200);
  const creates = await load(3, (i) =>
    store.create(`new:${i}:${Math.random()}`, { digest, data, lifetime: 24 * hour, idle: hour }),
  );
  const after = await wal();
  const { hot, size, indexes } = await one(
    `SELECT 100.0 * n_tup_hot_upd / n_tup_upd AS hot, pg_table_size(relid)::float8 AS size, ` +
      `pg_indexes_size(relid)::float8 AS indexes FROM pg_stat_user_tables WHERE relname = '${table}'`,
  );
  results.push({
    design,
    "touches/s": touches.rate,
    "WAL B/touch": Math.round((between - before) / touches.n),
    "HOT %": Math.round(Number(hot)),
    "creates/s": creates.rate,
    "WAL B/create": Math.round((after - between) / creates.n),
    "table MB": Math.round(Number(size) / 1e6),
    "indexes MB": Math.round(Number(indexes) / 1e6),
  });
  await pool.query(`DROP TABLE ${table}`);
}
console.table(results);

await pool.end();
await server.stop();
