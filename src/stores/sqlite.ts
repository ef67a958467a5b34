/**
 * Sessions in an SQLite file, through `node:sqlite`, better-sqlite3 or another library of their
 * shape: durable, for one machine, shared by its processes. docs/stores/sqlite.md has the details.
 *
 * These libraries are synchronous: an operation blocks the process for the microseconds it takes.
 * Waiting while another process writes does not: SQLite's own waiting (`PRAGMA busy_timeout`) would
 * hold up every request, one after the other.
 */
import { SessionError } from "../errors.ts";
import {
  aliveAt,
  compile,
  type Dialect,
  type Statement,
  statementsOf,
  tableName,
  type TableOptions,
} from "./sql.ts";
import { text } from "./sql-record.ts";
import { hasMethods, reason, type Reply, SqlStore } from "./sql-store.ts";
import { type Step, stepSize, type SweepOptions } from "./sql-sweeper.ts";
import { isBusy, patiently, Prepared, type SQLiteClient } from "./sqlite-client.ts";

export type { SQLiteClient, SQLiteStatement, SQLiteValue } from "./sqlite-client.ts";

/** Options of `SQLiteStore`. */
export interface SQLiteStoreOptions extends TableOptions, SweepOptions {
  /**
   * How long an operation waits while another process writes, in ms. Other requests go on
   * meanwhile: the engine sets the connection's `PRAGMA busy_timeout` to 0, and tries again by a
   * timer. Default 1000, below the manager's `storeTimeout`.
   */
  readonly busyTimeout?: number | undefined;
}

const columns: Readonly<Record<string, string>> = {
  id: "TEXT",
  version: "INTEGER",
  digest: "BLOB",
  data: "BLOB",
  created: "INTEGER",
  deadline: "INTEGER",
  idle: "INTEGER",
};

function dialectOf(table: string): Dialect {
  // The same value all through one statement, read after its wait for the lock (SQLite, "The
  // 'now' argument"); rounded, since the fraction of a double is not exact.
  const now = "CAST(round(unixepoch('subsec') * 1000) AS INTEGER)";
  return {
    table,
    parameter: () => "?",
    reuse: false,
    now,
    clock: now,
    plus: (time, ms) => `(${time} + ${ms})`,
    // As doubles: node:sqlite refuses to read integers beyond 2^53, which a hand may have written.
    between: (from, to) => `(${to} - ${from} + 0.0)`,
    version: "CAST(version AS REAL) AS version",
    least: "min",
    greatest: "max",
    unlessTaken: " ON CONFLICT (id) DO NOTHING",
  };
}

/**
 * The table, for migration tools: what `setUp()` creates. STRICT, so that no hand puts text where
 * bytes belong.
 *
 * @throws {SessionError} `invalid-option`
 */
export function sqliteSchema(options: TableOptions = {}): string {
  return `CREATE TABLE IF NOT EXISTS ${tableName(options, '"', 255)} (
  id TEXT NOT NULL PRIMARY KEY COLLATE BINARY,
  version INTEGER NOT NULL,
  digest BLOB NOT NULL,
  data BLOB NOT NULL,
  created INTEGER NOT NULL,
  deadline INTEGER NOT NULL,
  idle INTEGER
) STRICT`;
}

/**
 * An engine on SQLite 3.42 or later. Give it a connection of its own: what runs inside a
 * transaction of the application's would be undone with it, so a write there is refused.
 *
 * @example
 * ```ts
 * import { DatabaseSync } from "node:sqlite";
 * import { SessionManager } from "scs-session";
 * import { SQLiteStore } from "scs-session/stores/sqlite";
 *
 * export async function sessionsIn(file: string): Promise<SessionManager> {
 *   const store = new SQLiteStore(new DatabaseSync(file));
 *   await store.setUp();
 *   return new SessionManager({ store });
 * }
 * ```
 */
export class SQLiteStore extends SqlStore {
  readonly #client: SQLiteClient;
  readonly #busyTimeout: number;
  readonly #prepared: Prepared;
  readonly #options: TableOptions;
  readonly #table: string;
  readonly #probes: readonly Statement[];

