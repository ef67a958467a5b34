// SQLiteStore on Bun's own SQLite, which has the shape of better-sqlite3's.
import { describe, it } from "node:test";
import { type SQLiteClient, SQLiteStore } from "../../../src/stores/sqlite.ts";
import { storeSuite } from "../../../src/testing/store.ts";

interface BunSqlite {
  readonly Database: new (file: string) => SQLiteClient;
}

const specifier = "bun:sqlite";
const { Database } = (await import(specifier)) as BunSqlite;
const client = new Database(":memory:");
await new SQLiteStore(client).setUp();

storeSuite({
  // In Bun's `node:test` the tests of a file run one after the other.
  describe,
  it,
  name: "bun:sqlite",
  create: async () => {
    const store = new SQLiteStore(client);
    return { store, close: () => store.close() };
  },
});
