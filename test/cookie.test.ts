import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  cookiesIn,
  cookieWriter,
  findCookies,
  MAX_AGE_LIMIT,
  type CookieAttributes,
} from "../src/cookie.ts";

const NAME = "__Host-Http-session";

describe("findCookies", () => {
  const rows: readonly (readonly [title: string, header: string, values: readonly string[]])[] = [
    ["finds nothing in nothing", "", []],
    ["finds the only cookie", `${NAME}=abc`, ["abc"]],
    ["finds the first", `${NAME}=abc; b=2`, ["abc"]],
    ["finds the last", `a=1; ${NAME}=abc`, ["abc"]],
    ["finds one without a space after the semicolon", `a=1;${NAME}=abc;b=2`, ["abc"]],
    ["strips SP and HTAB around name and value", `a=1; \t ${NAME} \t=\t abc \t ; b=2`, ["abc"]],
    ["strips at both ends of the header", ` \t${NAME}=abc \t`, ["abc"]],
    ["keeps blanks inside the value", `${NAME}=a b\tc`, ["a b\tc"]],
    ["returns an empty value", `${NAME}=; b=2`, [""]],
    ["returns an empty value of blanks", `${NAME}= \t ;b=2`, [""]],
    ["ends the name at the first equals sign", `${NAME}=a=b==`, ["a=b=="]],
    ["does not decode the value", `${NAME}=%41%3B`, ["%41%3B"]],
    ["keeps quotes as part of the value", `${NAME}="abc"`, ['"abc"']],
    ["ends a quoted value at the semicolon", `${NAME}="a; b=2"`, ['"a']],
    ["is not fooled by a cookie sandwich", `x="1; ${NAME}=abc; y=2"`, ["abc"]],
    ["splits at no comma", `a=1, ${NAME}=abc`, []],
    ["gives commas back", `${NAME}=a,b`, ["a,b"]],
    ["gives no meaning to $Version", `$Version=1; ${NAME}=abc; $Path=/`, ["abc"]],
    ["skips the name without equals sign", `${NAME}; ${NAME}`, []],
    ["skips the nameless pair", `=${NAME}=abc`, []],
    ["skips the nameless pair with blanks", ` = ${NAME}=abc`, []],
    ["skips the name inside a value", `a=${NAME}=abc`, []],
    ["skips the name at the start of a value with a blank", `a= ${NAME}=abc`, []],
    ["skips the name after a blank inside a value", `a=1 ${NAME}=abc`, []],
    ["finds the cookie after a false match", `a=${NAME}=no; ${NAME}=abc`, ["abc"]],
    ["finds the cookie after itself without equals sign", `${NAME}; ${NAME}=abc`, ["abc"]],
    ["skips a longer name", `${NAME}2=no; x${NAME}=no; ${NAME}-=no`, []],
    ["skips a name that ends after a blank", `${NAME} x=no`, []],
    ["skips empty pairs", `;; ; ${NAME}=abc ;;`, ["abc"]],
    ["compares case", `${NAME.toLowerCase()}=no; ${NAME.toUpperCase()}=no`, []],
    ["returns two in header order", `${NAME}=2; a=1; ${NAME}=1`, ["2", "1"]],
    ["returns equal values twice", `${NAME}=1; ${NAME}=1`, ["1", "1"]],
    ["stops after three", `${NAME}=1; ${NAME}=2; ${NAME}=3; ${NAME}=4`, ["1", "2", "3"]],
  ];
  for (const [title, header, values] of rows) {
    it(title, () => assert.deepEqual(findCookies(header, NAME), values));
  }

  // Each was stored and sent by Chromium 156 when a sibling subdomain set it (reference: T14).
  const lookAlikes: Readonly<Record<string, string>> = {
    "U+2000": `\u2000${NAME}`,
    "U+FEFF": `\ufeff${NAME}`,
    NBSP: `\u00a0${NAME}`,
    NEL: `\u0085${NAME}`,
    "U+2028": `\u2028${NAME}`,
    "NBSP as UTF-8 bytes": `\xc2\xa0${NAME}`,
    "U+FEFF as UTF-8 bytes": `\xef\xbb\xbf${NAME}`,
    "NBSP after the name": `${NAME}\u00a0`,
    "percent-encoded": NAME.replace("_", "%5F"),
    "percent-encoded blank": `%20${NAME}`,
    quoted: `"${NAME}"`,
    "quote before": `"${NAME}`,
    "vertical tab": `\v${NAME}`,
    "form feed": `\f${NAME}`,
    "carriage return": `\r${NAME}`,
    "line feed": `\n${NAME}`,
    NUL: `\0${NAME}`,
    "full-width underscore": NAME.replace("_", "\uff3f"),
    "PHP's dot": NAME.replace("_", "."),
    brackets: `${NAME}[0]`,
  };
  for (const [kind, name] of Object.entries(lookAlikes)) {
    it(`refuses the look-alike: ${kind}`, () => {
      assert.deepEqual(findCookies(`${name}=forged`, NAME), []);
      assert.deepEqual(findCookies(`a=1; ${name}=forged; b=2`, NAME), []);
      assert.deepEqual(findCookies(`${name}=forged; ${NAME}=real`, NAME), ["real"]);
      assert.deepEqual(findCookies(`${NAME}=real; ${name}=forged`, NAME), ["real"]);
    });
  }

  it("finds a name in which it occurs twice", () => {
    assert.deepEqual(findCookies("aa=no; a=1", "a"), ["1"]);
    assert.deepEqual(findCookies("aaa=no; aa=1; aaaa=no", "aa"), ["1"]);
  });

  it("returns one shared, frozen array when there is none", () => {
    const first = findCookies("a=1; b=2", NAME);
    assert.equal(Object.isFrozen(first), true);
    assert.equal(findCookies(`${NAME}`, NAME), first);
    assert.equal(findCookies("", NAME), first);
  });

  // A quadratic scan of these takes minutes; the bound leaves a linear one a hundredfold of room.
  const megabyte = (unit: string) => unit.repeat(Math.ceil(1_048_576 / unit.length));
  const hostile: Readonly<Record<string, readonly [header: string, values: readonly string[]]>> = {
    "the name without equals sign, in one pair": [megabyte(NAME), []],
    "the name without equals sign, in many pairs": [megabyte(`${NAME};`), []],
    "the name without equals sign, spaced": [megabyte(`${NAME} `), []],
    "the name in values": [megabyte(`a=${NAME};`), []],
    "the name before blanks": [`${NAME}${megabyte(" ")}`, []],
    "blanks before the name": [`${megabyte(" ")}${NAME}=1`, ["1"]],
    "blanks in the value": [`${NAME}=${megabyte(" ")}`, [""]],
    "blanks between false matches": [
      megabyte(`x${" ".repeat(1000)}${NAME}${" ".repeat(1000)};`),
      [],
    ],
    "the start of the name": [megabyte("__Host-Http-sessio"), []],
    underscores: [megabyte("_"), []],
    "empty pairs": [megabyte("a=;"), []],
    semicolons: [`${megabyte(";")}${NAME}=1`, ["1"]],
    "our cookie": [megabyte(`${NAME}=1;`), ["1", "1", "1"]],
  };
  for (const [kind, [header, values]] of Object.entries(hostile)) {
    it(`does bounded work on a megabyte of ${kind}`, () => {
      const start = performance.now();
      assert.deepEqual(findCookies(header, NAME), values);
      assert.ok(performance.now() - start < 2000);
    });
  }
});

