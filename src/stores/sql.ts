/**
 * The statements of the SQL engines, written once. A dialect says how its server spells times,
 * parameters and names; nothing else differs.
 *
 * Every statement holds all its conditions, so that nothing is decided between two round trips, and
 * none is an upsert (G2).
 */
import { SessionError } from "../errors.ts";

/** What a statement takes. A position in the text may repeat a parameter. */
export type Parameter =
  | "id"
  | "digest"
  | "next"
  | "data"
  | "version"
  | "lifetime"
  | "idle"
  | "from"
  | "to"
  | "last";

/** What a driver binds. Null is nothing. */
export type Value = string | number | Uint8Array | null;

/** The values of one call. */
export type Values = { readonly [name in Parameter]?: Value };

/** One statement, ready for a driver. */
export interface Statement {
  /** Which operation it is; with `text`, it names a prepared statement. */
  readonly name: string;
  readonly text: string;
  /** The parameters, in the order in which the driver takes them. */
  readonly parameters: readonly Parameter[];
}

/** How a server spells what differs. Times are of the type of its columns. */
export interface Dialect {
  /** The table's name, quoted. */
  readonly table: string;
  /** `$1` with a cast, or `?`. With `reuse`, a parameter that repeats has one position. */
  readonly parameter: (name: Parameter, position: number) => string;
  readonly reuse: boolean;
  /** When the statement began: the same all through it, so that an idle expiry is clamped exactly. */
  readonly now: string;
  /**
   * The time now, read again after a wait for a row lock: a write that waited until the record had
   * ended must not bring it back.
   */
  readonly clock: string;
  /** A time, some milliseconds later. */
  readonly plus: (time: string, ms: string) => string;
  /** Milliseconds from one time to another, null when one is null; no error for any two. */
  readonly between: (from: string, to: string) => string;
  /** The version in a reply, where a driver refuses numbers that its column can hold. */
  readonly version?: string | undefined;
  /** The functions for the lesser and the greater of two values, neither null. */
  readonly least: string;
  readonly greatest: string;
  /**
   * A record in two columns, where a driver pays for each: `head` is the version, the digest's length
   * and the three times (the last may be `-`), and the id, with spaces between; `body` is digest and data.
   */
  readonly packed?: ((times: Times) => string) | undefined;
  /** Around a new value of a write, when the driver learns from it that a row matched. */
  readonly mark?: ((value: string) => string) | undefined;
  /** After a write, for the same purpose: `RETURNING`. */
  readonly tail?: string | undefined;
  /** After an INSERT: nothing when the key is taken. Without it, the driver's error says so. */
  readonly unlessTaken?: string | undefined;
  /** `:id` in a touch, after waiting for the row's lock; `:id` alone where a WHERE is read after it. */
  readonly lockedId?: string | undefined;
  /** The records of several ids, where `id IN` will not do. */
  readonly loadMany?: ((parts: LoadParts) => string) | undefined;
  /** An update that also returns the newest record when nothing was updated. */
  readonly orNewest?: ((update: UpdateParts) => string) | undefined;
}

/** Milliseconds since a record's creation, and until its ends, as SQL. */
export interface Times {
  readonly age: string;
  readonly ends: string;
  readonly idles: string;
}

/** What `loadMany` puts together. */
export interface LoadParts {
  readonly ids: readonly string[];
  readonly record: string;
  readonly alive: string;
}

/** What `orNewest` puts together. */
export interface UpdateParts {
  readonly sets: string;
  /** Without the one on `id`. */
  readonly conditions: string;
  /** The columns of a record. */
  readonly record: string;
  readonly alive: string;
}

/** All statements of one table. */
export interface Statements {
  /** The columns of a record, as every statement that returns one selects them. */
  readonly record: string;
  readonly load: Statement;
  /** The records of so many ids, of which some may be null; one that repeats may be returned each time. */
  loadMany(count: number): Statement;
  readonly create: Statement;
  /** Makes room for `create`: removes a record that has ended. */
  readonly vacate: Statement;
  readonly touch: Statement;
  readonly destroy: Statement;
  /** One page of `iterate`. */
  readonly page: Statement;
  /** By what the change holds: a statement that sets only what changes. */
  update(change: { next: boolean; lifetime: boolean; idle: boolean }): Statement;
  /** Writes that change nothing: one fails on a server that takes no writes, and without a right or the key. */
  readonly probes: readonly Statement[];
}

/** How many records a page of `iterate` has: at most 6.4 MB with the manager's default `maxSize`. */
export const pageSize = 100;

const names = "id, version, digest, data, created, deadline, idle";

/** Whether a record is alive at `at`, as SQL. Idle is never past the deadline, but a hand may edit. */
export function aliveAt(at: string): string {
  return `(${at} < deadline AND (idle IS NULL OR ${at} < idle))`;
}

