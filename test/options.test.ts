import assert from "node:assert/strict";
import { describe, it, mock } from "node:test";
import fc from "fast-check";
import { defaultCodec } from "../src/codec.ts";
import { SessionError } from "../src/errors.ts";
import type { SessionEvent } from "../src/events.ts";
import { settle, type CookieOptions, type Options, type Settings } from "../src/options.ts";
import type { Store } from "../src/store.ts";
import "./support/seed.ts";

/** An engine that is never called here: what is checked is that it is taken or refused. */
const store: Store = {
  abilities: { iterate: false, shared: false, guarantees: [] },
  load: () => Promise.resolve(undefined),
  create: () => Promise.resolve(false),
  update: () => Promise.resolve({ done: false, record: undefined }),
  touch: () => Promise.resolve(false),
  destroy: () => Promise.resolve(),
};

/** Settles what the types forbid as well. */
function settled(options: object): Settings {
  return settle({ store, ...options } as Options);
}

function cookie(options: CookieOptions, rest: object = {}): Settings["cookie"] {
  return settled({ ...rest, cookie: options }).cookie;
}

function refusal(action: () => unknown): string {
  let message = "";
  assert.throws(action, (error) => {
    assert.ok(error instanceof SessionError, `not a SessionError: ${String(error)}`);
    assert.equal(error.code, "invalid-option");
    assert.equal(error.status, 500);
    message = error.message;
    return true;
  });
  return message;
}

describe("defaults", () => {
  it("are these", () => {
    const { onEvent, clock, ...rest } = settle({ store });
    assert.deepEqual(rest, {
      store,
      name: "__Host-Http-session",
      lifetime: 86_400_000,
      idleTimeout: undefined,
      touchInterval: 0,
      cookie: {
        name: "__Host-Http-session",
        path: "/",
        domain: undefined,
        httpOnly: true,
        secure: true,
        sameSite: "lax",
        partitioned: false,
      },
      persist: true,
      transport: { kind: "cookie" },
      codec: defaultCodec,
      sealer: undefined,
      storeTimeout: 2000,
      maxSize: 65_536,
      onError: undefined,
      context: undefined,
      development: false,
    });
    assert.equal(typeof onEvent, "function");
    assert.ok(Math.abs(clock() - Date.now()) < 1000);
  });

  it("stand in for every option that is undefined", () => {
    const nothing = (options: object) =>
      Object.fromEntries(Object.keys(options).map((key) => [key, undefined]));
    const { onEvent: _event, clock: _clock, ...bare } = settle({ store });
    const {
      onEvent: _event2,
      clock: _clock2,
      ...rest
    } = settle({
      ...nothing({
        name: 0,
        lifetime: 0,
        idleTimeout: 0,
        touchInterval: 0,
        development: 0,
        codec: 0,
        sealer: 0,
      }),
      ...nothing({
        transport: 0,
        storeTimeout: 0,
        maxSize: 0,
        onEvent: 0,
        onError: 0,
        context: 0,
        clock: 0,
      }),
      store,
      cookie: nothing({ ...bare.cookie, persist: 0 }),
    });
    assert.deepEqual(rest, bare);
  });

  it("drop Secure and the prefix in development", () => {
    const settings = settled({ development: true });
    assert.equal(settings.development, true);
    assert.equal(settings.cookie.name, "session");
    assert.equal(settings.cookie.secure, false);
    assert.equal(settings.cookie.httpOnly, true);
    assert.equal(settings.name, "session");
  });

  it("follow a clock that is replaced later", () => {
    const { clock } = settle({ store });
    mock.timers.enable({ apis: ["Date"], now: 123 });
    try {
      assert.equal(clock(), 123);
    } finally {
      mock.timers.reset();
    }
  });
});

