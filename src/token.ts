/**
 * Tokens: `base64url(id (18 bytes) || secret (30 bytes))`, 24 + 40 characters (RFC 4648 section 5).
 * The id is the record's public handle; only the secret authenticates, and the engine holds nothing
 * but its digest, so a dump of the store logs nobody in (ASVS 7.2.3 asks for 128 bits; these are 240).
 */
import { after } from "./reply.ts";

const idLength = 24;
const tokenLength = 64;
const shape = /^[A-Za-z0-9_-]{64}$/;
const idShape = /^[A-Za-z0-9_-]{24}$/;

interface SyncCrypto {
  readonly hash?: (algorithm: string, data: string, encoding: "latin1") => unknown;
  readonly createHash: (algorithm: string) => {
    update(data: string): { digest(): Uint8Array };
  };
}

interface Runtime {
  readonly process?: { readonly getBuiltinModule?: (id: string) => unknown };
  readonly Buffer?: {
    from(
      bytes: ArrayBufferLike,
      offset: number,
      length: number,
    ): { toString(encoding: string): string };
  };
}

const runtime = globalThis as unknown as Runtime;

// WebCrypto hands every digest to a worker and costs 30 to 50 us; crypto.hash costs 0.9 us. Asking
// the running process for it, instead of importing it, keeps this file loadable everywhere.
const nodeCrypto = runtime.process?.getBuiltinModule?.("node:crypto") as SyncCrypto | undefined;

/** SHA-256, one character per byte: a Buffer takes twice as long to make as the digest itself. */
type HashText = (text: string) => string;

function findHash(): HashText | undefined {
  const hash = nodeCrypto?.hash;
  if (hash === undefined) return undefined;
  try {
    const make = (text: string): unknown => hash("sha256", text, "latin1");
    // Not every runtime's has this encoding.
    const known = make("");
    const right = typeof known === "string" && known.length === 32 && known.charCodeAt(0) === 0xe3;
    return right ? (make as HashText) : undefined;
  } catch {
    return undefined;
  }
}

const hashText = findHash();

// A call for 48 random bytes costs ten times what slicing them off a block costs.
const pool = new Uint8Array(48 * 64);
let poolOffset = pool.length;

function random(length: number): string {
  if (poolOffset + length > pool.length) {
    crypto.getRandomValues(pool);
    poolOffset = 0;
  }
  const start = poolOffset;
  poolOffset += length;
  const text = base64url(start, length);
  pool.fill(0, start, poolOffset); // a later memory leak must not give away tokens
  return text;
}

const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

function base64url(start: number, length: number): string {
  if (runtime.Buffer !== undefined) {
    return runtime.Buffer.from(pool.buffer, start, length).toString("base64url");
  }
  let text = "";
  // Lengths are multiples of three, so there is never padding.
  for (let i = start; i < start + length; i += 3) {
    const bits = ((pool[i] ?? 0) << 16) | ((pool[i + 1] ?? 0) << 8) | (pool[i + 2] ?? 0);
    text +=
      alphabet.charAt(bits >>> 18) +
      alphabet.charAt((bits >>> 12) & 63) +
      alphabet.charAt((bits >>> 6) & 63) +
      alphabet.charAt(bits & 63);
  }
  return text;
}

/** A new token with a new id. */
export function newToken(): string {
  return random(48);
}

/** A token with the same id and a new secret. */
export function renewedToken(id: string): string {
  return id + random(30);
}

/** Whether the text has a token's shape; checked before any store or crypto work. */
export function isToken(text: string): boolean {
  return text.length === tokenLength && shape.test(text);
}

/** Whether the text has the shape of a session's public id. */
export function isId(text: string): boolean {
  return text.length === idLength && idShape.test(text);
}

/** The public id in a token. */
export function idOf(token: string): string {
  return token.slice(0, idLength);
}

/**
 * SHA-256 of the manager's name and the secret: a token of one manager opens nothing in another.
 * Synchronous where the runtime has a synchronous hash (Node, Bun, Deno), a promise elsewhere.
 */
export function digestOf(name: string, token: string): Uint8Array | Promise<Uint8Array> {
  const text = digested(name, token);
  if (hashText !== undefined) {
    const digest = hashText(text);
    const bytes = new Uint8Array(32);
    for (let i = 0; i < 32; i++) bytes[i] = digest.charCodeAt(i);
    return bytes;
  }
  if (nodeCrypto !== undefined) return nodeCrypto.createHash("sha256").update(text).digest();
  return webDigest(text);
}

function digested(name: string, token: string): string {
  return `${name}\0${token.slice(idLength)}`;
}

async function webDigest(text: string): Promise<Uint8Array> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text)));
}

/** Compares digests in time that depends on their length only. */
export function sameDigest(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  let difference = 0;
  for (let i = 0; i < a.length; i++) difference |= (a[i] ?? 0) ^ (b[i] ?? 0);
  return difference === 0;
}

/** Whether `digest` is that of the token, as `sameDigest` tells; without making bytes of it where it can. */
export function isDigestOf(
  digest: Uint8Array,
  name: string,
  token: string,
): boolean | Promise<boolean> {
  if (hashText === undefined) {
    return after(digestOf(name, token), (expected) => sameDigest(digest, expected));
  }
  const expected = hashText(digested(name, token));
  if (digest.length !== expected.length) return false;
  let difference = 0;
  for (let i = 0; i < expected.length; i++) difference |= (digest[i] ?? 0) ^ expected.charCodeAt(i);
  return difference === 0;
}

const commitIdLength = 8;
// Never written to again, so that ids can be views of it.
let commitIds = new Uint8Array(0);
let commitIdsUsed = 0;

/** The random id of one commit: 8 bytes. */
export function newCommitId(): Uint8Array {
  if (commitIdsUsed === commitIds.length) {
    commitIds = crypto.getRandomValues(new Uint8Array(commitIdLength * 512));
    commitIdsUsed = 0;
  }
  const start = commitIdsUsed;
  commitIdsUsed += commitIdLength;
  return commitIds.subarray(start, commitIdsUsed);
}
