/**
 * The bytes of one session as the engine stores them. Each top-level key stands apart, so that a
 * request which reads or changes one key neither decodes nor encodes the others, and a conflict
 * merges bytes by key.
 *
 *     "Sc"  checksum(4)  format(1)  flags(1)  commits(1)  renewed(varint)  commit ids (8 each)
 *     count(varint)  { key length, key in UTF-8, value length, value }*
 *
 * The checksum (MurmurHash3, x86, 32 bits) covers everything behind it and stands at the same place
 * in every future format: a record with a good checksum and an unknown format comes from a newer
 * version (503), one with a bad checksum is damaged (no session). It finds accidents, not forgeries;
 * whoever can write to the store can write sessions, unless a sealer is configured.
 */
import { SessionError } from "./errors.ts";

/** What a session holds, decoded as far as the keys. */
export interface State {
  readonly entries: ReadonlyMap<string, Uint8Array>;
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

/** How many commits a record remembers. */
export const rememberedCommits = 16;
const commitIdLength = 8;
const headerLength = 9;
const format = 1;

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

// Every record is built here and copied out once; grown when needed and kept.
let scratch = new Uint8Array(16 * 1024);
let scratchView = new DataView(scratch.buffer);

function reserve(length: number): void {
  if (length <= scratch.length) return;
  const larger = new Uint8Array(Math.max(length, scratch.length * 2));
  larger.set(scratch);
  scratch = larger;
  scratchView = new DataView(scratch.buffer);
}

/** An entry's share of the encoded size. */
export function entrySize(key: string, value: Uint8Array): number {
  return key.length + value.length + 4;
}

/** Encodes a state, with one more commit id in front. */
export function encodeRecord(state: State, commitId: Uint8Array): Uint8Array {
  let bound = headerLength + 16 + rememberedCommits * commitIdLength;
  for (const [key, value] of state.entries) bound += key.length * 3 + value.length + 10;
  reserve(bound);

  scratch[0] = 0x53;
  scratch[1] = 0x63;
  scratch[6] = format;
  scratch[7] =
    (state.remember === undefined ? 0 : state.remember ? 1 : 2) | (state.fixedDeadline ? 4 : 0);
  const kept = state.commits.subarray(0, (rememberedCommits - 1) * commitIdLength);
  scratch[8] = 1 + kept.length / commitIdLength;
  let at = writeVarint(
    headerLength,
    state.renewedAge === undefined ? 0 : Math.floor(state.renewedAge) + 1,
  );
  scratch.set(commitId, at);
  at += commitIdLength;
  scratch.set(kept, at);
  at += kept.length;
  at = writeVarint(at, state.entries.size);
  for (const [key, value] of state.entries) {
    at = writeKey(at, key);
    at = writeVarint(at, value.length);
    scratch.set(value, at);
    at += value.length;
  }
  scratchView.setUint32(2, murmur(scratchView, 6, at), true);
  return scratch.slice(0, at);
}

function writeVarint(at: number, value: number): number {
  let rest = value;
  let position = at;
  while (rest >= 128) {
    scratch[position++] = (rest % 128) | 128;
    rest = Math.floor(rest / 128);
  }
  scratch[position++] = rest;
  return position;
}

function writeKey(at: number, key: string): number {
  // Nearly every key is short ASCII: one byte each, and a length known in advance.
  if (key.length < 128) {
    let position = at + 1;
    for (let i = 0; i < key.length; i++) {
      const code = key.charCodeAt(i);
      if (code >= 128) {
        position = -1;
        break;
      }
      scratch[position++] = code;
    }
    if (position >= 0) {
      scratch[at] = key.length;
      return position;
    }
  }
  const bytes = encoder.encode(key);
  const position = writeVarint(at, bytes.length);
  scratch.set(bytes, position);
  return position + bytes.length;
}

/** Why bytes are not a record of ours. */
export interface Damage {
  readonly damaged: string;
}

/**
 * Decodes a record; values stay bytes, as views into `data`.
 *
 * @returns what is damaged, if anything is: never throws for that, whatever the bytes.
 * @throws {SessionError} `unknown-format` for an intact record of a newer version.
 */
export function decodeRecord(data: Uint8Array): State | Damage {
  if (data.length < headerLength + 2) return { damaged: "too short" };
  if (data[0] !== 0x53 || data[1] !== 0x63) return { damaged: "not a session record" };
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  if (view.getUint32(2, true) !== murmur(view, 6, data.length)) {
    return { damaged: "the checksum does not match" };
  }
  if (data[6] !== format) {
    throw new SessionError(
      "unknown-format",
      `The session record has format ${data[6]}; this version of scs-session reads ${format}. Finish the deployment, or deploy the newer version everywhere.`,
    );
  }
  const reader = new Reader(data, headerLength);
  const flags = data[7] ?? 0;
  const commits = data[8] ?? 0;
  const renewed = reader.varint();
  const ids = reader.take(commits * commitIdLength);
  const count = reader.varint();
  // Every entry takes two bytes at least, so a count that the bytes cannot hold allocates nothing.
  if (count * 2 > data.length - reader.at) return { damaged: "more entries than bytes" };
  const entries = new Map<string, Uint8Array>();
  for (let i = 0; i < count; i++) {
    const key = reader.key();
    const value = reader.take(reader.varint());
    if (reader.failed || key === undefined || entries.has(key)) {
      return { damaged: "an entry is malformed" };
    }
    entries.set(key, value);
  }
  if (reader.failed || reader.at !== data.length) return { damaged: "the length does not match" };
  return {
    entries,
    remember: (flags & 3) === 0 ? undefined : (flags & 3) === 1,
    fixedDeadline: (flags & 4) !== 0,
    renewedAge: renewed === 0 ? undefined : renewed - 1,
    commits: ids,
  };
}

class Reader {
  readonly #data: Uint8Array;
  at: number;
  failed = false;

