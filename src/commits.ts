/**
 * The ids of a record's last commits, newest first, 8 bytes each: by them a commit whose reply was lost
 * finds out whether it was done.
 */
import { type ReadonlyEntries, sameBytes } from "./entries.ts";
import type { State } from "./state.ts";

/** How many commits a record remembers. */
export const mostCommits = 16;
/** The bytes of one id. */
export const idLength = 8;

/** One commit, if any, and as many of the earlier ones as a record remembers; gives the position behind them. */
export function writeCommits(
  to: Uint8Array,
  position: number,
  earlier: Uint8Array,
  commitId: Uint8Array | undefined,
): number {
  const kept = Math.min(earlier.length, (mostCommits - 1) * idLength);
  let at = position;
  if (commitId !== undefined) for (let i = 0; i < idLength; i++) to[at++] = commitId[i] as number;
  for (let i = 0; i < kept; i++) to[at++] = earlier[i] as number;
  return at;
}

/** Whether the record remembers this commit. */
export function hasCommit({ commits }: State, commitId: Uint8Array): boolean {
  for (let at = 0; at < commits.length; at += idLength) {
    if (sameBytes(commits.subarray(at, at + idLength), commitId)) return true;
  }
  return false;
}

/** A state after one more commit. Its commits are put together when somebody asks: few do. */
export function withCommit(state: State, commitId: Uint8Array): State {
  return new CommittedState(state, commitId);
}

class CommittedState implements State {
  readonly entries: ReadonlyEntries;
  readonly remember: boolean | undefined;
  readonly fixedDeadline: boolean;
  readonly renewedAge: number | undefined;
  readonly #commitId: Uint8Array;
  /** Let go once the commits are known: it may be the outcome of a commit itself. */
  #before: State | undefined;
  #commits: Uint8Array | undefined;

  constructor(before: State, commitId: Uint8Array) {
    this.entries = before.entries;
    this.remember = before.remember;
    this.fixedDeadline = before.fixedDeadline;
    this.renewedAge = before.renewedAge;
    this.#commitId = commitId;
    this.#before = before;
  }

  get commits(): Uint8Array {
    if (this.#before !== undefined) {
      const all = new Uint8Array(mostCommits * idLength);
      const end = writeCommits(all, 0, this.#before.commits, this.#commitId);
      this.#commits = all.subarray(0, end);
      this.#before = undefined;
    }
    return this.#commits as Uint8Array;
  }
}