describe("cookiesIn", () => {
  it("finds what findCookies finds, whether names go on behind the first or not", () => {
    for (const header of [
      "",
      "a=1",
      "a=1; b=2",
      "b.c=3; a=1",
      "a.b=2",
      "a.b=2; a=1; a.c=3",
      "x=a.b",
    ]) {
      const cookies = cookiesIn(header, "a");
      // Twice: what it has learnt must not change what it says.
      for (const name of ["a", "a.b", "a.c", "b", "b.c", "a.b", "a"]) {
        assert.deepEqual(cookies(name), findCookies(header, name), `${name} in ${header}`);
      }
    }
  });
});

describe("cookieWriter", () => {
  const attributes: CookieAttributes = {
    name: NAME,
    path: "/",
    domain: undefined,
    httpOnly: true,
    secure: true,
    sameSite: "lax",
    partitioned: false,
  };
  const every: CookieAttributes = {
    ...attributes,
    name: "__Secure-s",
    path: "/app",
    domain: "example.com",
    sameSite: "none",
    partitioned: true,
  };
  const least: CookieAttributes = {
    ...attributes,
    name: "s",
    httpOnly: false,
    secure: false,
    sameSite: "strict",
  };

  const golden: readonly (readonly [CookieAttributes, number | undefined, string])[] = [
    [attributes, undefined, "__Host-Http-session=v; Path=/; HttpOnly; Secure; SameSite=Lax"],
    [
      attributes,
      86_400,
      "__Host-Http-session=v; Path=/; HttpOnly; Secure; SameSite=Lax; Max-Age=86400",
    ],
    [
      every,
      60,
      "__Secure-s=v; Path=/app; Domain=example.com; HttpOnly; Secure; SameSite=None; Partitioned; Max-Age=60",
    ],
    [least, undefined, "s=v; Path=/; SameSite=Strict"],
    [
      { ...attributes, name: "session", secure: false },
      1,
      "session=v; Path=/; HttpOnly; SameSite=Lax; Max-Age=1",
    ],
  ];
  for (const [given, maxAge, line] of golden) {
    it(`writes ${line}`, () => assert.equal(cookieWriter(given).set("v", maxAge), line));
  }

  it("clears with the same attributes, an empty value and Max-Age=0", () => {
    assert.equal(
      cookieWriter(attributes).clear(),
      "__Host-Http-session=; Path=/; HttpOnly; Secure; SameSite=Lax; Max-Age=0",
    );
    assert.equal(
      cookieWriter(every).clear(),
      "__Secure-s=; Path=/app; Domain=example.com; HttpOnly; Secure; SameSite=None; Partitioned; Max-Age=0",
    );
  });

  const ages: readonly (readonly [number, number])[] = [
    [1, 1],
    [1.000_001, 2],
    [59.2, 60],
    [0.2, 1],
    [0, 1],
    [-5, 1],
    [Number.NaN, 1],
    [MAX_AGE_LIMIT - 0.5, MAX_AGE_LIMIT],
    [MAX_AGE_LIMIT, 34_560_000],
    [MAX_AGE_LIMIT + 1, 34_560_000],
    [1e21, 34_560_000],
    [Number.POSITIVE_INFINITY, 34_560_000],
  ];
  for (const [given, written] of ages) {
    it(`writes a maximum age of ${given} s as ${written}`, () => {
      assert.match(cookieWriter(attributes).set("v", given), new RegExp(`; Max-Age=${written}$`));
    });
  }

  it("is read back by findCookies", () => {
    const pair = cookieWriter(attributes).set("A-_z09", 5).split(";")[0] ?? "";
    assert.deepEqual(findCookies(`a=1; ${pair}`, NAME), ["A-_z09"]);
  });
});
