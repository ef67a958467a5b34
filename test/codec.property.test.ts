// A failure prints its seed; `SCS_SEED=<seed> npm test -- test/codec.property.test.ts` replays it.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { defaultCodec } from "../src/codec.ts";
import { SessionError } from "../src/errors.ts";
import { freezeDeep } from "../src/frozen.ts";
import "./support/seed.ts";

const runs = (numRuns: number) => ({ numRuns });

const key = fc.oneof(
  fc.string({ maxLength: 12, unit: "binary" }),
  fc.constantFrom("__proto__", "constructor", "length", "toJSON", "0", "10", "-1", "", "~d"),
);
/** Any code unit, lone surrogates too, on both sides of every length where the way of writing changes. */
const anyString = fc.oneof(
  fc.string({ unit: "binary", maxLength: 20 }),
  fc
    .array(
      fc.oneof(fc.integer({ min: 0, max: 0xffff }), fc.integer({ min: 0xd7f0, max: 0xe010 })),
      { maxLength: 100 },
    )
    .map((codes) => String.fromCharCode(...codes)),
  fc.string({ minLength: 70, maxLength: 300 }),
  fc.constantFrom("~", "~a", "~r", "~m", "~z", "~u"),
);
const anyNumber = fc.oneof(
  fc.double(),
  fc.integer(),
  fc.maxSafeInteger(),
  fc.integer().map((cents) => cents / 100),
  fc.integer({ max: 2 ** 31 + 10, min: 2 ** 31 - 10 }).map((cents) => cents / 100),
  fc.constantFrom(-0, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY),
);
const leaf = fc.oneof(
  anyString,
  anyNumber,
  fc.boolean(),
  fc.constantFrom(null, undefined),
  fc.bigInt(),
  fc.date({ noInvalidDate: false }),
  fc.webUrl().map((href) => new URL(href)),
  fc.uint8Array({ maxLength: 40 }),
  fc.float64Array({ maxLength: 4 }),
  fc.uint16Array({ maxLength: 4 }).map((array) => array.buffer),
);

type Recipe =
  | { readonly kind: "leaf"; readonly value: unknown }
  | { readonly kind: "again"; readonly pick: number }
  | { readonly kind: "array" | "set"; readonly items: readonly Recipe[] }
  | { readonly kind: "object"; readonly items: readonly (readonly [string, Recipe])[] }
  | { readonly kind: "map"; readonly items: readonly (readonly [Recipe, Recipe])[] };

/** How to build a value; `again` is one of the objects built before, so that graphs have cycles. */
const recipe = fc.letrec<{ node: Recipe }>((tie) => ({
  node: fc.oneof(
    { maxDepth: 5, withCrossShrink: true },
    fc.record({ kind: fc.constant("leaf" as const), value: leaf }),
    fc.record({ kind: fc.constant("again" as const), pick: fc.nat() }),
    fc.record({
      kind: fc.constantFrom("array" as const, "set" as const),
      items: fc.array(tie("node"), { maxLength: 6 }),
    }),
    fc.record({
      kind: fc.constant("object" as const),
      items: fc.array(fc.tuple(key, tie("node")), { maxLength: 6 }),
    }),
    fc.record({
      kind: fc.constant("map" as const),
      items: fc.array(fc.tuple(tie("node"), tie("node")), { maxLength: 5 }),
    }),
  ),
})).node;

function build(from: Recipe, built: object[] = []): unknown {
  const keep = <T extends object>(object: T): T => (built.push(object), object);
  switch (from.kind) {
    case "leaf":
      if (typeof from.value === "object" && from.value !== null) built.push(from.value);
      return from.value;
    case "again":
      return built[from.pick % Math.max(1, built.length)];
    case "array": {
      const array = keep([] as unknown[]);
      for (const item of from.items) array.push(build(item, built));
      return array;
    }
    case "set": {
      const set = keep(new Set());
      for (const item of from.items) set.add(build(item, built));
      return set;
    }
    case "object": {
      const object = keep({});
      for (const [name, item] of from.items) {
        const value = build(item, built);
        Object.defineProperty(object, name, {
          value,
          writable: true,
          enumerable: true,
          configurable: true,
        });
      }
      return object;
    }
    case "map": {
      const map = keep(new Map());
      for (const [name, item] of from.items) map.set(build(name, built), build(item, built));
      return map;
    }
  }
}

/** Equality by a walk of our own: node's deepStrictEqual neither compares identities nor likes cyclic Map keys. */
function same(a: unknown, b: unknown, pairs: Map<object, object> = new Map()): boolean {
  if (typeof a !== "object" || a === null || typeof b !== "object" || b === null)
    return Object.is(a, b);
  const known = pairs.get(a);
  if (known !== undefined) return known === b;
  if ([...pairs.values()].includes(b) || Object.getPrototypeOf(a) !== Object.getPrototypeOf(b))
    return false;
  pairs.set(a, b);
  if (a instanceof Date) return Object.is(a.getTime(), (b as Date).getTime());
  if (a instanceof URL) return a.href === (b as URL).href;
  if (a instanceof ArrayBuffer || ArrayBuffer.isView(a)) {
    return Buffer.from(a as Uint8Array<ArrayBuffer>).equals(
      Buffer.from(b as Uint8Array<ArrayBuffer>),
    );
  }
  const parts = (value: object): unknown[] =>
    value instanceof Map
      ? [...value].flat(1)
      : value instanceof Set || Array.isArray(value)
        ? [...(value as Iterable<unknown>)]
        : Object.keys(value).flatMap((name) => [
            name,
            Object.getOwnPropertyDescriptor(value, name)?.value,
          ]);
  const [left, right] = [parts(a), parts(b)];
  return left.length === right.length && left.every((part, i) => same(part, right[i], pairs));
}