describe("settings", () => {
  it("hold what was given", () => {
    const codec = { encode: () => new Uint8Array(), decode: () => 0 };
    const sealer = { seal: (bytes: Uint8Array) => bytes, open: () => undefined };
    const onEvent = () => {};
    const onError = () => {};
    const clock = () => 5;
    const settings = settled({
      codec,
      sealer,
      onEvent,
      onError,
      clock,
      name: "shop",
      maxSize: 9,
      storeTimeout: "1m",
    });
    assert.equal(settings.store, store);
    assert.equal(settings.codec, codec);
    assert.equal(settings.sealer, sealer);
    assert.equal(settings.onEvent, onEvent);
    assert.equal(settings.onError, onError);
    assert.equal(settings.clock, clock);
    assert.equal(settings.name, "shop");
    assert.equal(settings.maxSize, 9);
    assert.equal(settings.storeTimeout, 60_000);
    assert.equal(settled({ cookie: { persist: false } }).persist, false);
  });

  it("are frozen, and do not change with the options", () => {
    const options = { store, cookie: { name: "a" }, transport: "cookie" as const };
    const settings = settle(options);
    options.cookie.name = "b";
    assert.equal(settings.cookie.name, "a");
    assert.ok(Object.isFrozen(settings));
    assert.ok(Object.isFrozen(settings.cookie));
    assert.ok(Object.isFrozen(settings.transport));
    assert.ok(Object.isFrozen(settled({ transport: { header: "X-Session" } }).transport));
    assert.equal(Object.isFrozen(store), false);
  });

  it("come from reading each option once", () => {
    const reads = new Map<string, number>();
    const counted = <T extends object>(target: T, where: string): T =>
      new Proxy(target, {
        get(object, key, receiver) {
          const path = where + String(key);
          reads.set(path, (reads.get(path) ?? 0) + 1);
          return Reflect.get(object, key, receiver) as unknown;
        },
      });
    settle(
      counted(
        {
          store,
          idleTimeout: "10m",
          touchInterval: "1m",
          name: "n",
          maxSize: "1mb",
          cookie: counted(
            { name: "__Secure-s", domain: "a.example", secure: true, path: "/x" },
            "cookie.",
          ),
        } as Options,
        "",
      ),
    );
    assert.equal(reads.get("store"), 1);
    assert.equal(reads.get("cookie.name"), 1);
    assert.deepEqual(
      [...reads].filter(([, count]) => count !== 1),
      [],
    );
    let name = "good";
    const shifty: CookieOptions = {
      get name() {
        const now = name;
        name = "bad;";
        return now;
      },
    };
    assert.equal(cookie(shifty).name, "good");
  });
});

describe("durations and sizes", () => {
  const durations: readonly (readonly [number | string, number])[] = [
    [1, 1],
    [1500, 1500],
    ["1s", 1000],
    ["90s", 90_000],
    ["20m", 1_200_000],
    ["24h", 86_400_000],
    ["30d", 2_592_000_000],
    ["1.5h", 5_400_000],
    ["0.001s", 1],
    ["1.1h", 3_960_000],
    ["36500d", 3_153_600_000_000],
  ];
  for (const [given, ms] of durations) {
    it(`take ${JSON.stringify(given)}`, () =>
      assert.equal(settled({ lifetime: given }).lifetime, ms));
  }

  const notDurations: readonly unknown[] = [
    0,
    -1,
    0.4,
    Number.NaN,
    Number.POSITIVE_INFINITY,
    Number.NEGATIVE_INFINITY,
    1e300,
    "",
    "s",
    "0s",
    "-1s",
    "1e3s",
    "1 h",
    " 1h",
    "1h ",
    "1h\n",
    "1H",
    "1ms",
    "1w",
    "1.h",
    ".5h",
    "1h30m",
    "0x1s",
    "١h",
    "Infinitys",
    "NaNs",
    "36501d",
    "9".repeat(400) + "d",
    null,
    true,
    {},
    [],
    ["1h"],
    10n,
    Symbol("1h"),
    () => 1,
    new Date(),
  ];
  for (const given of notDurations) {
    const title =
      typeof given === "string"
        ? JSON.stringify(given.slice(0, 20))
        : Object.prototype.toString.call(given);
    it(`refuse ${title} ${typeof given === "number" ? given : ""}as a duration`, () => {
      for (const option of ["lifetime", "idleTimeout", "storeTimeout"]) {
        assert.match(
          refusal(() => settled({ [option]: given })),
          new RegExp(`^${option} `),
        );
      }
      refusal(() => settled({ idleTimeout: "1h", touchInterval: given }));
    });
  }

  it("ask for a unit", () => {
    assert.match(
      refusal(() => settled({ lifetime: "3600" })),
      /"3600", without a unit: .*"90s"/,
    );
  });

  it("bound storeTimeout by what a timer can wait", () => {
    assert.equal(settled({ storeTimeout: 2_147_483_647 }).storeTimeout, 2_147_483_647);
    assert.match(
      refusal(() => settled({ storeTimeout: "25d" })),
      /2147483647 ms/,
    );
  });

  const sizes: readonly (readonly [number | string, number])[] = [
    [1, 1],
    [4096, 4096],
    ["512b", 512],
    ["64kb", 65_536],
    ["1mb", 1_048_576],
    ["1.5kb", 1536],
  ];
  for (const [given, bytes] of sizes) {
    it(`take ${JSON.stringify(given)} as a size`, () =>
      assert.equal(settled({ maxSize: given }).maxSize, bytes));
  }

  const notSizes = [
    0,
    -1,
    0.5,
    Number.NaN,
    Number.POSITIVE_INFINITY,
    "",
    "64",
    "64k",
    "64KB",
    "0b",
    "-1kb",
    "1 kb",
    null,
    {},
    [],
    true,
  ];
  for (const given of notSizes) {
    it(`refuse ${JSON.stringify(given)} (${String(given)}) as a size`, () => {
      assert.match(
        refusal(() => settled({ maxSize: given })),
        /^maxSize /,
      );
    });
  }
});

