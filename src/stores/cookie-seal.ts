/**
 * One sealed value, and what it holds.
 *
 *     data   v1.<key id>.<text>  or, in several cookies,  v1.<key id>.<count>.<text, cut into pieces>
 *     stamp  see cookie-stamp.ts
 *
 * `text` is base64url of nonce (24) || ciphertext || tag (16), a multiple of 48 bytes: the length says
 * only which bucket of 64 characters the session fits. Plaintexts, numbers big-endian, zeros up to the
 * bucket's end:
 *
 *     length of the data (2) id (18) created (6) issued (6) deadline (6) idle (6; 0: none) data
 *
 * The additional data bind everything else: library and format, purpose, cookie name, manager name,
 * key id, count of cookies.
 */
import type { Soon } from "../sealed.ts";
import type { Ring, RingKey } from "./cookie-keys.ts";
import { allocate, fromText, toText, writeText } from "./cookie-text.ts";
import { nonceLength, tagLength } from "./cookie-xaes.ts";

/** The format that this version writes, the only one it reads. */
export const format = "v1";
/** Sealed lengths are multiples of this many bytes, which are 64 characters, as far as there is room. */
export const bucket = 48;
const bucketText = 64;
const overhead = nonceLength + tagLength;
const headLength = 44;
export const idLength = 18;
const idText = 24;

/** What a seal is for. */
export type Kind = "data" | "idle";

/** The plaintext of a data cookie. */
export interface Plain {
  readonly id: string;
  readonly created: number;
  readonly issued: number;
  readonly deadline: number;
  readonly idle: number | undefined;
  readonly data: Uint8Array;
}

/** A value taken apart, before anything in it is trusted. */
export interface Parsed {
  readonly keyId: string;
  readonly count: number;
  readonly text: string;
}

const head = /^v1\.([A-Za-z0-9_-]{1,32})\.(?:([2-9])\.)?/;

/** Undefined for a value of another form; its text is checked by whoever decodes it. */
export function parse(value: string): Parsed | undefined {
  const parts = head.exec(value);
  if (parts === null) return undefined;
  const [start, keyId = "", count] = parts;
  return {
    keyId,
    count: count === undefined ? 1 : Number(count),
    text: value.slice(start.length),
  };
}

/** What stands before the text. */
export function prefixOf(keyId: string, count: number): string {
  return count === 1 ? `${format}.${keyId}.` : `${format}.${keyId}.${count}.`;
}

/** The characters of the text for this many bytes of data: with padding, and at least. */
export function textLength(dataLength: number): { padded: number; least: number } {
  const bytes = headLength + dataLength + overhead;
  return { padded: Math.ceil(bytes / bucket) * bucketText, least: Math.ceil(bytes / 3) * 4 };
}

/** Seals and opens for one cookie of one manager. */
export class Sealer {
  readonly #ring: Ring;
  readonly #binding: string;
  /** By key; of a stamp, and from 1 on of data in so many cookies. */
  readonly #additional = new Map<RingKey, Uint8Array[]>();

  constructor(ring: Ring, cookie: string, manager: string) {
    this.#ring = ring;
    // Names are RFC 9110 tokens, so that a NUL separates without doubt.
    this.#binding = `${cookie}\0${manager}`;
  }

  get keyId(): string {
    return this.#ring.first.id;
  }

  /** The text of a message, which has its plaintext only, under the first key. */
  seal(kind: Kind, count: number, message: Uint8Array): Soon<string> {
    const { first } = this.#ring;
    const sealing = first.keys.seal(message, this.#bind(kind, first, count));
    return sealing instanceof Promise ? sealing.then(() => toText(message)) : toText(message);
  }

  /** The plaintext; `false` when it is not authentic, undefined when the text is not of our form. */
  open(
    kind: Kind,
    key: RingKey,
    count: number,
    text: string,
  ): Soon<Uint8Array | false | undefined> {
    const message = fromText(text);
    if (message === undefined || message.length < overhead) return undefined;
    const opened = key.keys.open(text, message, this.#bind(kind, key, count));
    return opened instanceof Promise ? opened.then((plain) => plain ?? false) : (opened ?? false);
  }

  #bind(kind: Kind, key: RingKey, count: number): Uint8Array {
    const at = kind === "data" ? count : 0;
    return this.#additional.get(key)?.[at] ?? this.#makeBinding(kind, key, count, at);
  }

  #makeBinding(kind: Kind, key: RingKey, count: number, at: number): Uint8Array {
    const { id: keyId } = key;
    const name = `${kind}\0${keyId}\0${count}`;
    const bytes = new TextEncoder().encode(`scs-session\0${format}\0${name}\0${this.#binding}`);
    const known = this.#additional.get(key) ?? [];
    known[at] = bytes;
    this.#additional.set(key, known);
    return bytes;
  }
}

/** The message of a data cookie whose text has `length` characters: its plaintext, with room for the rest. */
export function encodeData(plain: Plain, length: number): Uint8Array {
  const { data } = plain;
  const bytes = allocate((length / 4) * 3);
  const start = nonceLength;
  bytes[start] = data.length >> 8;
  bytes[start + 1] = data.length;
  writeId(bytes, start + 2, plain.id);
  writeTime(bytes, start + 20, plain.created);
  writeTime(bytes, start + 26, plain.issued);
  writeTime(bytes, start + 32, plain.deadline);
  writeTime(bytes, start + 38, plain.idle ?? 0);
  bytes.set(data, start + headLength);
  // Not zero by itself: the memory may have been used before.
  for (let at = start + headLength + data.length; at < bytes.length; at++) bytes[at] = 0;
  return bytes;
}

/** Undefined for bytes that `encodeData` did not write, although they are authentic. */
export function decodeData(bytes: Uint8Array): Plain | undefined {
  if (bytes.length < headLength) return undefined;
  const end = headLength + (((bytes[0] ?? 0) << 8) | (bytes[1] ?? 0));
  if (end > bytes.length) return undefined;
  const idle = readTime(bytes, 38);
  return {
    id: readId(bytes, 2),
    created: readTime(bytes, 20),
    issued: readTime(bytes, 26),
    deadline: readTime(bytes, 32),
    idle: idle === 0 ? undefined : idle,
    data: bytes.subarray(headLength, end),
  };
}

/** 6 bytes: the year 10889 is the last. */
const lastTime = 2 ** 48 - 1;

export function writeTime(bytes: Uint8Array, at: number, time: number): void {
  const whole = Math.min(Math.max(0, Math.ceil(time)), lastTime);
  const high = Math.floor(whole / 2 ** 32);
  bytes[at] = high >> 8;
  bytes[at + 1] = high;
  // Bit operations take the low 32 bits.
  bytes[at + 2] = whole >>> 24;
  bytes[at + 3] = whole >>> 16;
  bytes[at + 4] = whole >>> 8;
  bytes[at + 5] = whole;
}

export function readTime(bytes: Uint8Array, at: number): number {
  let time = 0;
  for (let i = at; i < at + 6; i++) time = time * 256 + (bytes[i] ?? 0);
  return time;
}

export function writeId(bytes: Uint8Array, at: number, id: string): void {
  if (id.length === idText && writeText(bytes, at, id)) return;
  throw new TypeError("An id has 24 characters of base64url");
}

export function readId(bytes: Uint8Array, at: number): string {
  return toText(bytes, at, at + idLength);
}

/** What comes of a value now, or of a promise later. */
export function soon<A, B>(value: Soon<A>, then: (value: A) => Soon<B>): Soon<B> {
  return value instanceof Promise ? value.then(then) : then(value);
}
