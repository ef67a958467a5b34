/** Cookies that the real iron-session made, opened by `IronStore`. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { getIronSession, sealData, type SessionOptions, webCookies } from "iron-session";
import { CookieStore } from "../../src/stores/cookie.ts";
import { IronStore, type IronStoreOptions } from "../../src/stores/iron.ts";
import { MemoryStore } from "../../src/stores/memory.ts";
import { Browser, Site } from "../support/browser.ts";

const password = "kfH3-9sLw2_mQx7Zt5Vb8Nc1Rj4Gd6Ya0Pu";
const keys = [{ id: "k1", key: crypto.getRandomValues(new Uint8Array(32)) }];

function site(options: Partial<IronStoreOptions> = {}, revocations?: MemoryStore): Site {
  const inner = new CookieStore({ keys, revocations: revocations ?? false });
  return new Site({
    store: new IronStore(inner, { cookieName: "app", password, ...options }),
    lifetime: "30d",
  });
}

/** What a browser holds after a visit to a site with iron-session. */
async function visited(
  at: Site,
  data: Record<string, unknown>,
  options: Partial<SessionOptions> = {},
): Promise<Browser> {
  const headers = new Headers();
  const request = new Request("http://localhost/");
  const session = await getIronSession<Record<string, unknown>>(webCookies(request, headers), {
    cookieName: "app",
    password,
    ...options,
  });
  Object.assign(session, data);
  await session.save();
  const browser = new Browser(at);
  browser.take(headers.getSetCookie());
  return browser;
}

