/**
 * XAES-256-GCM, https://c2sp.org/XAES-256-GCM: AES-256-GCM under a key derived from the first half of a
 * nonce of 192 bits, so that random nonces are safe for 2^80 messages, where AES-GCM alone must stop at
 * 2^32. Only AES-256 and AES-GCM of the platform are used (docs/decisions/0014-cookie-seal.md).
 *
 *     L  = AES(K, 0)        K1 = L << 1, xor 0x87 in the last byte if the first bit of L was set
 *     Kx = AES(K, (00 01 "X" 00 || N[:12]) xor K1) || AES(K, (00 02 "X" 00 || N[:12]) xor K1)
 *     sealed = AES-256-GCM(Kx, N[12:], plaintext, additional data), the tag of 16 bytes at the end
 */

/** The length of a nonce in bytes. */
export const nonceLength = 24;
/** The length of the tag at the end of what was sealed. */
export const tagLength = 16;
/** The length of a key. */
export const keyLength = 32;

/** One key. The results are promises where the runtime has asynchronous cryptography only. */
export interface Cipher {
  /** Ciphertext and tag, behind `room` bytes that are free. */
  seal(
    nonce: Uint8Array,
    plaintext: Uint8Array,
    additional: Uint8Array,
    room?: number,
  ): Uint8Array | Promise<Uint8Array>;
  /** Undefined when anything has been changed. */
  open(
    nonce: Uint8Array,
    sealed: Uint8Array,
    additional: Uint8Array,
  ): Uint8Array | undefined | Promise<Uint8Array | undefined>;
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
function double(block: Uint8Array): Uint8Array {
  const carry = (block[0] ?? 0) >> 7;
  for (let i = 0; i < 16; i++) {
    block[i] = (((block[i] ?? 0) << 1) | ((block[i + 1] ?? 0) >> 7)) & 0xff;
  }
  block[15] = (block[15] ?? 0) ^ (carry * 0x87);
  return block;
}

/** Both blocks whose encryption is the derived key: 32 bytes into `to`. */
function blocks(k1: Uint8Array, nonce: Uint8Array, to: Uint8Array): Uint8Array {
  for (let i = 0; i < 12; i++) to[4 + i] = (nonce[i] ?? 0) ^ (k1[4 + i] ?? 0);
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
  #derive(nonce: Uint8Array): object {
    return this.#crypto.createSecretKey(this.#blocks.update(blocks(this.#k1, nonce, this.#input)));
  }

  seal(
    nonce: Uint8Array,
    plaintext: Uint8Array,
    additional: Uint8Array,
    room: number = 0,
  ): Uint8Array {
    const derived = this.#derive(nonce);
    const cipher = this.#crypto.createCipheriv("aes-256-gcm", derived, nonce.subarray(12), options);
    cipher.setAAD(additional);
    const sealed = new Uint8Array(room + plaintext.length + tagLength);
    sealed.set(cipher.update(plaintext), room);
    cipher.final();
    sealed.set(cipher.getAuthTag(), room + plaintext.length);
    return sealed;
  }

  open(nonce: Uint8Array, sealed: Uint8Array, additional: Uint8Array): Uint8Array | undefined {
    const end = sealed.length - tagLength;
    if (end < 0) return undefined;
    const derived = this.#derive(nonce);
    const decipher = this.#crypto.createDecipheriv(
      "aes-256-gcm",
      derived,
      nonce.subarray(12),
      options,
    );
    decipher.setAAD(additional);
    decipher.setAuthTag(sealed.subarray(end));
    const plaintext = decipher.update(sealed.subarray(0, end));
    try {
      decipher.final();
    } catch {
      return undefined;
    }
    return plaintext;
  }
}

/** By WebCrypto, which every runtime has. */
class WebCipher implements Cipher {
  readonly #key: Promise<{ readonly key: CryptoKey; readonly k1: Uint8Array }>;

  constructor(key: Uint8Array | Promise<Uint8Array>) {
    this.#key = this.#prepare(key);
    // Whoever seals or opens gets the failure.
    this.#key.catch(() => {});
  }

