import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { runInNewContext } from "node:vm";
import { type Codec, defaultCodec, encodeValue } from "../src/codec.ts";
import { SessionError } from "../src/errors.ts";

const trip = (value: unknown): unknown => defaultCodec.decode(defaultCodec.encode(value));
const tag = (value: unknown): string => String.fromCharCode(defaultCodec.encode(value)[0]!);
const text = (content: string): Uint8Array => new TextEncoder().encode(content);

function nested(levels: number): unknown {
  let value: unknown = 1;
  for (let i = 0; i < levels; i++) value = i % 2 === 0 ? [value] : { a: value };
  return value;
}

class Account {
  owner = "ann";
}

describe("codec: round trips", () => {
  const buffer = new Uint8Array([0, 1, 2, 253, 254, 255, 7, 8]).buffer;
  const values: Record<string, unknown> = {
    undefined: undefined,
    null: null,
    true: true,
    false: false,
    zero: 0,
    "negative zero": -0,
    "small integers": [1, 9, 10, 99, 100, 12345, -1, -10, 2147483647, -2147483648, 2147483648],
    "top-level int32": -2147483648,
    "top-level 2^31": 2147483648,
    fractions: [
      0.1 + 0.2,
      19.990000000000002,
      0.1,
      0.01,
      0.001,
      5.1,
      19.99,
      4.95,
      1.005,
      21474836.47,
      21474836.48,
      -3.25,
      1e-7,
    ],
    "extreme numbers": [Number.MAX_VALUE, Number.MIN_VALUE, Number.MAX_SAFE_INTEGER, 1e21, -1e300],
    NaN: Number.NaN,
    "infinities inside": [Number.POSITIVE_INFINITY, { a: Number.NEGATIVE_INFINITY }, [-0]],
    "empty string": "",
    "short ASCII": "u_123",
    "long ASCII": "x".repeat(5000),
    "very long string": "é".repeat(300_000),
    "very long string inside": { s: 'naïve "quoted" \\ \n'.repeat(50_000) },
    "every escape": { s: '\u0000\u0001\b\t\n\f\r\u001f"\\/\u007f\u2028\u2029' },
    "non-ASCII": { ключ: "Zoë 東京 👩‍👩‍👧 \uFEFFbom", b: "\uFFFF\u07FF\u0800" },
    "byte order mark": "\uFEFF",
    "replacement character": ["\uFFFD", "a\uFFFDé"],
    "lone surrogate": "a\uD800b",
    "lone surrogates inside": ["\uDC00", "\uD800", "\uD800\uD800\uDC00", { "\uDFFF": 1 }],
    "lone surrogate, long": [`${"x".repeat(200)}\uD83D`],
    "empty object": {},
    "empty array": [],
    "odd keys": {
      "": 1,
      "a b": 2,
      "10": 3,
      "2": 4,
      constructor: 5,
      toString: 6,
      hasOwnProperty: 7,
    },
    "undefined property and element": { a: undefined, b: [undefined, 1, undefined] },
    "array that looks like a mark": ["~d", 1],
    "arrays that look like marks": [["~"], ["~a", "~r"], { a: ["~z"] }, ["x", "~u"], "~u"],
    date: new Date("2026-11-23T12:00:00.123Z"),
    "dates inside": { at: new Date(0), list: [new Date(-1)] },
    map: new Map<unknown, unknown>([
      ["a", 1],
      [{ k: 1 }, new Map()],
      [Number.NaN, undefined],
    ]),
    set: new Set<unknown>([1, "1", undefined, new Set(), [1]]),
    bigint: [0n, 1n, -1n, 2n ** 200n, -(2n ** 64n)],
    "top-level bigint": -255n,
    url: new URL("https://user:pw@example.org:8080/a?b=c#d"),
    "urls inside": [new URL("data:text/plain,hi"), new URL("file:///tmp/x")],
    bytes: new Uint8Array([1, 2, 3]),
    "no bytes": new Uint8Array(0),
    "bytes inside": { b: new Uint8Array(20_000).fill(200) },
    ArrayBuffer: buffer,
    DataView: new DataView(buffer, 2, 4),
    "typed arrays": [
      new Int8Array(buffer),
      new Uint8ClampedArray(buffer),
      new Uint16Array(buffer),
      new Int16Array(buffer, 2, 2),
      new Uint32Array(buffer),
      new Int32Array(buffer),
      new Float32Array([1.5, Number.NaN]),
      new Float64Array([Math.PI, -0]),
      new BigInt64Array([-1n]),
      new BigUint64Array([2n ** 63n]),
    ],
    "499 levels around a leaf": nested(500),
    "many objects": Array.from({ length: 1000 }, (_, i) => ({ i, list: [i] })),
  };
  for (const [name, value] of Object.entries(values)) {
    it(name, () => assert.deepStrictEqual(trip(value), value));
  }

  // Node 22 and earlier hold two of them for different.
  it("invalid dates", () => {
    const [alone, [inside]] = trip([new Date(Number.NaN), [new Date(Number.NaN)]]) as [
      Date,
      [Date],
    ];
    assert.ok(alone instanceof Date && Number.isNaN(alone.getTime()));
    assert.ok(inside instanceof Date && Number.isNaN(inside.getTime()));
  });

  it("Float16Array, where there is one", () => {
    const type = (globalThis as { Float16Array?: new (of: number[]) => object }).Float16Array;
    const value = type === undefined ? new Float32Array([1]) : new type([1.5, -2]);
    assert.deepStrictEqual(trip([value]), [value]);
  });

  it("a Buffer comes back as a Uint8Array", () => {
    assert.deepStrictEqual(trip(Buffer.from("abc")), new Uint8Array([97, 98, 99]));
    assert.deepStrictEqual(trip([Buffer.from("abc")]), [new Uint8Array([97, 98, 99])]);
  });

  it("an object without a prototype comes back as a plain one", () => {
    const bare = Object.assign(Object.create(null) as object, { a: 1, d: new Date(1) });
    assert.deepStrictEqual(trip(bare), { a: 1, d: new Date(1) });
  });

  it("values of another realm", () => {
    const value: unknown = runInNewContext(
      "({ a: [1, { b: 2 }], d: new Date(5), m: new Map([[1, 2]]), s: new Set([3]), u: new Uint8Array([4]) })",
    );
    assert.deepStrictEqual(trip(value), {
      a: [1, { b: 2 }],
      d: new Date(5),
      m: new Map([[1, 2]]),
      s: new Set([3]),
      u: new Uint8Array([4]),
    });
    assert.throws(
      () => trip(runInNewContext("new (class Foo extends Map {})()")),
      /instance of Foo/,
    );
    assert.throws(() => trip(runInNewContext("new (class Bar {})()")), /instance of Bar/);
  });

  it("keeps repeated references, in every kind of container", () => {
    const shared = { n: 1 };
    const at = new Date(3);
    const link = new URL("https://example.org/");
    const value = {
      a: shared,
      b: [shared, at],
      m: new Map([[shared, at]]),
      s: new Set([link]),
      link,
    };
    const back = trip(value) as typeof value;
    assert.deepStrictEqual(back, value);
    assert.equal(back.b[0], back.a);
    assert.equal(back.m.get(back.a), back.b[1]);
    assert.ok(back.s.has(back.link));
    const many = Array.from({ length: 300 }, (_, i) => ({ i }));
    const twice = trip([...many, ...many]) as object[];
    for (let i = 0; i < 300; i++) assert.equal(twice[i], twice[i + 300]);
  });

  it("keeps cycles", () => {
    const value: Record<string, unknown> = { list: [] };
    value["self"] = value;
    (value["list"] as unknown[]).push(value["list"], new Map([["up", value]]), new Set([value]));
    const back = trip(value) as typeof value;
    const list = back["list"] as [unknown, Map<string, unknown>, Set<unknown>];
    assert.equal(back["self"], back);
    assert.equal(list[0], list);
    assert.equal(list[1].get("up"), back);
    assert.ok(list[2].has(back));
    const map = new Map<unknown, unknown>();
    map.set(map, map);
    const again = trip(map) as typeof map;
    assert.equal(again.get(again), again);
  });

  it('keeps "__proto__" as an own property and changes no prototype', () => {
    for (const json of [
      '{"__proto__":{"polluted":true},"a":1}',
      '{"a":{"__proto__":["~"]},"__proto__":{"d":[]}}',
    ]) {
      const value = JSON.parse(json) as object;
      const marked = Object.assign(JSON.parse(json) as object, { when: new Date(1) });
      for (const back of [trip(value), trip(marked)] as object[]) {
        assert.equal(Object.getPrototypeOf(back), Object.prototype);
        assert.ok(Object.hasOwn(back, "__proto__"));
      }
      assert.deepStrictEqual(trip(value), value);
      assert.deepStrictEqual(trip(marked), marked);
    }
    const shared = { date: new Date(1) };
    const value = JSON.parse('{"x":0,"__proto__":0}') as Record<string, unknown>;
    Object.defineProperty(value, "__proto__", { value: shared, enumerable: true });
    value["x"] = shared;
    const back = trip(value) as Record<string, unknown>;
    assert.equal(Object.getPrototypeOf(back), Object.prototype);
    assert.equal(Object.getOwnPropertyDescriptor(back, "__proto__")?.value, back["x"]);
    assert.equal(({} as Record<string, unknown>)["polluted"], undefined);
  });

  it("ignores what someone added to Object.prototype", () => {
    Object.defineProperty(Object.prototype, "added", {
      value: 1,
      enumerable: true,
      configurable: true,
    });
    try {
      const back = trip({ own: [1] }) as object;
      assert.deepEqual(Object.keys(back), ["own"]);
    } finally {
      Reflect.deleteProperty(Object.prototype, "added");
    }
  });

  it("reads each accessor once, and only once, also when marks are needed", () => {
    let reads = 0;
    const value = {
      get turn() {
        return ++reads;
      },
      later: new Date(0),
    };
    assert.deepStrictEqual(trip(value), { turn: 1, later: new Date(0) });
    assert.equal(reads, 1);
  });

  it("a getter may encode something itself", () => {
    const value = {
      before: "x".repeat(100),
      get inner() {
        return [...defaultCodec.encode({ deep: [1, 2, 3] })].length;
      },
      after: [1],
    };
    assert.deepStrictEqual(trip(value), { before: "x".repeat(100), inner: 17, after: [1] });
  });

  it("takes the short form for plain data", () => {
    assert.equal(tag({ a: [1, "x", null, true] }), "j");
    assert.equal(tag(Object.create(null)), "j");
    assert.equal(tag({ a: undefined }), "J");
    assert.equal(tag("x"), "s");
    assert.equal(tag("\uD800"), "j");
    assert.equal(tag(5), "i");
    assert.equal(tag(new Uint8Array(1)), "b");
    assert.deepEqual([...defaultCodec.encode("ab")], [0x73, 0x61, 0x62]);
    assert.equal(
      Buffer.from(defaultCodec.encode({ a: 1.5, b: "é", c: [12] })).toString(),
      'j{"a":1.50,"b":"é","c":[12]}',
    );
  });

  it("shares no memory and gives a fresh value each time", () => {
    const source = new Uint8Array([1, 2, 3]);
    const bytes = defaultCodec.encode(source);
    source[0] = 9;
    const first = defaultCodec.decode(bytes) as Uint8Array;
    const fromBuffer = defaultCodec.decode(Buffer.from(bytes)) as Uint8Array;
    bytes.fill(0x62);
    first[1] = 7;
    assert.deepEqual([...first], [1, 7, 3]);
    assert.deepEqual([...fromBuffer], [1, 2, 3]);
    assert.equal(fromBuffer.buffer.byteLength, 3);
    const object = defaultCodec.encode({ a: 1 });
    assert.notEqual(defaultCodec.decode(object), defaultCodec.decode(object));
  });

  it("writes past no end of a buffer", () => {
    // Hundreds of closing brackets in a row, ending at ever other places of the shared slab.
    for (let i = 0; i < 600; i++) {
      const levels = 300 + (i % 100);
      for (const [open, close] of [
        ["[", "]"],
        ['{"a":', "}"],
      ] as const) {
        const json = `${open.repeat(levels)}1${close.repeat(levels)}`;
        assert.equal(Buffer.from(defaultCodec.encode(JSON.parse(json))).toString(), `j${json}`);
      }
      const lists = [new Map([["a", new Set([new Map([[1, [new Date(i)]]])])]])];
      assert.deepStrictEqual(trip(lists), lists);
    }
  });

  it("results do not overwrite each other", () => {
    const values = Array.from({ length: 400 }, (_, i) => ({ i, s: "é".repeat((i * 37) % 900) }));
    const encoded = values.map((value) => defaultCodec.encode(value));
    encoded.forEach((bytes, i) => assert.deepStrictEqual(defaultCodec.decode(bytes), values[i]));
  });
});