describe("timeouts", () => {
  it("touch after a tenth of the idle timeout, at most a minute", () => {
    assert.equal(settled({ idleTimeout: "5m" }).touchInterval, 30_000);
    assert.equal(settled({ idleTimeout: "10m" }).touchInterval, 60_000);
    assert.equal(settled({ idleTimeout: "20m" }).touchInterval, 60_000);
    assert.equal(settled({ idleTimeout: "20m", touchInterval: "5m" }).touchInterval, 300_000);
    assert.equal(settled({ idleTimeout: 5 }).touchInterval, 0);
  });

  it("refuse an idle timeout that is not shorter than the lifetime", () => {
    assert.equal(settled({ lifetime: 1001, idleTimeout: "1s" }).idleTimeout, 1000);
    assert.match(
      refusal(() => settled({ lifetime: "1h", idleTimeout: "1h" })),
      /shorten idleTimeout or lengthen lifetime/,
    );
    assert.match(
      refusal(() => settled({ idleTimeout: "30d" })),
      /lifetime \("24h"\)/,
    );
  });

  it("refuse a touch interval that is not shorter than the idle timeout, or without one", () => {
    assert.equal(settled({ idleTimeout: 1001, touchInterval: "1s" }).touchInterval, 1000);
    assert.match(
      refusal(() => settled({ idleTimeout: "1m", touchInterval: "1m" })),
      /touchInterval .* shorter/,
    );
    assert.match(
      refusal(() => settled({ touchInterval: "1m" })),
      /without idleTimeout/,
    );
  });
});

