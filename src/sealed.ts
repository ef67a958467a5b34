/**
 * The contract of an engine without a server: the whole session travels, sealed, in the client's
 * cookies. As with `Store`, all policy lives in the manager; such an engine seals and opens bytes.
 *
 * Durations are milliseconds that the engine adds to its own clock, which is that of the process: keep
 * the clocks of several servers in step. Methods are synchronous where the runtime's cryptography is,
 * so that a response need not wait.
 */
import type { Abilities } from "./store.ts";

/** Why a cookie is no session. For logs only: the client sees the same, whatever it is. */
export type RejectedReason =
  /** Not of our form: another library's, cut off, changed, or a part is missing. */
  | "malformed"
  /** Sealed under a key that is not in the ring. */
  | "unknown-key"
  /** Sealed under a key that is in the ring to be refused, or past its `until`. */
  | "retired-key"
  /** Changed, or made for another cookie, another manager or another key. */
  | "not-authentic"
  /** Authentic, and past its deadline or idle expiry. */
  | "expired"
  /** Authentic, and in the revocation list. */
  | "revoked";

/** The values of a request's cookies of one name, in header order. */
export type Cookies = (name: string) => readonly string[];

/** One cookie to set; to delete when `value` is undefined. */
export interface CookieChange {
  readonly name: string;
  readonly value: string | undefined;
}

/** A live session, as found in cookies or sealed into them. */
export interface SealedRecord {
  /** 24 characters of base64url. */
  readonly id: string;
  /** What was given to `seal`; values by key for a session that another library sealed. */
  readonly content: Uint8Array | Readonly<Record<string, unknown>>;
  /** Milliseconds since creation. */
  readonly age: number;
  /** Milliseconds until the absolute deadline; undefined: as long as a new session. */
  readonly deadlineIn: number | undefined;
  /** Milliseconds until the idle expiry; undefined when there is none. */
  readonly idleIn: number | undefined;
  /**
   * Milliseconds until the idle expiry of which a stamp says that it is later, without proof: the session
   * lives without it, so that nothing but the next touch, and what `expires` says, depends on it.
   */
  readonly claimedIn?: number | undefined;
  /** The engine's own, by its clock. */
  readonly at: SealedTimes;
  /** The engine's own: that stamp. */
  readonly unopened?: Unopened | undefined;
}

/** A stamp that nobody had to open yet. */
export interface Unopened {
  readonly stamps: readonly string[];
  /** What it claims, in ms since 1970. */
  readonly until: number;
}

/** Points in time, in ms since 1970 by the engine's clock. */
export interface SealedTimes {
  readonly created: number;
  /** When this id was first sealed: creation, or the last renewal. */
  readonly issued: number;
  readonly deadline: number;
  readonly idle: number | undefined;
}

/** What opening a cookie gives. */
export type Opened =
  | { readonly record: SealedRecord }
  | { readonly record?: undefined; readonly reason: RejectedReason };

/** What to seal. */
export interface SealRequest {
  readonly id: string;
  readonly data: Uint8Array;
  /** The session that is changed; it keeps its times. Undefined for a new one. */
  readonly from: SealedRecord | undefined;
  /** Moves the deadline to now + this; needed for a new session. In ms. */
  readonly lifetime: number | undefined;
  /** Moves the idle expiry to now + this: only forward, never past the deadline. In ms. */
  readonly idle: number | undefined;
}

/** What sealing gives. */
export interface Sealed {
  readonly record: SealedRecord;
  /** What the response must set and delete. */
  readonly cookies: readonly CookieChange[];
}

/** A value, or a promise of it where the runtime has asynchronous cryptography only. */
export type Soon<T> = T | Promise<T>;

/** The engine for one manager: its cookie and its name are bound into every seal. */
export interface Jar {
  /** The live session behind the cookie's value, or without one behind other cookies. */
  open(value: string | undefined, cookies: Cookies): Soon<Opened | undefined>;
  /**
   * The session as cookies; stale ones among the request's are deleted. Undefined when `from` has
   * expired.
   *
   * @throws {SessionError} `too-large`, which names the sizes.
   */
  seal(request: SealRequest, cookies: Cookies): Soon<Sealed | undefined>;
  /**
   * The idle expiry moved to now + `idle`, in a small cookie of its own bound to the session's id, so
   * that a read never sends data back. Undefined when the session has expired, or cannot have one.
   */
  stamp(record: SealedRecord, idle: number): Soon<Sealed | undefined>;
  /** Deletes the request's cookies of this session. */
  clear(cookies: Cookies): readonly CookieChange[];
  /** What makes the end of a session real; undefined without a server. */
  readonly revocations: Revocations | undefined;
}

/** A server-side list of what must not be opened any more. Each method may reject: the list is down. */
export interface Revocations {
  /** `superseded`: replaced less than a minute ago. */
  state(record: SealedRecord, user: string | undefined): Promise<"live" | "ended" | "superseded">;
  /** Puts `successor` in the place of a session: inserts only. False when it ended before. */
  replace(record: SealedRecord, successor: SealedRecord): Promise<boolean>;
  /** Ends a session and what it was replaced by; again is no error. */
  end(record: SealedRecord): Promise<void>;
  /** The user of a session, by the application's own definition. */
  userOf(read: (key: string) => unknown): string | undefined;
}

/**
 * What finds and commits sessions in cookies, for one manager. There is one, `sealedEngine`; a contract
 * does not know what is behind it.
 */
export type SealedEngineMaker = (shared: never, store: SealedStore) => object;

/** An engine that keeps sessions in the client's cookies. */
export interface SealedStore {
  /** Tells it from a `Store`. */
  readonly sealed: true;
  /**
   * `sealedEngine`: the part of the core that only such an engine needs. It comes with the engine, so
   * that applications without one do not carry it.
   */
  readonly engine: SealedEngineMaker;
  readonly abilities: Abilities;
  /** How many cookies of 4096 bytes a session may take. */
  readonly chunks: number;
  /** For one manager. `warn` is called at most once, with what this configuration does not enforce. */
  bind(cookie: string, manager: string, warn: (message: string) => void): Jar;
  /** Resolves when the engine can serve. */
  check?(): Promise<void>;
  /** May be called twice. */
  close?(): Promise<void> | void;
}

/** Whether sessions travel with the client. */
export function isSealed(store: object): store is SealedStore {
  return "sealed" in store && store.sealed === true;
}
