/** Pure arithmetic of the two timeouts. All in milliseconds; durations, never points in time. */
import type { StoreRecord } from "./store.ts";

/** How long after a renewal the old token counts as superseded instead of unknown. */
export const supersededWindow = 60_000;

/** The times of one record, and when (by the local clock) they were read. */
export interface Times {
  readonly readAt: number;
  readonly age: number;
  readonly deadlineIn: number;
  readonly idleIn: number | undefined;
}

/** The times in a record just read. */
export function timesOf(record: StoreRecord, now: number): Times {
  return {
    readAt: now,
    age: record.age,
    deadlineIn: record.deadlineIn,
    idleIn: record.idleIn,
  };
}

/** The times after a write or touch at `now`, as the engine will compute them. */
export function timesAfter(
  times: Times,
  now: number,
  change: { readonly lifetime?: number | undefined; readonly idle?: number | undefined },
): Times {
  const passed = now - times.readAt;
  const deadlineIn = change.lifetime ?? times.deadlineIn - passed;
  const before = times.idleIn === undefined ? undefined : times.idleIn - passed;
  const idleIn =
    change.idle === undefined ? before : Math.min(deadlineIn, Math.max(before ?? 0, change.idle));
  return { readAt: now, age: times.age + passed, deadlineIn, idleIn };
}

/**
 * Whether a use must be written down. At the end of a session's life the idle expiry is clamped to
 * the deadline, and moving it would change nothing: without the minimum, every request there would
 * write.
 */
export function touchDue(
  times: Times,
  now: number,
  idleTimeout: number | undefined,
  touchInterval: number,
): boolean {
  if (idleTimeout === undefined) return false;
  if (times.idleIn === undefined) return true;
  const passed = now - times.readAt;
  const reachable = Math.min(idleTimeout, times.deadlineIn - passed);
  return times.idleIn - passed < reachable - touchInterval;
}

/** Whether a token that does not match is one that was valid until less than a minute ago. */
export function isSuperseded(age: number, renewedAge: number | undefined): boolean {
  return renewedAge !== undefined && age - renewedAge < supersededWindow;
}