describe("contradictions", () => {
  const rows: readonly (readonly [title: string, options: object, message: RegExp])[] = [
    [
      "__Host- with domain",
      { cookie: { name: "__Host-s", domain: "a.example" } },
      /no cookie\.domain: set cookie\.name, e\.g\. "__Secure-session", or leave out domain/,
    ],
    [
      "__Host- with path",
      { cookie: { name: "__Host-s", path: "/a" } },
      /needs cookie\.path "\/": set cookie\.name, e\.g\. "__Secure-session"/,
    ],
    [
      "__Host- without secure",
      { cookie: { name: "__Host-s", secure: false } },
      /needs Secure, but cookie\.secure is false: set cookie\.name to one without prefix/,
    ],
    [
      "__Host-Http- with domain",
      { cookie: { name: "__Host-Http-s", domain: "a.example" } },
      /no cookie\.domain/,
    ],
    [
      "__Host-Http- with path",
      { cookie: { name: "__Host-Http-s", path: "/a" } },
      /needs cookie\.path/,
    ],
    [
      "__Host-Http- without secure",
      { cookie: { name: "__Host-Http-s", secure: false } },
      /needs Secure/,
    ],
    [
      "__Host-Http- without httpOnly",
      { cookie: { name: "__Host-Http-s", httpOnly: false } },
      /needs cookie\.httpOnly: set cookie\.name, e\.g\. "__Host-session"/,
    ],
    [
      "__Http- without httpOnly",
      { cookie: { name: "__Http-s", httpOnly: false } },
      /needs cookie\.httpOnly/,
    ],
    ["__Http- without secure", { cookie: { name: "__Http-s", secure: false } }, /needs Secure/],
    ["__Secure- without secure", { cookie: { name: "__Secure-s", secure: false } }, /needs Secure/],
    [
      "the default name with domain",
      { cookie: { domain: "a.example" } },
      /the default cookie\.name is "__Host-Http-session".*set cookie\.name, e\.g\. "__Secure-session"/,
    ],
    [
      "the default name with path",
      { cookie: { path: "/a" } },
      /the default cookie\.name.*set cookie\.name, e\.g\. "__Secure-session"/,
    ],
    [
      "the default name without secure",
      { cookie: { secure: false } },
      /the default cookie\.name.*e\.g\. "session"/,
    ],
    [
      "the default name without httpOnly",
      { cookie: { httpOnly: false } },
      /the default cookie\.name.*e\.g\. "__Host-session"/,
    ],
    [
      "development with secure",
      { development: true, cookie: { secure: true } },
      /development drops Secure, but cookie\.secure is true/,
    ],
    [
      "development with __Host-",
      { development: true, cookie: { name: "__Host-s" } },
      /needs Secure, but development drops Secure: set cookie\.name to one without prefix/,
    ],
    [
      "development with __Secure-",
      { development: true, cookie: { name: "__Secure-s" } },
      /development drops Secure/,
    ],
    [
      "development with __Http-",
      { development: true, cookie: { name: "__Http-s" } },
      /development drops Secure/,
    ],
    [
      "development with SameSite=None",
      { development: true, cookie: { sameSite: "none" } },
      /"none" needs Secure, but development drops Secure/,
    ],
    [
      "SameSite=None without secure",
      { cookie: { name: "s", sameSite: "none", secure: false } },
      /"none" needs Secure, but cookie\.secure is false/,
    ],
    [
      "Partitioned without secure",
      { cookie: { name: "s", partitioned: true, secure: false } },
      /partitioned needs Secure/,
    ],
    [
      "development with Partitioned",
      { development: true, cookie: { partitioned: true } },
      /partitioned needs Secure/,
    ],
    [
      "header transport with cookie options",
      { transport: { header: "X-Session" }, cookie: { name: "s" } },
      /leave out cookie or transport/,
    ],
  ];
  for (const [title, options, message] of rows) {
    it(`refuse ${title}`, () =>
      assert.match(
        refusal(() => settled(options)),
        message,
      ));
  }

  for (const name of ["__host-s", "__HOST-S", "__secure-s", "__Http-s", "__hOST-hTTP-s"]) {
    it(`compare the prefix of ${name} without case`, () => {
      assert.match(
        refusal(() => cookie({ name, secure: false })),
        /needs Secure/,
      );
      assert.equal(cookie({ name }).name, name);
    });
  }

  const fine: readonly (readonly [CookieOptions, object?])[] = [
    [{ name: "__Host-s", path: "/", httpOnly: false }],
    [{ name: "__Secure-s", path: "/a", domain: "a.example", httpOnly: false }],
    [{ name: "__Http-s", path: "/a", domain: "a.example" }],
    [{ name: "__Host", path: "/a", secure: false }],
    [{ name: "x__Host-s", path: "/a", secure: false }],
    [{ name: "s", secure: false, httpOnly: false, sameSite: "strict" }],
    [{ sameSite: "none", partitioned: true }],
    [{ path: "/a", domain: "a.example" }, { development: true }],
    [{ secure: false }, { development: true }],
  ];
  for (const [options, rest] of fine) {
    it(`allow ${JSON.stringify({ ...rest, cookie: options })}`, () => {
      const settings = cookie(options, rest);
      for (const [key, value] of Object.entries(options))
        assert.equal(settings[key as keyof typeof settings], value);
    });
  }

  it("allow a header with cookie options that say nothing", () => {
    assert.equal(
      settled({ transport: { header: "X-S" }, cookie: { name: undefined } }).transport.kind,
      "header",
    );
  });
});