  constructor(data: Uint8Array, at: number) {
    this.#data = data;
    this.at = at;
  }

  varint(): number {
    let value = 0;
    let scale = 1;
    for (let i = 0; i < 7; i++) {
      const byte = this.#data[this.at++];
      if (byte === undefined) break;
      value += (byte & 127) * scale;
      if (byte < 128) return value;
      scale *= 128;
    }
    this.failed = true;
    return 0;
  }

  take(length: number): Uint8Array {
    const end = this.at + length;
    if (end > this.#data.length) {
      this.failed = true;
      return this.#data.subarray(0, 0);
    }
    const bytes = this.#data.subarray(this.at, end);
    this.at = end;
    return bytes;
  }

  key(): string | undefined {
    const length = this.varint();
    const start = this.at;
    const bytes = this.take(length);
    if (this.failed) return undefined;
    let text = "";
    if (length < 64) {
      for (let i = start; i < this.at; i++) {
        const code = this.#data[i] ?? 0;
        if (code >= 128) return decodeUtf8(bytes);
        text += String.fromCharCode(code);
      }
      return text;
    }
    return decodeUtf8(bytes);
  }
}

function decodeUtf8(bytes: Uint8Array): string | undefined {
  try {
    return decoder.decode(bytes);
  } catch {
    return undefined; // not UTF-8: the caller reports the entry as malformed
  }
}

/** Whether the record remembers this commit. */
export function hasCommit(state: State, commitId: Uint8Array): boolean {
  for (let at = 0; at < state.commits.length; at += commitIdLength) {
    if (sameBytes(state.commits.subarray(at, at + commitIdLength), commitId)) return true;
  }
  return false;
}

/** Whether two values are encoded alike. */
export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

/**
 * MurmurHash3_x86_32 with seed 0: a word at a time. Decoding a record of 4 KB, this included, takes a
 * third of what CRC-32 in script takes for the same bytes (bench/micro/primitives.ts).
 */
function murmur(view: DataView, start: number, end: number): number {
  let hash = 0;
  let at = start;
  for (; at + 4 <= end; at += 4) {
    let k = Math.imul(view.getUint32(at, true), 0xcc9e2d51);
    k = Math.imul((k << 15) | (k >>> 17), 0x1b873593);
    hash ^= k;
    hash = Math.imul((hash << 13) | (hash >>> 19), 5) + 0xe6546b64;
  }
  let tail = 0;
  for (let i = end - 1; i >= at; i--) tail = (tail << 8) | view.getUint8(i);
  if (end > at) {
    tail = Math.imul(tail, 0xcc9e2d51);
    hash ^= Math.imul((tail << 15) | (tail >>> 17), 0x1b873593);
  }
  hash ^= end - start;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
