/**
 * One value of a session to bytes and back. The first byte tells the form, so that what sessions
 * mostly hold (short strings, small numbers, plain JSON) takes the shortest way:
 *
 *     u n t f   undefined, null, true, false     i   int32, 4 bytes, little-endian
 *     s   a string in UTF-8                      b   a Uint8Array, raw
 *     j   JSON                                   J   JSON with marks (encode.ts)
 *
 * Our own format: nothing else keeps Date, Map, BigInt, bytes and cycles at the price of JSON and
 * withstands hostile input (docs/decisions/0002-codec.md has the comparison).
 */
import { Malformed, revive } from "./decode.ts";
import { refusalOf, refuse, ValueWriter } from "./encode.ts";
import { SessionError } from "./errors.ts";
import { bytesOf, kindOf } from "./kinds.ts";

/**
 * Turns one value of a session, what stands under one key, into bytes and back. Synchronous: `set`
 * encodes at once.
 */
export interface Codec {
  /**
   * The value as bytes, without changing it or keeping a reference to it. The array may be a view of
   * a larger buffer.
   *
   * @throws when the value cannot be stored.
   */
  encode(value: unknown): Uint8Array;
  /**
   * A new value on each call, which shares no memory with `bytes`.
   *
   * @throws when the bytes are damaged.
   */
  decode(bytes: Uint8Array): unknown;
}

const [undefinedTag, nullTag, trueTag, falseTag, intTag, stringTag, bytesTag, jsonTag, markedTag] =
  [0x75, 0x6e, 0x74, 0x66, 0x69, 0x73, 0x62, 0x6a, 0x4a] as const;

// Lone surrogates have no UTF-8; such a string is written as JSON, which escapes them.
const loneSurrogate = /\p{Cs}/u;
const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const lenient = new TextDecoder("utf-8", { ignoreBOM: true });

type Utf8Slice = (this: Uint8Array, start: number, end: number) => string;

/** Node's own conversion, where there is one that keeps a byte order mark: it needs no view of the bytes. */
const utf8Slice = findUtf8Slice();

function findUtf8Slice(): Utf8Slice | undefined {
  const { Buffer } = globalThis as {
    readonly Buffer?: { readonly prototype: { readonly utf8Slice?: Utf8Slice } };
  };
  const found = Buffer?.prototype.utf8Slice;
  try {
    const marked = new Uint8Array([0, 0xef, 0xbb, 0xbf, 0xc3, 0xbc, 0xff]);
    return found?.call(marked, 1, 7) === "\uFEFF\u00FC\uFFFD" ? found : undefined;
  } catch {
    return undefined;
  }
}

// Undefined while it works: a getter of the value may encode something itself.
let idle: ValueWriter | undefined = new ValueWriter();

function encode(value: unknown): Uint8Array {
  const writer = idle ?? new ValueWriter();
  idle = undefined;
  try {
    return encodeWith(writer, value);
  } catch (error) {
    if (refusalOf(error) !== undefined) throw error;
    // A getter or proxy that throws, or a value too large for this runtime.
    throw refuse({ what: "a value that cannot be read", path: "" }, { cause: error });
  } finally {
    writer.reset();
    idle = writer;
  }
}

function encodeWith(writer: ValueWriter, value: unknown): Uint8Array {
  switch (typeof value) {
    case "undefined":
      return writer.finish(writer.begin(undefinedTag));
    case "boolean":
      return writer.finish(writer.begin(value ? trueTag : falseTag));
    case "string":
      if (loneSurrogate.test(value)) break;
      return writer.finish(writer.text(value, writer.begin(stringTag)));
    case "number":
      if ((value | 0) !== value || Object.is(value, -0)) break;
      return writer.finish(writer.int(value, writer.begin(intTag)));
    case "object":
      if (value === null) return writer.finish(writer.begin(nullTag));
      if (ArrayBuffer.isView(value) && kindOf(value) === "Uint8Array") {
        const bytes = bytesOf(value);
        if (bytes !== undefined) return writer.finish(writer.raw(bytes, writer.begin(bytesTag)));
      }
      break;
    default:
  }
  const end = writer.value(value, writer.begin(jsonTag), 0);
  return writer.finish(end, writer.marked ? markedTag : jsonTag);
}