describe("codec: refusals", () => {
  const detached = new ArrayBuffer(8);
  structuredClone(detached, { transfer: [detached] });
  const revoked = Proxy.revocable({}, {});
  revoked.revoke();
  const long = "k".repeat(100);
  const table: [string, unknown, RegExp][] = [
    ["function", () => 1, /^Cannot store a function at "cart"$/],
    ["symbol", Symbol("x"), /^Cannot store a symbol at "cart"$/],
    ["method", [{}, {}, { owner() {} }], /^Cannot store a function at "cart\[2\]\.owner"$/],
    ["toJSON of a plain object", { toJSON: () => 1 }, /a function at "cart\.toJSON"$/],
    ["class instance", { a: [new Account()] }, /an instance of Account .* at "cart\.a\[0\]"$/],
    [
      "Map value",
      new Map<unknown, unknown>([
        [1, 2],
        [2, 3],
        [3, 4],
        [4, Symbol.iterator],
      ]),
      /a symbol at "cart\.<map value 3>"$/,
    ],
    ["Map key", { m: new Map([[() => 1, 1]]) }, /at "cart\.m\.<map key 0>"$/],
    [
      "Set member",
      { s: new Set<unknown>([1, { f: parseInt }]) },
      /at "cart\.s\.<set value 1>\.f"$/,
    ],
    [
      "key that is no name",
      { "a b": { 'x"y': Symbol.iterator } },
      /at "cart\["a b"\]\["x\\"y"\]"$/,
    ],
    ["long key", { [long]: Symbol.iterator }, /at "cart\["k{40}…"\]"$/],
    ["symbol key", { a: { [Symbol.iterator]: 1 } }, /an object with a symbol key at "cart\.a"$/],
    ["promise", { p: Promise.resolve(1) }, /a promise \(await it first\) at "cart\.p"$/],
    ["WeakMap", new WeakMap(), /an instance of WeakMap/],
    ["Error", new Error("x"), /an instance of Error/],
    ["RegExp", /x/, /an instance of RegExp/],
    ["boxed number", Object(1), /an instance of Number/],
    ["boxed string", [Object("s")], /an instance of String .*"cart\[0\]"$/],
    ["subclass of Map", new (class Prefs extends Map {})(), /an instance of Prefs/],
    ["subclass of Array", new (class List extends Array {})(), /an instance of List/],
    ["subclass of Uint8Array", new (class Raw extends Uint8Array {})(2), /an instance of Raw/],
    ["subclass of Date", new (class Day extends Date {})(), /an instance of Day/],
    ["fake Map", Object.create(Map.prototype), /an instance of Map/],
    ["fake Date", Object.create(Date.prototype), /an instance of Date/],
    ["fake URL", Object.create(URL.prototype), /an instance of URL/],
    ["inherited properties", Object.create({ a: 1 }), /an instance of Object/],
    ["SharedArrayBuffer", new SharedArrayBuffer(1), /an instance of SharedArrayBuffer/],
    ["hole", { a: [1, , 3] }, /a hole in a sparse array .* at "cart\.a\[1\]"$/], // oxlint-disable-line no-sparse-arrays
    [
      "enormous sparse array",
      Object.assign([], { length: 4_294_967_295 }),
      /a hole .* at "cart\[0\]"$/,
    ],
    ["501 levels", nested(501), /nested deeper than 500 levels/],
    ["100000 levels", nested(100_000), /nested deeper than 500 levels/],
    ["detached buffer", [detached], /a detached ArrayBuffer at "cart\[0\]"$/],
    ["revoked proxy", revoked.proxy, /a value that cannot be read at "cart"$/],
  ];
  for (const [name, value, message] of table) {
    it(name, () => {
      assert.throws(
        () => encodeValue(defaultCodec, "cart", value),
        (error: unknown) => {
          assert.ok(error instanceof SessionError);
          assert.equal(error.code, "unencodable");
          assert.match(error.message, message);
          return true;
        },
      );
      assert.deepStrictEqual(trip({ still: ["works"] }), { still: ["works"] });
    });
  }

  it("names the path without a key when there is none", () => {
    assert.throws(() => defaultCodec.encode({ a: [Symbol.iterator] }), /a symbol at "a\[0\]"$/);
    assert.throws(
      () => defaultCodec.encode(Symbol.iterator),
      /^SessionError: Cannot store a symbol$/,
    );
  });

  it("a getter that throws is the cause", () => {
    const cause = new Error("not now");
    const value = {
      get bad() {
        throw cause;
      },
    };
    assert.throws(
      () => encodeValue(defaultCodec, "cart", value),
      (error: unknown) => error instanceof SessionError && error.cause === cause,
    );
  });

  it("wraps what a custom codec throws, and refuses what is no bytes", () => {
    const cause = new Error("no");
    const failing: Codec = {
      encode: () => {
        throw cause;
      },
      decode: () => 1,
    };
    assert.throws(
      () => encodeValue(failing, "k", 1),
      (error: unknown) =>
        error instanceof SessionError && error.code === "unencodable" && error.cause === cause,
    );
    const wrapping: Codec = { ...failing, encode: (value) => defaultCodec.encode([value]) };
    assert.throws(() => encodeValue(wrapping, "k", { f: trip }), /a function at "k\[0\]\.f"$/);
    const wrong = { encode: () => "text", decode: () => 1 } as unknown as Codec;
    assert.throws(() => encodeValue(wrong, "k", 1), /gave no bytes at "k"$/);
  });
});