describe("names, paths and domains", () => {
  const bad = [
    "",
    " ",
    "a b",
    "a;b",
    "a,b",
    "a=b",
    'a"b',
    "a\tb",
    "a\nb",
    "a\r\nSet-Cookie: b=1",
    "a\0",
    "é",
    "a\u2000",
    "ａ",
    "a(b",
    "a/b",
    "a@b",
    "a[0]",
    "a{b}",
    "a\\b",
    "a:b",
    "a?b",
    "a\x7f",
    "a\u0085",
    "\ufeffa",
    "\ud800",
    "a".repeat(129),
  ];
  for (const text of bad) {
    it(`refuse the name ${JSON.stringify(text.slice(0, 30))}`, () => {
      assert.match(
        refusal(() => cookie({ name: text })),
        /^cookie\.name /,
      );
      assert.match(
        refusal(() => settled({ name: text })),
        /^name /,
      );
      assert.match(
        refusal(() => settled({ transport: { header: text } })),
        /^transport\.header /,
      );
    });
  }

  it("take every token character in a name, and 128 of them", () => {
    const every = "!#$%&'*+-.^_`|~09AZaz";
    assert.equal(cookie({ name: every }).name, every);
    assert.equal(settled({ name: "a".repeat(128) }).name, "a".repeat(128));
  });

  it("take a path of 1024 characters, and refuse what browsers ignore or misread", () => {
    const name = "s";
    assert.equal(cookie({ name, path: `/${"a".repeat(1023)}` }).path.length, 1024);
    assert.equal(cookie({ name, path: "/a/b,c?=%20~" }).path, "/a/b,c?=%20~");
    const paths = [
      `/${"a".repeat(1024)}`,
      "",
      "a",
      "a/",
      "/a;b",
      "/a b",
      "/a ",
      "/\t",
      "/\n",
      "/\r\nX: y",
      "/\0",
      "/é",
      "/\u2028",
      "/\x7f",
      "/\x80",
    ];
    for (const path of paths)
      assert.match(
        refusal(() => cookie({ name, path })),
        /^cookie\.path /,
      );
  });

  it("take a domain that is a host name, and refuse the rest", () => {
    const name = "s";
    const longest = `${"a".repeat(63)}.${"b".repeat(63)}.${"c".repeat(63)}.${"d".repeat(61)}`;
    for (const domain of [
      "example.com",
      "a-b.example.com",
      "localhost",
      "127.0.0.1",
      "xn--bcher-kva.example",
      "my_app.test",
      "A.Example",
      longest,
    ]) {
      assert.equal(cookie({ name, domain }).domain, domain);
    }
    assert.match(
      refusal(() => cookie({ name, domain: ".example.com" })),
      /leave out the leading dot/,
    );
    assert.match(
      refusal(() => cookie({ name, domain: "bücher.example" })),
      /xn--/,
    );
    const domains = [
      "",
      ".",
      "..",
      "a..b",
      "a.",
      "-a.example",
      "a-.example",
      "a b",
      "a;b",
      "a,b",
      "a:80",
      "https://a",
      "a/b",
      "[::1]",
      "*.a",
      "a\n",
      "a\r\nb",
      "a\0",
      "é.example",
      "a\u3002b",
      "a".repeat(64),
      `${longest}e`,
      "a.".repeat(600) + "a",
    ];
    for (const domain of domains)
      assert.match(
        refusal(() => cookie({ name, domain })),
        /^cookie\.domain /,
      );
  });

  it("name the records after the cookie or the header", () => {
    assert.equal(settled({ cookie: { name: "s" } }).name, "s");
    assert.equal(settled({ transport: { header: "X-Session" } }).name, "x-session");
    assert.equal(settled({ cookie: { name: "s" }, name: "t" }).name, "t");
    assert.deepEqual(settled({ transport: { header: "X-Session" } }).transport, {
      kind: "header",
      name: "x-session",
    });
  });

  const headers = [
    "Cookie",
    "set-cookie",
    "Set-Cookie2",
    "Authorization",
    "Host",
    "connection",
    "Content-Length",
    "Transfer-Encoding",
    "sec-fetch-site",
    "Proxy-Authorization",
    "Vary",
    "Cache-Control",
    "Location",
    "X-Forwarded-For",
    "Origin",
    "Upgrade",
    "TE",
  ];
  for (const header of headers) {
    it(`refuse the header ${header}`, () => {
      assert.match(
        refusal(() => settled({ transport: { header } })),
        /meaning of its own: .*"X-Session"/,
      );
    });
  }

  it("settle to one harmless line, or refuse, whatever the text (CVE-2024-47764)", () => {
    const nasty = fc
      .array(
        fc.oneof(
          fc.constantFrom(
            "\r",
            "\n",
            "\0",
            ";",
            ",",
            "=",
            " ",
            "\t",
            '"',
            "é",
            "\u2028",
            "\ud800",
            "/",
            ".",
            "-",
          ),
          fc.constantFrom(
            "a",
            "example.com",
            "/app",
            "session",
            "; Domain=evil.example",
            "\r\nSet-Cookie: x=1",
          ),
        ),
        { maxLength: 6 },
      )
      .map((parts) => parts.join(""));
    const record = fc.record(
      { name: nasty, path: nasty.map((text) => `/${text}`), domain: nasty, sameSite: nasty },
      { requiredKeys: [] },
    );
    let taken = 0;
    fc.assert(
      fc.property(record, fc.boolean(), (options, header) => {
        const given = header ? { transport: { header: options.name } } : { cookie: options };
        let settings: Settings;
        try {
          settings = settled({ development: true, ...given });
        } catch (error) {
          assert.ok(error instanceof SessionError && error.code === "invalid-option");
          assert.match(error.message, /^[\x20-\x7e]+$/);
          return;
        }
        taken++;
        for (const text of [
          settings.name,
          settings.cookie.name,
          settings.cookie.path,
          settings.cookie.domain ?? "",
        ]) {
          assert.match(text, /^[\x21-\x3a\x3c-\x7e]*$/);
        }
      }),
      { numRuns: 3000 },
    );
    assert.ok(taken > 0);
  });
});