function decode(bytes: Uint8Array): unknown {
  try {
    switch (bytes[0]) {
      case jsonTag:
        return JSON.parse(textOf(bytes));
      case stringTag:
        return textOf(bytes);
      case markedTag:
        return revive(JSON.parse(textOf(bytes)));
      case intTag:
        return int(bytes);
      case bytesTag:
        // Not `slice`: that of a Buffer shares memory.
        return new Uint8Array(bytes.subarray(1));
      default:
        return constant(bytes);
    }
  } catch (error) {
    // The cause of our own choosing only: V8 quotes the text in its SyntaxError, and what is logged
    // must hold no session data.
    const reason = error instanceof Malformed ? error.message : "malformed";
    throw new SessionError("undecodable", `A stored value cannot be decoded: ${reason}`, {
      cause: error instanceof Malformed ? error : new Malformed(reason),
    });
  }
}

/** The text behind the tag. Invalid UTF-8 throws. */
function textOf(bytes: Uint8Array): string {
  // The strict decoder costs 0.1 us more at 100 bytes (Node 24), and only what a lenient one
  // replaced, or a genuine U+FFFD, needs it. A view and the lenient decoder take 0.1 us for 18 bytes,
  // Node's conversion 0.05.
  const text =
    utf8Slice === undefined
      ? lenient.decode(bytes.subarray(1))
      : utf8Slice.call(bytes, 1, bytes.length);
  return text.includes("\uFFFD") ? strict.decode(bytes.subarray(1)) : text;
}

function int(bytes: Uint8Array): number {
  if (bytes.length !== 5) throw new Malformed("integer of a wrong length");
  let value = 0;
  for (let i = 4; i > 0; i--) value = (value << 8) | (bytes[i] as number);
  return value;
}

function constant(bytes: Uint8Array): unknown {
  if (bytes.length !== 1) throw new Malformed(bytes.length === 0 ? "no bytes" : "unknown form");
  switch (bytes[0]) {
    case undefinedTag:
      return undefined;
    case nullTag:
      return null;
    case trueTag:
      return true;
    case falseTag:
      return false;
    default:
      throw new Malformed("unknown form");
  }
}

/**
 * The codec of every session unless `codec` says otherwise. It keeps JSON values and undefined, NaN,
 * ±Infinity, -0, BigInt, Date, Map, Set, URL, ArrayBuffer, DataView, every typed array, strings with
 * lone surrogates, repeated references and cycles. Objects without a prototype come back with one,
 * a Buffer comes back as a Uint8Array, and arrays keep their elements only, as in JSON. Elements of
 * typed arrays are stored in the machine's byte order, which is little-endian nearly everywhere.
 *
 * It throws `SessionError` with code `unencodable` for functions, symbols and symbol keys, promises,
 * instances of classes, sparse arrays, and nesting deeper than 500 levels; with code `undecodable`
 * for bytes that it did not write.
 */
export const defaultCodec: Codec = Object.freeze({ encode, decode });

/**
 * Encodes the value under `key`; errors name the place in the session, as `cart[2].owner`.
 *
 * @throws {SessionError} `unencodable`, whatever the codec threw.
 */
export function encodeValue(codec: Codec, key: string, value: unknown): Uint8Array {
  let bytes: unknown;
  try {
    bytes = codec.encode(value);
  } catch (error) {
    const refusal = refusalOf(error);
    if (refusal === undefined && error instanceof SessionError) throw error;
    const { what, path } = refusal ?? { what: "what the codec failed on", path: "" };
    const at = path === "" || path.startsWith("[") ? `${key}${path}` : `${key}.${path}`;
    throw refuse(
      { what, path: at },
      refusal === undefined
        ? { cause: error }
        : (error as SessionError).cause === undefined
          ? undefined
          : { cause: (error as SessionError).cause },
    );
  }
  if (bytes instanceof Uint8Array) return bytes;
  throw refuse({ what: "a value for which the codec gave no bytes", path: key });
}
