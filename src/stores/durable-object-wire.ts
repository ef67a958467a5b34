/** What goes to a session's object and back: a head as JSON, and bytes behind it. */
import { SessionError } from "../errors.ts";
import type { StoreRecord } from "../store.ts";

/** An operation, without its bytes. Durations in ms. */
export type Order =
  | { readonly do: "load" | "destroy" }
  | { readonly do: "create"; readonly lifetime: number; readonly idle: number | undefined }
  | {
      readonly do: "update";
      readonly version: number;
      readonly lifetime: number | undefined;
      readonly idle: number | undefined;
    }
  | { readonly do: "touch"; readonly idle: number };

/** What came of it. A record's digest and data come behind. */
export interface Answer {
  readonly done: boolean;
  readonly record?: Omit<StoreRecord, "digest" | "data"> | undefined;
}

export interface Message<Head> {
  readonly head: Head;
  readonly parts: readonly Uint8Array[];
}

/** The lengths come first: of the head, and of each part. */
export function toBytes<Head>(
  head: Head,
  parts: readonly (Uint8Array | undefined)[] = [],
): Uint8Array {
  const text = new TextEncoder().encode(JSON.stringify(head));
  const all = [text, ...parts.filter((part) => part !== undefined)];
  const start = 4 * (all.length + 1);
  const bytes = new Uint8Array(all.reduce((sum, { length }) => sum + length, start));
  const view = new DataView(bytes.buffer);
  view.setUint32(0, all.length);
  let at = start;
  for (const [index, part] of all.entries()) {
    view.setUint32(4 * (index + 1), part.length);
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

/** @throws {SessionError} `store-failed` for what is no message. */
export function toMessage<Head>(buffer: ArrayBuffer): Message<Head> {
  try {
    const view = new DataView(buffer);
    const count = view.getUint32(0);
    let at = 4 * (count + 1);
    const all = Array.from({ length: count }, (_, index) => {
      const length = view.getUint32(4 * (index + 1));
      // A copy: what is stored of a view is all that it is a view of.
      const part = new Uint8Array(buffer.slice(at, at + length));
      if (part.length !== length) throw new RangeError("The message is cut off");
      at += length;
      return part;
    });
    const [text, ...parts] = all;
    return { head: JSON.parse(new TextDecoder().decode(text)) as Head, parts };
  } catch (cause) {
    throw new SessionError("store-failed", "A session's object did not answer in our words", {
      cause,
    });
  }
}

/** The record of an answer. */
export function recordFrom(
  { record }: Answer,
  [digest, data]: readonly Uint8Array[],
): StoreRecord | undefined {
  if (record === undefined) return undefined;
  if (digest === undefined || data === undefined) {
    throw new SessionError("store-failed", "A session's object did not answer in our words");
  }
  // JSON leaves out what is undefined.
  const { key, version, age, deadlineIn, idleIn } = record;
  return { key, version, age, deadlineIn, idleIn, digest, data };
}
