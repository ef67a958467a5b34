/**
 * A session as an object that survives JSON, which is all that the back ends behind a bridge keep:
 * `{ scs: 1, key, version, digest, data, created, deadline, idle }`. Bytes are base64; times are
 * milliseconds since 1970 by this process's clock, since no other clock can be asked.
 */
import { SessionError } from "../errors.ts";
import type { StoreRecord } from "../store.ts";

/** What a back end keeps. */
export interface Stored {
  /** The format. */
  readonly scs: 1;
  readonly key: string;
  readonly version: number;
  readonly digest: string;
  readonly data: string;
  readonly created: number;
  readonly deadline: number;
  /** Null when there is no idle expiry; never past the deadline. */
  readonly idle: number | null;
}

const digestLength = 32;

/**
 * Reads what a back end gave. Undefined when it is no session of ours, or damaged.
 *
 * @throws {SessionError} `unknown-format` for a record of a newer version.
 */
export function parse(value: unknown): Stored | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  const { scs, key, version, digest, data, created, deadline, idle } = value as {
    readonly [name in keyof Stored]?: unknown;
  };
  if (typeof scs === "number" && Number.isSafeInteger(scs) && scs > 1) {
    throw new SessionError(
      "unknown-format",
      `A stored session has format ${scs}, which this version does not know`,
    );
  }
  const fits =
    scs === 1 &&
    typeof key === "string" &&
    typeof digest === "string" &&
    typeof data === "string" &&
    isTime(version) &&
    isTime(created) &&
    isTime(deadline) &&
    created <= deadline &&
    (idle === null || (isTime(idle) && idle <= deadline));
  if (!fits || bytesOf(digest)?.length !== digestLength || bytesOf(data) === undefined) {
    return undefined;
  }
  return { scs, key, version, digest, data, created, deadline, idle };
}

function isTime(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}

export function isLive(stored: Stored, now: number): boolean {
  return now < stored.deadline && (stored.idle === null || now < stored.idle);
}

/** When it ends, unless it is used. */
export function endOf({ deadline, idle }: Stored): number {
  return idle ?? deadline;
}

export function recordOf(stored: Stored, now: number): StoreRecord {
  const { key, version, created, deadline, idle } = stored;
  return {
    key,
    version,
    digest: bytesOf(stored.digest) ?? new Uint8Array(0),
    data: bytesOf(stored.data) ?? new Uint8Array(0),
    age: Math.max(0, now - created),
    deadlineIn: deadline - now,
    idleIn: idle === null ? undefined : idle - now,
  };
}

/** A record whose data nobody can decode: the manager reports it and takes it for no session (G7). */
export function damaged(key: string): StoreRecord {
  return {
    key,
    version: 0,
    digest: new Uint8Array(digestLength),
    data: new Uint8Array(0),
    age: 0,
    deadlineIn: 1,
    idleIn: undefined,
  };
}

/** Base64 (RFC 4648 section 4). `btoa` and `atob` are everywhere, Node's Buffer is not. */
export function textOf(bytes: Uint8Array): string {
  let text = "";
  // In pieces: every byte is an argument on the stack.
  for (let at = 0; at < bytes.length; at += 4096) {
    text += String.fromCharCode(...bytes.subarray(at, at + 4096));
  }
  return btoa(text);
}

function bytesOf(text: string): Uint8Array | undefined {
  let binary: string;
  try {
    binary = atob(text);
  } catch {
    return undefined;
  }
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = binary.charCodeAt(i);
  return bytes;
}

const plain = /^[A-Za-z0-9_-]*$/;

/**
 * A key as a name that file systems, URLs and key-value stores take as it is: letters, digits, `_`
 * and `-` stand for themselves, every other byte of the key's UTF-8 is `~` and two digits.
 */
export function nameOf(key: string): string {
  if (plain.test(key)) return key;
  let name = "";
  for (const byte of new TextEncoder().encode(key)) {
    const char = String.fromCharCode(byte);
    name += plain.test(char) ? char : `~${byte.toString(16).padStart(2, "0")}`;
  }
  return name;
}

/** The key of a name; undefined when `nameOf` makes no such name. */
export function keyOf(name: string): string | undefined {
  if (plain.test(name)) return name;
  if (!/^(?:[A-Za-z0-9_-]|~[0-9a-f]{2})*$/.test(name)) return undefined;
  try {
    return decodeURIComponent(name.replaceAll("~", "%"));
  } catch {
    return undefined;
  }
}
