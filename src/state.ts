/** What a session holds, whichever engine keeps it. */
import type { ReadonlyEntries } from "./entries.ts";

/** What a session holds, decoded as far as the keys. */
export interface State {
  readonly entries: ReadonlyEntries;
  /** What `rememberMe` said; undefined when it was never called. */
  readonly remember: boolean | undefined;
  /** The deadline was set by hand: a renewal does not move it later. */
  readonly fixedDeadline: boolean;
  /** The session's age in ms at its last renewal. */
  readonly renewedAge: number | undefined;
  /** The ids of the last commits, newest first, 8 bytes each. */
  readonly commits: Uint8Array;
}

/** A new session's state. */
export const emptyState: State = Object.freeze({
  entries: new Map<string, Uint8Array>(),
  remember: undefined,
  fixedDeadline: false,
  renewedAge: undefined,
  commits: new Uint8Array(0),
});
