/**
 * Bytes as text of one character each, in which the memory engine keeps them: 112 bytes for 92, where
 * a Uint8Array takes 292.
 */

interface Latin1 {
  latin1Slice?(this: Uint8Array, start: number, end: number): string;
  latin1Write?(this: Uint8Array, text: string, offset: number, length: number): number;
}

// Node, Bun and Deno have native conversions: 80 ns for 160 bytes, against 770 ns in script; for
// 4 KB 1.9 us, against 9.1 us.
const { latin1Slice: native, latin1Write: nativeWrite } =
  (globalThis as { readonly Buffer?: { readonly prototype: Latin1 } }).Buffer?.prototype ?? {};

// Bytes handed out are views of a slab that is filled once: memory of its own for each record takes
// 300 ns and more (Node 24), and the garbage collector's time.
const slabSize = 64 * 1024;
const mostInSlab = 8 * 1024;
let slab = new Uint8Array(0);
let slabUsed = 0;

let scratch = new Uint8Array(4096);

/** Digest and data, one character for each byte; joined first, since joined strings would stay two, and a third. */
export function toText(digest: Uint8Array, data: Uint8Array): string {
  const length = digest.length + data.length;
  if (scratch.length < length) scratch = new Uint8Array(length * 2);
  scratch.set(digest);
  scratch.set(data, digest.length);
  if (native !== undefined) return native.call(scratch, 0, length);
  let text = "";
  // In pieces: every byte is an argument on the stack.
  for (let at = 0; at < length; at += 4096) {
    text += String.fromCharCode(...scratch.subarray(at, Math.min(at + 4096, length)));
  }
  return text;
}

/** What `toText` has put together: new bytes, the first `digestLength` of them apart. */
export function fromText(
  text: string,
  digestLength: number,
): { readonly digest: Uint8Array; readonly data: Uint8Array } {
  const { length } = text;
  let bytes = slab;
  let at = 0;
  if (length > mostInSlab) {
    bytes = new Uint8Array(length);
  } else {
    if (slabUsed + length > slab.length) {
      bytes = slab = new Uint8Array(slabSize);
      slabUsed = 0;
    }
    at = slabUsed;
    slabUsed += length;
  }
  if (nativeWrite !== undefined) nativeWrite.call(bytes, text, at, length);
  else for (let i = 0; i < length; i++) bytes[at + i] = text.charCodeAt(i);
  const middle = at + digestLength;
  return { digest: bytes.subarray(at, middle), data: bytes.subarray(middle, at + length) };
}
