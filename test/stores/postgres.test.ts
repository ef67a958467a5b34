import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import type { UpdateResult } from "../../src/store.ts";
import {
  type PgClient,
  type PGliteClient,
  type PostgresClient,
  type PostgresJsClient,
  postgresSchema,
  PostgresStore,
  type PostgresStoreOptions,
} from "../../src/stores/postgres.ts";
import { startPostgres } from "../servers/postgres.ts";
import { postgres as server } from "../servers/sharedServers.ts";
import { driver, version } from "./drivers.ts";
import {
  digest,
  hour,
  named,
  record,
  refused,
  sleep,
  sqlTests,
  suite,
  testedSql,
  until,
} from "./engines.ts";

interface PgPool extends PgClient {
  on(event: "error", listener: () => void): unknown;
  end(): Promise<void>;
}
interface Pg {
  readonly default: {
    readonly Pool: new (options: object) => PgPool;
    readonly Client: new (options: object) => PgPool;
  };
}
type Postgres = (url: string, options: object) => PostgresJsClient & { end(): Promise<void> };
interface Lite {
  readonly PGlite: new () => PGliteClient & { close(): Promise<void> };
}

const { url } = await server();
const { default: pg } = await driver<Pg>("pg");
const { default: postgresJs } = await driver<{ readonly default: Postgres }>("postgres");
const { PGlite } = await driver<Lite>("@electric-sql/pglite");

const pool = new pg.Pool({ connectionString: url, max: 10 });
const raw = new pg.Client({ connectionString: url });
await raw.connect();
const [shown] = (await raw.query({ text: "SHOW server_version", values: [] })).rows as [
  { server_version: string },
];
const release = `PostgreSQL ${shown.server_version.split(" ", 1)[0] ?? ""}`;
const sql = postgresJs(url, { max: 10, onnotice: () => {} });
const strict = new pg.Pool({
  connectionString: url,
  max: 10,
  options: "-c default_transaction_isolation=serializable",
});
const lite = new PGlite();

// A server that this file has started stops before these end.
for (const each of [pool, raw, strict]) each.on("error", () => {});
after(async () => {
  await Promise.allSettled([pool.end(), raw.end(), sql.end(), strict.end(), lite.close()]);
});

const table = named("sessions");

// The table and the connections, before tests count seconds.
async function ready(client: PostgresClient): Promise<void> {
  const store = new PostgresStore(client, { table });
  await store.setUp();
  await Promise.all(Array.from({ length: 10 }, () => store.load("a")));
  store.close();
}

// Before the first test: tests start while this module still waits, and PGlite compiles for seconds.
for (const client of [pool, sql, lite, strict]) await ready(client);

function engine(
  title: string,
  client: PostgresClient,
  options: PostgresStoreOptions = {},
  whole?: boolean,
): void {
  const create = async (): Promise<{ store: PostgresStore; close(): void }> => {
    const store = new PostgresStore(client, { table, ...options });
    return { store, close: () => store.close() };
  };
  const on = { what: "PostgresStore", with: title, version: client === lite ? "" : release };
  suite(client === lite ? title : `${release}, ${title}`, on, create, whole);
}

engine(version("pg"), pool, {}, true);
engine(version("postgres"), sql);
engine(`PGlite, ${version("@electric-sql/pglite")}`, lite);
engine("pg, nothing prepared", pool, { prepare: false });
engine("postgres, nothing prepared", sql, { prepare: false });
engine("pg, SERIALIZABLE", strict);
const withPg = { what: "PostgresStore", with: version("pg"), version: release };
testedSql(release, withPg, "PostgresStore");

const rows = async (text: string): Promise<readonly Readonly<Record<string, unknown>>[]> =>
  (await raw.query({ text, values: [] })).rows as Record<string, unknown>[];

sqlTests({
  name: release,
  make: (options = {}) => new PostgresStore(pool, { table, ...options }),
  raw: rows,
  quote: (name) => `"${name.replaceAll('"', '""')}"`,
  strangers: [
    { query: () => {}, connect: () => {}, execute: () => {} }, // a connection of mysql2
    { prepare: () => {}, exec: () => {} },
    { query: () => {} },
  ],
  over: (client) => new PostgresStore(client as PostgresClient),
});

