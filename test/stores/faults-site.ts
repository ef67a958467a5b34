// A server process with sessions in an SQLite file, for a test that kills it.
//
//   node faults-site.ts <file> <port>
import { DatabaseSync } from "node:sqlite";
import { SQLiteStore } from "../../src/stores/sqlite.ts";
import { openSite } from "./faults-load.ts";

const [file = "", port = ""] = process.argv.slice(2);
const store = new SQLiteStore(new DatabaseSync(file), { sweepInterval: 100 });
await store.setUp();
await openSite(store, { port: Number(port) });
process.on("disconnect", () => process.exit(0));
process.send?.("ready");