describe("codec: bytes it did not write", () => {
  const table: Record<string, Uint8Array> = {
    "no bytes": new Uint8Array(0),
    "unknown form": text("x{}"),
    "constant with a tail": text("nn"),
    "short integer": text("i12"),
    "long integer": text("i12345"),
    "no JSON": text("j{"),
    "two values": text("j{}{}"),
    "invalid UTF-8 in a string": new Uint8Array([0x73, 0xff]),
    "invalid UTF-8 in JSON": new Uint8Array([0x6a, 0x22, 0xc0, 0x80, 0x22]),
    "unknown mark": text('J["~x"]'),
    "bare tilde": text('J["~"]'),
    "mark with a tail": text('J["~u",1]'),
    "BigInt in decimal": text(`J["~n",${"9".repeat(50)}]`),
    "BigInt with a bad digit": text('J["~n","12g"]'),
    "BigInt without digits": text('J["~n","-"]'),
    "date with a string": text('J["~d","2020"]'),
    "Map with an odd number": text('J["~m",1]'),
    "Map with a key twice": text('J["~m",1,2,1,3]'),
    "Set with a member twice": text('J["~s",1,1]'),
    "reference out of range": text('J[["~r",1]]'),
    "reference to nothing yet": text('J["~r",0]'),
    "negative reference": text('J[["~r",-1]]'),
    "fractional reference": text('J[["~r",0.5]]'),
    "reference by name": text('J[["~r","length"]]'),
    "enormous reference": text('J[["~r",1e308]]'),
    "needless escape": text('J["~a","x"]'),
    "bytes of no type": text('J["~b","Object","AAAA"]'),
    "bytes of an inherited name": text('J["~b","__proto__","AAAA"]'),
    "bytes with bad base64": text('J["~b","Uint8Array","*"]'),
    "bytes of uneven length": text('J["~b","Float64Array","AAAA"]'),
    "length instead of bytes": text('J["~b","Uint8Array",1000000000]'),
    "no URL": text('J["~l","nowhere"]'),
    "URL with an endless host": text(`J["~l","https://${"a".repeat(60_000)}/"]`),
    "deep nesting": text(`J${"[".repeat(30_000)}${"]".repeat(30_000)}`),
  };
  for (const [name, bytes] of Object.entries(table)) {
    it(name, () => {
      assert.throws(
        () => defaultCodec.decode(bytes),
        (error: unknown) => {
          assert.ok(error instanceof SessionError);
          assert.equal(error.code, "undecodable");
          return true;
        },
      );
    });
  }

  it("nests as deep as values do, and no deeper", () => {
    const deep = (levels: number) => text(`J${"[".repeat(levels)}${"]".repeat(levels)}`);
    assert.ok(Array.isArray(defaultCodec.decode(deep(501))));
    assert.throws(() => defaultCodec.decode(deep(502)), /too deep/);
  });

  it("the error and its causes quote no data", () => {
    try {
      defaultCodec.decode(text('j{"secret": hunter2}'));
      assert.fail("decoded");
    } catch (error) {
      assert.ok(error instanceof SessionError);
      assert.doesNotMatch(`${error.message} ${String(error.cause)}`, /hunter2|secret/);
    }
  });

  it("no key reaches a prototype", () => {
    for (const json of [
      'J{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}}}',
      'J{"__proto__":["~m","polluted",1]}',
      'J{"__proto__":["~d",1],"a":["~r",1]}',
      'j{"__proto__":{"polluted":1}}',
    ]) {
      const value = defaultCodec.decode(text(json)) as object;
      assert.equal(Object.getPrototypeOf(value), Object.prototype);
      assert.equal("polluted" in value, false);
      assert.equal("polluted" in {}, false);
    }
  });

  it("a large hostile input costs little time and memory", () => {
    const size = 1_000_000;
    const inputs = [
      `J["~n","${"f".repeat(size)}"]`,
      `J[${'["~r",0],'.repeat(size / 9)}0]`,
      `J["~m"${",[],[]".repeat(size / 6)}]`,
      `J["~s"${",{}".repeat(size / 3)}]`,
      `J["~b","Uint8Array","${"A".repeat(size)}"]`,
      `J["~a","~"${",1".repeat(size / 2)}]`,
      `J[${'["~d",1e999],'.repeat(size / 12)}0]`,
    ].map(text);
    const before = process.cpuUsage();
    for (const bytes of inputs)
      assert.equal(typeof defaultCodec.decode(bytes), bytes[4] === 0x6e ? "bigint" : "object");
    const { user, system } = process.cpuUsage(before);
    assert.ok(user + system < 20_000_000, `took ${(user + system) / 1000} ms of CPU`);
  });
});
