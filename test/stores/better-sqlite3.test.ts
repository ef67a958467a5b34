// SQLiteStore on better-sqlite3, whose package brings its binaries: nothing is compiled.
import { mkdtempSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import assert from "node:assert/strict";
import { type SQLiteClient, SQLiteStore } from "../../src/stores/sqlite.ts";
import { install } from "../support/install.ts";
import { tested } from "../support/tested.ts";
import { digest, named, record, refused, sqlTests, suite, testedSql } from "./engines.ts";

type Database = SQLiteClient & {
  readonly inTransaction: boolean;
  pragma(text: string, options: { readonly simple: true }): unknown;
  close(): unknown;
};

const own = new URL("better-sqlite3/", import.meta.url);
const require = createRequire(new URL("package.json", own));
const { dependencies } = require("./package.json") as { dependencies: Record<string, string> };
const client = `better-sqlite3 ${dependencies["better-sqlite3"] ?? "?"}`;

/** Its class; the reason when this machine has none. */
async function load(): Promise<(new (file: string) => Database) | string> {
  try {
    await install(own);
    const Class = require("better-sqlite3") as new (file: string) => Database;
    new Class(":memory:").close();
    return Class;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

const Class = await load();
if (typeof Class === "string") {
  tested({ area: "engine", what: "SQLiteStore", with: client, reason: Class });
} else {
  await runOn(Class);
}

async function runOn(Database: new (file: string) => Database): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "scs-session-better-"));
  const file = join(folder, "sessions.db");
  const connections = [new Database(file), new Database(file)] as const;
  const raw = new Database(file);
  const inMemory = new Database(":memory:");
  after(() => {
    for (const each of [...connections, raw, inMemory]) each.close();
    rmSync(folder, { recursive: true });
  });
  for (const each of [...connections, inMemory]) {
    const store = new SQLiteStore(each);
    await store.setUp();
    store.close();
  }
  const rows = (sql: string): readonly Readonly<Record<string, unknown>>[] =>
    raw.prepare(sql).all() as Record<string, unknown>[];
  const release = `SQLite ${String(rows("SELECT sqlite_version() AS v")[0]?.["v"])}`;
  const title = `${release}, ${client}`;
  const on = { what: "SQLiteStore", version: release };

  let turn = 0;
  suite(`${title}, a file`, { ...on, with: `${client}, a file` }, async () => {
    const store = new SQLiteStore(connections[turn++ & 1] ?? raw);
    return { store, close: () => store.close() };
  });
  suite(`${title}, in memory`, { ...on, with: `${client}, in memory` }, async () => {
    const store = new SQLiteStore(inMemory);
    return { store, close: () => store.close() };
  });

  const whole = { ...on, with: `${client}, a file` };
  const note = "what is particular to it";
  tested({ area: "engine", ...whole, note, suite: "SQLiteStore on better-sqlite3" });
  if (process.env["SCS_FULL"] === "1") {
    testedSql(title, whole);
    sqlTests({
      name: title,
      make: (options = {}) => new SQLiteStore(connections[turn++ & 1] ?? raw, options),
      raw: async (sql) => {
        if (sql.startsWith("SELECT")) return rows(sql);
        raw.exec(sql);
        return [];
      },
      quote: (name) => `"${name.replaceAll('"', '""')}"`,
      strangers: [{ prepare: () => {} }],
      over: (each) => new SQLiteStore(each as SQLiteClient),
    });
  }

  describe("SQLiteStore on better-sqlite3", () => {
    it("sets write-ahead logging", async () => {
      const db = new Database(join(folder, "modes.db"));
      const store = new SQLiteStore(db);
      await store.setUp();
      assert.equal(db.pragma("journal_mode", { simple: true }), "wal");
      store.close();
      db.close();
    });

    it("refuses to write inside a transaction of the application's", async () => {
      const db = new Database(file);
      const store = new SQLiteStore(db);
      const key = named();
      db.exec("BEGIN");
      assert.equal(db.inTransaction, true);
      await assert.rejects(
        store.create(key, record()),
        refused("store-failed", /inside a transaction/),
      );
      db.exec("ROLLBACK");
      assert.equal(await store.create(key, record()), true);
      assert.equal((await store.update(key, { version: 1, digest, data: digest })).done, true);
      store.close();
      db.close();
    });
  });
}
