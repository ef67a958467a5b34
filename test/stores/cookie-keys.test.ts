/** What `CookieStore` refuses at construction, and the strict text of cookies. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { describe, it } from "node:test";
import fc from "fast-check";
import { CookieStore, type CookieStoreOptions } from "../../src/stores/cookie.ts";
import { fromText, slowFromText, slowToText, toText } from "../../src/stores/cookie-text.ts";
import { MemoryStore } from "../../src/stores/memory.ts";
import "../support/seed.ts";

const good = (): Uint8Array => crypto.getRandomValues(new Uint8Array(32));
const make = (options: unknown): CookieStore =>
  new CookieStore({ revocations: false, ...(options as CookieStoreOptions) });
const withKey = (key: unknown): unknown => ({ keys: [{ id: "k", key }] });
const words = "the quick brown fox jumps over the lazy dog and then it sleeps all day";

const refused: Readonly<Record<string, readonly [options: unknown, message: RegExp]>> = {
  "no keys": [{}, /at least one/],
  "an empty ring": [{ keys: [] }, /at least one/],
  "keys of another type": [{ keys: "secret" }, /at least one/],
  "too many keys": [
    { keys: Array.from({ length: 33 }, (_, i) => ({ id: `k${i}`, key: good() })) },
    /33 keys/,
  ],
  "a key that is no object": [{ keys: ["secret"] }, /keys\[0\]/],
  "no id": [{ keys: [{ key: good() }] }, /keys\[0\]\.id/],
  "an id that cookies cannot hold": [{ keys: [{ id: "a.b", key: good() }] }, /keys\[0\]\.id/],
  "an id that is too long": [{ keys: [{ id: "a".repeat(33), key: good() }] }, /keys\[0\]\.id/],
  "no key": [{ keys: [{ id: "k" }] }, /Uint8Array of 32 bytes or a string/],
  "31 bytes": [withKey(good().subarray(1)), /31 bytes/],
  "a short secret": [withKey("correct-horse-battery-staple-31"), /31 bytes/],
  zeros: [withKey(new Uint8Array(32)), /not random/],
  "one byte, repeated": [withKey(new Uint8Array(32).fill(0xa5)), /not random/],
  "a sequence": [withKey(Uint8Array.from({ length: 32 }, (_, i) => i)), /not random/],
  "a few bytes, repeated": [
    withKey(Uint8Array.from({ length: 32 }, (_, i) => [7, 200, 13, 99][i % 4] ?? 0)),
    /not random/,
  ],
  "text in 32 bytes": [
    withKey(Buffer.from(randomBytes(16).toString("hex"))),
    /give it as a string/,
  ],
  "a repeated word": [withKey("password".repeat(5)), /too easy/],
  "a repeated word and a digit": [withKey(`${"password".repeat(4)}1`), /too easy/],
  "one letter": [withKey("a".repeat(64)), /too easy/],
  "the digits": [withKey("1234567890".repeat(4)), /too easy/],
  "the alphabet": [withKey("abcdefghijklmnopqrstuvwxyz0123456789"), /too easy/],
  "iron-session's example": [withKey("complex_password_at_least_32_characters_long"), /too easy/],
  "a placeholder": [withKey("change-me-please-0a1b2c3d4e5f6g7h8i9j"), /too easy/],
  "the same id twice": [
    {
      keys: [
        { id: "k", key: good() },
        { id: "k", key: good() },
      ],
    },
    /the id k twice/,
  ],
  "the same key twice": [
    {
      keys: [
        { id: "a", key: new Uint8Array(randomBytes(32).fill(0x80, 0, 1)) },
        { id: "b", key: good() },
      ].map((entry, _, all) => ({ ...entry, key: all[0]?.key })),
    },
    /a and b are the same/,
  ],
  "a first key that retires": [
    { keys: [{ id: "k", key: good(), until: new Date() }] },
    /cannot have until/,
  ],
  "a first key that is revoked": [{ keys: [{ id: "k", revoked: true }] }, /is revoked/],
  "revoked and not": [
    {
      keys: [
        { id: "k", key: good() },
        { id: "r", revoked: false },
      ],
    },
    /revoked: true, or no revoked/,
  ],
  "an until that is no date": [
    {
      keys: [
        { id: "k", key: good() },
        { id: "o", key: good(), until: new Date("never") },
      ],
    },
    /must be a Date/,
  ],
  "no chunk": [{ ...(withKey(good()) as object), chunks: 0 }, /chunks is 0/],
  "four chunks": [{ ...(withKey(good()) as object), chunks: 4 }, /chunks is 4/],
  "user without revocations": [
    { ...(withKey(good()) as object), user: () => undefined },
    /without revocations/,
  ],
  "revocations that are no engine": [
    { ...(withKey(good()) as object), revocations: {} },
    /server-side engine/,
  ],
  "revocations in cookies": [
    { ...(withKey(good()) as object), revocations: make(withKey(good())) },
    /server-side engine/,
  ],
};

describe("CookieStore refuses", () => {
  for (const [name, [options, message]] of Object.entries(refused)) {
    it(name, () => {
      assert.throws(
        () => make(options),
        (error: unknown) => {
          assert.equal((error as { code?: unknown }).code, "invalid-option");
          assert.match((error as Error).message, message);
          return true;
        },
      );
    });
  }

  it("never with the key in the message", () => {
    const secret = "sesame-opens-1";
    assert.throws(
      () => make(withKey(secret)),
      (error: unknown) => {
        assert.ok(!(error as Error).message.includes("sesame"));
        return true;
      },
    );
  });
});

describe("CookieStore takes", () => {
  it("random bytes and random text of every usual form", () => {
    for (let i = 0; i < 300; i++) {
      const bytes = new Uint8Array(randomBytes(32));
      make(withKey(bytes));
      const text = Buffer.from(bytes);
      make(withKey(text.toString("base64url")));
      make(withKey(text.toString("base64")));
      make(withKey(text.toString("hex")));
      make(withKey(text.subarray(0, 16).toString("hex"))); // 128 bits
      make(withKey(new Uint8Array(randomBytes(64))));
    }
    make(withKey(words));
  });

  it("a ring with a retiring and a revoked key, and an engine for revocations", () => {
    const store = new CookieStore({
      keys: [
        { id: "c", key: good() },
        { id: "b", key: good(), until: new Date(Date.now() + 1000) },
        { id: "a", revoked: true },
      ],
      revocations: new MemoryStore(),
      user: (read) => read("user") as string | undefined,
      chunks: 3,
    });
    assert.deepEqual(store.abilities.guarantees, ["G2", "G4", "G5", "G6", "G7"]);
    assert.deepEqual(make(withKey(good())).abilities, {
      iterate: false,
      shared: true,
      guarantees: ["G5", "G6", "G7"],
    });
  });

  it("a copy of the key: what happens to the caller's array later does not matter", async () => {
    const key = good();
    const store = make(withKey(key));
    const jar = store.bind("c", "m", () => {});
    const data = Uint8Array.of(1, 2, 3);
    const id = "A".repeat(24);
    key.fill(0);
    const sealed = await jar.seal(
      { id, data, from: undefined, lifetime: 1000, idle: undefined },
      () => [],
    );
    const opened = await jar.open(sealed?.cookies[0]?.value, () => []);
    assert.equal(opened?.record?.id, id);
  });
});

describe("the text of cookies", () => {
  it("goes both ways, the same natively and in script", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 96 }), (given) => {
        const bytes = given.subarray(0, given.length - (given.length % 3));
        const text = toText(bytes);
        assert.equal(text, slowToText(bytes));
        assert.deepEqual(new Uint8Array(fromText(text) ?? []), new Uint8Array(bytes));
        assert.deepEqual(slowFromText(text), new Uint8Array(bytes));
      }),
      { numRuns: 500 },
    );
  });

  it("takes nothing that it did not write, and never two texts for the same bytes", () => {
    const valid = toText(new Uint8Array(randomBytes(48)));
    const anything = fc.string({ unit: "binary", minLength: 1, maxLength: 1 });
    fc.assert(
      fc.property(fc.nat(63), anything, (at, char) => {
        const text = valid.slice(0, at) + char + valid.slice(at + 1);
        const bytes = fromText(text);
        assert.deepEqual(bytes && new Uint8Array(bytes), slowFromText(text));
        if (bytes !== undefined) assert.equal(slowToText(bytes), text);
      }),
      { numRuns: 3000 },
    );
    // U+0141 ends in the byte of "A", and Node's decoder looks at no more than that.
    for (const char of ["\u0141", "+", "/", "=", " ", "\n", "\0", "é", "."]) {
      const text = valid.slice(0, 63) + char;
      assert.equal(fromText(text), undefined, JSON.stringify(char));
      assert.equal(slowFromText(text), undefined, JSON.stringify(char));
    }
    for (const length of [1, 2, 3, 5, 63])
      assert.equal(fromText(valid.slice(0, length)), undefined);
  });
});