  async #prepare(
    bytes: Uint8Array | Promise<Uint8Array>,
  ): Promise<{ readonly key: CryptoKey; readonly k1: Uint8Array }> {
    const raw = owned(await bytes);
    const key = await crypto.subtle.importKey("raw", raw, "AES-CBC", false, ["encrypt"]);
    return { key, k1: double(await block(key, new Uint8Array(16))) };
  }

  async #derive(nonce: Uint8Array, usage: "encrypt" | "decrypt"): Promise<CryptoKey> {
    const { key, k1 } = await this.#key;
    const input = blocks(k1, nonce, new Uint8Array(32));
    const halves = await Promise.all([
      block(key, input.subarray(0, 16)),
      block(key, input.subarray(16)),
    ]);
    const derived = new Uint8Array(32);
    derived.set(halves[0]);
    derived.set(halves[1], 16);
    return crypto.subtle.importKey("raw", derived, "AES-GCM", false, [usage]);
  }

  async seal(
    nonce: Uint8Array,
    plaintext: Uint8Array,
    additional: Uint8Array,
    room: number = 0,
  ): Promise<Uint8Array> {
    const key = await this.#derive(nonce, "encrypt");
    const sealed = new Uint8Array(room + plaintext.length + tagLength);
    const given = parameters(nonce, additional);
    sealed.set(new Uint8Array(await crypto.subtle.encrypt(given, key, owned(plaintext))), room);
    return sealed;
  }

  async open(
    nonce: Uint8Array,
    sealed: Uint8Array,
    additional: Uint8Array,
  ): Promise<Uint8Array | undefined> {
    if (sealed.length < tagLength) return undefined;
    const key = await this.#derive(nonce, "decrypt");
    try {
      return new Uint8Array(
        await crypto.subtle.decrypt(parameters(nonce, additional), key, owned(sealed)),
      );
    } catch {
      return undefined;
    }
  }
}

function parameters(nonce: Uint8Array, additional: Uint8Array): AesGcmParams {
  return {
    name: "AES-GCM",
    iv: owned(nonce.subarray(12)),
    additionalData: owned(additional),
    tagLength: tagLength * 8,
  };
}

/** AES of one block: the first block of CBC under a zero IV, without the padding that follows. */
async function block(key: CryptoKey, input: Uint8Array): Promise<Uint8Array> {
  const parameters = { name: "AES-CBC", iv: new Uint8Array(16) };
  return new Uint8Array(await crypto.subtle.encrypt(parameters, key, owned(input)), 0, 16);
}

/** WebCrypto refuses memory that might be shared; so does its type. */
function owned(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return new Uint8Array(bytes);
}

const info = new TextEncoder().encode("scs-session cookie key v1");
const noSalt: Uint8Array = new Uint8Array(0);

/** A secret stretched to a key: HKDF-SHA256 (RFC 5869) without salt. */
async function webStretch(secret: Uint8Array): Promise<Uint8Array> {
  const key = await crypto.subtle.importKey("raw", owned(secret), "HKDF", false, ["deriveBits"]);
  const parameters = { name: "HKDF", hash: "SHA-256", salt: owned(noSalt), info };
  return new Uint8Array(await crypto.subtle.deriveBits(parameters, key, keyLength * 8));
}

/** Makes ciphers of keys and secrets. */
export interface Crypto {
  /** Of a key of 32 bytes. */
  key(bytes: Uint8Array): Cipher;
  /** Of a secret of any length. */
  secret(bytes: Uint8Array): Cipher;
}

/** WebCrypto. */
export const web: Crypto = {
  key: (bytes) => new WebCipher(bytes),
  secret: (bytes) => new WebCipher(webStretch(bytes)),
};

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
    const nonce = encode.encode("ABCDEFGHIJKLMNOPQRSTUVWX");
    for (let round = 0; round < 2; round++) {
      const sealed = cipher.seal(nonce, encode.encode("XAES-256-GCM"), noSalt);
      let text = "";
      for (const byte of sealed) text += byte.toString(16).padStart(2, "0");
      if (text !== "ce546ef63c9cc60765923609b33a9a1974e96e52daf2fcf7075e2271") return undefined;
      if (cipher.open(nonce, sealed, noSalt) === undefined) return undefined;
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
