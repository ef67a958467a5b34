// Engines behind TLS, with a certificate that is checked. PostgreSQL and MariaDB with SCS_FULL=1.
import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import type { Store } from "../../src/store.ts";
import { type MySQL2Client, MySQLStore } from "../../src/stores/mysql.ts";
import { type PgClient, PostgresStore } from "../../src/stores/postgres.ts";
import { RedisStore } from "../../src/stores/redis.ts";
import { selfSigned } from "../servers/certificate.ts";
import { startMariaDB } from "../servers/mariadb.ts";
import { startPostgres } from "../servers/postgres.ts";
import { startRedis } from "../servers/redis.ts";
import { driver } from "./drivers.ts";
import { nodeRedisModule, standalone } from "./redis-drivers/clients.ts";

const full = process.env["SCS_FULL"] === "1";
const tls = selfSigned();
/** Nobody's: what is signed by another is refused. */
const stranger = selfSigned();
const digest = new Uint8Array(32).fill(1);
const data = Uint8Array.from({ length: 20_000 }, (_, i) => i);

interface Ends {
  end(): Promise<void>;
  on(event: "error", listener: () => void): unknown;
}

async function everything(store: Store & { setUp?(): Promise<void> }): Promise<void> {
  await store.setUp?.();
  await store.check?.();
  const made = { digest, data, lifetime: 60_000, idle: 30_000 };
  assert.equal(await store.create("tls", made), true);
  assert.deepEqual((await store.load("tls"))?.data, data);
  assert.deepEqual(await store.update("tls", { version: 1, digest, data: digest }), { done: true });
  assert.equal(await store.touch("tls", digest, 40_000), true);
  await store.destroy("tls");
  assert.equal(await store.load("tls"), undefined);
}

async function redis(t: TestContext): Promise<void> {
  const server = await startRedis({ own: true, tls });
  t.after(() => server.stop());
  const { host, port } = server;
  for (const [name, connect] of Object.entries(standalone)) {
    // The port serves nothing else.
    const { client, end } = await connect({ host, port, ca: tls.cert });
    await everything(new RedisStore(client, { prefix: `${name}:` }));
    end();
  }
  const { createClient } = await nodeRedisModule();
  const socket = { host, port, tls: true, ca: stranger.cert, reconnectStrategy: false };
  const refused = createClient({ socket });
  refused.on("error", () => {});
  await assert.rejects(refused.connect(), /certificate/);
}

async function postgres(t: TestContext): Promise<void> {
  const server = await startPostgres({ own: true, tls });
  t.after(() => server.stop());
  const { default: pg } = await driver<{
    default: { Pool: new (options: object) => PgClient & Ends };
  }>("pg");
  const { host, port } = server;
  const options = { host, port, user: "postgres", database: "postgres" };
  const pool = new pg.Pool({ ...options, ssl: { ca: tls.cert } });
  t.after(() => pool.end());
  pool.on("error", () => {});
  await everything(new PostgresStore(pool));
  const shown = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
  assert.deepEqual((await pool.query({ text: shown, values: [] })).rows, [{ ssl: true }]);
  const refused = new pg.Pool({ ...options, ssl: { ca: stranger.cert } });
  await assert.rejects(new PostgresStore(refused).check(), /certificate/);
  await refused.end();
}

async function mysql(t: TestContext): Promise<void> {
  const server = await startMariaDB({ own: true, tls });
  t.after(() => server.stop());
  type Pool = MySQL2Client & {
    end(): Promise<void>;
    query(sql: string): Promise<[object[], object]>;
  };
  const { default: mysql2 } = await driver<{
    default: { createPool(options: object): Pool };
  }>("mysql2/promise");
  const { host, port } = server;
  const options = { host, port, user: "root", database: "scs", connectionLimit: 2 };
  const pool = mysql2.createPool({ ...options, ssl: { ca: tls.cert } });
  t.after(() => pool.end());
  await everything(new MySQLStore(pool));
  const [[row]] = await pool.query("SHOW SESSION STATUS LIKE 'Ssl_version'");
  assert.match(JSON.stringify(row), /TLSv1\.[23]/);
  const refused = mysql2.createPool({ ...options, ssl: { ca: stranger.cert } });
  await assert.rejects(new MySQLStore(refused).check(), /certificate|handshake|self.signed/i);
  await refused.end();
}

describe("TLS, with a certificate that is checked", { concurrency: true }, () => {
  it("Redis: every client", redis);
  if (full) {
    it("PostgreSQL: pg", postgres);
    it("MariaDB: mysql2", mysql);
  } else {
    console.log("PostgreSQL and MariaDB over TLS: run with SCS_FULL=1");
  }
});
