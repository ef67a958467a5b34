import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { cookieWriter, findCookies, type CookieAttributes } from "../src/cookie.ts";
import "./support/seed.ts";

/** The rules of RFC 6265bis section 5.6 word by word: split, strip, first equals sign. */
function model(header: string, name: string): string[] {
  const values: string[] = [];
  for (const pair of header.split(";")) {
    const equals = pair.indexOf("=");
    if (equals === -1) continue;
    if (stripped(pair.slice(0, equals)) === name) values.push(stripped(pair.slice(equals + 1)));
  }
  return values.slice(0, 3);
}

function stripped(text: string): string {
  return text.replace(/^[ \t]+/, "").replace(/[ \t]+$/, "");
}

describe("findCookies, on random headers", () => {
  const name = fc.constantFrom("s", "ss", "__Host-s", "a.b");
  /** Pieces that meet at every boundary of the grammar, so that most headers hold near misses. */
  const piece = fc.oneof(
    fc.constantFrom(
      ";",
      "=",
      " ",
      "\t",
      "; ",
      '"',
      ",",
      "%3D",
      "\u00a0",
      "\ufeff",
      "\u2000",
      "\n",
      "\0",
    ),
    fc.constantFrom("s", "ss", "__Host-s", "a.b", "s=1", "__Host-s=abc", "; s=", "; __Host-s="),
    fc.string({ unit: "binary", maxLength: 3 }),
  );
  const header = fc.array(piece, { maxLength: 40 }).map((pieces) => pieces.join(""));

  it("finds what the grammar says", () => {
    fc.assert(
      fc.property(header, name, (text, wanted) => {
        assert.deepEqual([...findCookies(text, wanted)], model(text, wanted));
      }),
      { numRuns: 5000 },
    );
  });

  it("finds our cookie among any others", () => {
    const other = fc
      .string({ unit: "binary", maxLength: 12 })
      .map((text) => text.replace(/;/g, ""));
    const value = fc.stringMatching(/^[A-Za-z0-9_-]{1,64}$/);
    fc.assert(
      fc.property(fc.array(other), value, fc.array(other), (before, token, after) => {
        const others = [...before, ...after].join(";");
        fc.pre(model(others, "__Host-Http-session").length === 0);
        const text = [...before, ` __Host-Http-session=${token}`, ...after].join(";");
        assert.deepEqual([...findCookies(text, "__Host-Http-session")], [token]);
      }),
    );
  });
});

describe("cookieWriter, on random attributes", () => {
  const attributes: fc.Arbitrary<CookieAttributes> = fc.record({
    name: fc.stringMatching(/^[A-Za-z0-9_.-]{1,20}$/),
    path: fc.stringMatching(/^\/[a-z/]{0,20}$/),
    domain: fc.option(fc.domain(), { nil: undefined }),
    httpOnly: fc.boolean(),
    secure: fc.boolean(),
    sameSite: fc.constantFrom("lax", "strict", "none"),
    partitioned: fc.boolean(),
  });
  const age = fc.option(fc.double(), { nil: undefined });

  it("writes a line that reads back as what was given", () => {
    fc.assert(
      fc.property(
        attributes,
        fc.stringMatching(/^[A-Za-z0-9_-]{0,64}$/),
        age,
        (given, value, maxAge) => {
          const [pair, ...rest] = cookieWriter(given).set(value, maxAge).split("; ");
          assert.equal(pair, `${given.name}=${value}`);
          const found = new Map(
            rest.map((part) => [part.split("=")[0], part.slice(part.indexOf("=") + 1)]),
          );
          assert.equal(found.size, rest.length, "an attribute came twice");
          assert.equal(found.get("Path"), given.path);
          assert.equal(found.get("Domain"), given.domain);
          assert.equal(found.has("HttpOnly"), given.httpOnly);
          assert.equal(found.has("Secure"), given.secure);
          assert.equal(found.get("SameSite")?.toLowerCase(), given.sameSite);
          assert.equal(found.has("Partitioned"), given.partitioned);
          assert.equal(found.has("Max-Age"), maxAge !== undefined);
          if (maxAge !== undefined) {
            const seconds = Number(found.get("Max-Age"));
            assert.ok(Number.isInteger(seconds) && seconds >= 1 && seconds <= 34_560_000);
            if (maxAge >= 1 && maxAge <= 34_560_000)
              assert.ok(seconds >= maxAge && seconds < maxAge + 1);
          }
        },
      ),
    );
  });
});
