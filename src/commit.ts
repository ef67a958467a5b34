/**
 * The decisions of a commit, as pure functions: what a transaction's recorded operations make of a
 * state, what must be written, and which cookie must be sent. No clock, no I/O: every hard question
 * (renew and destroy in one request, a past deadline, a superseded token) is a row in a table test.
 */
import { SessionError, type SessionErrorCode } from "./errors.ts";
import { copyOf, type MutableEntries, type ReadonlyEntries, sameBytes } from "./entries.ts";
import { sizeOf } from "./record.ts";
import type { State } from "./state.ts";

/** One recorded change of data; replayed, in order, on the newest state when commits overlap. */
export type Operation =
  | { readonly kind: "set"; readonly key: string; readonly bytes: Uint8Array }
  | { readonly kind: "delete"; readonly key: string }
  | { readonly kind: "clear" }
  /** Removes the key only if it still holds what was handed out. */
  | { readonly kind: "pop"; readonly key: string; readonly seen: Uint8Array }
  /** Fails unless the key still holds what was handed out. */
  | { readonly kind: "take"; readonly key: string; readonly seen: Uint8Array }
  | { readonly kind: "update"; readonly key: string; readonly run: Recompute };

/** An `update` function between bytes. */
export type Recompute = (current: Uint8Array | undefined) => Uint8Array;

/** A deadline that was set, as a point in local time. */
export interface Deadline {
  readonly at: number;
  /** Set by hand (a renewal will not move it later), rather than taken over in a merge. */
  readonly fixed: boolean;
}

/** Everything one request wants of its session. */
export interface Intent {
  /** End the loaded session; the operations then belong to a new one. */
  readonly destroy: boolean;
  readonly operations: readonly Operation[];
  readonly renew: boolean;
  readonly deadline: Deadline | undefined;
  readonly remember: boolean | undefined;
}

/** The intent that changes nothing. */
export const noIntent: Intent = Object.freeze({
  destroy: false,
  operations: [],
  renew: false,
  deadline: undefined,
  remember: undefined,
});

/** Whether an intent changes nothing. */
export function isIdle(intent: Intent): boolean {
  return (
    !intent.destroy &&
    intent.operations.length === 0 &&
    !intent.renew &&
    intent.deadline === undefined &&
    intent.remember === undefined
  );
}

/** What the plan depends on besides the intent. */
export interface Situation {
  /** A session was found under the request's token. */
  readonly exists: boolean;
  /** The request's token was renewed less than a minute ago. */
  readonly superseded: boolean;
  /** The request carried a token of any kind, so there is a cookie to clear. */
  readonly presented: boolean;
  /** The data of a session that would be created is not empty. */
  readonly hasData: boolean;
  /** Local time in ms; deadlines set by hand are points in local time. Only if `needsTimes`. */
  readonly now: number;
  /** What is left of the existing session's life, in ms; only if `needsTimes`. */
  readonly deadlineIn: number;
  /** Whether it was set by hand. */
  readonly fixedDeadline: boolean;
  /** The configured lifetime in ms. */
  readonly lifetime: number;
}

/** What to do. */
export interface Steps {
  readonly fail?: undefined;
  /** Delete the loaded record, before anything else. */
  readonly destroy: boolean;
  readonly write: "none" | "create" | "update";
  readonly renew: boolean;
  /** The new deadline from the moment of writing, in ms; undefined leaves it. */
  readonly lifetime: number | undefined;
  /** What the client must be told: a new or re-sent token, or that there is none. */
  readonly token: "none" | "set" | "clear";
}

/** What to do, or why the transaction fails as a whole. */
export type Plan = Steps | { readonly fail: SessionErrorCode };

const nothing: Steps = {
  destroy: false,
  write: "none",
  renew: false,
  lifetime: undefined,
  token: "none",
};

/** Whether `plan` looks at the times of a situation. Most changes move no deadline, and a clock takes its time. */
export function needsTimes(intent: Intent): boolean {
  return intent.renew || intent.deadline !== undefined;
}

