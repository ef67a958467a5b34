/**
 * `Session<Data>` as applications see it: typed, synchronous, passive. An interface, so that tests can
 * fake it; the implementation is live.ts.
 */
import type { DeepReadonly } from "./frozen.ts";

/** The keys of a session's data. */
export type Key<D> = keyof D & string;

/** A value as `get` returns it and `set` accepts it: deeply read-only. */
export type Value<D, K extends keyof D> = DeepReadonly<Required<D>[K]>;

/**
 * One request's session. Everything but `commit` and `touch` is synchronous: it records intent,
 * which is committed as one atomic transaction before the response head leaves.
 */
export interface Session<D extends object> {
  /**
   * The value under `key`, deeply frozen; undefined when there is none. Bytes are a fresh copy.
   *
   * @throws {SessionError} `undecodable` when the stored value cannot be decoded.
   */
  get<K extends Key<D>>(key: K): Value<D, K> | undefined;
  /** Whether there is a value under `key`. */
  has(key: Key<D>): boolean;
  /** The keys that hold a value, sorted. */
  keys(): Key<D>[];
  /**
   * Stores a value. It is encoded at once: later changes of the caller's object have no effect.
   *
   * @throws {SessionError} `unencodable` (names the path), `too-large`, `head-sent`.
   */
  set<K extends Key<D>>(key: K, value: Value<D, K>): void;
  /** Removes a value; nothing happens when there is none. */
  delete(key: Key<D>): void;
  /** Removes all values that are there when it commits; the session goes on. */
  clear(): void;
  /**
   * Reads and removes, for flash messages: delivered at least once. When another request changes
   * the value before this one commits, the new value stays.
   */
  pop<K extends Key<D>>(key: K): Value<D, K> | undefined;
  /**
   * Reads and removes, exactly once: the commit fails with `conflict` (409) when another request
   * changed or took the value. For single-use secrets such as an OAuth state.
   */
  take<K extends Key<D>>(key: K): Value<D, K> | undefined;
  /**
   * Replaces a value by what `fn` makes of it, and returns that. When another request was faster,
   * `fn` runs again on the newest value, so it must be synchronous and pure; no update is lost.
   *
   * @throws whatever `fn` throws, and {SessionError} as `set`.
   */
  update<K extends Key<D>>(key: K, fn: (now: Value<D, K> | undefined) => Value<D, K>): Value<D, K>;
  /**
   * New token, same data and id, lifetime reset (never past a deadline set by hand). Call it on
   * every privilege change: login, logout of an identity, step-up (ASVS 7.2.4). The old token is
   * dead once the response arrives. Of parallel renewals one wins, the others fail with 409.
   *
   * @throws {SessionError} `head-sent`.
   */
  renewToken(): void;
  /**
   * Ends the session and clears its cookie (ASVS 7.4.1). Reads are then empty; changes made after
   * it build a new session.
   *
   * @throws {SessionError} `head-sent`.
   */
  destroy(): void;
  /**
   * Whether the cookie outlives the browser, for this session: overrides the option
   * `cookie.persist`. Creates no session by itself.
   *
   * @throws {SessionError} `head-sent`.
   */
  rememberMe(yes: boolean): void;
  /**
   * When the session ends at the latest. Setting it overrides the lifetime and is not moved by
   * `renewToken`; a time in the past destroys the session. Creates no session by itself.
   *
   * @throws {SessionError} `invalid-argument`, `head-sent`.
   */
  get deadline(): Date;
  set deadline(at: Date | number);
  /** When the session was created. */
  readonly createdAt: Date;
  /** The public handle, for logs and lists; never the secret, and not changed by `renewToken`. */
  readonly id: string;
  /** No session was found; one is created if something is stored. */
  readonly isNew: boolean;
  /** What the commit would find: `modified` when it has work to do. */
  readonly status: "unmodified" | "modified" | "destroyed";
  /**
   * Commits now instead of at the response head: before streaming, after the head, or to act on the
   * outcome. Afterwards reads show the committed state.
   *
   * @throws {SessionError} status 409 or 503; what was recorded is then dropped.
   */
  commit(): Promise<void>;
  /**
   * Counts as use without a request of its own (sockets, long uploads). At most one write per
   * `touchInterval`; none without an `idleTimeout`.
   *
   * @returns false when there is no session, or the touch was due and found that it has ended.
   * @throws {SessionError} status 503.
   */
  touch(): Promise<boolean>;
}

/** A session loaded by its token, without HTTP. */
export interface TokenSession<D extends object> extends Session<D> {
  /** The token to give the client; undefined while there is no stored session. */
  readonly token: string | undefined;
  /** When the session ends if it is not used again; undefined while there is no stored session. */
  readonly expires: Date | undefined;
}