const prototypes = [Object, Array, Map, Set, Date, URL, Uint8Array].map(
  (type) => type.prototype as object,
);
const fingerprint = (): string =>
  prototypes.map((prototype) => Reflect.ownKeys(prototype).map(String).join()).join(";");

/** Decodes hostile bytes; true when they are refused as they should be. */
function refused(bytes: Uint8Array): boolean {
  const before = fingerprint();
  let value: unknown;
  let failed = false;
  try {
    value = defaultCodec.decode(bytes);
  } catch (error) {
    assert.ok(error instanceof SessionError && error.code === "undecodable", String(error));
    failed = true;
  }
  if (!failed) {
    freezeDeep(value);
    const encoded = defaultCodec.encode(value);
    assert.ok(same(defaultCodec.decode(encoded), value));
  }
  assert.equal(fingerprint(), before);
  return failed;
}

describe("codec, on random values", () => {
  it("keeps every value, its repeated references and its cycles", () => {
    fc.assert(
      fc.property(recipe, (from) => {
        const value = build(from);
        const bytes = defaultCodec.encode(value);
        const copy = new Uint8Array(bytes);
        const back = defaultCodec.decode(bytes);
        assert.ok(same(value, back));
        // Encoding again gives the same bytes, and a frozen value is as good as any other.
        assert.deepEqual(defaultCodec.encode(freezeDeep(back).value), copy);
      }),
      runs(1500),
    );
  });

  it("writes plain JSON that means what JSON.stringify means", () => {
    fc.assert(
      fc.property(fc.jsonValue({ noUnicodeString: false, maxDepth: 6 }), (value) => {
        const bytes = defaultCodec.encode([value]);
        const text = new TextDecoder().decode(bytes.subarray(1));
        if (bytes[0] === 0x6a)
          assert.deepStrictEqual(JSON.parse(text), JSON.parse(JSON.stringify([value])));
        assert.ok(same(defaultCodec.decode(bytes), [value]));
      }),
      runs(1000),
    );
  });

  it("keeps every number and every string", () => {
    fc.assert(
      fc.property(anyNumber, anyString, (number, string) => {
        assert.ok(
          same(defaultCodec.decode(defaultCodec.encode([number, string])), [number, string]),
        );
        assert.ok(Object.is(defaultCodec.decode(defaultCodec.encode(number)), number));
        assert.equal(defaultCodec.decode(defaultCodec.encode(string)), string);
      }),
      runs(3000),
    );
  });
});

describe("codec, on hostile bytes", () => {
  it("random bytes give a value or `undecodable`", () => {
    const first = fc.constantFrom(...Buffer.from("untfisbjJ"), 0, 255);
    fc.assert(
      fc.property(first, fc.uint8Array({ maxLength: 60 }), (tag, rest) => {
        refused(new Uint8Array([tag, ...rest]));
      }),
      runs(2000),
    );
  });

  it("random marks give a value or `undecodable`", () => {
    const mark = fc.constantFrom(
      ..."uN+-znrambsdl!".split("").map((letter) => `~${letter}`),
      "~",
      "~__proto__",
    );
    const hostile = fc.letrec<{ node: unknown }>((tie) => ({
      node: fc.oneof(
        { maxDepth: 5 },
        fc.oneof(
          fc.nat(6),
          fc.constantFrom(null, -1, 0.5, 1e300, "", "ff", "Uint8Array", "AAAA", "https://a/"),
        ),
        fc.tuple(mark, tie("node"), tie("node")),
        fc.tuple(mark, tie("node")),
        fc
          .tuple(mark)
          .chain(([name]) =>
            fc.array(tie("node"), { maxLength: 5 }).map((rest) => [name, ...rest]),
          ),
        fc.dictionary(fc.constantFrom("a", "b", "__proto__", "constructor"), tie("node"), {
          maxKeys: 3,
        }),
      ),
    })).node;
    let failures = 0;
    fc.assert(
      fc.property(hostile, (value) => {
        if (refused(Buffer.from(`J${JSON.stringify(value)}`))) failures++;
      }),
      runs(3000),
    );
    assert.ok(failures > 100 && failures < 2900, `one-sided: ${failures} of 3000 refused`);
  });

  it("damaged encodings give a value or `undecodable`", () => {
    const damage = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 3 });
    fc.assert(
      fc.property(recipe, damage, fc.nat(), (from, flips, cut) => {
        const bytes = new Uint8Array(defaultCodec.encode(build(from)));
        for (const [at, value] of flips) bytes[at % bytes.length] = value;
        refused(bytes);
        refused(bytes.subarray(0, cut % bytes.length));
      }),
      runs(1500),
    );
  });
});
