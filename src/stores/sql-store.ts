/** The engine contract over SQL: which statement runs for which operation, and what its reply means. */
import { SessionError } from "../errors.ts";
import type {
  Abilities,
  CreateRecord,
  Store,
  StoreRecord,
  UpdateRecord,
  UpdateResult,
} from "../store.ts";
import { Batcher, type BatchOptions, type Failure, isBatching } from "./batcher.ts";
import type { Statement, Statements, Values } from "./sql.ts";
import { pageSize } from "./sql.ts";
import { forever, recordOf, type Row, text } from "./sql-record.ts";
import { type Step, Sweeper, type SweepOptions } from "./sql-sweeper.ts";

/** What a statement did. */
export interface Reply {
  /** Of a write: how many rows its conditions matched, changed or not. */
  readonly matched: number;
  /** Of a read: the rows. Of an update that matched nothing: the newest record, when the dialect returns it. */
  readonly rows?: readonly Row[] | undefined;
}

/** Runs one statement in one round trip. */
export type Run = (statement: Statement, values: Values) => Promise<Reply>;

/** Several operations in one statement, in one round trip. */
export interface Many {
  /** At most so many. */
  readonly most: number;
  /** One statement cannot change a row twice. */
  readonly writes: boolean;
  /** What they did, in order; undefined for one that must run alone. */
  readonly run: (all: readonly Values[]) => Promise<readonly (Reply | undefined)[]>;
}

type Operation = "load" | "create" | "update";

interface Call {
  readonly statement: Statement;
  readonly values: Values;
}

/** More data than this would make the others of its statement wait. */
const bulky = 65_536;

/** What an engine has that its server does not share with the others. */
export interface Backend {
  readonly run: Run;
  readonly many?: { readonly [operation in Operation]?: Many } | undefined;
  /** Of a statement for several: what its failure means for each. */
  readonly failure?: ((error: unknown) => Failure) | undefined;
  /** One step of removing expired records. */
  readonly sweep: (after: string) => Promise<Step>;
  /** The longest data that a record can hold, in bytes. */
  readonly longest: number;
  /** Whether the server's disk or table is full: the statement was undone. */
  readonly isFull: (error: unknown) => boolean;
}

export abstract class SqlStore implements Store {
  readonly abilities: Abilities = Object.freeze({
    iterate: true,
    shared: true,
    guarantees: Object.freeze(["G1", "G2", "G3", "G4", "G5", "G6", "G7"] as const),
  });

  readonly #statements: Statements;
  readonly #backend: Backend;
  readonly #sweeper: Sweeper;
  readonly #batchers: { readonly [name: string]: Batcher<Call, Reply> | undefined };

