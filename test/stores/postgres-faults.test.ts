// PostgresStore when its server, its network or its neighbours fail.
import assert from "node:assert/strict";
import { after, before, describe } from "node:test";
import { type PostgresClient, PostgresStore } from "../../src/stores/postgres.ts";
import { startPostgres } from "../servers/postgres.ts";
import { type Proxy, startProxy } from "../servers/proxy.ts";
import type { Server } from "../servers/server.ts";
import { hostileRowTests } from "./faults-rows.ts";
import { faultTests } from "./faults-sql.ts";
import { type Connected, postgresClients } from "./sql-clients.ts";

const full = process.env["SCS_FULL"] === "1";
const clients = Object.entries(postgresClients).slice(0, full ? undefined : 1);

describe("PostgresStore: faults", () => {
  let server: Server;
  let proxy: Proxy;
  let own: Connected<PostgresClient> | undefined;

  before(async () => {
    server = await startPostgres({ own: true, args: ["--max_connections=50"] });
    proxy = await startProxy(server);
  });
  after(async () => {
    await own?.end();
    proxy.close();
    await server.stop();
  });

  async function admin(sql: string) {
    own ??= await postgresClients.pg(server.url, { max: 1, timeout: 10_000 });
    return ((await own.run(sql)) as { rows: Record<string, unknown>[] }).rows;
  }

  for (const [name, connect] of clients) {
    let rows: Connected<PostgresClient> | undefined;
    before(async () => {
      rows = await connect(server.url, { timeout: 10_000 });
      await new PostgresStore(rows.client).setUp();
    });
    after(() => rows?.end());
    hostileRowTests({
      name,
      store: () => new PostgresStore(rows?.client ?? assert.fail()),
      edit: async (key, assignments) => {
        await admin(`UPDATE scs_sessions SET ${assignments} WHERE id = '${key}'`);
      },
      bytes: (hex) => `'\\x${hex}'::bytea`,
      damage: {
        "of version 0": "version = 0",
        "of a negative version": "version = -5",
        "with a digest of one byte": "digest = '\\x07'",
        "with a digest too long": "digest = digest || '\\x07'",
        "without a digest": "digest = ''",
      },
      harmless: {
        "no end": "deadline = 'infinity', idle = 'infinity'",
        "created before all times": "created = '-infinity'",
        "created after all times": "created = 'infinity'",
        "created tomorrow": "created = now() + interval '1 day'",
        "a far end": "deadline = '294276-12-31', idle = '294276-12-31'",
      },
    });

    faultTests({
      name,
      connect,
      over: (client) => new PostgresStore(client as PostgresClient, { sweepInterval: 100 }),
      admin,
      pause: "SELECT pg_sleep(0.6)",
      crowd: postgresClients.pg,
      strike: async (random) => {
        const others = await admin(
          "SELECT pid FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'",
        );
        const what = random() < 0.7 ? "pg_cancel_backend" : "pg_terminate_backend";
        return others.map(({ pid }) => `SELECT ${what}(${String(pid)})`);
      },
      readOnly: async (on) => {
        await admin(`ALTER SYSTEM SET default_transaction_read_only = ${on ? "on" : "off"}`);
        await admin("SELECT pg_reload_conf()");
      },
      replyBytes: 300,
      server: () => server,
      proxy: () => proxy,
    });
  }
});
