/**
 * Sessions in MariaDB or MySQL, through `mysql2/promise` or `mariadb`. One round trip per operation,
 * one more when an update meets a conflict; docs/stores/mysql.md has the table, the grants and what
 * was tested.
 */
import { SessionError } from "../errors.ts";
import type { BatchOptions } from "./batcher.ts";
import { type MySQLClient, type Query, queryOf } from "./mysql-client.ts";
import { tooLarge } from "./mysql-packet.ts";
import {
  aliveAt,
  bind,
  compile,
  type Dialect,
  type Statement,
  statementsOf,
  tableName,
  type TableOptions,
  type Value,
  type Values,
} from "./sql.ts";
import { manyLoads } from "./sql-many.ts";
import { text } from "./sql-record.ts";
import { notCreated, property, reason, type Reply, SqlStore, withRetries } from "./sql-store.ts";
import { type Step, stepSize, type SweepOptions } from "./sql-sweeper.ts";

export type { MariaDBClient, MySQL2Client, MySQLClient, MySQLValue } from "./mysql-client.ts";

/** Options of `MySQLStore`. */
export interface MySQLStoreOptions extends TableOptions, SweepOptions, BatchOptions {}

const columns: Readonly<Record<string, RegExp>> = {
  id: /^varbinary\(255\)$/,
  version: /^int(\(\d+\))? unsigned$/,
  digest: /^binary\(32\)$/,
  data: /^mediumblob$/,
  created: /^bigint(\(\d+\))?$/,
  deadline: /^bigint(\(\d+\))?$/,
  idle: /^bigint(\(\d+\))?$/,
};

function dialectOf(table: string): Dialect {
  // UTC, since a session's time zone repeats an hour every autumn.
  const now = "(TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(3)) DIV 1000)";
  return {
    table,
    parameter: () => "?",
    reuse: false,
    now,
    // UTC_TIMESTAMP is when the statement began. Only SYSDATE tells how long it has waited since, in
    // the session's time zone: the remainder takes out a clock change in between (in some zones of
    // half an hour). Both fall away when the server runs with --sysdate-is-now.
    clock:
      `(${now} + GREATEST(0, ` +
      "TIMESTAMPDIFF(MICROSECOND, NOW(6), SYSDATE(6)) MOD 1800000000) DIV 1000)",
    plus: (time, ms) => `(${time} + ${ms})`,
    // As doubles: BIGINT overflows with an error when a hand has written its limits.
    between: (from, to) => `(${to} + 0e0 - ${from})`,
    least: "LEAST",
    greatest: "GREATEST",
    // How many rows a write affected depends on a flag of the connection: without FOUND_ROWS, a row
    // that already has the new values does not count. What LAST_INSERT_ID(expr) was given comes back
    // in the same reply, and only if a row matched.
    mark: (value) => `LAST_INSERT_ID(${value})`,
  };
}

/**
 * The table, for migration tools: what `setUp()` runs. Keys are bytes, compared as they are.
 *
 * @throws {SessionError} `invalid-option`
 */
