/**
 * Everything that can go wrong, as one class with a stable `code`.
 *
 * A message never holds a token or session data (ASVS 16.2.5), so it may be logged and shown.
 */

/** The stable names of failures. Switch on these, never on messages. */
export type SessionErrorCode =
  /** `load` got an object that no adapter has seen. */
  | "no-adapter"
  /** Options that contradict each other or are out of range; the message says the fix. */
  | "invalid-option"
  /** A method got an argument it cannot take; the message says which. */
  | "invalid-argument"
  /** Two managers with one cookie name met in one request. */
  | "duplicate-manager"
  /** The engine lacks the ability; see `store.abilities`. */
  | "unsupported"
  /** `set` or `update` got a value that cannot be stored; the message names the path. */
  | "unencodable"
  /** A stored value that cannot be decoded was read. `set` and `delete` of the key still work. */
  | "undecodable"
  /** The encoded session exceeds `maxSize`. */
  | "too-large"
  /** The change needs a Set-Cookie, and the response head has left. */
  | "head-sent"
  /** `take` lost: another request changed or took the value. */
  | "conflict"
  /** A re-applied `update` function threw on the newest value; see `cause`. */
  | "update-failed"
  /** The session was destroyed or has expired while the request ran; nothing of the change is left. */
  | "gone"
  /** The token was renewed by another request. */
  | "renewed"
  /** The request came with a token that was renewed less than a minute ago. */
  | "superseded"
  /** The engine failed; see `cause`. */
  | "store-failed"
  /** The engine did not answer within `storeTimeout`. */
  | "store-timeout"
  /** The engine is full and evicts no live session. */
  | "store-full"
  /** The change may or may not have been written: the reply was lost. */
  | "commit-unknown"
  /** The record has a format or key that this version does not know (a rolling deployment). */
  | "unknown-format"
  /** The manager was closed. */
  | "closed";

const statuses: Partial<Record<SessionErrorCode, number>> = {
  conflict: 409,
  "update-failed": 409,
  gone: 409,
  renewed: 409,
  superseded: 409,
  "store-failed": 503,
  "store-timeout": 503,
  "store-full": 503,
  "commit-unknown": 503,
  "unknown-format": 503,
  closed: 503,
};

/** The HTTP status that a code stands for: 409, 503, or 500 for a mistake in the program. */
export function statusOf(code: SessionErrorCode): number {
  return statuses[code] ?? 500;
}

/**
 * The only error class of this package.
 *
 * @example
 * ```ts
 * import { SessionError } from "scs-session";
 *
 * export function retriable(error: unknown): boolean {
 *   return error instanceof SessionError && error.status === 409;
 * }
 * ```
 */
export class SessionError extends Error {
  override readonly name = "SessionError";
  /** What happened, stable across versions. */
  readonly code: SessionErrorCode;
  /** The HTTP status to answer with: 409, 500 or 503. Express, Koa and Fastify honour it. */
  readonly status: number;

  constructor(
    code: SessionErrorCode,
    message: string,
    options?: { readonly cause?: unknown; readonly status?: number },
  ) {
    super(message, options && "cause" in options ? { cause: options.cause } : undefined);
    this.code = code;
    this.status = options?.status ?? statusOf(code);
  }

  /** The same as `status`, under the name that Koa and http-errors use. */
  get statusCode(): number {
    return this.status;
  }
}
