import assert from "node:assert/strict";
import { after, describe, it } from "node:test";
import {
  type MariaDBClient,
  type MySQL2Client,
  type MySQLClient,
  mysqlSchema,
  MySQLStore,
} from "../../src/stores/mysql.ts";
import { startMariaDB } from "../servers/mariadb.ts";
import { mariadb as server } from "../servers/sharedServers.ts";
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
} from "./engines.ts";

type Row = Readonly<Record<string, unknown>>;

interface MySQL2 {
  readonly default: {
    createPool(options: object): MySQL2Client & { end(): Promise<void> };
    createConnection(options: object): Promise<
      MySQL2Client & {
        query(sql: string): Promise<[Row[], unknown]>;
        on(event: "error", listener: () => void): unknown;
        end(): Promise<void>;
      }
    >;
  };
}
interface MariaDB {
  readonly default: { createPool(options: object): MariaDBClient & { end(): Promise<void> } };
}

const address = new URL((await server()).url);
const options = {
  host: address.hostname,
  port: Number(address.port),
  user: decodeURIComponent(address.username),
  password: decodeURIComponent(address.password),
  database: address.pathname.slice(1),
  connectionLimit: 10,
};
const { default: mysql2 } = await driver<MySQL2>("mysql2/promise");
const { default: mariadb } = await driver<MariaDB>("mariadb");
const { default: callbacks } = await driver<{ readonly default: MySQL2["default"] }>("mysql2");

const pool = mysql2.createPool(options);
const changed = mysql2.createPool({ ...options, flags: ["-FOUND_ROWS"] });
const latin = mysql2.createPool({ ...options, charset: "latin1_general_ci" });
const other = mariadb.createPool(options);
const callback = callbacks.createPool(options);
const { connectionLimit: _, ...single } = options;
const raw = await mysql2.createConnection(single);
const rows = async (sql: string): Promise<readonly Row[]> => (await raw.query(sql))[0];
const [shown] = await rows("SELECT VERSION() AS version");
const text = String(shown?.["version"]);
const release = `${text.includes("Maria") ? "MariaDB" : "MySQL"} ${text.split("-", 1)[0] ?? ""}`;

// A server that this file has started stops before these end.
raw.on("error", () => {});
after(async () => {
  const all = [pool, changed, latin, other, callback, raw];
  await Promise.allSettled(all.map((each) => each.end()));
});

const table = named("sessions");

// The table and the connections, before tests count seconds.
for (const client of [pool, changed, latin, other]) {
  const store = new MySQLStore(client, { table });
  await store.setUp();
  await Promise.all(Array.from({ length: 10 }, () => store.load("a")));
  store.close();
}

function engine(title: string, client: MySQLClient, whole?: boolean): void {
  const create = async (): Promise<{ store: MySQLStore; close(): void }> => {
    const store = new MySQLStore(client, { table });
    return { store, close: () => store.close() };
  };
  const on = { what: "MySQLStore", with: title, version: release };
  suite(`${release}, ${title}`, on, create, whole);
}

engine(version("mysql2"), pool, true);
engine(version("mariadb"), other);
engine("mysql2 that counts changed rows only", changed);
engine("mysql2 over latin1", latin);
const withMySQL2 = { what: "MySQLStore", with: version("mysql2"), version: release };
testedSql(release, withMySQL2, "MySQLStore");

sqlTests({
  name: release,
  make: (given = {}) => new MySQLStore(pool, { table, ...given }),
  raw: rows,
  quote: (name) => `\`${name.replaceAll("`", "``")}\``,
  strangers: [callback, { query: () => {}, connect: () => {} }, { execute: () => {} }],
  over: (client) => new MySQLStore(client as MySQLClient),
});

/** Starts the operation while another transaction holds the record, and lets go after `ms`. */
async function behind<T>(lock: string, ms: number, run: () => Promise<T>): Promise<T> {
  await rows("START TRANSACTION");
  await rows(lock);
  const result = run();
  await sleep(ms);
  await rows("COMMIT");
  return await result;
}

