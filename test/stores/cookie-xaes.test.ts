/** XAES-256-GCM against the specification's vectors (https://c2sp.org/XAES-256-GCM), on both paths. */
import assert from "node:assert/strict";
import { createHash, createHmac } from "node:crypto";
import { describe, it } from "node:test";
import { web } from "../../src/stores/cookie-webcrypto.ts";
import { type Cipher, type Crypto, native } from "../../src/stores/cookie-xaes.ts";

const full = process.env["SCS_FULL"] === "1";
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const hex = (value: Uint8Array | undefined): string => Buffer.from(value ?? []).toString("hex");

/** Ciphertext and tag. */
async function seal(
  cipher: Cipher,
  nonce: Uint8Array,
  plaintext: Uint8Array,
  additional: Uint8Array,
): Promise<Uint8Array> {
  const message = new Uint8Array(24 + plaintext.length + 16);
  message.set(nonce);
  message.set(plaintext, 24);
  await (await cipher.derive(nonce.subarray(0, 12))).seal(message, additional);
  assert.deepEqual(message.subarray(0, 24), new Uint8Array(nonce), "the nonce stays");
  return message.subarray(24);
}

async function open(
  cipher: Cipher,
  nonce: Uint8Array,
  sealed: Uint8Array,
  additional: Uint8Array,
): Promise<Uint8Array | undefined> {
  const message = new Uint8Array(24 + sealed.length);
  message.set(nonce);
  message.set(sealed, 24);
  return (await cipher.derive(message)).open(message, additional);
}

const vectors = [
  {
    key: 1,
    additional: "",
    sealed: "ce546ef63c9cc60765923609b33a9a1974e96e52daf2fcf7075e2271",
  },
  {
    // The first bit of L is set, so that K1 is reduced.
    key: 3,
    additional: "c2sp.org/XAES-256-GCM",
    sealed: "986ec1832593df5443a179437fd083bf3fdb41abd740a21f71eb769d",
  },
];

assert.ok(native, "node:crypto is there, on every Node that is supported");
const paths: Readonly<Record<string, Crypto>> = { "node:crypto": native, WebCrypto: web };

for (const [name, crypto] of Object.entries(paths)) {
  describe(`XAES-256-GCM by ${name}`, () => {
    for (const { key, additional, sealed } of vectors) {
      it(`gives the published vector for key ${key}`, async () => {
        const cipher = crypto.key(new Uint8Array(32).fill(key));
        const nonce = bytes("ABCDEFGHIJKLMNOPQRSTUVWX");
        const made = await seal(cipher, nonce, bytes("XAES-256-GCM"), bytes(additional));
        assert.equal(hex(made), sealed);
        const opened = await open(cipher, nonce, made, bytes(additional));
        assert.equal(hex(opened), hex(bytes("XAES-256-GCM")));
      });
    }

    it("opens nothing that was changed anywhere", async () => {
      const cipher = crypto.key(new Uint8Array(32).fill(3));
      const nonce = bytes("ABCDEFGHIJKLMNOPQRSTUVWX");
      const additional = bytes("about");
      const sealed = await seal(cipher, nonce, bytes("XAES-256-GCM"), additional);
      for (const part of [nonce, sealed, additional]) {
        for (let i = 0; i < part.length; i++) {
          const good = part[i] ?? 0;
          part[i] = good ^ (1 << (i % 8));
          assert.equal(await open(cipher, nonce, sealed, additional), undefined);
          part[i] = good;
        }
      }
      for (let length = 0; length < sealed.length; length++) {
        assert.equal(await open(cipher, nonce, sealed.subarray(0, length), additional), undefined);
      }
      assert.ok(await open(cipher, nonce, sealed, additional));
    });

    it("stretches a secret with HKDF-SHA256", async () => {
      const secret = bytes("a secret of some length, longer than 32 bytes");
      const prk = createHmac("sha256", Buffer.alloc(32)).update(secret).digest();
      const info = "scs-session cookie key v1";
      const key = createHmac("sha256", prk).update(info).update(Uint8Array.of(1)).digest();
      const nonce = bytes("ABCDEFGHIJKLMNOPQRSTUVWX");
      const sealed = await seal(crypto.secret(secret), nonce, bytes("text"), bytes("about"));
      const opened = await open(crypto.key(key), nonce, sealed, bytes("about"));
      assert.equal(hex(opened), hex(bytes("text")));
    });
  });
}

/** The specification's accumulated test: inputs from one SHAKE-128, sealed values into another. */
async function accumulate(crypto: Crypto, iterations: number): Promise<string> {
  // 32 + 24 + 256 + 256 at most, 312 on average.
  const stream = createHash("shake128", { outputLength: iterations * 330 + 10_000 }).digest();
  const hash = createHash("shake128", { outputLength: 32 });
  let at = 0;
  const take = (length: number): Uint8Array => {
    assert.ok(at + length <= stream.length);
    at += length;
    return stream.subarray(at - length, at);
  };
  for (let i = 0; i < iterations; i++) {
    const key = take(32);
    const nonce = take(24);
    const plaintext = take(take(1)[0] ?? 0);
    const additional = take(take(1)[0] ?? 0);
    const cipher = crypto.key(key);
    const sealed = await seal(cipher, nonce, plaintext, additional);
    hash.update(sealed);
    assert.deepEqual(
      Buffer.from((await open(cipher, nonce, sealed, additional)) ?? []),
      Buffer.from(plaintext),
    );
  }
  return hash.digest("hex");
}

describe("the accumulated vectors", () => {
  const tenThousand = "e6b9edf2df6cec60c8cbd864e2211b597fb69a529160cd040d56c0c210081939";
  it("10 000 iterations by node:crypto", async () => {
    assert.equal(await accumulate(native as Crypto, 10_000), tenThousand);
  });
  it("both paths agree on 200 iterations", async () => {
    assert.equal(await accumulate(web, 200), await accumulate(native as Crypto, 200));
  });
  if (full) {
    it("10 000 iterations by WebCrypto", async () => {
      assert.equal(await accumulate(web, 10_000), tenThousand);
    });
  }
});
