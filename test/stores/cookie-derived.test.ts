/** Nonces whose first half serves many messages, and the keys that are kept for them. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { DerivedKeys, mostKept, mostMessages } from "../../src/stores/cookie-derived.ts";
import { fromText, toText } from "../../src/stores/cookie-text.ts";
import { web } from "../../src/stores/cookie-webcrypto.ts";
import { type Cipher, type Crypto, native } from "../../src/stores/cookie-xaes.ts";

assert.ok(native, "node:crypto is there, on every Node that is supported");
const paths: Readonly<Record<string, Crypto>> = { "node:crypto": native, WebCrypto: web };

const key = crypto.getRandomValues(new Uint8Array(32));
const about = new TextEncoder().encode("about");

/** A cipher that counts how often it derives. */
class Counting implements Cipher {
  derived = 0;
  readonly #cipher: Cipher;

  constructor(cipher: Cipher) {
    this.#cipher = cipher;
  }

  derive(prefix: Uint8Array): ReturnType<Cipher["derive"]> {
    this.derived++;
    return this.#cipher.derive(prefix);
  }
}

/** A sealed message with one byte of plaintext and padding. */
async function sealed(keys: DerivedKeys, byte = 7): Promise<string> {
  const message = new Uint8Array(48);
  message[24] = byte;
  await keys.seal(message, about);
  return toText(message);
}

async function open(keys: DerivedKeys, text: string): Promise<number | undefined> {
  return (await keys.open(text, fromText(text) ?? new Uint8Array(0), about))?.[0];
}

/** Without anything that is kept. */
async function openAlone(cipher: Cipher, text: string): Promise<number | undefined> {
  const message = fromText(text) ?? new Uint8Array(0);
  return (await (await cipher.derive(message)).open(message, about))?.[0];
}

const first = (text: string): string => text.slice(0, 16);
const nonce = (text: string): string => text.slice(0, 32);

describe("the first half of a nonce", () => {
  it(`is drawn anew after ${mostMessages} messages, and no nonce comes twice`, async () => {
    const cipher = new Counting((native as Crypto).key(key));
    const keys = new DerivedKeys(cipher);
    const nonces = new Set<string>();
    const halves = new Map<string, number>();
    const all = mostMessages + 100;
    for (let i = 0; i < all; i++) {
      const message = new Uint8Array(48);
      assert.equal(keys.seal(message, about), undefined);
      const text = toText(message, 0, 24);
      nonces.add(text);
      halves.set(first(text), (halves.get(first(text)) ?? 0) + 1);
    }
    assert.equal(nonces.size, all);
    assert.deepEqual([...halves.values()], [mostMessages, 100]);
    assert.equal(cipher.derived, 2);
  });

  it("is another one in each process and for each key", async () => {
    const halves = new Set<string>();
    for (let i = 0; i < 50; i++) {
      halves.add(first(await sealed(new DerivedKeys((native as Crypto).key(key)))));
    }
    assert.equal(halves.size, 50);
  });
});

for (const [name, path] of Object.entries(paths)) {
  describe(`messages by ${name}`, () => {
    it("are XAES-256-GCM, for whoever derives a key for each", async () => {
      const keys = new DerivedKeys(path.key(key));
      for (let i = 0; i < 20; i++) {
        const text = await sealed(keys, i);
        for (const other of Object.values(paths)) {
          assert.equal(await openAlone(other.key(key), text), i);
          assert.equal(await open(new DerivedKeys(other.key(key)), text), i);
        }
      }
    });

    it("of many callers at once all open, under nonces of their own", async () => {
      const keys = new DerivedKeys(path.key(key));
      const texts = await Promise.all(Array.from({ length: 50 }, (_, i) => sealed(keys, i)));
      assert.equal(new Set(texts.map(nonce)).size, 50);
      const opened = await Promise.all(texts.map((text) => open(keys, text)));
      assert.deepEqual(
        opened,
        texts.map((_, i) => i),
      );
    });

    it("open under a kept key only if nothing was changed", async () => {
      const keys = new DerivedKeys(path.key(key));
      const text = await sealed(keys);
      assert.equal(await open(keys, text), 7);
      const message = fromText(text) ?? new Uint8Array(0);
      for (let i = 0; i < message.length; i++) {
        const changed = new Uint8Array(message);
        changed[i] = (changed[i] ?? 0) ^ (1 << (i % 8));
        assert.equal(await open(keys, toText(changed)), undefined, `a change at ${i}`);
      }
      const other = new TextEncoder().encode("About");
      assert.equal(await keys.open(text, message, other), undefined);
      assert.equal(await open(keys, text), 7);
    });
  });
}

describe("derived keys", () => {
  it("are kept for what was opened, and the oldest go", async () => {
    const cipher = new Counting((native as Crypto).key(key));
    const texts: string[] = [];
    for (let i = 0; i < mostKept + 20; i++) {
      texts.push(await sealed(new DerivedKeys((native as Crypto).key(key))));
    }
    const keys = new DerivedKeys(cipher);
    for (const text of texts) assert.equal(await open(keys, text), 7);
    assert.equal(cipher.derived, texts.length);
    for (const text of texts.slice(20)) assert.equal(await open(keys, text), 7);
    assert.equal(cipher.derived, texts.length, "none of the last was derived again");
    for (const text of texts.slice(0, 20)) assert.equal(await open(keys, text), 7);
    assert.equal(cipher.derived, texts.length + 20, "the oldest had gone");
  });

  it("of what does not open are not kept, so that they push out none", async () => {
    const cipher = new Counting((native as Crypto).key(key));
    const keys = new DerivedKeys(cipher);
    const foreign = await sealed(new DerivedKeys((native as Crypto).key(key)));
    assert.equal(await open(keys, foreign), 7);
    const own = await sealed(keys);
    for (let i = 0; i < 2 * mostKept; i++) {
      const forged = toText(crypto.getRandomValues(new Uint8Array(48)));
      assert.equal(await open(keys, forged), undefined);
    }
    const before = cipher.derived;
    assert.equal(before, 2 + 2 * mostKept);
    assert.equal(await open(keys, foreign), 7);
    assert.equal(await open(keys, own), 7);
    await sealed(keys);
    assert.equal(cipher.derived, before);
  });

  it("of one key open nothing of another", async () => {
    const keys = new DerivedKeys((native as Crypto).key(key));
    const text = await sealed(keys);
    const other = new DerivedKeys((native as Crypto).key(new Uint8Array(32).fill(9)));
    assert.equal(await open(other, text), undefined);
  });
});