describe("IronStore", () => {
  it("opens what the real iron-session sealed, and a read sets nothing", async () => {
    const at = site();
    const browser = await visited(at, { text: "hello", n: 5, user: "ädä ✓" });
    const answer = await browser.ask((session) =>
      JSON.stringify([session.get("text"), session.get("n"), session.get("user"), session.isNew]),
    );
    assert.equal(answer.body, '["hello",5,"ädä ✓",false]');
    assert.deepEqual(answer.set, []);
    assert.equal(answer.response.headers.get("cache-control"), "private");
    assert.deepEqual(at.seen, []);
  });

  it("the first change moves the session into the new cookie, and deletes the old one", async () => {
    const at = site();
    const browser = await visited(at, { text: "hello", n: 5 });
    await browser.ask((session) => session.set("text", "changed"));
    assert.deepEqual([...browser.cookies.keys()], ["session"]);
    assert.equal(
      (await browser.ask((session) => `${session.get("text")} ${session.get("n")}`)).body,
      "changed 5",
    );
    await browser.ask((session) => session.renewToken());
    assert.equal((await browser.ask()).body, "changed");
  });

  it("destroy deletes both, and nothing comes back", async () => {
    for (const act of ["at once", "after a change"]) {
      const at = site();
      const browser = await visited(at, { text: "hello" });
      if (act === "after a change") await browser.ask((session) => session.set("n", 1));
      await browser.ask((session) => session.destroy());
      assert.equal(browser.header, undefined, act);
      assert.equal((await browser.ask()).body, "undefined");
    }
  });

  it("with revocations, the old cookie is dead after logout too", async () => {
    const at = site({}, new MemoryStore());
    const browser = await visited(at, { text: "hello" });
    const stolen = browser.copy();
    assert.equal((await stolen.ask()).body, "hello");
    await browser.ask((session) => session.destroy());
    assert.equal((await stolen.ask()).body, "undefined");
    assert.equal(at.seen.at(-1), "rejected-cookie: revoked");
  });

  it("takes several passwords, several cookies, and seals without an end", async () => {
    const old = "an older password with more than 32 characters";
    const at = site({ password: { 1: old, 2: password } });
    for (const [options, data] of [
      [{ password: { 1: old } }, { text: "old" }],
      [{ password: { 1: old, 2: password } }, { text: "new" }],
      [
        { password: { 1: old }, chunk: true },
        { text: "several", big: "x".repeat(6000) },
      ],
      [{ password: { 1: old }, ttl: 0 }, { text: "endless" }],
    ] as const) {
      const browser = await visited(at, data, options);
      assert.equal((await browser.ask()).body, data.text);
      await browser.ask((session) => session.set("big", "small"));
      assert.deepEqual([...browser.cookies.keys()], ["session"]);
    }
  });

  it("takes what sealData made, with and without its version", async () => {
    const at = site();
    const seal = await sealData({ text: "sealed" }, { password });
    assert.match(seal, /~2$/);
    assert.equal((await at.ask(`app=${seal}`)).body, "sealed");
    assert.equal((await at.ask(`app=${seal.slice(0, -2)}`)).body, "sealed");
  });

  it("keeps iron-session's end, and never lives longer than the manager's lifetime", async () => {
    let now = Date.now();
    const clock = (): number => now;
    const inner = new CookieStore({ keys, revocations: false, clock });
    const at = new Site({
      store: new IronStore(inner, { cookieName: "app", password, clock }),
      lifetime: "1h",
      clock,
    });
    const browser = await visited(at, { text: "hello" }, { ttl: 7200 });
    const day = await visited(at, { text: "hello" }, { ttl: 600 });
    const left = async (who: Browser): Promise<number> =>
      Number((await who.ask((session) => session.deadline.getTime() - now)).body) / 60_000;
    assert.equal(await left(browser), 60);
    assert.ok((await left(day)) <= 11.1);
    const moved = browser.copy();
    await moved.ask((session) => session.set("n", 1));
    assert.equal(await left(moved), 60);
    now += 12 * 60_000;
    assert.equal((await day.ask()).body, "undefined");
    assert.equal(at.seen.at(-1), "rejected-cookie: expired");
    assert.equal((await browser.ask()).body, "hello");
    now += 48 * 60_000;
    assert.equal((await moved.ask()).body, "undefined");
  });

  it("opens nothing that was changed anywhere", async () => {
    const at = site();
    const browser = await visited(at, { text: "hello" });
    const seal = browser.cookies.get("app") ?? "";
    const signed = seal.indexOf("~");
    for (let i = 0; i < signed; i++) {
      for (const char of ["A", "0", "*"]) {
        if (seal[i] === char) continue;
        const changed = seal.slice(0, i) + char + seal.slice(i + 1);
        const { isNew } = await at.sessions.loadCookie(`app=${changed}`);
        assert.equal(isNew, true, `${char} at ${i}`);
      }
    }
    for (let length = 0; length < signed; length += 7) {
      assert.equal((await at.sessions.loadCookie(`app=${seal.slice(0, length)}`)).isNew, true);
    }
    const other = site({ password: "another password with more than 32 characters" });
    assert.equal((await other.ask(browser.header)).body, "undefined");
    assert.deepEqual(other.seen, ["rejected-cookie: not-authentic"]);
    const none = site({ password: { 7: password } });
    assert.equal((await none.ask(browser.header)).body, "undefined");
    assert.deepEqual(none.seen, ["rejected-cookie: unknown-key"]);
  });

  it("is no way round the new cookie: where that is refused, the old one is not tried", async () => {
    const at = site();
    const browser = await visited(at, { text: "hello" });
    browser.cookies.set("session", "v1.k1.tampered");
    assert.equal((await browser.ask()).body, "undefined");
    assert.deepEqual(at.seen, ["rejected-cookie: malformed"]);
    browser.cookies.set("session", browser.cookies.get("app") ?? "");
    assert.equal((await browser.ask()).body, "undefined");
  });

  it("refuses what it cannot work with", () => {
    const inner = new CookieStore({ keys, revocations: false });
    for (const options of [
      { cookieName: "a b", password },
      { cookieName: "", password },
      { cookieName: "app", password: "short" },
      { cookieName: "app", password: { 1: "short" } },
      { cookieName: "app", password: null },
      { cookieName: "app" },
    ]) {
      assert.throws(() => new IronStore(inner, options as never), { code: "invalid-option" });
    }
    assert.throws(
      () => new IronStore(new MemoryStore() as never, { cookieName: "app", password }),
      {
        code: "invalid-option",
      },
    );
    // The names must differ.
    assert.throws(() => site({ cookieName: "session" }), { code: "invalid-option" });
  });
});
