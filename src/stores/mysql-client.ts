/** The MySQL clients, told apart by their methods: no driver is imported. */
import { SessionError } from "../errors.ts";
import type { Value } from "./sql.ts";
import { type Row } from "./sql-record.ts";
import { hasMethods, property } from "./sql-store.ts";

/** What MySQL clients bind here. */
export type MySQLValue = string | number | null | Uint8Array;

/** A pool or connection of `mysql2/promise`. */
export interface MySQL2Client {
  execute(sql: string, values: (string | number | null | Uint8Array)[]): Promise<unknown>;
}

/** A pool or connection of `mariadb`. */
export interface MariaDBClient {
  execute(sql: string, values: (string | number | null | Uint8Array)[]): Promise<unknown>;
  batch: unknown;
}

/** What `MySQLStore` takes. */
export type MySQLClient = MySQL2Client | MariaDBClient;

export interface Outcome {
  readonly rows: readonly Row[];
  readonly affected: number;
  /** What LAST_INSERT_ID(expr) was given; 0 when no row matched. */
  readonly mark: number;
}

/** One statement in one round trip. */
export type Query = (sql: string, values: Value[]) => Promise<Outcome>;

/** @throws {SessionError} `invalid-option` for anything but the two clients. */
export function queryOf(client: MySQLClient): Query {
  // mysql2 without /promise takes callbacks; its pools and connections have `promise()`.
  if (!hasMethods(client, "execute", "query") || hasMethods(client, "promise")) {
    throw new SessionError(
      "invalid-option",
      "MySQLStore takes a pool or connection of `mysql2/promise` or `mariadb`",
    );
  }
  const execute = hasMethods(client, "batch") ? ofMariaDB(client) : ofMySQL2(client);
  return async (sql, values) => {
    const result = await execute(sql, values.map(toBuffer));
    if (Array.isArray(result)) return { rows: result as readonly Row[], affected: 0, mark: 0 };
    return {
      rows: [],
      affected: Number(property(result, "affectedRows")),
      // A bigint in mariadb.
      mark: Number(property(result, "insertId")),
    };
  };
}

type Execute = (sql: string, values: MySQLValue[]) => Promise<unknown>;

function ofMariaDB(client: MySQLClient): Execute {
  return (sql, values) => client.execute(sql, values);
}

/** mysql2's own client, behind the one with promises. */
interface CallbackClient {
  execute(
    sql: string,
    values: MySQLValue[],
    done: (error: unknown, result: unknown) => void,
  ): unknown;
}

/**
 * Past the promises where nobody has put an `execute` of his own in front of them: mysql2 (3.24) takes down the
 * stack of each call, in case it fails (its option `trace`), a fifth of what a session costs (docs/performance.md).
 */
function ofMySQL2(client: MySQLClient): Execute {
  const core = property(client, "pool") ?? property(client, "connection");
  const isOwn = property(Object.getPrototypeOf(client), "execute") !== client.execute;
  if (isOwn || !hasMethods(core, "execute", "promise")) {
    // It resolves with [result, fields].
    return async (sql, values) => ((await client.execute(sql, values)) as readonly unknown[])[0];
  }
  const callback = core as CallbackClient;
  return (sql, values) =>
    new Promise((resolve, reject) => {
      callback.execute(sql, values, (error, result) => {
        if (error) reject(error);
        else resolve(result);
      });
    });
}

interface BufferClass {
  from(buffer: ArrayBufferLike, offset: number, length: number): Uint8Array;
}

const { Buffer: NodeBuffer } = globalThis as { readonly Buffer?: BufferClass };

/** Both clients take bytes as a Buffer only, and are there only where Buffer is. */
function toBuffer(value: Value): MySQLValue {
  if (!(value instanceof Uint8Array) || NodeBuffer === undefined) return value;
  return NodeBuffer.from(value.buffer, value.byteOffset, value.length);
}