describe("wrong types and unknown options", () => {
  const wrong: readonly (readonly [options: object, message: RegExp])[] = [
    [
      { cookie: { sameSite: "Lax" } },
      /cookie\.sameSite must be "lax", "strict" or "none", not "Lax"/,
    ],
    [{ cookie: { sameSite: true } }, /cookie\.sameSite/],
    [{ cookie: { sameSite: null } }, /cookie\.sameSite/],
    [{ cookie: { secure: "true" } }, /cookie\.secure must be true or false, not "true"/],
    [{ cookie: { secure: null } }, /cookie\.secure/],
    [{ cookie: { httpOnly: 1 } }, /cookie\.httpOnly/],
    [{ cookie: { partitioned: 0 } }, /cookie\.partitioned/],
    [{ cookie: { persist: "no" } }, /cookie\.persist/],
    [{ cookie: { name: 5 } }, /cookie\.name must be a string/],
    [{ cookie: { path: null } }, /cookie\.path must be a string/],
    [{ cookie: { domain: [] } }, /cookie\.domain must be a string, not an array/],
    [{ cookie: "s" }, /cookie must be an object, not "s"/],
    [{ cookie: null }, /cookie must be an object, not null/],
    [{ cookie: [] }, /cookie must be an object, not an array/],
    [{ development: "production" }, /development must be true or false/],
    [{ name: 5 }, /name must be a string/],
    [{ transport: "header" }, /transport must be "cookie" or \{ header: name \}, not "header"/],
    [{ transport: null }, /transport/],
    [{ transport: {} }, /transport\.header must be a string, not undefined/],
    [{ transport: { header: "X-S", cookie: true } }, /"transport\.cookie" is not an option/],
    [{ codec: {} }, /codec\.encode must be a function, not undefined/],
    [{ codec: { encode: () => 0 } }, /codec\.decode/],
    [{ codec: null }, /codec must be an object/],
    [{ sealer: { seal: () => 0 } }, /sealer\.open/],
    [{ onEvent: console }, /onEvent must be a function, not an object/],
    [{ onError: "page" }, /onError/],
    [{ context: true }, /context must be an object with the methods run, getStore/],
    [{ context: { run() {} } }, /context\.getStore/],
    [{ clock: 5 }, /clock/],
    [{ store: undefined }, /store is missing: .*MemoryStore/],
    [{ store: null }, /store must be an object/],
    [{ store: "memory" }, /store must be an object with the methods load/],
    [{ store: new Map() }, /store\.load must be a function/],
    [{ store: { ...store, touch: undefined } }, /store\.touch/],
    [{ store: { ...store, iterate: true } }, /store\.iterate/],
    [{ store: { ...store, abilities: undefined } }, /store\.abilities/],
    [{ store: { sealed: true, bind: () => {} } }, /store\.engine must be a function/],
    [{ lifetimes: "1h" }, /"lifetimes" is not an option: did you mean lifetime\?/],
    [{ IdleTimeout: "1h" }, /did you mean idleTimeout\?/],
    [
      { cookie: { Secure: true } },
      /"cookie\.Secure" is not an option: did you mean cookie\.secure\?/,
    ],
    [{ cookie: { httponly: true } }, /did you mean cookie\.httpOnly\?/],
    [{ cookie: { samesite: "lax" } }, /did you mean cookie\.sameSite\?/],
    [{ cookie: { maxAge: 5 } }, /write lifetime beside cookie/],
    [{ secret: "keyboard cat" }, /"secret" is not an option: tokens are random/],
    [{ genid: 0 }, /known are store, name/],
    [{ constructor: 0 }, /"constructor" is not an option/],
    [{ "a\r\nb": 0 }, /^"a\\r\\nb" is not an option/],
  ];
  for (const [options, message] of wrong) {
    it(`refuse, with ${message.source}`, () =>
      assert.match(
        refusal(() => settled(options)),
        message,
      ));
  }

  it("refuse __proto__ as an own key", () => {
    const options = JSON.parse('{"__proto__": {"development": true}}') as Options;
    assert.match(
      refusal(() => settle(Object.assign(options, { store }))),
      /"__proto__" is not an option/,
    );
  });

  for (const options of [undefined, null, 5, "x", [], () => {}]) {
    it(`refuse ${String(options)} for options`, () => {
      assert.match(
        refusal(() => settle(options as unknown as Options)),
        /^options must be an object/,
      );
    });
  }

  it("take engines, codecs and sealers that are classes, with fields of their own", () => {
    class Twice {
      readonly factor = 2;
      encode(): Uint8Array {
        return new Uint8Array(this.factor);
      }
      decode(): unknown {
        return this.factor;
      }
    }
    assert.equal(settled({ codec: new Twice() }).codec.decode(new Uint8Array()), 2);
  });

  it("never show the inside of an object", () => {
    const sealer = { key: "top-secret", seal: "top-secret-too" };
    assert.doesNotMatch(
      refusal(() => settled({ sealer: sealer.key.split("") })),
      /top/,
    );
    assert.doesNotMatch(
      refusal(() => settled({ onEvent: sealer })),
      /top/,
    );
  });

  it("are refused by the compiler too", () => {
    // @ts-expect-error a store is required
    refusal(() => settle({}));
    // @ts-expect-error a duration has a unit
    refusal(() => settle({ store, lifetime: "3600" }));
    // @ts-expect-error an unknown unit
    refusal(() => settle({ store, lifetime: "1w" }));
    // @ts-expect-error an unknown option
    refusal(() => settle({ store, secret: "x" }));
    // @ts-expect-error an unknown option of the cookie
    refusal(() => settle({ store, cookie: { maxAge: 5 } }));
    // @ts-expect-error a wrong value
    refusal(() => settle({ store, cookie: { sameSite: "Lax" } }));
    assert.equal(settle({ store, lifetime: undefined, cookie: undefined }).lifetime, 86_400_000);
  });
});

