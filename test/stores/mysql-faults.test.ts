// MySQLStore when its server, its network or its neighbours fail.
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { SessionManager } from "../../src/manager.ts";
import { type MySQLClient, mysqlSchema, MySQLStore } from "../../src/stores/mysql.ts";
import { startMariaDB } from "../servers/mariadb.ts";
import { type Proxy, startProxy } from "../servers/proxy.ts";
import type { Server } from "../servers/server.ts";
import { refused } from "./engines.ts";
import { hostileRowTests } from "./faults-rows.ts";
import { faultTests } from "./faults-sql.ts";
import { type Connected, mysqlClients } from "./sql-clients.ts";

const full = process.env["SCS_FULL"] === "1";
const clients = Object.entries(mysqlClients).slice(0, full ? undefined : 1);

/** ER_CANNOT_CONVERT_STRING. */
const unconvertible = 3854;

describe("MySQLStore: faults", () => {
  let server: Server;
  let proxy: Proxy;
  let own: Connected<MySQLClient> | undefined;

  before(async () => {
    server = await startMariaDB({ own: true, args: ["--max-connections=50"] });
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

  /** MySQL 9.7 cannot list them while the text of one's statement holds bytes that are no UTF-8: asked again. */
  async function connectionsOf(user: string): Promise<Record<string, unknown>[]> {
    for (let left = 100; ; left--) {
      try {
        return await admin(
          `SELECT id FROM information_schema.processlist WHERE id <> CONNECTION_ID() AND user = '${user}'`,
        );
      } catch (error) {
        if (left === 0 || (error as { readonly errno?: unknown }).errno !== unconvertible)
          throw error;
      }
    }
  }

  for (const [name, connect] of clients) {
    let rows: Connected<MySQLClient> | undefined;
    before(async () => (rows = await connect(server.url, { timeout: 10_000 })));
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

    it(`${name}: a session above max_allowed_packet is too-large, below it is stored`, async () => {
      await admin(`SET GLOBAL max_allowed_packet = ${2 ** 21}`);
      const { client, end } = await connect(server.url, { timeout: 10_000 });
      const store = new MySQLStore(client);
      const sessions = new SessionManager<{ text: string }>({
        store,
        maxSize: "20mb",
        storeTimeout: "10s",
        onEvent: () => {},
      });
      try {
        for (const size of [2 ** 16, 2 ** 20]) {
          const session = await sessions.loadToken(undefined);
          session.set("text", "x".repeat(size));
          await session.commit();
          const found = await sessions.loadToken(session.token);
          assert.equal(found.get("text")?.length, size);
          for (const above of [2 ** 21 - 30, 2 ** 21, 2 ** 23]) {
            found.set("text", "y".repeat(above));
            await assert.rejects(found.commit(), refused("too-large", /max_allowed_packet/));
            const fresh = await sessions.loadToken(undefined);
            fresh.set("text", "z".repeat(above));
            await assert.rejects(fresh.commit(), refused("too-large", /max_allowed_packet/));
          }
          assert.equal((await sessions.loadToken(session.token)).get("text")?.length, size);
        }
      } finally {
        await sessions.close();
        await end();
        await admin(`SET GLOBAL max_allowed_packet = ${2 ** 24}`);
      }
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
      pause: "SELECT SLEEP(0.6)",
      crowd: mysqlClients.mysql2,
      strike: async (random) => {
        const others = await connectionsOf("app");
        const what = random() < 0.7 ? "QUERY" : "CONNECTION";
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
