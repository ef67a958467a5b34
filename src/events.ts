import type { RejectedReason } from "./sealed.ts";
import type { Guarantee } from "./store.ts";

/** What happened, as data: hand it to any logger. Holds the session's public id, never a token. */
export type SessionEvent = {
  /** The logger method to call: `logger[event.level](event, event.message)`. */
  readonly level: "debug" | "info" | "warn" | "error";
  /** One line for people. */
  readonly message: string;
} & (
  | { readonly type: "created" | "renewed" | "destroyed"; readonly id: string }
  /** A change met another request's change and was applied again, `attempts` times. */
  | { readonly type: "conflict"; readonly id: string; readonly attempts: number }
  /** A request came with a token that was renewed less than a minute ago. */
  | { readonly type: "superseded"; readonly id: string }
  /** The cookie came more than once; `accepted` when exactly one authenticated. */
  | { readonly type: "duplicate-cookie"; readonly count: number; readonly accepted: boolean }
  /** A sealed cookie was refused; it was treated as no session. Nothing tells the client why. */
  | { readonly type: "rejected-cookie"; readonly reason: RejectedReason }
  /** The engine's configuration leaves something unenforced that others enforce; once per manager. */
  | { readonly type: "not-enforced" }
  /** A stored record does not hold what was written; it was treated as no session. */
  | { readonly type: "damaged-record"; readonly id: string; readonly reason: string }
  /** Once, at the start: the engine does not promise these guarantees. */
  | { readonly type: "missing-guarantees"; readonly missing: readonly Guarantee[] }
  /** The engine failed or timed out in `operation`. */
  | { readonly type: "store-failed"; readonly operation: string; readonly error: unknown }
  /** An idle touch failed; the request went on. */
  | { readonly type: "touch-failed"; readonly id: string; readonly error: unknown }
  /** A request's changes were dropped: its status was 500 or above, it threw, or its client left. */
  | {
      readonly type: "rolled-back";
      readonly reason: "status" | "throw" | "closed";
      readonly id: string | undefined;
    }
  /** A commit at the response head failed; the client got an error instead of the response. */
  | { readonly type: "commit-failed"; readonly id: string | undefined; readonly error: unknown }
  /** Changes made after the response head were never committed. */
  | { readonly type: "uncommitted"; readonly id: string | undefined }
  /** Sending the queued response failed; the connection was closed. */
  | { readonly type: "flush-failed"; readonly error: unknown }
  /** The handler allowed caching of a response that sets a session cookie; `no-store` won. */
  | { readonly type: "cache-control-overridden"; readonly was: string }
  /** A handler threw something that no framework caught. */
  | { readonly type: "handler-failed"; readonly error: unknown }
);
