/**
 * The bytes of one session as the engine stores them. Each top-level key stands apart, so that a
 * request which reads or changes one key neither decodes nor encodes the others, and a conflict
 * merges bytes by key.
 *
 *     "Sc"  checksum(4)  format(1)  flags(1)  commits(1)  renewed(varint)  commit ids (8 each)
 *     count(varint)  { key length, key in UTF-8, value length, value }*
 *
 * The checksum (XXH32, checksum.ts) covers everything behind it and stands at the same place
 * in every future format: a record with a good checksum and an unknown format comes from a newer
 * version (503), one with a bad checksum is damaged (no session). It finds accidents, not forgeries;
 * whoever can write to the store can write sessions, unless a sealer is configured.
 */
import { checksum } from "./checksum.ts";
import { idLength, mostCommits, writeCommits } from "./commits.ts";
import { Entries, entryBound, type ReadonlyEntries } from "./entries.ts";
import { SessionError } from "./errors.ts";
import { Reader } from "./reader.ts";
import type { State } from "./state.ts";

const headerLength = 9;
const format = 1;

const encoder = new TextEncoder();

// Records are built in a slab and handed out as views of it: memory of its own for each costs 0.5 us
// (Node 24). A slab is never written to twice, and those too large for it get memory of their own.
const slabSize = 64 * 1024;
const mostInSlab = 8 * 1024;
let slab = new Uint8Array(slabSize);
let slabView = new DataView(slab.buffer);
let slabUsed = 0;
/** Where the record that is being built goes. */
let target: Uint8Array = slab;

/** Room for `length` bytes at `slabUsed`. */
function makeRoom(length: number): void {
  if (slabUsed + length <= slabSize) return;
  slab = new Uint8Array(slabSize);
  slabView = new DataView(slab.buffer);
  slabUsed = 0;
}

/** An entry's share of the encoded size. */
export function entrySize(key: string, value: Uint8Array): number {
  return sizeOfEntry(key.length, value.length);
}

function sizeOfEntry(keyLength: number, valueLength: number): number {
  return keyLength + valueLength + 4;
}

/** The encoded size of the entries. */
export function sizeOf(entries: ReadonlyEntries): number {
  if (entries instanceof Entries) return entries.measure(sizeOfEntry);
  let size = 0;
  for (const [key, value] of entries) size += entrySize(key, value);
  return size;
}

/** The encoded size of the entries, or a little more: what can be told without looking at each. */
export function mostSize(entries: ReadonlyEntries): number {
  // Each takes two bytes for its lengths at least, where `sizeOf` counts four.
  return entries instanceof Entries ? entries.bound + 2 * entries.size : sizeOf(entries);
}

/** Encodes a state, with one more commit id in front, if there is one. */
export function encodeRecord(state: State, commitId?: Uint8Array): Uint8Array {
  const { entries, commits } = state;
  let bound = headerLength + 16 + mostCommits * idLength;
  if (entries instanceof Entries) bound += entries.bound;
  else for (const [key, value] of entries) bound += entryBound(key, value);

  const large = bound > mostInSlab;
  if (!large) makeRoom(bound);
  target = large ? new Uint8Array(bound) : slab;
  const start = large ? 0 : slabUsed;
  target[start] = 0x53;
  target[start + 1] = 0x63;
  target[start + 6] = format;
  target[start + 7] =
    (state.remember === undefined ? 0 : state.remember ? 1 : 2) | (state.fixedDeadline ? 4 : 0);
  const ids = writeVarint(
    start + headerLength,
    state.renewedAge === undefined ? 0 : Math.floor(state.renewedAge) + 1,
  );
  let at = writeCommits(target, ids, commits, commitId);
  target[start + 8] = (at - ids) / idLength;
  at = writeVarint(at, entries.size);
  if (entries instanceof Entries) at = entries.encode(target, at, writeEntry);
  else for (const [key, value] of entries) at = writeEntry(at, key, value);
  const view = large ? new DataView(target.buffer) : slabView;
  view.setUint32(start + 2, checksum(view, start + 6, at), true);
  if (!large) slabUsed = at;
  return target.subarray(start, at);
}

