/** XAES-256-GCM by WebCrypto, which every runtime has: for those without a synchronous node:crypto. */
import {
  blocks,
  type Cipher,
  type Crypto,
  type Derived,
  double,
  info,
  keyLength,
  nonceLength,
  noSalt,
  prefixLength,
  tagLength,
} from "./cookie-xaes.ts";

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

  async derive(prefix: Uint8Array): Promise<Derived> {
    const input = new Uint8Array(32);
    // Before the first wait: the caller's bytes may change.
    const given = prefix.slice(0, prefixLength);
    const { key, k1 } = await this.#key;
    blocks(k1, given, input);
    const halves = await Promise.all([
      block(key, input.subarray(0, 16)),
      block(key, input.subarray(16)),
    ]);
    const derived = new Uint8Array(32);
    derived.set(halves[0]);
    derived.set(halves[1], 16);
    const usages = ["encrypt", "decrypt"] as const;
    return new WebDerived(await crypto.subtle.importKey("raw", derived, "AES-GCM", false, usages));
  }
}

class WebDerived implements Derived {
  readonly #key: CryptoKey;

  constructor(key: CryptoKey) {
    this.#key = key;
  }

  async seal(message: Uint8Array, additional: Uint8Array): Promise<void> {
    const plaintext = owned(message.subarray(nonceLength, message.length - tagLength));
    const given = parameters(message, additional);
    const sealed = await crypto.subtle.encrypt(given, this.#key, plaintext);
    message.set(new Uint8Array(sealed), nonceLength);
  }

  async open(message: Uint8Array, additional: Uint8Array): Promise<Uint8Array | undefined> {
    if (message.length < nonceLength + tagLength) return undefined;
    const given = parameters(message, additional);
    const sealed = owned(message.subarray(nonceLength));
    try {
      return new Uint8Array(await crypto.subtle.decrypt(given, this.#key, sealed));
    } catch {
      return undefined;
    }
  }
}

function parameters(message: Uint8Array, additional: Uint8Array): AesGcmParams {
  return {
    name: "AES-GCM",
    iv: owned(message.subarray(prefixLength, nonceLength)),
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

/** A secret stretched to a key. */
async function webStretch(secret: Uint8Array): Promise<Uint8Array> {
  const key = await crypto.subtle.importKey("raw", owned(secret), "HKDF", false, ["deriveBits"]);
  const parameters = { name: "HKDF", hash: "SHA-256", salt: owned(noSalt), info };
  return new Uint8Array(await crypto.subtle.deriveBits(parameters, key, keyLength * 8));
}

/** Ciphers whose results are promises. */
export const web: Crypto = {
  key: (bytes) => new WebCipher(bytes),
  secret: (bytes) => new WebCipher(webStretch(bytes)),
};