describe("the default of onEvent", () => {
  it("prints the first warning or error of each type, and nothing else", () => {
    const printed: unknown[][] = [];
    const warn = mock.method(console, "warn", (...line: unknown[]) => void printed.push(line));
    try {
      const { onEvent } = settle({ store });
      const failed = (operation: string, error: unknown): SessionEvent => ({
        type: "store-failed",
        level: "error",
        message: `${operation} failed`,
        operation,
        error,
      });
      const cause = new Error("ECONNREFUSED");
      onEvent({ type: "created", level: "info", message: "made", id: "i" });
      onEvent(failed("load", cause));
      onEvent(failed("update", cause));
      onEvent({ type: "uncommitted", level: "warn", message: "left", id: undefined });
      assert.equal(printed.length, 2);
      assert.match(String(printed[0]?.[0]), /^scs-session: store-failed: load failed /);
      assert.equal(printed[0]?.[1], cause);
      assert.match(String(printed[1]?.[0]), /^scs-session: uncommitted: left /);
      settle({ store }).onEvent(failed("load", cause));
      assert.equal(printed.length, 3);
    } finally {
      warn.mock.restore();
    }
  });

  it("prints everything that handlers throw", () => {
    const printed: unknown[][] = [];
    const original = mock.method(console, "error", (...line: unknown[]) => void printed.push(line));
    try {
      const { onEvent } = settle({ store });
      const errors = [new Error("first"), new Error("second")];
      for (const error of errors) {
        onEvent({ type: "handler-failed", level: "error", message: "threw", error });
      }
      assert.deepEqual(printed, [
        ["scs-session: threw", errors[0]],
        ["scs-session: threw", errors[1]],
      ]);
    } finally {
      original.mock.restore();
    }
  });
});
