import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { inspect } from "node:util";
import { defaultCodec } from "../src/codec.ts";
import { type DeepReadonly, freezeDeep } from "../src/frozen.ts";

const frozen = <T>(value: T): T => freezeDeep(value).value as T;
const refusal = { name: "TypeError", message: /session\.set or session\.update/ };

describe("freezeDeep", () => {
  it("leaves primitives as they are", () => {
    for (const value of [undefined, null, true, 0, "x", 1n]) {
      assert.deepStrictEqual(freezeDeep(value), { value, shareable: true });
    }
  });

  it("freezes plain objects and arrays all the way down, in place", () => {
    const value = { list: [{ n: 1 }, [2]], bare: Object.create(null) as object, empty: {} };
    const result = freezeDeep(value);
    assert.equal(result.value, value);
    assert.equal(result.shareable, true);
    for (const part of [value, value.list, value.list[0], value.list[1], value.bare, value.empty]) {
      assert.ok(Object.isFrozen(part));
    }
    assert.throws(() => value.list.push([3]), TypeError);
    assert.throws(() => {
      (value.list[0] as { n: number }).n = 2;
    }, TypeError);
  });

  it("looks into what was frozen before", () => {
    const inner = { n: 1, deeper: [new Map([["a", 1]])] };
    frozen(Object.freeze([inner, Object.freeze({ inner })]));
    assert.ok(Object.isFrozen(inner));
    assert.throws(() => inner.deeper[0]?.set("a", 2), refusal);
  });

  it("ends on cycles", () => {
    const value: Record<string, unknown> = {};
    value["self"] = Object.freeze([value, new Map([[value, new Set([value])]])]);
    assert.equal(freezeDeep(value).shareable, true);
    assert.ok(Object.isFrozen(value));
  });

  it("survives any depth", () => {
    const text = `j${'{"a":['.repeat(50_000)}${"]}".repeat(50_000)}`;
    const value = defaultCodec.decode(Buffer.from(text)) as { a: [{ a: unknown[] }] };
    assert.equal(freezeDeep(value).shareable, true);
    assert.ok(Object.isFrozen(value.a[0].a));
  });

  it("keeps an own __proto__", () => {
    const value = frozen(JSON.parse('{"__proto__":{"a":[]}}') as object);
    const inner = Object.getOwnPropertyDescriptor(value, "__proto__")?.value as { a: unknown[] };
    assert.ok(Object.isFrozen(inner.a));
  });

  const changes: [string, () => unknown, (value: never) => unknown][] = [
    ["Map.set", () => new Map([["a", 1]]), (map: Map<string, number>) => map.set("a", 2)],
    ["Map.delete", () => new Map([["a", 1]]), (map: Map<string, number>) => map.delete("a")],
    ["Map.clear", () => new Map([["a", 1]]), (map: Map<string, number>) => map.clear()],
    ["Set.add", () => new Set([1]), (set: Set<number>) => set.add(2)],
    ["Set.delete", () => new Set([1]), (set: Set<number>) => set.delete(1)],
    ["Set.clear", () => new Set([1]), (set: Set<number>) => set.clear()],
    ...Object.getOwnPropertyNames(Date.prototype)
      .filter((name) => name.startsWith("set"))
      .map((name): [string, () => unknown, (value: never) => unknown] => [
        `Date.${name}`,
        () => new Date(1e12),
        (date: Record<string, (value: number) => unknown>) => date[name]?.(1),
      ]),
    ...[
      "href",
      "protocol",
      "username",
      "password",
      "host",
      "hostname",
      "port",
      "pathname",
      "search",
      "hash",
    ].map((name): [string, () => unknown, (value: never) => unknown] => [
      `URL.${name}`,
      () => new URL("https://example.org/a?b=c"),
      (url: Record<string, string>) => (url[name] = "https://x.org/"),
    ]),
    [
      "searchParams.append",
      () => new URL("https://a.org/?b=c"),
      (url: URL) => url.searchParams.append("x", "1"),
    ],
    [
      "searchParams.set",
      () => new URL("https://a.org/?b=c"),
      (url: URL) => url.searchParams.set("b", "1"),
    ],
    [
      "searchParams.delete",
      () => new URL("https://a.org/?b=c"),
      (url: URL) => url.searchParams.delete("b"),
    ],
    [
      "searchParams.sort",
      () => new URL("https://a.org/?b=c"),
      (url: URL) => url.searchParams.sort(),
    ],
  ];
  for (const [name, make, change] of changes) {
    it(`${name} throws and changes nothing`, () => {
      const value = frozen(make());
      assert.throws(() => change(value as never), refusal);
      assert.deepStrictEqual(value, make());
      assert.deepStrictEqual(make(), value);
    });
  }

  it("freezes what Maps and Sets hold", () => {
    const value = frozen(new Map([[{ k: 1 }, new Set([[1]])]]));
    const [[key, set] = []] = [...value];
    assert.ok(Object.isFrozen(key));
    assert.ok(Object.isFrozen([...(set ?? [])][0]));
  });

  it("reading works as ever", () => {
    const map = frozen(new Map([["a", new Date(5)]]));
    assert.equal(map.size, 1);
    assert.equal(map.get("a")?.getTime(), 5);
    assert.equal(inspect(map), inspect(new Map([["a", new Date(5)]])));
    const url = frozen(new URL("https://u:p@example.org:8080/a?b=c#d"));
    assert.equal(url.hostname, "example.org");
    assert.equal(url.port, "8080");
    assert.equal(url.searchParams.get("b"), "c");
    assert.equal(JSON.stringify({ url }), '{"url":"https://u:p@example.org:8080/a?b=c#d"}');
    assert.deepEqual(Object.keys(url), []);
    assert.deepStrictEqual(structuredClone(map), new Map([["a", new Date(5)]]));
    assert.deepStrictEqual(new Map(map).set("b", new Date(6)).size, 2);
  });

  it("a frozen value can be stored again", () => {
    const value = {
      m: new Map([["a", new Date(5)]]),
      s: new Set([1]),
      u: new URL("https://example.org/"),
      l: [{ a: 1 }],
    };
    const bytes = defaultCodec.encode(value);
    assert.deepEqual(defaultCodec.encode(frozen(defaultCodec.decode(bytes))), bytes);
  });

  it("bytes are not shareable, wherever they are", () => {
    for (const value of [
      new Uint8Array(1),
      new ArrayBuffer(1),
      { a: [new Float64Array(1)] },
      new Map([["a", new DataView(new ArrayBuffer(1))]]),
    ]) {
      assert.equal(freezeDeep(value).shareable, false);
    }
    const value = frozen({ bytes: new Uint8Array(1) });
    value.bytes[0] = 7;
    assert.ok(Object.isFrozen(value));
  });

  it("leaves instances of foreign classes alone", () => {
    class Money {
      cents = [1];
    }
    const money = new Money();
    const result = freezeDeep({ money });
    assert.equal(result.shareable, false);
    money.cents.push(2);
    assert.deepEqual(money.cents, [1, 2]);
  });
});