export function statementsOf(dialect: Dialect): Statements {
  const {
    now,
    clock,
    plus,
    between,
    least,
    greatest,
    tail = "",
    mark = (value) => value,
  } = dialect;
  const times: Times = {
    age: between("created", now),
    ends: between(now, "deadline"),
    idles: between(now, "idle"),
  };
  const columns =
    `id, ${dialect.version ?? "version"}, digest, data, ` +
    `${times.age} AS age, ${times.ends} AS ends, ${times.idles} AS idles`;
  const record = dialect.packed?.(times) ?? columns;
  const alive = aliveAt(clock);

  function make(name: string, template: string): Statement {
    return compile(name, template, dialect);
  }

  function update(next: boolean, lifetime: boolean, idle: boolean): Statement {
    const deadline = lifetime ? plus(now, ":lifetime") : "deadline";
    const moved = plus(now, ":idle");
    const sets = [`version = ${mark("version + 1")}`, "data = :data"];
    if (next) sets.push("digest = :next");
    // Idle before the deadline: MySQL evaluates from left to right, with the new values.
    if (idle) {
      sets.push(`idle = ${least}(${greatest}(COALESCE(idle, ${moved}), ${moved}), ${deadline})`);
    } else if (lifetime) {
      sets.push(`idle = CASE WHEN idle > ${deadline} THEN ${deadline} ELSE idle END`);
    }
    if (lifetime) sets.push(`deadline = ${deadline}`);
    const conditions = `version = :version AND digest = :digest AND ${alive}`;
    const parts = { sets: sets.join(", "), conditions, record, alive };
    const plain = `UPDATE {table} SET ${parts.sets} WHERE id = :id AND ${conditions}${tail}`;
    return make("update", dialect.orNewest?.(parts) ?? plain);
  }

  // At most eight, and three in practice: made when first asked for.
  const updates: (Statement | undefined)[] = [];

  const moved = plus(now, ":idle");
  const touched = `${least}(${greatest}(COALESCE(idle, ${moved}), ${moved}), deadline)`;
  return {
    record,
    load: make("load", `SELECT ${record} FROM {table} WHERE id = :id AND ${aliveAt(now)}`),
    loadMany(count): Statement {
      const ids = Array.from({ length: count }, () => ":id");
      const template =
        dialect.loadMany?.({ ids, record, alive: aliveAt(now) }) ??
        `SELECT ${record} FROM {table} WHERE id IN (${ids.join(", ")}) AND ${aliveAt(now)}`;
      return compile("load", template, { ...dialect, reuse: false });
    },
    create: make(
      "create",
      `INSERT INTO {table} (${names}) ` +
        `VALUES (:id, 1, :digest, :data, ${now}, ${plus(now, ":lifetime")}, ${plus(now, ":idle")})` +
        (dialect.unlessTaken ?? "") +
        tail,
    ),
    vacate: make("vacate", `DELETE FROM {table} WHERE id = :id AND NOT ${alive}${tail}`),
    touch: make(
      "touch",
      `UPDATE {table} SET idle = ${mark(touched)} ` +
        `WHERE id = ${dialect.lockedId ?? ":id"} AND digest = :digest AND ${alive}${tail}`,
    ),
    destroy: make("destroy", "DELETE FROM {table} WHERE id = :id"),
    page: make(
      "page",
      `SELECT ${columns} FROM {table} WHERE id >= :from AND id < :to AND id <> :last ` +
        `AND ${aliveAt(now)} ORDER BY id LIMIT ${pageSize}`,
    ),
    update({ next, lifetime, idle }): Statement {
      const index = (next ? 1 : 0) + (lifetime ? 2 : 0) + (idle ? 4 : 0);
      return (updates[index] ??= update(next, lifetime, idle));
    },
    probes: [
      make("probe", "UPDATE {table} SET version = version WHERE id = ''"),
      make("probe", "DELETE FROM {table} WHERE id = ''"),
      make(
        "probe",
        `INSERT INTO {table} (${names}) SELECT ${names} FROM {table} WHERE id = ''` +
          (dialect.unlessTaken ?? ""),
      ),
    ],
  };
}

/** Puts the table and the parameters (`:name`) into a template. */
export function compile(
  name: string,
  template: string,
  dialect: Pick<Dialect, "table" | "parameter" | "reuse">,
): Statement {
  const parameters: Parameter[] = [];
  // One pass, so that a table called ":id" stays what it is. Not `::type`, which is a cast.
  const text = template.replace(
    /(?<!:):([a-z]+)|\{table\}/g,
    (_match, found: string | undefined) => {
      if (found === undefined) return dialect.table;
      const parameter = found as Parameter;
      const known = dialect.reuse ? parameters.indexOf(parameter) : -1;
      const position = known < 0 ? parameters.push(parameter) : known + 1;
      return dialect.parameter(parameter, position);
    },
  );
  return { name, text, parameters };
}

/** The values in the driver's order. */
export function bind(statement: Statement, values: Values): Value[] {
  return statement.parameters.map((name) => values[name] ?? null);
}

/** Where an engine keeps its sessions. */
export interface TableOptions {
  /** Default `"scs_sessions"`. */
  readonly table?: string | undefined;
  /** The schema (MySQL: database; SQLite: attached database) of the table. Default: the connection's. */
  readonly schema?: string | undefined;
}

/** The quoted name of the table. @throws {SessionError} `invalid-option` */
export function tableName(options: TableOptions, mark: '"' | "`", longest: number): string {
  const { table = "scs_sessions", schema } = options;
  const parts = schema === undefined ? [table] : [schema, table];
  return parts.map((part) => quote(part, mark, longest)).join(".");
}

function quote(name: string, mark: '"' | "`", longest: number): string {
  // PostgreSQL cuts longer names off, and two tables become one.
  if (
    typeof name !== "string" ||
    name === "" ||
    name.includes("\0") ||
    new TextEncoder().encode(name).length > longest
  ) {
    throw new SessionError(
      "invalid-option",
      `table and schema must be names of 1 to ${longest} bytes, without NUL, not ${JSON.stringify(name)}`,
    );
  }
  return mark + name.replaceAll(mark, mark + mark) + mark;
}
