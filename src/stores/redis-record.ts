/**
 * The value under one key: a fixed header, the key again, and the data.
 *
 *     0  "Sc"            2 bytes
 *     2  format          1 byte, 1
 *     3  version         6 bytes, as are the next three; big-endian
 *     9  created         milliseconds by the server's clock
 *    15  deadline        likewise
 *    21  idle expiry     likewise; 0 when there is none; never past the deadline
 *    27  digest          32 bytes
 *    59  key length      2 bytes
 *    61  key, data
 *
 * A plain string, not a hash: `load` is one GET, and a touch writes six bytes in place (SETRANGE).
 */
import { SessionError } from "../errors.ts";

/** Bytes before the key. The scripts know these offsets too. */
const headerLength = 61;
const format = 1;
const digestAt = 27;
const digestLength = 32;
const maxKey = 0xffff;

/** Node's Buffer, which the drivers insist on; they run only where there is one. */
interface BufferClass {
  allocUnsafe(size: number): Uint8Array & { write(text: string, at: number): number };
  byteLength(text: string): number;
  from(bytes: ArrayBufferLike, offset: number, length: number): Uint8Array;
}

interface Runtime {
  readonly Buffer?: BufferClass;
  readonly process?: {
    getBuiltinModule?(name: "node:buffer"): { readonly Buffer: BufferClass };
  };
}

/** Looked up rather than imported: the module must load on runtimes without `node:` modules. */
export function bufferClass(): BufferClass {
  const { Buffer, process } = globalThis as Runtime;
  const found = Buffer ?? process?.getBuiltinModule?.("node:buffer").Buffer;
  if (found === undefined) {
    throw new SessionError(
      "unsupported",
      "RedisStore needs a runtime with Node's Buffer, as the Redis clients do",
    );
  }
  return found;
}

/** What the stored bytes say. Times are by the server's clock. */
export interface Stored {
  readonly key: string;
  readonly version: number;
  readonly created: number;
  readonly deadline: number;
  /** 0 when there is none. */
  readonly idle: number;
  readonly digest: Uint8Array;
  readonly data: Uint8Array;
}

/** The bytes as the driver wants them; not a copy. */
export function toBuffer(bytes: Uint8Array): Uint8Array {
  return bufferClass().from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/**
 * A whole value, but for its three times, which are the script's to put in. Until then there stand the nine bytes that
 * the value before must begin with.
 */
export function valueOf(
  key: string,
  version: number,
  digest: Uint8Array,
  data: Uint8Array,
): Uint8Array {
  const Buffer = bufferClass();
  const keyLength = Buffer.byteLength(key);
  // A lone surrogate would become U+FFFD, and two keys one.
  if (keyLength > maxKey || /\p{Surrogate}/u.test(key)) {
    throw new SessionError(
      "invalid-argument",
      `A session key must be well-formed text of at most ${maxKey} bytes`,
    );
  }
  if (digest.length !== digestLength) {
    throw new SessionError(
      "invalid-argument",
      `A digest has ${digestLength} bytes, not ${digest.length}`,
    );
  }
  const value = Buffer.allocUnsafe(headerLength + keyLength + data.length);
  writeStart(value, 0, version);
  writeStart(value, startLength, version - 1);
  value.set(digest, digestAt);
  value[59] = keyLength >>> 8;
  value[60] = keyLength;
  value.write(key, headerLength);
  value.set(data, headerLength + keyLength);
  return value;
}

/** "Sc", format and version. */
const startLength = 9;

function writeStart(to: Uint8Array, at: number, version: number): void {
  to[at] = 0x53;
  to[at + 1] = 0x63;
  to[at + 2] = format;
  const high = Math.floor(version / 2 ** 32);
  to[at + 3] = high >>> 8;
  to[at + 4] = high;
  to[at + 5] = version >>> 24;
  to[at + 6] = version >>> 16;
  to[at + 7] = version >>> 8;
  to[at + 8] = version;
}

/**
 * Reads a value. Undefined when it is no session of ours: too short, or other bytes.
 *
 * @throws {SessionError} `unknown-format` for a record of a newer version.
 */
export function parse(value: Uint8Array, expected: string): Stored | undefined {
  if (value.length < 3 || value[0] !== 0x53 || value[1] !== 0x63) return undefined;
  if (value[2] !== format) {
    throw new SessionError(
      "unknown-format",
      `A session in Redis has format ${value[2]}, which this version does not know`,
    );
  }
  if (value.length < headerLength) return undefined;
  const end = headerLength + (value[59] as number) * 256 + (value[60] as number);
  if (value.length < end) return undefined;
  const key = keyIn(value, end, expected);
  const stored = {
    key,
    version: number48(value, 3),
    created: number48(value, 9),
    deadline: number48(value, 15),
    idle: number48(value, 21),
    digest: bytesOf(value, digestAt, digestAt + digestLength),
    data: bytesOf(value, end, value.length),
  };
  return stored.idle <= stored.deadline && stored.created <= stored.deadline ? stored : undefined;
}

/** The key in the record. Nearly always the expected one, which needs no decoding then. */
function keyIn(value: Uint8Array, end: number, expected: string): string {
  if (end - headerLength === expected.length) {
    let at = headerLength;
    // A character above 0x7f is more than one byte, so equal lengths and equal bytes mean ASCII.
    while (at < end && value[at] === expected.charCodeAt(at - headerLength)) at++;
    if (at === end) return expected;
  }
  return new TextDecoder().decode(value.subarray(headerLength, end));
}

/** A plain Uint8Array on the same memory: `slice` of a Buffer would not copy. */
function bytesOf(value: Uint8Array, start: number, end: number): Uint8Array {
  return new Uint8Array(value.buffer, value.byteOffset + start, end - start);
}

function number48(value: Uint8Array, at: number): number {
  const high = ((value[at] as number) << 8) | (value[at + 1] as number);
  const low =
    ((value[at + 2] as number) << 24) |
    ((value[at + 3] as number) << 16) |
    ((value[at + 4] as number) << 8) |
    (value[at + 5] as number);
  return high * 2 ** 32 + (low >>> 0);
}