describe("DeepReadonly", () => {
  type Same<A, B> =
    (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
  const same = <A, B>(yes: Same<A, B>): void => assert.equal(yes, true);

  it("reaches into containers and leaves leaves alone", () => {
    same<DeepReadonly<{ a: { b: number }[] }>, { readonly a: readonly { readonly b: number }[] }>(
      true,
    );
    same<DeepReadonly<Map<string, string[]>>, ReadonlyMap<string, readonly string[]>>(true);
    same<DeepReadonly<Set<{ a: 1 }>>, ReadonlySet<{ readonly a: 1 }>>(true);
    same<DeepReadonly<[string, number[]]>, readonly [string, readonly number[]]>(true);
    same<DeepReadonly<Date | URL | Uint8Array | bigint>, Date | URL | Uint8Array | bigint>(true);
    same<DeepReadonly<unknown>, unknown>(true);
    same<DeepReadonly<{ a?: string[] }>, { readonly a?: readonly string[] }>(true);
    const value = { list: [1] } as DeepReadonly<{ list: number[] }>;
    // @ts-expect-error: a read value has no mutating methods
    assert.equal(typeof value.list.push, "function");
    // @ts-expect-error: nor can its properties be assigned
    assert.doesNotThrow(() => (value.list = []));
  });
});
