/**
 * XAES-256-GCM, https://c2sp.org/XAES-256-GCM: AES-256-GCM under a key derived from the first half of a
 * nonce of 192 bits, so that random nonces are safe for 2^80 messages, where AES-GCM alone must stop at
 * 2^32. Only AES-256 and AES-GCM of the platform are used (docs/decisions/0014-cookie-seal.md).
 *
 *     L  = AES(K, 0)        K1 = L << 1, xor 0x87 in the last byte if the first bit of L was set
 *     Kx = AES(K, (00 01 "X" 00 || N[:12]) xor K1) || AES(K, (00 02 "X" 00 || N[:12]) xor K1)
 *     sealed = AES-256-GCM(Kx, N[12:], plaintext, additional data), the tag of 16 bytes at the end
 */

import type { Soon } from "../sealed.ts";

/** The length of a nonce in bytes. */
export const nonceLength = 24;
/** The length of the tag at the end of what was sealed. */
export const tagLength = 16;
/** The length of a key. */
export const keyLength = 32;

/** The part of a nonce that a key is derived from. */
export const prefixLength = 12;

/** One key. The results are promises where the runtime has asynchronous cryptography only. */
export interface Cipher {
  /** The key for every nonce that begins with these 12 bytes. */
  derive(prefix: Uint8Array): Soon<Derived>;
}

/**
 * Kx: seals and opens messages, `nonce || ciphertext || tag` each, whose nonces begin with one prefix.
 * Neither looks at that prefix: a wrong one means another key, under which nothing is authentic.
 */
export interface Derived {
  /** In place: `nonce || plaintext || 16 bytes of any value` becomes the message. */
  seal(message: Uint8Array, additional: Uint8Array): Soon<void>;
  /** The plaintext; undefined when anything has been changed. The message stays as it is. */
  open(message: Uint8Array, additional: Uint8Array): Soon<Uint8Array | undefined>;
}

interface Step {
  update(bytes: Uint8Array): Uint8Array;
  final(): Uint8Array;
  setAutoPadding(on: boolean): unknown;
  setAAD(bytes: Uint8Array): unknown;
}
interface Sealing extends Step {
  getAuthTag(): Uint8Array;
}
interface Opening extends Step {
  setAuthTag(tag: Uint8Array): unknown;
}
/** What is used of node:crypto. */
interface NodeCrypto {
  createSecretKey(key: Uint8Array): object;
  createCipheriv(
    algorithm: string,
    key: object,
    iv: Uint8Array | null,
    options?: { readonly authTagLength: number },
  ): Sealing;
  createDecipheriv(
    algorithm: string,
    key: object,
    iv: Uint8Array,
    options: { readonly authTagLength: number },
  ): Opening;
  hkdfSync(
    digest: string,
    secret: Uint8Array,
    salt: Uint8Array,
    info: Uint8Array,
    length: number,
  ): ArrayBuffer;
}

const options = { authTagLength: tagLength } as const;

/** `L` to `K1`, in place. */
export function double(block: Uint8Array): Uint8Array {
  const carry = (block[0] ?? 0) >> 7;
  for (let i = 0; i < 16; i++) {
    block[i] = (((block[i] ?? 0) << 1) | ((block[i + 1] ?? 0) >> 7)) & 0xff;
  }
  block[15] = (block[15] ?? 0) ^ (carry * 0x87);
  return block;
}

/** Both blocks whose encryption is the derived key: 32 bytes into `to`. */
export function blocks(k1: Uint8Array, prefix: Uint8Array, to: Uint8Array): Uint8Array {
  for (let i = 0; i < 12; i++) to[4 + i] = (prefix[i] ?? 0) ^ (k1[4 + i] ?? 0);
  to[0] = k1[0] ?? 0;
  to[2] = (k1[2] ?? 0) ^ 0x58;
  to[3] = k1[3] ?? 0;
  to.copyWithin(16, 0, 16);
  to[1] = (k1[1] ?? 0) ^ 1;
  to[17] = (k1[1] ?? 0) ^ 2;
  return to;
}

/** By the synchronous node:crypto, which Node, Bun and Deno have. */
class NodeCipher implements Cipher {
  readonly #crypto: NodeCrypto;
  readonly #k1: Uint8Array;
  /** ECB keeps no state between blocks: one cipher serves every call, which saves the key schedule. */
  readonly #blocks: Sealing;
  readonly #input: Uint8Array = new Uint8Array(32);

