// What an engine costs over its driver, without HTTP: CPU us per call, the quietest tenth of the rounds.
// `node test/servers/run.ts bench/micro/drivers.ts [calls at a time, 8 unless told]`.
import { randomBytes } from "node:crypto";
import { PostgresStore, type PostgresClient } from "../../src/stores/postgres.ts";
import { type RedisClient, RedisStore } from "../../src/stores/redis.ts";
import type { Store } from "../../src/store.ts";
import { quantile, round, table } from "../statistics.ts";

interface Redis {
  sendCommand(args: readonly (string | Uint8Array)[], options?: object): Promise<unknown>;
  destroy(): void;
}
interface Pool {
  query(query: string | { name: string; text: string; values: unknown[] }): Promise<unknown>;
  end(): Promise<void>;
}
interface Clients {
  readonly connect: { redis(): Promise<Redis>; postgres(): Promise<Pool> };
}
const { connect } = (await import(new URL("../engines.mjs", import.meta.url).href)) as Clients;

type Calls = Record<string, (at: number) => Promise<unknown>>;

const digest = new Uint8Array(randomBytes(32));
const data = new Uint8Array(randomBytes(130));
const together = Number(process.argv[2] ?? 8);
const ids = Array.from({ length: together }, () => randomBytes(18).toString("base64url"));

/** Sessions of an engine, read and changed. */
async function through(store: Store): Promise<Calls> {
  const versions: number[] = [];
  for (const id of ids) {
    await store.create(id, { digest, data, lifetime: 3_600_000, idle: 1_200_000 });
    versions.push(1);
  }
  return {
    load: async (at) => store.load(ids[at] ?? ""),
    update: async (at) => {
      const version = versions[at] ?? 0;
      versions[at] = version + 1;
      const change = { version, digest, data };
      const { done } = await store.update(ids[at] ?? "", change);
      if (!done) throw new Error("not stored");
    },
  };
}

async function compare(calls: Calls): Promise<void> {
  const run = (call: Calls[string], count: number): Promise<unknown> =>
    Promise.all(
      ids.map(async (_, at) => {
        for (let i = 0; i < count; i++) {
          await call(at);
          await new Promise((resolve) => setImmediate(resolve));
        }
      }),
    );
  const costs = new Map(Object.keys(calls).map((name) => [name, [] as number[]]));
  const rounds = Math.ceil(1200 / ids.length);
  for (const call of Object.values(calls)) await run(call, 4 * rounds);
  for (let n = 0; n < 30; n++) {
    for (const [name, call] of Object.entries(calls)) {
      const before = process.cpuUsage();
      await run(call, rounds);
      const { user, system } = process.cpuUsage(before);
      costs.get(name)?.push((user + system) / (rounds * ids.length));
    }
  }
  const lines = [...costs].map(([name, values]) => [name, String(round(quantile(values, 0.1)))]);
  console.log(`${table([[`CPU us per call, ${together} at a time`, ""], ...lines])}\n`);
}

const redis = await connect.redis();
const bytes = { typeMapping: { 36: Buffer } };
const { signal } = new AbortController();
const get = (options: object) => (at: number) =>
  redis.sendCommand(["get", `raw:${ids[at]}`], options);
const own = await through(new RedisStore(redis as unknown as RedisClient));
await compare({
  "node-redis, SET": (at) => redis.sendCommand(["set", `raw:${ids[at]}`, Buffer.from(data)]),
  "node-redis, GET: a timer for each": get(bytes),
  "node-redis, GET: no bound": get({ ...bytes, timeout: undefined }),
  "node-redis, GET: one signal for all": get({ ...bytes, timeout: undefined, abortSignal: signal }),
  "RedisStore, load": own["load"] as Calls[string],
  "RedisStore, update": own["update"] as Calls[string],
});
redis.destroy();

const pool = await connect.postgres();
const store = new PostgresStore(pool as unknown as PostgresClient, { sweepInterval: false });
await store.setUp();
await pool.query("CREATE TABLE IF NOT EXISTS raw (id text PRIMARY KEY, data bytea NOT NULL)");
const named = (name: string, text: string, values: (at: number) => unknown[]) => (at: number) =>
  pool.query({ name, text, values: values(at) });
const one = (at: number): unknown[] => [ids[at]];
const rows = await through(store);
await compare({
  "pg, INSERT ... ON CONFLICT": named(
    "write",
    "INSERT INTO raw VALUES ($1, $2) ON CONFLICT (id) DO UPDATE SET data = excluded.data",
    (at) => [ids[at], data],
  ),
  "pg, SELECT of one column": named("one", "SELECT data FROM raw WHERE id = $1", one),
  "pg, SELECT of all seven": named("all", "SELECT * FROM scs_sessions WHERE id = $1", one),
  "PostgresStore, load": rows["load"] as Calls[string],
  "PostgresStore, update": rows["update"] as Calls[string],
});
await pool.end();
process.exit(0);
