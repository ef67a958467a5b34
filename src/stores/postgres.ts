/**
 * Sessions in PostgreSQL, through `pg`, `postgres` (postgres.js) or PGlite. One round trip per
 * operation; docs/stores/postgres.md has the table, the grants and what was tested.
 */
import { SessionError } from "../errors.ts";
import type { BatchOptions } from "./batcher.ts";
import { type PostgresClient, queryOf, type Query, scriptOf } from "./postgres-client.ts";
import {
  aliveAt,
  bind,
  compile,
  type Dialect,
  type Parameter,
  type Statement,
  statementsOf,
  tableName,
  type TableOptions,
  type Values,
} from "./sql.ts";
import { failureOf, manyCreates, manyUpdates } from "./postgres-many.ts";
import { manyLoads, type Rows } from "./sql-many.ts";
import { text } from "./sql-record.ts";
import { notCreated, property, reason, type Reply, SqlStore, withRetries } from "./sql-store.ts";
import { type Step, stepSize, type SweepOptions } from "./sql-sweeper.ts";

export type {
  PgClient,
  PGliteClient,
  PostgresClient,
  PostgresJsClient,
} from "./postgres-client.ts";

/** Options of `PostgresStore`. */
export interface PostgresStoreOptions extends TableOptions, SweepOptions, BatchOptions {
  /**
   * Whether statements are prepared, once per connection. Turn it off behind a pooler that gives
   * each transaction another connection and does not know prepared statements (PgBouncer before
   * 1.21, or with `max_prepared_statements = 0`). Default true.
   */
  readonly prepare?: boolean | undefined;
}

const types: { readonly [name in Parameter]: string } = {
  id: "text",
  from: "text",
  to: "text",
  last: "text",
  digest: "bytea",
  next: "bytea",
  data: "bytea",
  version: "int4",
  lifetime: "float8",
  idle: "float8",
};

/** The columns that `setUp` expects, and the types it takes for them. CockroachDB's integers are longer. */
const columns: Readonly<Record<string, RegExp>> = {
  id: /^(text|string)/,
  version: /^(integer|bigint)$/,
  digest: /^(bytea|bytes)$/,
  data: /^(bytea|bytes)$/,
  created: /^timestamp with time zone$/,
  deadline: /^timestamp with time zone$/,
  idle: /^timestamp with time zone$/,
};

function dialectOf(table: string): Dialect {
  return {
    table,
    parameter: (name, position) => `$${position}::${types[name]}`,
    reuse: true,
    // Not now(): in a transaction of the application's, that is when the transaction began.
    now: "statement_timestamp()",
    clock: "clock_timestamp()",
    plus: (time, ms) => `${time} + ${ms} * interval '1 millisecond'`,
    // Before version 17, an infinite time cannot be subtracted; its date_part can.
    between: (from, to) =>
      `((date_part('epoch', ${to}) - date_part('epoch', ${from})) * 1000)::float8`,
    least: "LEAST",
    greatest: "GREATEST",
    tail: " RETURNING true AS done",
    unlessTaken: " ON CONFLICT (id) DO NOTHING",
    // The lock comes first, in a subquery. An UPDATE alone reads the clock before it waits, and not
    // again if the transaction it waited for had only locked the row: it would revive a record that
    // ended meanwhile.
    lockedId: "(SELECT id FROM {table} WHERE id = :id FOR NO KEY UPDATE)",
    // Locking follows the row to its newest version. A plain SELECT beside the UPDATE would see the
    // snapshot from before it waited for another writer: the very version that the caller has.
    orNewest: ({ sets, conditions, record, alive }) =>
      `WITH held AS (SELECT ${record}, id, deadline, idle FROM {table} ` +
      "WHERE id = :id FOR NO KEY UPDATE), " +
      `done AS (UPDATE {table} SET ${sets} ` +
      `WHERE id = (SELECT id FROM held) AND ${conditions} RETURNING true AS done) ` +
      "SELECT true AS done, NULL AS head, NULL AS body FROM done UNION ALL " +
      `SELECT false, head, body FROM held WHERE NOT EXISTS (SELECT 1 FROM done) AND ${alive}`,
    // Each by the key, also by a plan that was made while the table was small. OFFSET keeps the planner
    // from making one scan of it.
    loadMany: ({ ids, record, alive }) =>
      `SELECT head, body FROM (VALUES ${ids.map((id) => `(${id})`).join(", ")}) AS given (wanted) ` +
      `CROSS JOIN LATERAL (SELECT ${record} FROM {table} WHERE id = wanted AND ${alive} OFFSET 0) AS found`,
    // pg takes a microsecond for each column of a row (bench/micro/drivers.ts).
    packed: ({ age, ends, idles }) =>
      `concat_ws(' ', version, octet_length(digest), ${age}, ${ends}, ` +
      `COALESCE((${idles})::text, '-'), id) AS head, digest || data AS body`,
  };
}

/**
 * The table, for migration tools: what `setUp()` runs. HOT updates need free room in the page.
 *
 * @throws {SessionError} `invalid-option`
 */
export function postgresSchema(options: TableOptions = {}): string {
  return `CREATE TABLE IF NOT EXISTS ${tableName(options, '"', 63)} (
  id text COLLATE "C" PRIMARY KEY,
  version integer NOT NULL,
  digest bytea NOT NULL,
  data bytea NOT NULL,
  created timestamptz NOT NULL,
  deadline timestamptz NOT NULL,
  idle timestamptz
) WITH (fillfactor = 75)`;
}

