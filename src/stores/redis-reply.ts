/** What goes into a command and comes out of a reply. */
import { SessionError } from "../errors.ts";
import { isReply } from "./redis-client.ts";

/** The longest duration, in ms: 2000 years, so that times fit in six bytes. */
const longest = 2 ** 46;

/** A duration for a script: whole milliseconds, or nothing. */
export function duration(ms: number | undefined): string {
  return ms === undefined ? "" : String(Math.min(Math.ceil(ms), longest));
}

/** The elements of a reply. @throws {SessionError} `store-failed` when it is no array. */
export function fields(reply: unknown): readonly unknown[] {
  if (!Array.isArray(reply)) throw unexpected();
  return reply;
}

/** A string of a reply, which comes as bytes from most clients. */
export function text(value: unknown): string {
  return value instanceof Uint8Array ? new TextDecoder().decode(value) : String(value);
}

/** The client did not keep replies and requests together, or something else is wrong with it. */
export function unexpected(): SessionError {
  return new SessionError("store-failed", "Redis answered something else than was asked for");
}

/** A full Redis has done nothing, and says so. */
export function full(error: unknown): unknown {
  if (!isReply(error, "OOM")) return error;
  return new SessionError("store-full", "Redis is out of memory", { cause: error });
}

/** Another program's list, hash or set under our key is a damaged record; all else is a failure. */
export function foreign<T>(error: unknown, result: T): T {
  if (isReply(error, "WRONGTYPE")) return result;
  throw error;
}