  constructor(statements: Statements, backend: Backend, options: SweepOptions & BatchOptions) {
    const batch = isBatching(options);
    this.#statements = statements;
    this.#backend = backend;
    const { load, create, update } = backend.many ?? {};
    this.#batchers = {
      load: batcher(backend, load, batch),
      create: batcher(backend, create, batch),
      update: batcher(backend, update, batch),
    };
    this.#sweeper = new Sweeper(options, backend.sweep);
  }

  load(key: string): Promise<StoreRecord | undefined> {
    return this.#run(this.#statements.load, { id: key }).then(({ rows }) => recordOf(rows?.[0]));
  }

  /** @throws {SessionError} `too-large` when the server cannot hold the data; `store-full`. */
  async create(key: string, record: CreateRecord): Promise<boolean> {
    this.#check(key, record.data);
    const lifetime = duration(record.lifetime);
    const values = {
      id: key,
      digest: record.digest,
      data: record.data,
      lifetime,
      idle: record.idle === undefined ? null : Math.min(duration(record.idle), lifetime),
    };
    const { create, vacate } = this.#statements;
    if ((await this.#add(create, values)).matched > 0) return true;
    // Ids are random and never reused, so the manager does not get here. A record that has ended and
    // was not removed yet does not exist, though, and must not be in the way.
    if ((await this.#run(vacate, { id: key })).matched === 0) return false;
    return (await this.#add(create, values)).matched > 0;
  }

  /** @throws {SessionError} `too-large` when the server cannot hold the data; `store-full`. */
  async update(key: string, change: UpdateRecord): Promise<UpdateResult> {
    this.#check(key, change.data);
    const { newDigest, lifetime, idle } = change;
    const statement = this.#statements.update({
      next: newDigest !== undefined,
      lifetime: lifetime !== undefined,
      idle: idle !== undefined,
    });
    const { matched, rows } = await this.#add(statement, {
      id: key,
      version: change.version,
      digest: change.digest,
      data: change.data,
      next: newDigest ?? null,
      lifetime: lifetime === undefined ? null : duration(lifetime),
      idle: idle === undefined ? null : duration(idle),
    });
    if (matched > 0) return { done: true };
    const record = rows === undefined ? await this.load(key) : recordOf(rows[0]);
    return { done: false, record };
  }

  async touch(key: string, digest: Uint8Array, idle: number): Promise<boolean> {
    const values = { id: key, digest, idle: duration(idle) };
    return (await this.#run(this.#statements.touch, values)).matched > 0;
  }

  async destroy(key: string): Promise<void> {
    await this.#run(this.#statements.destroy, { id: key });
  }

  /**
   * Every live record whose key starts with `prefix`, in the order of the keys, a page of 100 at a
   * time. Each one that lives throughout is returned exactly once.
   */
  async *iterate(prefix: string): AsyncGenerator<StoreRecord> {
    const to = after(prefix);
    let from = prefix;
    let last = "";
    for (;;) {
      const { rows = [] } = await this.#run(this.#statements.page, { from, to, last });
      for (const row of rows) {
        const record = recordOf(row);
        if (record !== undefined) yield record;
      }
      if (rows.length < pageSize) return;
      last = from = text(rows.at(-1)?.["id"]);
    }
  }

  /** Stops removing expired records; the client stays open. May be called twice. */
  close(): void {
    this.#sweeper.close();
  }

  #run(statement: Statement, values: Values): Promise<Reply> {
    this.#sweeper.wake();
    const { data } = values;
    const batcher = this.#batchers[statement.name];
    if (batcher === undefined || (data instanceof Uint8Array && data.length > bulky)) {
      return this.#backend.run(statement, values);
    }
    return batcher.run({ statement, values });
  }

  /** A statement that may need room. */
  async #add(statement: Statement, values: Values): Promise<Reply> {
    try {
      return await this.#run(statement, values);
    } catch (cause) {
      if (!this.#backend.isFull(cause)) throw cause;
      throw new SessionError("store-full", `The session store is full: ${reason(cause)}`, {
        cause,
      });
    }
  }

  #check(key: string, data: Uint8Array): void {
    // Where a server is not strict, it would cut them off instead. 255 bytes: MySQL's column.
    if (key.length > 85 && new TextEncoder().encode(key).length > 255) {
      throw new SessionError("invalid-argument", "A key is longer than 255 bytes");
    }
    if (data.length > this.#backend.longest) {
      throw new SessionError(
        "too-large",
        `A session of ${data.length} bytes does not fit: this engine holds ${this.#backend.longest}`,
      );
    }
  }
}

function batcher(
  { run, failure = () => "all" }: Backend,
  many: Many | undefined,
  on: boolean,
): Batcher<Call, Reply> | undefined {
  if (many === undefined || !on) return undefined;
  return new Batcher<Call, Reply>({
    most: many.most,
    alone: ({ statement, values }) => run(statement, values),
    together: (calls) => many.run(calls.map(({ values }) => values)),
    failure,
    distinct: many.writes ? ({ values }) => values.id : undefined,
  });
}

/** Whole milliseconds, rounded up: one that is given as 0.5 must not end at once. */
function duration(ms: number): number {
  return Math.min(Math.ceil(ms), forever);
}

/** The least text after every one that starts with `prefix`, in the order of code points. */
function after(prefix: string): string {
  const points = Array.from(prefix);
  for (;;) {
    const point = points.pop()?.codePointAt(0);
    if (point === undefined) return "\u{10ffff}";
    if (point === 0x10ffff) continue;
    // Surrogates are no characters, and come between.
    const next = point + 1 === 0xd800 ? 0xe000 : point + 1;
    return points.join("") + String.fromCodePoint(next);
  }
}

/** Runs again what the server has rolled back by itself: nothing was written, so it is safe. */
export function withRetries<T>(
  run: () => Promise<T>,
  rolledBack: (error: unknown) => boolean,
  left = 50,
): Promise<T> {
  // Each time, somebody else got through; the manager's timeout ends it for the request.
  return run().catch((error: unknown) => {
    if (left === 0 || !rolledBack(error)) throw error;
    return withRetries(run, rolledBack, left - 1);
  });
}

/** One property of an object that may be none. */
export function property(value: unknown, name: string): unknown {
  if ((typeof value !== "object" && typeof value !== "function") || value === null)
    return undefined;
  return (value as Readonly<Record<string, unknown>>)[name];
}

/** Whether a value has all these methods. */
export function hasMethods(value: unknown, ...names: readonly string[]): boolean {
  return names.every((name) => typeof property(value, name) === "function");
}

/** What `setUp` throws when the server refuses to create the table. */
export function notCreated(table: string, cause: unknown): SessionError {
  const message = `The table ${table} could not be created: ${reason(cause)}`;
  return new SessionError("store-failed", message, { cause });
}

/** The first line of whatever was thrown: of a server, it names the cause and holds no data. */
export function reason(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  return message.split("\n", 1)[0] ?? "";
}