/** Starts the operation while another transaction holds the record, and lets go after `ms`. */
async function behind<T>(key: string, ms: number, lock: string, run: () => Promise<T>): Promise<T> {
  await rows("BEGIN");
  await rows(
    `${lock.replace("{table}", table)} '${key}'${lock.startsWith("SELECT") ? " FOR UPDATE" : ""}`,
  );
  const result = run();
  await sleep(ms);
  await rows("COMMIT");
  return await result;
}

describe("PostgresStore", () => {
  const store = new PostgresStore(pool, { table });
  const change = { version: 1, digest, data: Uint8Array.of(9) };
  after(() => store.close());

  it("a conflict that waited for the winner returns what the winner wrote", async () => {
    const key = named();
    await store.create(key, record(hour, hour));
    const win = "UPDATE {table} SET version = version + 1, data = '\\x0707' WHERE id =";
    const result: UpdateResult = await behind(key, 400, win, () => store.update(key, change));
    assert.equal(result.done, false);
    assert.equal(result.done ? 0 : result.record?.version, 2);
    assert.deepEqual(result.done ? 0 : result.record?.data, Uint8Array.of(7, 7));
  });

  it("an update that waited for a logout finds nothing", async () => {
    const key = named();
    await store.create(key, record());
    const result = await behind(key, 400, "DELETE FROM {table} WHERE id =", () =>
      store.update(key, change),
    );
    assert.deepEqual(result, { done: false, record: undefined });
  });

  it("a write that waited until the record had ended does not bring it back", async () => {
    const key = named();
    await store.create(key, record(hour, 1000));
    const lock = "SELECT 1 FROM {table} WHERE id =";
    const [updated, touched] = await behind(key, 1600, lock, () =>
      Promise.all([
        store.update(key, { ...change, idle: hour, lifetime: hour }),
        store.touch(key, digest, hour),
      ]),
    );
    assert.deepEqual(updated, { done: false, record: undefined });
    assert.equal(touched, false);
    assert.equal(await store.load(key), undefined);
  });

  it("what begins together waits for no row that another transaction holds, but its own", async () => {
    const keys = Array.from({ length: 6 }, () => named());
    for (const key of keys) await store.create(key, record(hour, hour));
    const [held = "", ...others] = keys;
    const ended: string[] = [];
    const update = async (key: string): Promise<boolean> => {
      const { done } = await store.update(key, change);
      ended.push(key);
      return done;
    };
    await rows("BEGIN");
    await rows(`SELECT 1 FROM ${table} WHERE id = '${held}' FOR UPDATE`);
    const all = Promise.all(keys.map(update));
    try {
      await until("the others are done", async () => ended.length === others.length);
      assert.ok(!ended.includes(held));
    } finally {
      await rows("COMMIT");
    }
    assert.deepEqual(await all, [true, true, true, true, true, true]);
    for (const key of keys) assert.equal((await store.load(key))?.version, 2);
  });

  it("a row that a hand has filled stops no other", async () => {
    const keys = Array.from({ length: 6 }, () => named());
    for (const key of keys) await store.create(key, record(hour, hour));
    // The next version does not fit in the column.
    await rows(`UPDATE ${table} SET version = 2147483647 WHERE id = '${keys[2]}'`);
    const outcomes = await Promise.allSettled(
      keys.map((key, i) =>
        store.update(key, { ...change, version: i === 2 ? 2_147_483_647 : 1, idle: hour }),
      ),
    );
    assert.deepEqual(
      outcomes.map(({ status }) => status),
      keys.map((_, i) => (i === 2 ? "rejected" : "fulfilled")),
    );
    for (const [i, key] of keys.entries()) {
      if (i !== 2) assert.equal((await store.load(key))?.version, 2);
    }
  });

  it("what fills a shared statement up brings no rows", async () => {
    const keys = [named(), named(), named()];
    for (const key of keys) await store.create(key, record(hour));
    const returned: number[] = [];
    const client: PgClient = {
      connect: async () => {},
      query: async (config: string | { text: string; values: unknown[] }) => {
        if (typeof config === "string") throw new Error("no scripts");
        const { text, values } = config;
        const result = (await pool.query({ text, values })) as { rows: unknown[] };
        returned.push(result.rows.length);
        return result;
      },
    };
    const counted = new PostgresStore(client, { table, sweepInterval: false });
    const found = await Promise.all(keys.map((key) => counted.load(key)));
    assert.deepEqual(
      found.map((each) => each?.key),
      keys,
    );
    assert.deepEqual(returned, [3]);
  });

  it("a server that does not know the shared statements gets single ones", async () => {
    const texts: string[] = [];
    const client: PgClient = {
      connect: async () => {},
      query: async (config: string | { text: string; values: unknown[] }) => {
        if (typeof config === "string") throw new Error("no scripts");
        texts.push(config.text);
        const unknown = config.text.includes("SKIP LOCKED");
        if (unknown) throw Object.assign(new Error("unimplemented"), { code: "0A000" });
        return (await pool.query({ text: config.text, values: config.values })) as {
          rows: unknown[];
        };
      },
    };
    const other = new PostgresStore(client, { table, sweepInterval: false });
    const keys = [named(), named()];
    for (let round = 1; round <= 2; round++) {
      if (round === 1) await Promise.all(keys.map((key) => other.create(key, record(hour))));
      const next = { ...change, version: round };
      const results = await Promise.all(keys.map((key) => other.update(key, next)));
      assert.deepEqual(results, [{ done: true }, { done: true }]);
    }
    assert.equal(texts.filter((each) => each.includes("SKIP LOCKED")).length, 1);
    assert.equal(texts.filter((each) => each.startsWith("WITH held")).length, 4);
  });

  // Before PostgreSQL 15, another process gathered the counts, some time later.
  const counted = Number.parseInt(release.split(" ")[1] ?? "0", 10) >= 15;
  if (!counted) console.log(`${release}: operations are not counted, only from PostgreSQL 15 on`);
  const ifCounted = (title: string, body: () => Promise<void>): void => {
    if (counted) void it(title, body);
  };
  ifCounted(
    "every operation is one transaction by the server's count, and eight that begin together are",
    async () => {
      const name = named("count");
      await rows(`CREATE DATABASE ${name}`);
      const alone = new URL(url);
      alone.pathname = name;
      const client = new pg.Client({ connectionString: alone.href });
      await client.connect();
      const counted = new PostgresStore(client, { sweepInterval: false });
      const apiece = new PostgresStore(client, { sweepInterval: false, batch: false });
      await counted.setUp();
      const count = async (): Promise<number> => {
        await client.query({ text: "SELECT pg_stat_force_next_flush()", values: [] });
        const text = "SELECT xact_commit::int AS n FROM pg_stat_database WHERE datname = $1";
        const [row] = (await client.query({ text, values: [name] })).rows as [{ n: number }];
        return row.n;
      };
      await count();
      const before = await count();
      const apart = (await count()) - before;
      const start = await count();
      const each = 20;
      for (let i = 0; i < each; i++) {
        const key = named();
        assert.equal(await counted.create(key, record(hour, hour)), true);
        assert.equal((await counted.load(key))?.version, 1);
        assert.equal((await counted.update(key, change)).done, true);
        const lost = await counted.update(key, change);
        assert.equal(lost.done ? 0 : lost.record?.version, 2);
        assert.equal(await counted.touch(key, digest, hour), true);
        await counted.destroy(key);
      }
      const seen = (await count()) - start - apart;
      // Autovacuum's own transactions count too.
      assert.ok(seen >= 6 * each && seen < 6 * each + 5, `${seen} for ${6 * each} operations`);
      const together = async (store: PostgresStore): Promise<number> => {
        const keys = Array.from({ length: 8 }, () => named());
        const begun = await count();
        await Promise.all(keys.map((key) => store.create(key, record(hour, hour))));
        await Promise.all(keys.map((key) => store.load(key)));
        await Promise.all(keys.map((key) => store.update(key, change)));
        return (await count()) - begun - apart;
      };
      const [shared, single] = [await together(counted), await together(apiece)];
      assert.ok(shared >= 3 && shared < 8, `${shared} for three times eight operations`);
      assert.ok(single >= 24, `${single} for 24 operations that share nothing`);
      await client.end();
      await rows(`DROP DATABASE ${name}`);
    },
  );

  ifCounted("touches are HOT: they write no index", async () => {
    // In a database of its own: what a transaction next to it may still see is in the way of HOT.
    const name = named("hot");
    await rows(`CREATE DATABASE ${name}`);
    const alone = new URL(url);
    alone.pathname = name;
    // One connection, which can be told to publish what it counted.
    const client = new pg.Client({ connectionString: alone.href });
    await client.connect();
    const own = new PostgresStore(client, { table: name, sweepInterval: false });
    await own.setUp();
    for (let i = 0; i < 50; i++) {
      await own.create(`k${i}`, record(hour, hour / 2));
      for (let n = 1; n <= 4; n++) await own.touch(`k${i}`, digest, hour / 2 + n);
    }
    const text = `SELECT n_tup_upd::int AS all, n_tup_hot_upd::int AS hot FROM pg_stat_user_tables WHERE relname = '${name}'`;
    await client.query({ text: "SELECT pg_stat_force_next_flush()", values: [] });
    const [seen] = (await client.query({ text, values: [] })).rows as [
      { all: number; hot: number },
    ];
    await client.end();
    await rows(`DROP DATABASE ${name}`);
    assert.equal(seen.all, 200);
    assert.ok(seen.hot >= 190, `${seen.hot} of 200`);
  });

  it("works with the least grants of the documentation, where setUp creates nothing", async () => {
    const [role, name] = [named("role"), named("least")];
    await rows(postgresSchema({ table: name }));
    await rows(`CREATE ROLE ${role} LOGIN`);
    await rows(`GRANT SELECT, INSERT, UPDATE, DELETE ON ${name} TO ${role}`);
    const login = new URL(url);
    login.username = role;
    const client = new pg.Pool({ connectionString: login.href, max: 2 });
    const least = new PostgresStore(client, { table: name });
    await least.setUp();
    await least.check();
    assert.equal(await least.create("a", record()), true);
    assert.equal((await least.update("a", change)).done, true);
    assert.equal(await least.touch("a", digest, 1), true);
    await least.destroy("a");
    least.close();
    for (const right of ["SELECT", "INSERT", "UPDATE", "DELETE"]) {
      await rows(`REVOKE ${right} ON ${name} FROM ${role}`);
      await assert.rejects(least.check(), refused("store-failed", /permission denied/), right);
      await rows(`GRANT ${right} ON ${name} TO ${role}`);
    }
    await least.check();
    const absent = new PostgresStore(client, { table: `${name}_absent` });
    // Before PostgreSQL 15 everybody could.
    await rows("REVOKE CREATE ON SCHEMA public FROM PUBLIC");
    await assert.rejects(
      absent.setUp(),
      refused("store-failed", /could not be created: permission denied for schema public/),
    );
    // What a copy of the data alone makes of it.
    await rows(`ALTER TABLE ${name} DROP CONSTRAINT ${name}_pkey`);
    await assert.rejects(least.check(), refused("store-failed", /ON CONFLICT/));
    await client.end();
    await rows(`DROP TABLE ${name}`);
    await rows(`DROP ROLE ${role}`);
  });

  it("check refuses a connection that cannot write", async () => {
    const frozen = new pg.Pool({
      connectionString: url,
      max: 1,
      options: "-c default_transaction_read_only=on",
    });
    const reading = new PostgresStore(frozen, { table });
    await assert.rejects(reading.check(), refused("store-failed", /read-only transaction/));
    reading.close();
    await frozen.end();
  });

  it("check refuses a replica", async () => {
    const own = await startPostgres({ own: true });
    try {
      const client = new pg.Pool({ connectionString: own.url, max: 1 });
      client.on("error", () => {});
      const primary = new PostgresStore(client);
      await primary.setUp();
      await primary.check();
      // What a standby is: a server that replays, here nothing.
      await writeFile(join(own.folder, "data", "standby.signal"), "");
      // Rejects when the server stops below: it never takes writes, which `restart` waits for.
      own.restart().catch(() => {});
      let said = "";
      await until("the replica answers", async () => {
        const error: unknown = await primary.check().catch((caught: unknown) => caught);
        if (error instanceof Error) said = error.message;
        return said.includes("replica");
      });
      assert.equal(said, "PostgreSQL cannot keep sessions: it is a replica");
      primary.close();
      await client.end();
    } finally {
      await own.stop();
    }
  });

  it("a schema of its own", async () => {
    const schema = named("schema");
    await rows(`CREATE SCHEMA ${schema}`);
    const own = new PostgresStore(sql, { schema, table: "Sessions" });
    await own.setUp();
    await own.check();
    await own.create("a", record());
    assert.equal((await rows(`SELECT id FROM ${schema}."Sessions"`)).length, 1);
    own.close();
    await rows(`DROP SCHEMA ${schema} CASCADE`);
  });
});
