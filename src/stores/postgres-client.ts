/** The PostgreSQL clients, told apart by their methods: no driver is imported. */
import { SessionError } from "../errors.ts";
import type { Statement, Value } from "./sql.ts";
import { type Row } from "./sql-record.ts";
import { hasMethods } from "./sql-store.ts";

/** `Pool`, `Client` or `PoolClient` of `pg`. A pool, unless you know why not. */
export interface PgClient {
  query(config: { text: string; values: unknown[]; name?: string }): Promise<{ rows: unknown[] }>;
  query(text: string): Promise<unknown>;
  connect(): Promise<unknown>;
}

/** The tag function of `postgres` (postgres.js). */
export interface PostgresJsClient {
  unsafe(text: string, values?: never[], options?: { prepare?: boolean }): PromiseLike<unknown>;
  begin: unknown;
}

/** An instance of PGlite: one process, one connection. */
export interface PGliteClient {
  query(text: string, values?: unknown[]): Promise<{ rows: unknown[] }>;
  exec(text: string): Promise<unknown>;
  transaction: unknown;
}

/** What `PostgresStore` takes. */
export type PostgresClient = PgClient | PostgresJsClient | PGliteClient;

/** One statement in one round trip. */
export type Query = (statement: Statement, values: Value[]) => Promise<readonly Row[]>;

/** @throws {SessionError} `invalid-option` for anything but the three clients. */
export function queryOf(client: PostgresClient, prepare: boolean): Query {
  if (isPostgresJs(client)) {
    return async ({ text }, values) => {
      const rows = (await client.unsafe(text, values as never[], { prepare })) as readonly Row[];
      // When a reply breaks off behind its first rows, postgres 3.4.9 leaves as many holes at the start
      // of the connection's next result (porsager/postgres#1119), which would read as "no session".
      // `filter` skips holes.
      return rows.filter(() => true);
    };
  }
  if (isPGlite(client)) {
    return async ({ text }, values) => (await client.query(text, values)).rows as readonly Row[];
  }
  if (isPg(client)) {
    const names = new Map<string, string>();
    return ({ name, text }, values) => {
      if (!prepare) return client.query({ text, values }).then(rowsOf);
      // pg prepares by name, and refuses one name for two texts.
      let unique = names.get(text);
      if (unique === undefined) names.set(text, (unique = `scs_${name}_${hash(text)}`));
      return client.query({ name: unique, text, values }).then(rowsOf);
    };
  }
  throw new SessionError(
    "invalid-option",
    "PostgresStore takes a Pool or Client of `pg`, the function of `postgres`, or a PGlite",
  );
}

function rowsOf(result: { readonly rows: unknown[] }): readonly Row[] {
  return result.rows as readonly Row[];
}

/** Runs several statements in one implicit transaction. */
export function scriptOf(client: PostgresClient): (text: string) => Promise<unknown> {
  if (isPostgresJs(client)) return async (text) => await client.unsafe(text);
  if (isPGlite(client)) return (text) => client.exec(text);
  return (text) => client.query(text);
}

function isPostgresJs(client: PostgresClient): client is PostgresJsClient {
  return typeof client === "function" && hasMethods(client, "unsafe", "begin");
}

function isPGlite(client: PostgresClient): client is PGliteClient {
  return hasMethods(client, "query", "exec", "transaction");
}

function isPg(client: PostgresClient): client is PgClient {
  // A connection of MySQL has both, and `execute` besides.
  return hasMethods(client, "query", "connect") && !hasMethods(client, "execute");
}

/** FNV-1a twice, 64 bits: the few dozen texts of an application do not collide. */
function hash(text: string): string {
  let a = 0x811c9dc5;
  let b = 0x9747b28c;
  for (let i = 0; i < text.length; i++) {
    a = Math.imul(a ^ text.charCodeAt(i), 0x01000193);
    b = Math.imul(b ^ text.charCodeAt(i), 0x01000193) ^ (b >>> 15);
  }
  return [a, b].map((part) => (part >>> 0).toString(16).padStart(8, "0")).join("");
}
