// Whether many sessions make each one dearer in PostgreSQL: `node bench/scale.ts [rows ...]`, by
// default 10 000, 100 000, 1 000 000 and 5 000 000, until ten minutes are over. For each number of
// rows: reads and changes per second and their percentiles, four at a time, in random order; then
// whether removal of what has ended keeps up with creation as fast as four writers can. A private
// server, stopped at the end; its data are thrown away.
import { createRequire } from "node:module";
import { type PostgresClient, postgresSchema, PostgresStore } from "../src/stores/postgres.ts";
import { startPostgres } from "../test/servers/postgres.ts";
import { keep } from "./results.ts";
import { quantile, round, table as format } from "./statistics.ts";

interface Pool {
  query(text: string, values?: unknown[]): Promise<{ rows: Record<string, unknown>[] }>;
  end(): Promise<void>;
}
const { Pool } = createRequire(import.meta.url)("pg") as {
  Pool: new (options: { connectionString: string; max: number }) => Pool;
};

const hour = 3_600_000;
const digest = new Uint8Array(32).fill(7);
const data = new Uint8Array(200).fill(1);
const given = process.argv.slice(2).map(Number);
const counts = given.length > 0 ? given : [10_000, 100_000, 1_000_000, 5_000_000];
const budget = 600_000;
const began = performance.now();

const server = await startPostgres();
const pool = new Pool({ connectionString: server.url, max: 4 });
const client = pool as unknown as PostgresClient;

/** Four at a time for some seconds. */
async function load(seconds: number, run: (i: number) => Promise<unknown>): Promise<Load> {
  const times: number[] = [];
  const until = performance.now() + seconds * 1000;
  const cpu = process.cpuUsage();
  let next = 0;
  const worker = async (): Promise<void> => {
    while (performance.now() < until) {
      const start = performance.now();
      await run(next++);
      times.push(performance.now() - start);
    }
  };
  await Promise.all([worker(), worker(), worker(), worker()]);
  const { user, system } = process.cpuUsage(cpu);
  return {
    perSecond: Math.round(times.length / seconds),
    p50: round(quantile(times, 0.5)),
    p99: round(quantile(times, 0.99)),
    cpu: round((user + system) / times.length),
  };
}

interface Load {
  readonly perSecond: number;
  /** Milliseconds. */
  readonly p50: number;
  readonly p99: number;
  /** Client CPU, microseconds. */
  readonly cpu: number;
}

const number = async (text: string): Promise<number> =>
  Number((await pool.query(text)).rows[0]?.["n"]);

const results: object[] = [];
const rows = [["rows", "reads/s", "p50 ms", "p99 ms", "changes/s", "p50 ms", "p99 ms", "MB"]];
try {
  await pool.query(postgresSchema({ table: "scale" }));
  let have = 0;
  for (const count of counts) {
    const start = performance.now();
    // In steps, so that the time can be looked at.
    while (have < count && performance.now() - began < budget) {
      const to = Math.min(count, have + 250_000);
      await pool.query(
        "INSERT INTO scale SELECT 'bench:' || i, 1, decode(repeat('07', 32), 'hex'), " +
          "decode(repeat('01', 200), 'hex'), now(), now() + interval '1 day', now() + interval '1 hour' " +
          `FROM generate_series(${have + 1}, ${to}) i`,
      );
      have = to;
    }
    if (have < count) {
      console.log(`${count} rows: not within ten minutes; stopped at ${have}`);
      break;
    }
    await pool.query("VACUUM ANALYZE scale");
    await pool.query("CHECKPOINT");
    const filled = round((performance.now() - start) / 1000);
    const store = new PostgresStore(client, { table: "scale", sweepInterval: false });
    const any = (): string => `bench:${1 + Math.floor(Math.random() * count)}`;
    await load(2, async () => store.load(any())); // plans and caches
    const reads = await load(5, async () => store.load(any()));
    const changes = await load(5, async () => {
      const key = any();
      const record = await store.load(key);
      if (record === undefined) throw new Error("a session is missing");
      await store.update(key, { version: record.version, digest, data, idle: hour });
    });
    const size = Math.round(
      (await number("SELECT pg_total_relation_size('scale')::float8 AS n")) / 1e6,
    );
    results.push({ count, reads, changes, megabytes: size, filledInSeconds: filled });
    rows.push([
      String(count),
      ...[reads.perSecond, reads.p50, reads.p99, changes.perSecond, changes.p50, changes.p99].map(
        String,
      ),
      String(size),
    ]);
  }
  console.log(format(rows));

  // Everything that is made here ends after a second; the sweeper runs as it does by itself.
  await pool.query(postgresSchema({ table: "ending" }));
  const store = new PostgresStore(client, { table: "ending", sweepInterval: 1000 });
  const stamp = Math.random();
  const ended = "SELECT count(*)::float8 AS n FROM ending WHERE idle <= now()";
  const curve: { second: number; ended: number }[] = [];
  const watch = setInterval(() => {
    const second = round((performance.now() - from) / 1000);
    number(ended).then(
      (n) => curve.push({ second, ended: n }),
      () => {},
    );
  }, 2000);
  const from = performance.now();
  const creates = await load(20, async (i) =>
    store.create(`new:${stamp}:${i}`, { digest, data, lifetime: hour, idle: 1000 }),
  );
  clearInterval(watch);
  const left: number[] = [];
  for (let i = 0; i < 10 && (await number(ended)) > 0; i++) {
    left.push(await number(ended));
    await new Promise((resolve) => setTimeout(resolve, 1000));
  }
  store.close();
  console.log(
    `\ncreation at ${creates.perSecond}/s for 20 s; ended and not removed yet, over time:`,
  );
  console.log(curve.map((point) => `${point.second} s: ${point.ended}`).join(", "));
  console.log(`after the last one, second by second: ${left.join(", ")}, ${await number(ended)}`);
  keep("scale", { results, removal: { createsPerSecond: creates.perSecond, curve, left } });
} finally {
  await pool.end();
  await server.stop();
}
