import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { after, describe, it } from "node:test";
import { promisify } from "node:util";
import {
  type SQLiteClient,
  sqliteSchema,
  SQLiteStore,
  type SQLiteStoreOptions,
} from "../../src/stores/sqlite.ts";
import { scriptArgs } from "../support/script.ts";
import { digest, hour, named, record, refused, sqlTests, suite, testedSql } from "./engines.ts";

const folder = mkdtempSync(join(tmpdir(), "scs-session-sqlite-"));
const file = join(folder, "sessions.db");
// Two connections, as two processes have; each test gets the next one.
const connections = [new DatabaseSync(file), new DatabaseSync(file)] as const;
const raw = new DatabaseSync(file, { timeout: 1000 });
const inMemory = new DatabaseSync(":memory:");

after(() => {
  for (const each of [...connections, raw, inMemory]) each.close();
  rmSync(folder, { recursive: true });
});

const release = `SQLite ${String(raw.prepare("SELECT sqlite_version() AS v").get()?.["v"])}`;

for (const client of [...connections, inMemory]) {
  const store = new SQLiteStore(client);
  await store.setUp();
  store.close();
}

const on = { what: "SQLiteStore", version: release };
const builtIn = `node:sqlite of Node ${process.versions.node.split(".", 1)[0]}`;
testedSql(release, { ...on, with: `${builtIn}, a file` }, "SQLiteStore");

let turn = 0;
suite(
  `${release}, node:sqlite, a file`,
  { ...on, with: `${builtIn}, a file` },
  async () => {
    const store = new SQLiteStore(connections[turn++ & 1] ?? raw);
    return { store, close: () => store.close() };
  },
  true,
);
suite(`${release}, node:sqlite, in memory`, { ...on, with: `${builtIn}, in memory` }, async () => {
  const store = new SQLiteStore(inMemory);
  return { store, close: () => store.close() };
});

sqlTests({
  name: release,
  make: (options = {}) => new SQLiteStore(connections[turn++ & 1] ?? raw, options),
  raw: async (sql) => {
    if (sql.startsWith("SELECT")) return raw.prepare(sql).all();
    raw.exec(sql);
    return [];
  },
  quote: (name) => `"${name.replaceAll('"', '""')}"`,
  strangers: [{ prepare: () => {} }, { prepare: () => {}, exec: () => {}, all: () => {} }],
  over: (client) => new SQLiteStore(client as SQLiteClient),
});

