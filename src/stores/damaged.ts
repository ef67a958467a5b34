/** What an engine returns in place of a record that is not what this package wrote. */
import type { StoreRecord } from "../store.ts";

/** A record whose data nobody can decode: the manager reports it and takes it for no session (G7). */
export function damaged(key: string): StoreRecord {
  return {
    key,
    version: 0,
    digest: new Uint8Array(32),
    data: new Uint8Array(0),
    age: 0,
    deadlineIn: 1,
    idleIn: undefined,
  };
}