function writeEntry(position: number, key: string, value: Uint8Array): number {
  const at = writeVarint(writeKey(position, key), value.length);
  target.set(value, at);
  return at + value.length;
}

function writeVarint(at: number, value: number): number {
  let rest = value;
  let position = at;
  while (rest >= 128) {
    target[position++] = (rest % 128) | 128;
    rest = Math.floor(rest / 128);
  }
  target[position++] = rest;
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
      target[position++] = code;
    }
    if (position >= 0) {
      target[at] = key.length;
      return position;
    }
  }
  const bytes = encoder.encode(key);
  const position = writeVarint(at, bytes.length);
  target.set(bytes, position);
  return position + bytes.length;
}

/** Why bytes are not a record of ours. */
export interface Damage {
  readonly damaged: string;
}

/**
 * Decodes a record; values stay bytes, as views into `data`.
 *
 * @param intact whatever the checksum could say is known already
 * @returns what is damaged, if anything is: never throws for that, whatever the bytes.
 * @throws {SessionError} `unknown-format` for an intact record of a newer version.
 */
export function decodeRecord(data: Uint8Array, intact = false): State | Damage {
  if (data.length < headerLength + 2) return { damaged: "too short" };
  if (data[0] !== 0x53 || data[1] !== 0x63) return { damaged: "not a session record" };
  if (!intact && !isIntact(data)) return { damaged: "the checksum does not match" };
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
  const ids = reader.at;
  reader.skip(commits * idLength);
  const count = reader.varint();
  // Every entry takes two bytes at least, so a count that the bytes cannot hold allocates nothing.
  if (count * 2 > data.length - reader.at) return { damaged: "more entries than bytes" };
  const entries = count > mostScanned ? reader.map(count) : reader.entries(count);
  if (entries === undefined) return { damaged: "an entry is malformed" };
  if (reader.failed || reader.at !== data.length) return { damaged: "the length does not match" };
  return new DecodedState(data, ids, entries, flags, renewed);
}

function isIntact({ buffer, byteOffset, length }: Uint8Array): boolean {
  const view = viewOf(buffer);
  const found = view.getUint32(byteOffset + 2, true);
  return found === checksum(view, byteOffset + 6, byteOffset + length);
}

/** A record's state. The commits are looked at by whoever writes: most requests only read. */
class DecodedState implements State {
  readonly #data: Uint8Array;
  readonly #ids: number;
  readonly entries: ReadonlyEntries;
  readonly remember: boolean | undefined;
  readonly fixedDeadline: boolean;
  readonly renewedAge: number | undefined;

  constructor(
    data: Uint8Array,
    ids: number,
    entries: ReadonlyEntries,
    flags: number,
    renewed: number,
  ) {
    this.#data = data;
    this.#ids = ids;
    this.entries = entries;
    this.remember = (flags & 3) === 0 ? undefined : (flags & 3) === 1;
    this.fixedDeadline = (flags & 4) !== 0;
    this.renewedAge = renewed === 0 ? undefined : renewed - 1;
  }

  get commits(): Uint8Array {
    const end = this.#ids + (this.#data[8] as number) * idLength;
    return this.#data.subarray(this.#ids, end);
  }
}

let viewed: DataView = slabView;

/** A view of this memory: nearly always of the slab that the record before came from. */
function viewOf(buffer: ArrayBufferLike): DataView {
  if (viewed.buffer === buffer) return viewed;
  const view = new DataView(buffer);
  // What is kept must not keep much alive.
  if (buffer.byteLength <= slabSize) viewed = view;
  return view;
}

/** Up to this many keys are found by looking at one after the other. */
const mostScanned = 32;
