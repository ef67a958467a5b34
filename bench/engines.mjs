// Clients for the servers that the benchmark was given, one of each kind in a process.
// By hand: `node test/servers/run.ts bench/worker.ts "scs-session@node:http+redis" "read, 100 B"`.
const shared = { redis: "REDIS", postgres: "POSTGRES", mysql: "MARIADB" };

const url = (name) => {
  const value =
    process.env[`SCS_BENCH_${name.toUpperCase()}`] || process.env[`SCS_SHARED_${shared[name]}`];
  if (!value) throw new Error(`no ${name} server`);
  return value;
};

const make = {
  async redis() {
    const { createClient } = await import("redis");
    const client = createClient({ url: url("redis") });
    await client.connect();
    return client;
  },
  async postgres() {
    const { default: pg } = await import("pg");
    // A worker waits longer for its turn than pools keep what is idle; on a busy server nothing is.
    return new pg.Pool({ connectionString: url("postgres"), max: 10, idleTimeoutMillis: 0 });
  },
  async mysql() {
    const { createPool } = await import("mysql2/promise");
    return createPool({ uri: url("mysql"), connectionLimit: 10 });
  },
};

const made = {};

/** The process's one client of each kind. */
export const connect = Object.fromEntries(
  Object.keys(make).map((kind) => [kind, () => (made[kind] ??= make[kind]())]),
);

/** Ends them, before the servers stop. */
export async function end() {
  for (const [kind, client] of Object.entries(made)) {
    if (kind === "redis") (await client).destroy();
    else await (await client).end();
  }
}