  /** @throws {SessionError} `invalid-option`: options, or a client of another kind. */
  constructor(client: SQLiteClient, options: SQLiteStoreOptions = {}) {
    const { busyTimeout = 1000 } = options;
    if (!Number.isSafeInteger(busyTimeout) || busyTimeout < 0 || busyTimeout > 60_000) {
      throw new SessionError(
        "invalid-option",
        `busyTimeout is ${String(busyTimeout)}; give whole milliseconds from 0 to 60000`,
      );
    }
    // node-sqlite3 and its wrappers have `run` and `all` of their own, with callbacks or promises.
    if (!hasMethods(client, "prepare", "exec") || hasMethods(client, "all")) {
      throw new SessionError(
        "invalid-option",
        "SQLiteStore takes a DatabaseSync of node:sqlite or a Database of better-sqlite3",
      );
    }
    const table = tableName(options, '"', 255);
    const dialect = dialectOf(table);
    const statements = statementsOf(dialect);
    const prepared = new Prepared(client);
    const sweep = sweepStatements(dialect);
    super(
      statements,
      {
        run: (statement, values) => {
          const work = patiently(() => prepared.run(statement, values), busyTimeout);
          // Refused for its lock, an update has written nothing: a conflict, and no unknown outcome.
          return statement.name === "update" ? work.catch(unwritten) : work;
        },
        sweep: async (after) => step(prepared, sweep, after),
        // SQLITE_MAX_LENGTH, less the other columns.
        longest: 999_999_000,
        isFull: (error) => /disk is full/.test(reason(error)),
      },
      options,
    );
    client.exec("PRAGMA busy_timeout = 0");
    this.#client = client;
    this.#busyTimeout = busyTimeout;
    this.#prepared = prepared;
    this.#options = options;
    this.#table = table;
    this.#probes = statements.probes;
  }

  /**
   * Switches the file to write-ahead logging, so that readers do not wait for a writer, and creates
   * the table if it is not there. May run in several processes at once.
   *
   * @throws {SessionError} `store-failed` when there is a table of that name with other columns.
   */
  async setUp(): Promise<void> {
    // The switch needs the file alone, and takes its turn among processes that start at once.
    await patiently(() => {
      this.#client.exec("PRAGMA journal_mode = WAL");
      if (!this.#present()) this.#client.exec(sqliteSchema(this.#options));
    }, 5000);
    this.#present();
  }

  /** @throws {SessionError} `store-failed`, with what is wrong. */
  async check(): Promise<void> {
    let present: boolean;
    try {
      present = this.#present();
      if (present)
        for (const probe of this.#probes)
          await patiently(() => this.#prepared.run(probe, {}), this.#busyTimeout);
    } catch (error) {
      if (error instanceof SessionError) throw error;
      const message = `SQLite cannot keep sessions: ${reason(error)}`;
      throw new SessionError("store-failed", message, { cause: error });
    }
    if (!present) {
      throw new SessionError("store-failed", `There is no table ${this.#table}: run setUp() first`);
    }
  }

  #present(): boolean {
    const { table = "scs_sessions", schema } = this.#options;
    const rows = this.#prepared.all(
      `SELECT name, type FROM pragma_table_info(?${schema === undefined ? "" : ", ?"})`,
      ...(schema === undefined ? [table] : [table, schema]),
    );
    if (rows.length === 0) return false;
    const found = new Map(rows.map((row) => [text(row["name"]), text(row["type"]).toUpperCase()]));
    for (const [name, type] of Object.entries(columns)) {
      if (found.get(name) === type) continue;
      throw new SessionError(
        "store-failed",
        `The table ${this.#table} is not ours: its column "${name}" is ${found.get(name) || "missing"}. ` +
          "Give another `table`, or drop it (its sessions end)",
      );
    }
    return true;
  }
}

interface Sweep {
  readonly look: Statement;
  readonly remove: Statement;
}

function unwritten(error: unknown): Reply {
  if (isBusy(error)) return { matched: 0 };
  throw error;
}

/** Looking takes no lock that others wait for; the write lock is taken only to remove something. */
function sweepStatements(dialect: Dialect): Sweep {
  const alive = aliveAt(dialect.now);
  return {
    look: compile(
      "look",
      "SELECT count(*) AS seen, total(ended) AS ended, max(id) AS last FROM " +
        `(SELECT id, CASE WHEN ${alive} THEN 0 ELSE 1 END AS ended FROM {table} ` +
        `WHERE id > :last ORDER BY id LIMIT ${stepSize})`,
      dialect,
    ),
    remove: compile(
      "remove",
      `DELETE FROM {table} WHERE id > :from AND id <= :to AND NOT ${alive}`,
      dialect,
    ),
  };
}

function step(prepared: Prepared, sweep: Sweep, after: string): Step {
  const row = prepared.run(sweep.look, { last: after }).rows?.[0];
  const last = text(row?.["last"] ?? "");
  const ended = Number(row?.["ended"]);
  const removed = ended > 0 ? prepared.run(sweep.remove, { from: after, to: last }).matched : 0;
  return { seen: Number(row?.["seen"]), removed, last };
}