  constructor(crypto: NodeCrypto, key: Uint8Array) {
    this.#crypto = crypto;
    this.#blocks = crypto.createCipheriv("aes-256-ecb", key, null);
    this.#blocks.setAutoPadding(false);
    this.#k1 = double(new Uint8Array(this.#blocks.update(new Uint8Array(16))));
  }

  /** A KeyObject, since Node 24 takes 12 us to make a cipher of raw bytes, and 2 us of one (bench/micro/seal.ts). */
  derive(prefix: Uint8Array): NodeDerived {
    const input = blocks(this.#k1, prefix, this.#input);
    const key = this.#crypto.createSecretKey(this.#blocks.update(input));
    return new NodeDerived(this.#crypto, key);
  }
}

/** What node:crypto gets of each nonce; it has read it when it returns. */
const iv: Uint8Array = new Uint8Array(nonceLength - prefixLength);

function ivOf(message: Uint8Array): Uint8Array {
  for (let i = 0; i < iv.length; i++) iv[i] = message[prefixLength + i] ?? 0;
  return iv;
}

class NodeDerived implements Derived {
  readonly #crypto: NodeCrypto;
  readonly #key: object;

  constructor(crypto: NodeCrypto, key: object) {
    this.#crypto = crypto;
    this.#key = key;
  }

  seal(message: Uint8Array, additional: Uint8Array): void {
    const end = message.length - tagLength;
    const cipher = this.#crypto.createCipheriv("aes-256-gcm", this.#key, ivOf(message), options);
    cipher.setAAD(additional);
    message.set(cipher.update(message.subarray(nonceLength, end)), nonceLength);
    cipher.final();
    message.set(cipher.getAuthTag(), end);
  }

  open(message: Uint8Array, additional: Uint8Array): Uint8Array | undefined {
    const end = message.length - tagLength;
    if (end < nonceLength) return undefined;
    const decipher = this.#crypto.createDecipheriv(
      "aes-256-gcm",
      this.#key,
      ivOf(message),
      options,
    );
    decipher.setAAD(additional);
    decipher.setAuthTag(message.subarray(end));
    const plaintext = decipher.update(message.subarray(nonceLength, end));
    try {
      decipher.final();
    } catch {
      return undefined;
    }
    return plaintext;
  }
}

/** HKDF-SHA256 (RFC 5869) without salt stretches secrets; this is its info. */
export const info: Uint8Array = new TextEncoder().encode("scs-session cookie key v1");
export const noSalt: Uint8Array = new Uint8Array(0);

/** Makes ciphers of keys and secrets. */
export interface Crypto {
  /** Of a key of 32 bytes. */
  key(bytes: Uint8Array): Cipher;
  /** Of a secret of any length. */
  secret(bytes: Uint8Array): Cipher;
}

/** node:crypto, where the running process has it; see docs/decisions/0004-synchronous-hash.md. */
export const native: Crypto | undefined = findNative();

function findNative(): Crypto | undefined {
  const { process } = globalThis as {
    readonly process?: { readonly getBuiltinModule?: (id: string) => unknown };
  };
  const found = process?.getBuiltinModule?.("node:crypto") as NodeCrypto | undefined;
  if (found === undefined) return undefined;
  try {
    // The specification's first vector: a runtime whose node:crypto differs from Node's gets WebCrypto.
    const encode = new TextEncoder();
    const cipher = new NodeCipher(found, new Uint8Array(32).fill(1));
    const message = new Uint8Array(nonceLength + 12 + tagLength);
    for (let round = 0; round < 2; round++) {
      message.set(encode.encode("ABCDEFGHIJKLMNOPQRSTUVWXXAES-256-GCM"));
      const derived = cipher.derive(message);
      derived.seal(message, noSalt);
      let text = "";
      for (const byte of message.subarray(nonceLength)) text += byte.toString(16).padStart(2, "0");
      if (text !== "ce546ef63c9cc60765923609b33a9a1974e96e52daf2fcf7075e2271") return undefined;
      if (derived.open(message, noSalt)?.length !== 12) return undefined;
    }
  } catch {
    return undefined;
  }
  return {
    key: (bytes) => new NodeCipher(found, bytes),
    secret: (bytes) =>
      new NodeCipher(
        found,
        new Uint8Array(found.hkdfSync("sha256", bytes, noSalt, info, keyLength)),
      ),
  };
}
