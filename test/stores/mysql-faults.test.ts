// MySQLStore when its server, its network or its neighbours fail.
import assert from "node:assert/strict";
import { after, before, describe } from "node:test";
import { type MySQLClient, mysqlSchema, MySQLStore } from "../../src/stores/mysql.ts";
import { startMariaDB } from "../servers/mariadb.ts";
import { type Proxy, startProxy } from "../servers/proxy.ts";
import type { Server } from "../servers/server.ts";
import { hostileRowTests } from "./faults-rows.ts";
import { faultTests } from "./faults-sql.ts";
import { type Connected, mysqlClients } from "./sql-clients.ts";

const full = process.env["SCS_FULL"] === "1";
const clients = Object.entries(mysqlClients).slice(0, full ? undefined : 1);

describe("MySQLStore: faults", () => {
  let server: Server;
  let proxy: Proxy;
  let own: Connected<MySQLClient> | undefined;

  before(async () => {
    server = await startMariaDB({ own: true });
    proxy = await startProxy(server);
    // A superuser may write to a server that is read-only.
    await admin(mysqlSchema());
    await admin("CREATE USER app");
    await admin("GRANT SELECT, INSERT, UPDATE, DELETE ON scs_sessions TO app");
  });
  after(async () => {
    await own?.end();
    proxy.close();
    await server.stop();
  });

  async function admin(sql: string) {
    own ??= await mysqlClients.mysql2(server.url, { max: 1, timeout: 10_000 });
    return ((await own.run(sql)) as [Record<string, unknown>[]])[0];
  }

  for (const [name, connect] of clients) {
    let rows: Connected<MySQLClient> | undefined;
    before(async () => (rows = await connect(server.url)));
    after(() => rows?.end());
    hostileRowTests({
      name,
      store: () => new MySQLStore(rows?.client ?? assert.fail()),
      edit: async (key, assignments) => {
        await admin(`UPDATE scs_sessions SET ${assignments} WHERE id = '${key}'`);
      },
      bytes: (hex) => `x'${hex}'`,
      damage: {
        "of version 0": "version = 0",
        "past the highest version": "version = 4294967295",
      },
      harmless: {
        "no end": "deadline = 9223372036854775807, idle = 9223372036854775807",
        "created before all times": "created = -9223372036854775808",
        "created after all times": "created = 9223372036854775807",
      },
    });

    faultTests({
      name,
      connect: (url, settings) => {
        const app = new URL(url);
        app.username = "app";
        return connect(app.href, settings);
      },
      over: (client) => new MySQLStore(client as MySQLClient, { sweepInterval: 100 }),
      admin,
      pause: "SELECT SLEEP(1.5)",
      strike: async () => {
        const others = await admin(
          "SELECT id FROM information_schema.processlist WHERE id <> CONNECTION_ID() AND user = 'app'",
        );
        const what = Math.random() < 0.7 ? "QUERY" : "CONNECTION";
        return others.map(({ id }) => `KILL ${what} ${String(id)}`);
      },
      readOnly: async (on) => {
        await admin(`SET GLOBAL read_only = ${on ? 1 : 0}`);
      },
      replyBytes: 80,
      server: () => server,
      proxy: () => proxy,
    });
  }
});