describe("SQLiteStore", () => {
  const change = { version: 1, digest, data: Uint8Array.of(9) };

  it("sets write-ahead logging, and leaves no waiting to SQLite", async () => {
    const path = join(folder, "modes.db");
    const pragma = (db: DatabaseSync, name: string): unknown =>
      Object.values(db.prepare(`PRAGMA ${name}`).get() ?? {})[0];
    const own = new DatabaseSync(path, { timeout: 300 });
    const store = new SQLiteStore(own, { busyTimeout: 700 });
    await store.setUp();
    assert.equal(pragma(own, "journal_mode"), "wal");
    assert.equal(pragma(own, "busy_timeout"), 0);
    for (const busyTimeout of [-1, 1.5, Number.NaN, Infinity, "5"]) {
      const options = { busyTimeout } as SQLiteStoreOptions;
      assert.throws(() => new SQLiteStore(own, options), refused("invalid-option", /busyTimeout/));
    }
    own.close();
  });

  it("waits for another writer, and changes nothing when it takes longer than the busy timeout", async () => {
    const store = new SQLiteStore(connections[0]);
    const key = named();
    await store.create(key, record());
    raw.exec("BEGIN IMMEDIATE");
    const started = Date.now();
    // Nothing was written, and nothing stands in the way of another try: a conflict.
    const refusal = await store.update(key, change);
    assert.equal(refusal.done === false && refusal.record?.version, 1);
    assert.ok(Date.now() - started >= 900, `${Date.now() - started} ms`);
    assert.equal((await store.load(key))?.version, 1, "readers do not wait");
    raw.exec("COMMIT");
    assert.equal((await store.update(key, change)).done, true);
    store.close();
  });

  it("refuses to write inside a transaction of the application's", async () => {
    const db = new DatabaseSync(file);
    const store = new SQLiteStore(db);
    const key = named();
    db.exec("BEGIN");
    await assert.rejects(
      store.create(key, record()),
      refused("store-failed", /inside a transaction/),
    );
    db.exec("ROLLBACK");
    assert.equal(await store.create(key, record()), true);
    store.close();
    db.close();
  });

  it("several processes set up one new file and write to it at once", async () => {
    const path = join(folder, "several.db");
    const script = `
      const { DatabaseSync } = await import("node:sqlite");
      const { SQLiteStore } = await import(${JSON.stringify(new URL("../../src/stores/sqlite.ts", import.meta.url).href)});
      const store = new SQLiteStore(new DatabaseSync(${JSON.stringify(path)}), { sweepInterval: 1000, busyTimeout: 30_000 });
      await store.setUp();
      const digest = new Uint8Array(32);
      const made = await store.create("shared", { digest, data: digest, lifetime: 3600000, idle: undefined });
      let record = await store.load("shared");
      for (let done = 0; done < 100; ) {
        const result = await store.update("shared", { version: record.version, digest, data: digest });
        if (result.done) done++;
        record = result.done ? await store.load("shared") : result.record;
      }
      console.log(made);
      // Neither closed: the timer keeps no process alive.
    `;
    const outputs = await Promise.all(
      Array.from({ length: 3 }, async () => {
        const args = scriptArgs(script);
        const { stdout } = await promisify(execFile)(process.execPath, args, { timeout: 120_000 });
        return stdout.trim();
      }),
    );
    assert.deepEqual(outputs.sort(), ["false", "false", "true"]);
    const db = new DatabaseSync(path);
    const store = new SQLiteStore(db);
    assert.equal((await store.load("shared"))?.version, 301);
    store.close();
    db.close();
  });

  it("what was acknowledged is there after the process was killed", async () => {
    const path = join(folder, "killed.db");
    const script = `
      const { DatabaseSync } = await import("node:sqlite");
      const { SQLiteStore } = await import(${JSON.stringify(new URL("../../src/stores/sqlite.ts", import.meta.url).href)});
      const store = new SQLiteStore(new DatabaseSync(${JSON.stringify(path)}));
      await store.setUp();
      const digest = new Uint8Array(32);
      await store.create("kept", { digest, data: digest, lifetime: 3600000, idle: undefined });
      await store.update("kept", { version: 1, digest, data: digest });
      process.kill(process.pid, "SIGKILL");
    `;
    await assert.rejects(
      promisify(execFile)(process.execPath, scriptArgs(script)),
      (error: { signal?: string }) => error.signal === "SIGKILL",
    );
    const db = new DatabaseSync(path);
    const store = new SQLiteStore(db);
    assert.equal((await store.load("kept"))?.version, 2);
    store.close();
    db.close();
  });

  it("check refuses a file that cannot be written, and a full one fails without harm", async () => {
    const path = join(folder, "full.db");
    const db = new DatabaseSync(path);
    db.exec(sqliteSchema());
    const store = new SQLiteStore(db);
    await store.create("a", record());
    const reading = new DatabaseSync(path, { readOnly: true });
    await assert.rejects(
      new SQLiteStore(reading).check(),
      refused("store-failed", /readonly database/),
    );
    reading.close();
    db.exec("PRAGMA max_page_count = 20");
    const data = new Uint8Array(200_000);
    await assert.rejects(store.update("a", { version: 1, digest, data }), /full/);
    assert.equal((await store.load("a"))?.version, 1);
    assert.equal((await store.update("a", change)).done, true);
    store.close();
    db.close();
  });

  it("an attached database", async () => {
    const db = new DatabaseSync(":memory:");
    db.exec("ATTACH ':memory:' AS other");
    const store = new SQLiteStore(db, { schema: "other", table: "Sessions" });
    await store.setUp();
    await store.check();
    await store.create("a", record(hour));
    assert.equal(db.prepare('SELECT id FROM other."Sessions"').all().length, 1);
    store.close();
    db.close();
  });
});