/** Decides a transaction. */
export function plan(intent: Intent, situation: Situation): Plan {
  if (isIdle(intent)) return nothing;
  let { exists } = situation;
  if (situation.superseded) {
    // A late request must not replace or clear the fresh cookie; a renewal of its own says that it
    // logs in again, and gets a new id.
    if (!intent.renew || intent.destroy) return { fail: "superseded" };
    exists = false;
  }
  const { deadline } = intent;
  const lifetime = deadline === undefined ? undefined : deadline.at - situation.now;
  if (lifetime !== undefined && lifetime <= 0) {
    return {
      ...nothing,
      destroy: exists,
      token: (exists || situation.presented) && !situation.superseded ? "clear" : "none",
    };
  }

  if (!exists || intent.destroy) {
    const create = intent.renew || (intent.operations.length > 0 && situation.hasData);
    if (create) {
      return {
        destroy: exists,
        write: "create",
        renew: false,
        lifetime: lifetime ?? situation.lifetime,
        token: "set",
      };
    }
    const clear = intent.destroy && (exists || situation.presented);
    return { ...nothing, destroy: exists && intent.destroy, token: clear ? "clear" : "none" };
  }

  // A deadline set by hand beats the renewal's, in any order; an earlier one bounds it.
  const renewed = situation.fixedDeadline
    ? Math.min(situation.lifetime, situation.deadlineIn)
    : situation.lifetime;
  return {
    destroy: false,
    write: "update",
    renew: intent.renew,
    lifetime: lifetime ?? (intent.renew ? renewed : undefined),
    token: intent.renew || lifetime !== undefined || intent.remember !== undefined ? "set" : "none",
  };
}

/** The entries after the operations, for reads: a `take` that lost is not noticed here. */
export function applyOperation(entries: MutableEntries, operation: Operation): boolean {
  switch (operation.kind) {
    case "set":
      entries.set(operation.key, operation.bytes);
      return true;
    case "delete":
      entries.delete(operation.key);
      return true;
    case "clear":
      entries.clear();
      return true;
    case "pop":
    case "take": {
      const now = entries.get(operation.key);
      if (now !== undefined && sameBytes(now, operation.seen)) {
        entries.delete(operation.key);
        return true;
      }
      return operation.kind === "pop";
    }
    case "update":
      entries.set(operation.key, operation.run(entries.get(operation.key)));
      return true;
  }
}

/**
 * The state after a transaction, on whatever state is newest.
 *
 * @throws {SessionError} `conflict`, `update-failed` or `too-large`: this transaction fails, alone.
 */
export function applyIntent(
  state: State,
  intent: Intent,
  maxSize: number,
  renewedAge: number | undefined,
): State {
  const entries = copyOf(state.entries);
  for (const operation of intent.operations) {
    let applied: boolean;
    try {
      applied = applyOperation(entries, operation);
    } catch (cause) {
      throw new SessionError(
        "update-failed",
        `The update of ${JSON.stringify(operation.kind === "update" ? operation.key : "")} failed when it was applied to the newest value`,
        { cause },
      );
    }
    if (!applied && operation.kind === "take") {
      throw new SessionError(
        "conflict",
        `Another request changed or took ${JSON.stringify(operation.key)} first`,
      );
    }
  }
  const size = sizeOf(entries);
  if (size > maxSize) {
    // Alone, each request's data fitted (set checks), so this is a conflict between requests.
    throw new SessionError(
      "too-large",
      `The session takes ${size} bytes together with what another request stored; maxSize is ${maxSize}`,
      { status: 409 },
    );
  }
  return withEntries(state, entries, intent, renewedAge);
}

/** The state after a transaction whose entries are known already. */
export function withEntries(
  state: State,
  entries: ReadonlyEntries,
  intent: Intent,
  renewedAge: number | undefined,
): State {
  return {
    entries,
    remember: intent.remember ?? state.remember,
    fixedDeadline: intent.deadline === undefined ? state.fixedDeadline : intent.deadline.fixed,
    renewedAge: renewedAge ?? state.renewedAge,
    commits: state.commits,
  };
}
