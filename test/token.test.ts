import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { describe, it } from "node:test";
import {
  digestOf,
  idOf,
  isDigestOf,
  isToken,
  newToken,
  renewedToken,
  sameDigest,
} from "../src/token.ts";

describe("token", () => {
  it("is 24 characters of id and 40 of secret", () => {
    for (let i = 0; i < 500; i++) assert.match(newToken(), /^[A-Za-z0-9_-]{64}$/);
    assert.equal(idOf(newToken()).length, 24);
  });

  it("never repeats, and uses every character at every place", () => {
    const tokens = Array.from({ length: 4000 }, () => newToken());
    assert.equal(new Set(tokens.map(idOf)).size, 4000);
    assert.equal(new Set(tokens.map((token) => token.slice(24))).size, 4000);
    for (let place = 0; place < 64; place++) {
      assert.equal(new Set(tokens.map((token) => token[place])).size, 64, `place ${place}`);
    }
  });

  it("keeps the id when renewed, and nothing of the secret", () => {
    const token = newToken();
    const renewed = renewedToken(idOf(token));
    assert.equal(idOf(renewed), idOf(token));
    assert.ok(isToken(renewed));
    assert.notEqual(renewed.slice(24), token.slice(24));
  });

  it("is told from anything else before any work", () => {
    const token = newToken();
    const others = [
      "",
      token.slice(1),
      `${token}A`,
      `${token.slice(1)}=`,
      `${token.slice(1)} `,
      `../${token.slice(3)}`,
      `\0${token.slice(1)}`,
      `é${token.slice(1)}`,
      `${token}\n`,
    ];
    assert.ok(isToken(token));
    for (const other of others) assert.equal(isToken(other), false, JSON.stringify(other));
  });

  it("is stored as SHA-256 of the manager's name and the secret", async () => {
    const token = newToken();
    const digest = await digestOf("name", token);
    const expected = createHash("sha256")
      .update(`name\0${token.slice(24)}`)
      .digest();
    assert.deepEqual(Buffer.from(digest), expected);
    assert.ok(sameDigest(digest, expected));
    assert.ok(!sameDigest(digest, await digestOf("other", token)));
    assert.ok(!sameDigest(digest, digest.subarray(1)));
  });

  it("is known by its digest, and by no other", async () => {
    const token = newToken();
    const digest = await digestOf("name", token);
    assert.ok(await isDigestOf(digest, "name", token));
    assert.ok(!(await isDigestOf(digest, "other", token)));
    assert.ok(!(await isDigestOf(digest, "name", renewedToken(idOf(token)))));
    assert.ok(!(await isDigestOf(digest.subarray(1), "name", token)));
    assert.ok(!(await isDigestOf(new Uint8Array(0), "name", token)));
    for (let at = 0; at < digest.length; at++) {
      const changed = digest.map((byte, i) => (i === at ? byte ^ 1 : byte));
      assert.ok(!(await isDigestOf(changed, "name", token)), `byte ${at}`);
    }
  });
});
