/** From the rows of SQL engines to records. */
import { SessionError } from "../errors.ts";
import type { StoreRecord } from "../store.ts";
import { damaged } from "./damaged.ts";

/** One row, as the driver gives it. */
export type Row = Readonly<Record<string, unknown>>;

/** Three thousand years: what the servers' types hold, and what Infinity becomes. */
export const forever = 1e14;
/** Of PostgreSQL's integer, the shortest: not reached by a change per second in 68 years. */
const highestVersion = 2 ** 31 - 1;

/** The record of a row; nothing when there is none, or it ended while the statement ran. */
export function recordOf(row: Row | undefined): StoreRecord | undefined {
  if (row === undefined) return undefined;
  if (row["head"] !== undefined) return unpacked(text(row["head"]), row["body"]);
  const { id, version, digest, data, age, ends, idles } = row;
  const times: Durations = {
    age: Number(age),
    ends: Number(ends),
    idles: idles === null ? undefined : Number(idles),
  };
  return liveRecord(text(id), Number(version), bytes(digest), bytes(data), times);
}

/** The id of a row. */
export function keyOf(row: Row): string {
  if (row["head"] === undefined) return text(row["id"]);
  const head = text(row["head"]);
  let at = -1;
  for (let spaces = 0; spaces < 5; spaces++) at = head.indexOf(" ", at + 1);
  return head.slice(at + 1);
}

/** Of a row in two columns: see `Dialect.packed`. */
function unpacked(head: string, body: unknown): StoreRecord | undefined {
  const [version, length, age, ends, idles, ...id] = head.split(" ");
  const both = bytes(body);
  const end = Number(length);
  return liveRecord(id.join(" "), Number(version), both.subarray(0, end), both.subarray(end), {
    age: Number(age),
    ends: Number(ends),
    idles: idles === "-" ? undefined : Number(idles),
  });
}

interface Durations {
  readonly age: number;
  readonly ends: number;
  readonly idles: number | undefined;
}

function liveRecord(
  key: string,
  version: number,
  digest: Uint8Array,
  data: Uint8Array,
  { age, ends, idles }: Durations,
): StoreRecord | undefined {
  // A hand may have written "infinity".
  const deadlineIn = Math.min(ends, forever);
  const idleIn = idles === undefined ? undefined : Math.min(idles, forever);
  if (deadlineIn <= 0 || (idleIn !== undefined && idleIn <= 0)) return undefined;
  // Past the highest version, every change would fail at the column's type.
  if (digest.length !== 32 || !(version > 0 && version < highestVersion)) return damaged(key);
  // The server's clock may be set back.
  return {
    key,
    version,
    digest,
    data,
    age: Math.min(Math.max(0, age), forever),
    deadlineIn,
    idleIn,
  };
}

const decoder = new TextDecoder();

export function text(value: unknown): string {
  if (typeof value === "string") return value;
  if (value instanceof Uint8Array) return decoder.decode(value);
  throw unreadable("a key", value);
}

/**
 * A plain array on the driver's memory, which nobody else has: drivers cut values out of what they
 * received or decoded, and forget it. A Buffer's own methods differ from an array's.
 */
function bytes(value: unknown): Uint8Array {
  if (value instanceof Uint8Array) {
    return new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
  }
  throw unreadable("bytes", value);
}

function unreadable(what: string, value: unknown): SessionError {
  return new SessionError(
    "store-failed",
    `The driver returned ${what} as ${value === null ? "null" : typeof value}; does the client have type parsers of its own?`,
  );
}