/**
 * An engine on PostgreSQL.
 *
 * @example
 * ```ts
 * import { SessionManager } from "scs-session";
 * import { type PostgresClient, PostgresStore } from "scs-session/stores/postgres";
 *
 * // const pool = new pg.Pool({ connectionString: process.env.DATABASE_URL, query_timeout: 5000 });
 * // pool.on("error", console.error); // without it, a restart of the server ends this process
 * export async function sessionsIn(pool: PostgresClient): Promise<SessionManager> {
 *   const store = new PostgresStore(pool);
 *   await store.setUp(); // at deployment, or at the start
 *   return new SessionManager({ store });
 * }
 * ```
 */
export class PostgresStore extends SqlStore {
  readonly #query: Query;
  readonly #script: (text: string) => Promise<unknown>;
  readonly #options: TableOptions;
  readonly #table: string;
  readonly #probes: readonly Statement[];

  /** @throws {SessionError} `invalid-option`: options, or a client of another kind. */
  constructor(client: PostgresClient, options: PostgresStoreOptions = {}) {
    const table = tableName(options, '"', 63);
    const dialect = dialectOf(table);
    const statements = statementsOf(dialect);
    const query = queryOf(client, options.prepare ?? true);
    const sweep = sweepStatement(dialect);
    const rows: Rows = (statement, values) =>
      withRetries(() => query(statement, values), rolledBack);
    super(
      statements,
      {
        run: (statement, values) => run(query, statement, values),
        many: {
          load: manyLoads(statements, rows),
          create: manyCreates(dialect, rows),
          update: manyUpdates(dialect, statements, rows),
        },
        failure: failureOf,
        sweep: (after) => step(query, sweep, after),
        // A value of PostgreSQL is at most 1 GiB, and travels as hexadecimal text.
        longest: 2 ** 28,
        isFull: (error) => property(error, "code") === "53100",
      },
      options,
    );
    this.#query = query;
    this.#script = scriptOf(client);
    this.#options = options;
    this.#table = table;
    this.#probes = statements.probes;
  }

  /**
   * Creates the table if it is not there. May run in several processes at once, and needs no right
   * to create anything when the table is there.
   *
   * @throws {SessionError} `store-failed` when there is a table of that name with other columns.
   */
  async setUp(): Promise<void> {
    if (await this.#present()) return;
    // One implicit transaction. CREATE TABLE IF NOT EXISTS alone fails when two run at once.
    try {
      await this.#script(
        `SELECT pg_advisory_xact_lock(7235412, 1);\n${postgresSchema(this.#options)};`,
      );
    } catch (error) {
      throw notCreated(this.#table, error);
    }
    await this.#present();
  }

  /** @throws {SessionError} `store-failed`, with what is wrong. */
  async check(): Promise<void> {
    let present: boolean;
    try {
      const [row] = await this.#query(
        {
          name: "check",
          text: "SELECT pg_is_in_recovery() AS replica",
          parameters: [],
        },
        [],
      );
      if (row?.["replica"] === true) throw new Error("it is a replica");
      present = await this.#present();
      if (present) for (const probe of this.#probes) await this.#query(probe, []);
    } catch (error) {
      if (error instanceof SessionError) throw error;
      const message = `PostgreSQL cannot keep sessions: ${reason(error)}`;
      throw new SessionError("store-failed", message, { cause: error });
    }
    if (!present) {
      throw new SessionError("store-failed", `There is no table ${this.#table}: run setUp() first`);
    }
  }

  /** Whether the table is there. @throws {SessionError} `store-failed` when its columns are others. */
  async #present(): Promise<boolean> {
    const rows = await this.#query(
      {
        name: "columns",
        text:
          "SELECT attname::text AS name, format_type(atttypid, atttypmod) AS type FROM pg_attribute " +
          "WHERE attrelid = to_regclass($1::text) AND attnum > 0 AND NOT attisdropped",
        parameters: ["id"],
      },
      [this.#table],
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
    return true;
  }
}

function run(query: Query, statement: Statement, values: Values): Promise<Reply> {
  const bound = bind(statement, values);
  return withRetries(() => query(statement, bound), rolledBack).then((rows) => {
    if (statement.name !== "update") return { matched: rows.length, rows };
    return rows[0]?.["done"] === true ? { matched: 1 } : { matched: 0, rows };
  });
}

/** Serialization failure (stricter isolation than the default) or deadlock. */
function rolledBack(error: unknown): boolean {
  const code = property(error, "code");
  return code === "40001" || code === "40P01";
}

/** Looks at one stretch of the key; rows that a request holds are left for the next time. */
function sweepStatement(dialect: Dialect): Statement {
  const ended = `NOT ${aliveAt(dialect.clock)}`;
  return compile(
    "sweep",
    "WITH stretch AS MATERIALIZED " +
      `(SELECT id FROM {table} WHERE id > :last ORDER BY id LIMIT ${stepSize}), ended AS ` +
      `(SELECT id FROM {table} WHERE id IN (SELECT id FROM stretch) AND ${ended} FOR UPDATE SKIP LOCKED), ` +
      `removed AS (DELETE FROM {table} WHERE id IN (SELECT id FROM ended) AND ${ended} RETURNING 1) ` +
      "SELECT count(*)::int4 AS seen, (SELECT count(*)::int4 FROM removed) AS removed, " +
      "max(id) AS last FROM stretch",
    dialect,
  );
}

async function step(query: Query, statement: Statement, after: string): Promise<Step> {
  const [row] = await query(statement, [after]);
  return {
    seen: Number(row?.["seen"]),
    removed: Number(row?.["removed"]),
    last: text(row?.["last"] ?? ""),
  };
}
