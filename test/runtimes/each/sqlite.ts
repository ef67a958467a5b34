// SQLiteStore on the SQLite of the runtime at hand: SCS_SQLITE names the module.
import { describe, it } from "node:test";
import { type SQLiteClient, SQLiteStore } from "../../../src/stores/sqlite.ts";
import { storeSuite } from "../../../src/testing/store.ts";

type Open = new (file: string) => SQLiteClient;

const module = process.env["SCS_SQLITE"] ?? "node:sqlite";
// `DatabaseSync` in node:sqlite, `Database` in bun:sqlite.
const { Database, DatabaseSync } = (await import(module)) as {
  readonly Database?: Open;
  readonly DatabaseSync?: Open;
};
const client = new ((DatabaseSync ?? Database) as Open)(":memory:");
await new SQLiteStore(client).setUp();

storeSuite({
  describe,
  it,
  name: module,
  create: async () => {
    const store = new SQLiteStore(client);
    return { store, close: () => store.close() };
  },
});
