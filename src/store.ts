/**
 * The engine contract: bytes stored under conditions. All policy lives in the manager.
 *
 * An engine never decides; each method is one atomic, conditional operation that takes one round
 * trip. All times are durations in milliseconds that the engine adds to its own clock, so that a
 * process with a wrong clock neither ends nor revives a session (G5).
 *
 * A record is *alive* while `now < deadline` and, if it has an idle expiry, `now < idle expiry`. A
 * record that is not alive does not exist: no method returns, changes or touches it, whether or not
 * it has been removed yet.
 *
 * A method rejects only when the engine failed and the outcome may be unknown; "not found" and "not
 * so" are results. Reads go to the primary (G3). Bytes passed in may be reused by the caller after
 * the call resolves; bytes returned belong to the caller.
 *
 * An engine that has its results at once, as one in this process's memory, may return them instead
 * of promises: then a commit needs no turn of the event loop. What fails is a rejected promise.
 */

/** What a method returns: a promise of its result, or the result. */
export type Reply<T> = T | Promise<T>;

/** A guarantee of the design, by number. */
export type Guarantee = "G1" | "G2" | "G3" | "G4" | "G5" | "G6" | "G7";

/** What an engine can do. The conformance suite checks exactly what is declared. */
export interface Abilities {
  /** `iterate` works. */
  readonly iterate: boolean;
  /** Several processes may share the engine. */
  readonly shared: boolean;
  /** Which guarantees hold; all seven on a server-side engine. */
  readonly guarantees: readonly Guarantee[];
}

/** One live record, as the engine holds it now. */
export interface StoreRecord {
  /** The record's own key: the manager checks it, so a reply can never reach the wrong request. */
  readonly key: string;
  /** 1 when created; one more with every update. A touch leaves it alone. */
  readonly version: number;
  /** SHA-256 of the token's secret, 32 bytes. */
  readonly digest: Uint8Array;
  /** Opaque bytes. */
  readonly data: Uint8Array;
  /** Milliseconds since creation. */
  readonly age: number;
  /** Milliseconds until the absolute deadline, above zero. */
  readonly deadlineIn: number;
  /** Milliseconds until the idle expiry, above zero; undefined when there is none. */
  readonly idleIn: number | undefined;
}

/** What `create` inserts. */
export interface CreateRecord {
  readonly digest: Uint8Array;
  readonly data: Uint8Array;
  /** The deadline is now + this, in ms. */
  readonly lifetime: number;
  /** The idle expiry is now + this, at most the deadline; no idle expiry when undefined. In ms. */
  readonly idle: number | undefined;
}

/** What `update` requires and writes. */
export interface UpdateRecord {
  /** Condition: the record has this version. */
  readonly version: number;
  /** Condition: the record has this digest. */
  readonly digest: Uint8Array;
  readonly data: Uint8Array;
  /** Replaces the digest (renewal) when given. */
  readonly newDigest?: Uint8Array | undefined;
  /** Moves the deadline to now + this, either way, when given. In ms. */
  readonly lifetime?: number | undefined;
  /**
   * Moves the idle expiry to now + this when given: only forward, and never past the deadline (the
   * new one, if `lifetime` is given). In ms.
   */
  readonly idle?: number | undefined;
}

/** The outcome of `update`; a conflict carries the newest live record, if there is one. */
export type UpdateResult =
  | { readonly done: true }
  | { readonly done: false; readonly record: StoreRecord | undefined };

/** A storage engine. */
export interface Store {
  readonly abilities: Abilities;

  /** The live record under `key`. Creates nothing. */
  load(key: string): Reply<StoreRecord | undefined>;

  /**
   * Inserts, and only inserts. False, with nothing changed, when a record is there already.
   *
   * @throws {SessionError} `store-full` when a bound is reached.
   */
  create(key: string, record: CreateRecord): Reply<boolean>;

  /** Replaces the data of a live record whose version and digest match; never inserts. */
  update(key: string, change: UpdateRecord): Reply<UpdateResult>;

  /**
   * Moves the idle expiry of a live record with this digest to now + `idle` ms, only forward and
   * never past the deadline; the version stays. False when there is no such record.
   */
  touch(key: string, digest: Uint8Array, idle: number): Reply<boolean>;

  /** Deletes by key, whatever the version and digest. Nothing there is a success. */
  destroy(key: string): Reply<void>;

  /** Every live record whose key starts with `prefix`, in any order, in bounded memory. */
  iterate?(prefix: string): AsyncIterable<StoreRecord>;

  /** Resolves when the engine can serve: reachable, table present, writable primary. */
  check?(): Promise<void>;

  /** Stops timers; leaves the client open. May be called twice. */
  close?(): Promise<void> | void;
}
