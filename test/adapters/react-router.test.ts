import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { describe, it } from "node:test";
import { sessionStorage } from "../../src/adapters/react-router.ts";
import { SessionManager } from "../../src/index.ts";
import { CookieStore } from "../../src/stores/cookie.ts";
import { type Data, kit } from "./kit.ts";

const pair = (line: string): string => line.split(";")[0] ?? "";

describe("react router's session storage", () => {
  it("a session is stored by commitSession, and sent once", async () => {
    const { sessions, store } = kit();
    const { getSession, commitSession } = sessionStorage(sessions);
    const session = await getSession(null);
    assert.equal(session.id, "");
    session.set("text", "hello");
    assert.equal(store.calls.create, 0);
    const line = await commitSession(session);
    assert.match(line, /^session=[\w-]{64}; Path=\/; HttpOnly; SameSite=Lax; Max-Age=86400$/);
    const again = await getSession(pair(line));
    assert.deepEqual([again.get("text"), again.id.length], ["hello", 24]);
    assert.deepEqual(again.data, { text: "hello" });
    again.unset("text");
    assert.equal(await commitSession(again), "");
    assert.equal((await getSession(pair(line))).has("text"), false);
  });

  it("a session that was only read sends and stores nothing", async () => {
    const { sessions, store } = kit();
    const { getSession, commitSession } = sessionStorage(sessions);
    assert.equal(await commitSession(await getSession()), "");
    assert.equal(await commitSession(await getSession("session=unknown")), "");
    assert.deepEqual([store.calls.create, store.calls.update], [0, 0]);
  });

  it("a flashed value is there for one get, in the same request or a later one", async () => {
    const { sessions } = kit();
    const { getSession, commitSession } = sessionStorage(sessions);
    const session = await getSession(null);
    session.flash("text", "saved");
    const cookie = pair(await commitSession(session));
    const next = await getSession(cookie);
    assert.equal(next.has("text"), true);
    assert.equal(next.get("text"), "saved");
    assert.equal(next.get("text"), undefined);
    await commitSession(next);
    assert.equal((await getSession(cookie)).has("text"), false);
  });

  it("destroySession ends it for overlapping requests, and clears the cookie", async () => {
    const { sessions } = kit();
    const { getSession, commitSession, destroySession } = sessionStorage(sessions);
    const session = await getSession(null);
    session.set("text", "hello");
    const cookie = pair(await commitSession(session));
    const slow = await getSession(cookie);
    assert.match(await destroySession(await getSession(cookie)), /^session=; .*Max-Age=0$/);
    slow.set("text", "too late");
    await assert.rejects(commitSession(slow), { code: "gone" });
    assert.equal((await getSession(cookie)).has("text"), false);
  });

  it("renewSession makes a new token; a slow reader does not send the old one again", async () => {
    const { sessions } = kit();
    const { getSession, commitSession, renewSession } = sessionStorage(sessions);
    const session = await getSession(null);
    session.set("text", "hello");
    const cookie = pair(await commitSession(session));
    const slow = await getSession(cookie);
    const login = await getSession(cookie);
    renewSession(login);
    const renewed = pair(await commitSession(login));
    assert.notEqual(renewed, cookie);
    assert.equal(await commitSession(slow), "");
    assert.equal((await getSession(renewed)).get("text"), "hello");
    assert.equal((await getSession(cookie)).get("text"), undefined);
  });

  it("refuses an engine that needs several cookies, rather than losing one", async () => {
    const sessions = new SessionManager<Data>({
      store: new CookieStore({ keys: [{ id: "a", key: randomBytes(32) }], chunks: 2 }),
      development: true,
    });
    const { getSession, commitSession } = sessionStorage(sessions);
    const session = await getSession(null);
    session.set("text", randomBytes(2000).toString("hex"));
    await assert.rejects(commitSession(session), { code: "unsupported" });
  });

  it("refuses sessions of others", async () => {
    const { sessions } = kit();
    const session = await sessionStorage(sessions).getSession(null);
    await assert.rejects(sessionStorage(sessions).commitSession(session), {
      code: "invalid-argument",
    });
  });
});
