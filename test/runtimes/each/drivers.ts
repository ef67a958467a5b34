// Every driver on the runtime that runs this file: the operations of its engine, through the public
// suite, as far as they need no waiting; with SCS_WHOLE=1 all of it. The servers' addresses are given.
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import type { Store } from "../../../src/store.ts";
import { type MySQLClient, MySQLStore } from "../../../src/stores/mysql.ts";
import { type PostgresClient, PostgresStore } from "../../../src/stores/postgres.ts";
import { RedisStore } from "../../../src/stores/redis.ts";
import { storeSuite } from "../../../src/testing/store.ts";
import { driver, version } from "../../stores/drivers.ts";
import { standalone, version as redisVersion } from "../../stores/redis-drivers/clients.ts";

interface Client {
  end(): unknown;
}
type Pool = new (
  options: object,
) => PostgresClient & Client & { on(event: "error", f: () => void): void };

/** A table and keys of this process's own. */
const own = `runtime_${process.pid}_${Math.random().toString(36).slice(2, 8)}`;

function given(name: string): URL {
  return new URL(process.env[name] ?? "");
}

function mysqlOptions(): object {
  const { hostname: host, port, username: user, password, pathname } = given("SCS_MARIADB");
  return {
    host,
    port: Number(port),
    user,
    password,
    database: pathname.slice(1),
    connectionLimit: 10,
  };
}

interface Open {
  readonly store: Store & { setUp?(): Promise<void> };
  end(): unknown;
}

/** By the driver: how it connects, and the engine on it. */
const engines: Readonly<Record<string, () => Promise<Open>>> = {
  async pg() {
    const module = await driver<{ readonly default: { readonly Pool: Pool } }>("pg");
    const pool = new module.default.Pool({ connectionString: given("SCS_POSTGRES").href, max: 10 });
    pool.on("error", () => {});
    return { store: new PostgresStore(pool, { table: `${own}_pg` }), end: () => pool.end() };
  },
  async postgres() {
    type Connect = (url: string, options: object) => PostgresClient & Client;
    const module = await driver<{ readonly default: Connect }>("postgres");
    const sql = module.default(given("SCS_POSTGRES").href, { max: 10, onnotice: () => {} });
    return { store: new PostgresStore(sql, { table: `${own}_postgres` }), end: () => sql.end() };
  },
  async mysql2() {
    type MySQL2 = { createPool(options: object): MySQLClient & Client };
    const module = await driver<{ readonly default: MySQL2 }>("mysql2/promise");
    const pool = module.default.createPool(mysqlOptions());
    return { store: new MySQLStore(pool, { table: `${own}_mysql2` }), end: () => pool.end() };
  },
  async mariadb() {
    type MariaDB = { createPool(options: object): MySQLClient & Client };
    const module = await driver<{ readonly default: MariaDB }>("mariadb");
    const pool = module.default.createPool(mysqlOptions());
    return { store: new MySQLStore(pool, { table: `${own}_mariadb` }), end: () => pool.end() };
  },
  redis: () => redis("redis"),
  ioredis: () => redis("ioredis"),
  iovalkey: () => redis("iovalkey"),
};

async function redis(name: string): Promise<Open> {
  const { hostname: host, port } = given("SCS_REDIS");
  const connect = standalone[name] as NonNullable<(typeof standalone)[string]>;
  const { client, end } = await connect({ host, port: Number(port) });
  return { store: new RedisStore(client, { prefix: `${own}_${name}:` }), end };
}

const whole = process.env["SCS_WHOLE"] === "1";
/** What needs no waiting for the end of a session. */
const quick =
  /^(create (stores|only)|update (with|never|moves|clamps)|touch (moves|is|requires)|destroy|bytes|digests|keys|iterate (returns|takes)|concurrent|check|G[1-4]: (?!.*(expire|moment)))/;

const only = process.env["SCS_DRIVER"];
for (const [name, open] of Object.entries(engines)) {
  if (only !== undefined && only !== name) continue;
  let opened: Open | undefined;
  let registered = 0;
  const release = name in standalone ? redisVersion(name) : version(name);
  describe(release, () => {
    before(async () => {
      opened = await open();
      await opened.store.setUp?.();
    });
    after(async () => {
      await opened?.store.close?.();
      await opened?.end();
    });
    storeSuite({
      describe: (_title, body) => body(),
      it: (title, body) => {
        if (!whole && !quick.test(title)) return;
        registered++;
        void it(title, body);
      },
      create: async () => {
        assert.ok(opened, "the client is connected");
        return { store: opened.store };
      },
    });
    it("the suite ran", () => assert.ok(registered >= (whole ? 80 : 40), `${registered}`));
  });
}
