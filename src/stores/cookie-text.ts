/**
 * Bytes as cookie-octets: base64url (RFC 4648 section 5), and strict. Lengths are multiples of 3 bytes
 * and 4 characters, so there is neither padding nor a character whose low bits are ignored: every
 * text stands for other bytes, and a changed character always changes what is authenticated.
 */

interface Convertible {
  base64urlSlice?(this: Uint8Array, start: number, end: number): string;
  base64urlWrite?(this: Uint8Array, text: string, offset: number, length: number): number;
}

interface NodeBuffer {
  readonly prototype: Convertible;
  allocUnsafe(length: number): Uint8Array;
}

// Node, Bun and Deno have native conversions.
const native = (globalThis as { readonly Buffer?: NodeBuffer }).Buffer;
const { base64urlSlice, base64urlWrite } = native?.prototype ?? {};

const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
const values: Int8Array = new Int8Array(128).fill(-1);
for (let i = 0; i < 64; i++) values[alphabet.charCodeAt(i)] = i;

/**
 * Memory for bytes of any value: of a pool, where there is one, since memory of its own for each
 * message costs more than what is done with it (0.3 us, and work for the collector).
 */
export function allocate(length: number): Uint8Array {
  return native === undefined ? new Uint8Array(length) : native.allocUnsafe(length);
}

/** The text of a multiple of three bytes: of all of them, or of those from `start` to `end`. */
export function toText(bytes: Uint8Array, start: number = 0, end: number = bytes.length): string {
  return base64urlSlice === undefined
    ? slowToText(bytes.subarray(start, end))
    : base64urlSlice.call(bytes, start, end);
}

/** Writes the bytes of a text that `toText` has written; false for another that is seen to be none. */
export function writeText(to: Uint8Array, at: number, text: string): boolean {
  const length = (text.length / 4) * 3;
  if (base64urlWrite !== undefined) return base64urlWrite.call(to, text, at, length) === length;
  const bytes = slowFromText(text);
  if (bytes !== undefined) to.set(bytes, at);
  return bytes !== undefined;
}

/** What a text of one byte per character cannot hold, as V8 knows without looking. */
const wide = /[^\x00-\xff]/;

/** The bytes of a text; undefined unless `toText` could have written it. */
export function fromText(text: string): Uint8Array | undefined {
  if (base64urlWrite === undefined) return slowFromText(text);
  if (text.length % 4 !== 0) return undefined;
  // Node takes both alphabets and reads U+0141 as "A". What is in neither it skips, so that bytes are missing.
  if (text.includes("+") || text.includes("/") || wide.test(text)) return undefined;
  const bytes = allocate((text.length / 4) * 3);
  return base64urlWrite.call(bytes, text, 0, bytes.length) === bytes.length ? bytes : undefined;
}

/** `toText` in script. */
export function slowToText(bytes: Uint8Array): string {
  let text = "";
  for (let i = 0; i < bytes.length; i += 3) {
    const bits = ((bytes[i] ?? 0) << 16) | ((bytes[i + 1] ?? 0) << 8) | (bytes[i + 2] ?? 0);
    text +=
      alphabet.charAt(bits >>> 18) +
      alphabet.charAt((bits >>> 12) & 63) +
      alphabet.charAt((bits >>> 6) & 63) +
      alphabet.charAt(bits & 63);
  }
  return text;
}

/** `fromText` in script. */
export function slowFromText(text: string): Uint8Array | undefined {
  if (text.length % 4 !== 0) return undefined;
  const bytes = new Uint8Array((text.length / 4) * 3);
  for (let i = 0, at = 0; i < text.length; i += 4, at += 3) {
    let bits = 0;
    for (let j = 0; j < 4; j++) {
      const code = text.charCodeAt(i + j);
      const value = code < 128 ? (values[code] ?? -1) : -1;
      if (value < 0) return undefined;
      bits = (bits << 6) | value;
    }
    bytes[at] = bits >>> 16;
    bytes[at + 1] = bits >>> 8;
    bytes[at + 2] = bits;
  }
  return bytes;
}
