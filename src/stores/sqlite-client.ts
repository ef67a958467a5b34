/** The SQLite clients, known by their methods: no library is imported. */
import { SessionError } from "../errors.ts";
import { bind, type Statement, type Values } from "./sql.ts";
import { type Row } from "./sql-record.ts";
import { property, reason, type Reply } from "./sql-store.ts";

/** What SQLite binds. */
export type SQLiteValue = string | number | null | Uint8Array;

/** A prepared statement of `node:sqlite` or better-sqlite3. */
export interface SQLiteStatement {
  run(...values: SQLiteValue[]): { readonly changes: number | bigint };
  all(...values: SQLiteValue[]): unknown[];
}

/** `DatabaseSync` of `node:sqlite`, or a `Database` of better-sqlite3 or `bun:sqlite`. */
export interface SQLiteClient {
  prepare(sql: string): SQLiteStatement;
  exec(sql: string): unknown;
}

/** Whether another connection held the lock: nothing has been done then. */
export function isBusy(error: unknown): boolean {
  return /locked|busy/i.test(reason(error));
}

/** Runs again what met another connection's lock, until `limit` ms have passed. */
export async function patiently<T>(run: () => T, limit: number): Promise<T> {
  let until: number | undefined;
  for (let pause = 1; ; pause = Math.min(2 * pause, 25)) {
    try {
      return run();
    } catch (error) {
      if (!isBusy(error)) throw error;
      const now = performance.now();
      until ??= now + limit;
      if (now >= until) throw error;
    }
    // Random, so that several who wait do not meet again.
    await new Promise((resolve) => setTimeout(resolve, pause * (0.5 + Math.random())));
  }
}

/** The statements of one connection, each prepared once. */
export class Prepared {
  readonly #client: SQLiteClient;
  readonly #statements = new Map<string, SQLiteStatement>();

  constructor(client: SQLiteClient) {
    this.#client = client;
  }

  all(sql: string, ...values: SQLiteValue[]): readonly Row[] {
    return this.#prepare(sql).all(...values) as readonly Row[];
  }

  run(statement: Statement, values: Values): Reply {
    const { text: sql } = statement;
    const bound = bind(statement, values);
    if (sql.startsWith("SELECT")) return { matched: 0, rows: this.all(sql, ...bound) };
    // `isTransaction` in node:sqlite, `inTransaction` in better-sqlite3 and Bun.
    if (
      property(this.#client, "isTransaction") === true ||
      property(this.#client, "inTransaction") === true
    ) {
      throw new SessionError(
        "store-failed",
        "The connection is inside a transaction of the application's: give SQLiteStore its own",
      );
    }
    return { matched: Number(this.#prepare(sql).run(...bound).changes) };
  }

  #prepare(sql: string): SQLiteStatement {
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      statement = this.#client.prepare(sql);
      this.#statements.set(sql, statement);
    }
    return statement;
  }
}