export function mysqlSchema(options: TableOptions = {}): string {
  return `CREATE TABLE IF NOT EXISTS ${tableName(options, "`", 64)} (
  id VARBINARY(255) NOT NULL PRIMARY KEY,
  version INT UNSIGNED NOT NULL,
  digest BINARY(32) NOT NULL,
  data MEDIUMBLOB NOT NULL,
  created BIGINT NOT NULL,
  deadline BIGINT NOT NULL,
  idle BIGINT NULL
) ENGINE = InnoDB`;
}

/**
 * An engine on MariaDB or MySQL.
 *
 * @example
 * ```ts
 * import { SessionManager } from "scs-session";
 * import { type MySQLClient, MySQLStore } from "scs-session/stores/mysql";
 *
 * // const pool = mysql.createPool({ uri: "mysql://app@localhost/app" }); // from mysql2/promise
 * export async function sessionsIn(pool: MySQLClient): Promise<SessionManager> {
 *   const store = new MySQLStore(pool);
 *   await store.setUp(); // at deployment, or at the start
 *   return new SessionManager({ store });
 * }
 * ```
 */
export class MySQLStore extends SqlStore {
  readonly #query: Query;
  readonly #options: TableOptions;
  readonly #table: string;
  readonly #probes: readonly Statement[];

  /** @throws {SessionError} `invalid-option`: options, or a client of another kind. */
  constructor(client: MySQLClient, options: MySQLStoreOptions = {}) {
    const table = tableName(options, "`", 64);
    const dialect = dialectOf(table);
    const statements = statementsOf(dialect);
    const query = queryOf(client);
    const sweep = sweepStatements(dialect);
    super(
      statements,
      {
        run: (statement, values) => run(query, statement, values),
        // An UPDATE here tells how many rows it matched, and not which.
        many: {
          load: manyLoads(statements, (statement, values) =>
            query(statement.text, values.map(encoded)).then(({ rows }) => rows),
          ),
        },
        sweep: (after) => step(query, sweep, after),
        // MEDIUMBLOB. The server's max_allowed_packet may be less: see tooLarge.
        longest: 2 ** 24 - 1,
        isFull: (error) => fullBy.includes(property(error, "errno")),
      },
      options,
    );
    this.#query = query;
    this.#options = options;
    this.#table = table;
    this.#probes = statements.probes;
  }

  /**
   * Creates the table if it is not there: one statement, which the server runs one at a time. Needs
   * no right to create anything when the table is there.
   *
   * @throws {SessionError} `store-failed` when there is a table of that name with other columns.
   */
  async setUp(): Promise<void> {
    if (await this.#present()) return;
    try {
      await this.#query(mysqlSchema(this.#options), []);
    } catch (error) {
      throw notCreated(this.#table, error);
    }
    await this.#present();
  }

  /** @throws {SessionError} `store-failed`, with what is wrong. */
  async check(): Promise<void> {
    let present: boolean;
    try {
      const { rows } = await this.#query(
        "SELECT @@global.read_only AS frozen, @@session.autocommit AS autocommit",
        [],
      );
      if (!/^(0|off)$/i.test(String(rows[0]?.["frozen"]))) throw new Error("it is read-only");
      if (Number(rows[0]?.["autocommit"]) !== 1) throw new Error("autocommit is off");
      present = await this.#present();
      if (present) for (const probe of this.#probes) await this.#query(probe.text, []);
    } catch (error) {
      if (error instanceof SessionError) throw error;
      const message = `The MySQL server cannot keep sessions: ${reason(error)}`;
      throw new SessionError("store-failed", message, { cause: error });
    }
    if (!present) {
      throw new SessionError("store-failed", `There is no table ${this.#table}: run setUp() first`);
    }
  }

  async #present(): Promise<boolean> {
    const { table = "scs_sessions", schema = null } = this.#options;
    const { rows } = await this.#query(
      "SELECT CAST(c.column_name AS CHAR) AS name, CAST(c.column_type AS CHAR) AS type, " +
        "CAST(c.column_key AS CHAR) AS `index`, " +
        "t.engine AS engine FROM information_schema.columns c JOIN information_schema.tables t " +
        "ON t.table_schema = c.table_schema AND t.table_name = c.table_name " +
        "WHERE c.table_schema = COALESCE(?, DATABASE()) AND c.table_name = ?",
      [schema, table],
    );
    if (rows.length === 0) return false;
    const found = new Map(rows.map((row) => [text(row["name"]), text(row["type"])]));
    for (const [name, type] of Object.entries(columns)) {
      if (type.test(found.get(name) ?? "")) continue;
      throw new SessionError(
        "store-failed",
        `The table ${this.#table} is not ours: its column "${name}" is ${found.get(name) ?? "missing"}. ` +
          "Give another `table`, or drop it (its sessions end)",
      );
    }
    const id = rows.find((row) => text(row["name"]) === "id");
    // Without it, a key could be created twice: no error would tell.
    if (text(id?.["index"]) !== "PRI") {
      throw new SessionError(
        "store-failed",
        `The table ${this.#table} is not ours: its column "id" is not the primary key`,
      );
    }
    const engine = text(rows[0]?.["engine"]);
    if (engine !== "InnoDB") {
      throw new SessionError(
        "store-failed",
        `The table ${this.#table} is kept by ${engine}: it must be InnoDB`,
      );
    }
    return true;
  }
}

const encoder = new TextEncoder();

/** Keys go as bytes: text would be converted to the connection's character set. */
function encoded(value: Value): Value {
  return typeof value === "string" ? encoder.encode(value) : value;
}

const duplicate = 1062;
/** The disk is full; the table is. */
const fullBy: readonly unknown[] = [1021, 1114];
/** Deadlock; and MariaDB's "record has changed since last read" (innodb_snapshot_isolation). */
const rolledBackBy: readonly unknown[] = [1213, 1020];

async function run(query: Query, statement: Statement, values: Values): Promise<Reply> {
  const { name, text: sql } = statement;
  try {
    const { rows, affected, mark } = await withRetries(
      () => query(sql, bind(statement, values).map(encoded)),
      (error) => rolledBackBy.includes(property(error, "errno")),
    );
    const matched = name === "update" || name === "touch" ? mark : affected;
    // No rows of a write: a conflict costs a second round trip. UPDATE has no RETURNING here.
    return sql.startsWith("SELECT") ? { matched, rows } : { matched };
  } catch (error) {
    if (name === "create" && property(error, "errno") === duplicate) return { matched: 0 };
    throw await tooLarge(query, values["data"], error);
  }
}

/** How many records one DELETE removes: each is locked by its key alone, and briefly. */
const chunk = 50;

interface Sweep {
  readonly look: Statement;
  readonly remove: Statement;
}

/** A range in the DELETE would lock the live records in it, and the gaps between (REPEATABLE READ). */
function sweepStatements(dialect: Dialect): Sweep {
  const list = Array.from({ length: chunk }, () => ":id").join(", ");
  return {
    look: compile(
      "look",
      `SELECT id, CASE WHEN ${aliveAt(dialect.now)} THEN 0 ELSE 1 END AS ended ` +
        `FROM {table} WHERE id > :last ORDER BY id LIMIT ${stepSize}`,
      dialect,
    ),
    remove: compile(
      "remove",
      `DELETE FROM {table} WHERE id IN (${list}) AND NOT ${aliveAt(dialect.clock)}`,
      dialect,
    ),
  };
}

async function step(query: Query, sweep: Sweep, after: string): Promise<Step> {
  const { rows } = await query(sweep.look.text, [encoded(after)]);
  const ended = rows.filter((row) => Number(row["ended"]) === 1).map((row) => text(row["id"]));
  let removed = 0;
  for (let at = 0; at < ended.length; at += chunk) {
    const ids = ended.slice(at, at + chunk);
    // Always as many, so that it is prepared once.
    while (ids.length < chunk) ids.push(ids[0] ?? "");
    removed += (await query(sweep.remove.text, ids.map(encoded))).affected;
  }
  return { seen: rows.length, removed, last: text(rows.at(-1)?.["id"] ?? "") };
}
