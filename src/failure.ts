/** What an engine's failure means: for a retry, and for the log. */
import { SessionError, type SessionErrorCode } from "./errors.ts";
import type { SessionEvent } from "./events.ts";
import { sleep } from "./timeouts.ts";

/** Where events go. */
export interface Reporter {
  readonly report: (event: SessionEvent) => void;
}

/** After how many failed sends of one batch its outcome is given up as unknown. */
export const maxFailures = 2;

/** The event for a record that cannot be read. */
export function damagedEvent(id: string, reason: string): SessionEvent {
  return {
    type: "damaged-record",
    level: "error",
    message: `The record of session ${id} is damaged (${reason}); it was treated as no session`,
    id,
    reason,
  };
}

/** Tells the application that the engine failed. */
export function reportFailure(options: Reporter, operation: string, error: unknown): void {
  options.report({
    type: "store-failed",
    level: "error",
    message: `The session store failed (${operation})`,
    operation,
    error,
  });
}

/** The outcome is unknown, and so is how long it would take to learn it. */
export function isTimeout(error: unknown): boolean {
  return error instanceof SessionError && error.code === "store-timeout";
}

/** An engine that throws a SessionError of its own says that nothing was written. */
export function isDefinite(error: unknown): boolean {
  return (
    error instanceof SessionError && error.code !== "store-timeout" && error.code !== "store-failed"
  );
}

/**
 * Waits a moment before another try; throws when there must be none: after `until`
 * (`performance.now`), too, since an engine may fail slowly, and each time within its timeout.
 */
export async function retryOrThrow(
  options: Reporter,
  operation: string,
  error: unknown,
  failures: number,
  until: number,
): Promise<void> {
  reportFailure(options, operation, error);
  if (isDefinite(error)) throw error;
  if (isTimeout(error) || failures > maxFailures || performance.now() > until) {
    throw new SessionError(
      "commit-unknown",
      `The session store did not confirm to ${operation} the session`,
      { cause: error },
    );
  }
  await sleep(20 + Math.random() * 30);
}

/**
 * Another request ended the session, or its time was up. Where the reply to a first try was lost, the
 * changes may have been stored before that, and seen.
 */
export function gone(): SessionError {
  return new SessionError(
    "gone",
    "The session ended while the request ran; its changes are not kept",
  );
}

/** Another request renewed the session's token. */
export function renewed(): SessionError {
  return new SessionError(
    "renewed",
    "The session's token was renewed while the request ran; its changes were not stored",
  );
}

/** A plan that cannot be carried out. */
export function failedPlan(code: SessionErrorCode): SessionError {
  if (code === "superseded") {
    return new SessionError(
      "superseded",
      "The request came with a token that has been renewed meanwhile; its changes were not stored",
    );
  }
  return new SessionError(
    "head-sent",
    "The commit needs a Set-Cookie, and the response head has been sent",
  );
}