describe("MySQLStore", () => {
  const store = new MySQLStore(pool, { table });
  const change = { version: 1, digest, data: Uint8Array.of(9) };
  after(() => store.close());

  it("on a connection, and through an execute that somebody has put in front of mysql2's", async () => {
    const calls: string[] = [];
    const execute: MySQL2Client["execute"] = (sql, values) => {
      calls.push(sql.slice(0, 6));
      return pool.execute(sql, values);
    };
    const proxied = new Proxy(pool, {
      get: (target, name) =>
        name === "execute" ? execute : (Reflect.get(target, name) as unknown),
    });
    const assigned = Object.assign(mysql2.createPool(options), { execute });
    for (const client of [raw, proxied, assigned]) {
      calls.length = 0;
      const own = new MySQLStore(client, { table });
      const key = named("any");
      assert.equal(await own.create(key, record()), true);
      assert.equal(await own.create(key, record()), false);
      assert.deepEqual(await own.update(key, change), { done: true });
      assert.equal((await own.load(key))?.version, 2);
      own.close();
      const seen = client === raw ? [] : ["INSERT", "INSERT", "DELETE", "UPDATE", "SELECT"];
      assert.deepEqual(calls, seen);
    }
    await assigned.end();
  });

  it("a conflict that waited for the winner returns what the winner wrote", async () => {
    const key = named();
    await store.create(key, record(hour, hour));
    const win = `UPDATE ${table} SET version = version + 1, data = x'0707' WHERE id = '${key}'`;
    const result = await behind(win, 400, () => store.update(key, change));
    assert.equal(result.done, false);
    assert.equal(result.done ? 0 : result.record?.version, 2);
    assert.deepEqual(result.done ? 0 : result.record?.data, Uint8Array.of(7, 7));
  });

  it("an update that waited for a logout finds nothing", async () => {
    const key = named();
    await store.create(key, record());
    const logout = `DELETE FROM ${table} WHERE id = '${key}'`;
    const result = await behind(logout, 400, () => store.update(key, change));
    assert.deepEqual(result, { done: false, record: undefined });
  });

  it("a write that waited until the record had ended does not bring it back", async () => {
    const key = named();
    await store.create(key, record(hour, 1000));
    const lock = `SELECT 1 FROM ${table} WHERE id = '${key}' FOR UPDATE`;
    const [updated, touched] = await behind(lock, 1600, () =>
      Promise.all([
        store.update(key, { ...change, idle: hour, lifetime: hour }),
        store.touch(key, digest, hour),
      ]),
    );
    assert.deepEqual(updated, { done: false, record: undefined });
    assert.equal(touched, false);
    assert.equal(await store.load(key), undefined);
  });

  it("times do not depend on the session's time zone", async () => {
    const key = named();
    const east = await mysql2.createConnection(single);
    const far = new MySQLStore(east, { table, sweepInterval: false });
    for (const zone of ["+13:00", "-11:30"]) {
      await east.query(`SET time_zone = '${zone}'`);
      await far.create(key + zone, record(60_000, 30_000));
      const found = await store.load(key + zone);
      assert.ok((found?.deadlineIn ?? 0) > 50_000 && (found?.deadlineIn ?? 0) <= 60_000, zone);
      assert.equal(await far.touch(key + zone, digest, 40_000), true);
      const idleIn = (await store.load(key + zone))?.idleIn ?? 0;
      assert.ok(idleIn > 30_000 && idleIn <= 40_000, String(idleIn));
    }
    await east.end();
  });

  it("every operation is one round trip by the server's count; a conflict is two, eight loads are one", async () => {
    const alone = await mysql2.createConnection(single);
    const counted = new MySQLStore(alone, { table, sweepInterval: false });
    const count = async (): Promise<number> => {
      const [status] = await alone.query("SHOW SESSION STATUS LIKE 'Questions'");
      return Number(status[0]?.["Value"]);
    };
    const key = named();
    let lost: unknown;
    const operations = async (): Promise<Record<string, number>> => {
      const seen: Record<string, number> = {};
      let before = await count();
      const mark = async (name: string): Promise<void> => {
        const now = await count();
        // Less the counting itself.
        seen[name] = now - before - 1;
        before = now;
      };
      await counted.create(key, record(hour, hour));
      await mark("create");
      await counted.load(key);
      await mark("load");
      await counted.update(key, change);
      await mark("update");
      lost = await counted.update(key, change);
      await mark("conflict");
      await counted.touch(key, digest, hour);
      await mark("touch");
      await counted.destroy(key);
      await mark("destroy");
      return seen;
    };
    // The first time, statements are prepared, one more round trip each.
    await operations();
    assert.deepEqual(await operations(), {
      create: 1,
      load: 1,
      update: 1,
      conflict: 2,
      touch: 1,
      destroy: 1,
    });
    assert.equal((lost as { done: boolean }).done, false);
    const loads = async (store: MySQLStore): Promise<number> => {
      const before = await count();
      await Promise.all(Array.from({ length: 8 }, (_, i) => store.load(`${key}${i}`)));
      return (await count()) - before - 1;
    };
    await loads(counted);
    assert.equal(await loads(counted), 1);
    const apiece = new MySQLStore(alone, { table, sweepInterval: false, batch: false });
    assert.equal(await loads(apiece), 8);
    await alone.end();
  });

  it("works with the least grants of the documentation, where setUp creates nothing", async () => {
    const [user, name] = [named("u"), named("least")];
    await rows(mysqlSchema({ table: name }));
    await rows(`CREATE USER ${user} IDENTIFIED BY 'pw'`);
    await rows(`GRANT SELECT, INSERT, UPDATE, DELETE ON ${name} TO ${user}`);
    const client = mysql2.createPool({ ...options, user, password: "pw", connectionLimit: 2 });
    const least = new MySQLStore(client, { table: name });
    await least.setUp();
    await least.check();
    assert.equal(await least.create("a", record()), true);
    assert.equal((await least.update("a", change)).done, true);
    assert.equal(await least.touch("a", digest, 1), true);
    await least.destroy("a");
    least.close();
    for (const right of ["SELECT", "INSERT", "UPDATE", "DELETE"]) {
      await rows(`REVOKE ${right} ON ${name} FROM ${user}`);
      await assert.rejects(least.check(), refused("store-failed", /command denied/), right);
      await rows(`GRANT ${right} ON ${name} TO ${user}`);
    }
    await least.check();
    const absent = new MySQLStore(client, { table: `${name}_absent` });
    await assert.rejects(
      absent.setUp(),
      refused("store-failed", /could not be created: CREATE command denied/),
    );
    // What a copy of the data alone makes of it.
    await rows(`ALTER TABLE ${name} DROP PRIMARY KEY`);
    await assert.rejects(least.check(), refused("store-failed", /not the primary key/));
    await client.end();
    await rows(`DROP TABLE ${name}`);
    await rows(`DROP USER ${user}`);
  });

  it("check refuses a read-only server", async () => {
    const own = await startMariaDB({ own: true, args: ["--read-only"] });
    try {
      // The superuser may still write there.
      const client = await mysql2.createConnection({ uri: own.url });
      const frozen = new MySQLStore(client);
      await frozen.setUp();
      await assert.rejects(frozen.check(), refused("store-failed", /read-only/));
      frozen.close();
      await client.end();
    } finally {
      await own.stop();
    }
  });

  it("check refuses autocommit off and tables outside InnoDB", async () => {
    const manual = await mysql2.createConnection(single);
    await manual.query("SET autocommit = 0");
    const uncommitted = new MySQLStore(manual, { table });
    await assert.rejects(uncommitted.check(), refused("store-failed", /autocommit is off/));
    await manual.end();
    const name = named();
    await rows(mysqlSchema({ table: name }).replace("InnoDB", "MyISAM"));
    const loose = new MySQLStore(pool, { table: name });
    await assert.rejects(loose.setUp(), refused("store-failed", /must be InnoDB/));
    await rows(`DROP TABLE ${name}`);
  });

  it("data beyond the column is refused, not cut off", async () => {
    const data = new Uint8Array(2 ** 24);
    await assert.rejects(
      store.create(named(), { ...record(), data }),
      refused("too-large", /16777215/),
    );
    await assert.rejects(
      store.update(named(), { ...change, data }),
      refused("too-large", /16777215/),
    );
  });

  it("a database of its own", async () => {
    const schema = named("db");
    await rows(`CREATE DATABASE ${schema}`);
    const own = new MySQLStore(other, { schema, table: "Sessions" });
    await own.setUp();
    await own.check();
    await own.create("a", record());
    assert.equal((await rows(`SELECT id FROM ${schema}.Sessions`)).length, 1);
    own.close();
    await rows(`DROP DATABASE ${schema}`);
  });
});
