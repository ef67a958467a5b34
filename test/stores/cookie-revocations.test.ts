/** What a list on a server makes of sessions in cookies: logout, renewal and revocation that hold. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { SessionManager } from "../../src/manager.ts";
import type { Options } from "../../src/options.ts";
import { CookieStore, type CookieStoreOptions } from "../../src/stores/cookie.ts";
import { MemoryStore } from "../../src/stores/memory.ts";
import { ManualClock } from "../../src/testing/clock.ts";
import { FaultyStore } from "../../src/testing/faults.ts";
import { createSession } from "../../src/testing/index.ts";
import { Browser, type Data, Site } from "../support/browser.ts";

const minute = 60_000;
const keys = [{ id: "k1", key: crypto.getRandomValues(new Uint8Array(32)) }];

interface World {
  readonly clock: ManualClock;
  readonly memory: MemoryStore;
  readonly list: FaultyStore;
  readonly engine: CookieStore;
  readonly site: Site;
  readonly browser: Browser;
}

function world(
  store: Partial<CookieStoreOptions> = {},
  options: Partial<Options<Data>> = {},
): World {
  const clock = new ManualClock();
  const memory = new MemoryStore({ clock: clock.now });
  const list = new FaultyStore(memory);
  const engine = new CookieStore({ keys, revocations: list, clock: clock.now, ...store });
  const site = new Site({ store: engine, clock: clock.now, lifetime: "1h", ...options });
  return { clock, memory, list, engine, site, browser: new Browser(site) };
}

const user: CookieStoreOptions["user"] = (read) => read("user") as string | undefined;
const login =
  (name: string) => (session: Parameters<Parameters<Browser["ask"]>[0] & object>[0]) => {
    session.renewToken();
    session.set("user", name);
  };

/** A promise, and what fulfils it. */
function gate(): { readonly opened: Promise<void>; open(): void } {
  let open = (): void => {};
  const opened = new Promise<void>((resolve) => (open = resolve));
  return { opened, open: () => open() };
}

describe("with revocations", () => {
  it("a cookie replayed after logout is dead (ASVS 7.4.1)", async () => {
    const { clock, memory, site, browser } = world();
    await browser.ask((session) => session.set("text", "hello"));
    const stolen = browser.copy();
    assert.equal((await stolen.ask()).body, "hello");
    assert.equal(memory.size, 0, "only ended and renewed sessions are recorded");
    await browser.ask((session) => session.destroy());
    assert.equal(browser.header, undefined);
    assert.equal(site.seen.at(-1), "destroyed");
    assert.equal(memory.size, 1);
    const answer = await stolen.ask();
    assert.deepEqual([answer.response.status, answer.body, answer.set], [200, "undefined", []]);
    assert.equal(site.seen.at(-1), "rejected-cookie: revoked");
    // Until the deadline, from when on the seal itself says so.
    clock.advance(60 * minute - 1);
    assert.equal((await stolen.ask()).body, "undefined");
    assert.equal(site.seen.at(-1), "rejected-cookie: revoked");
    clock.advance(1);
    await stolen.ask();
    assert.equal(site.seen.at(-1), "rejected-cookie: expired");
    assert.equal(await memory.load(":ended:session:x"), undefined);
    for await (const record of memory.iterate("")) assert.fail(`${record.key} is still there`);
  });

  it("the old cookie is superseded by a renewal, and dead a minute later", async () => {
    const { clock, site, browser } = world();
    await browser.ask((session) => session.set("text", "hello"));
    const old = browser.copy();
    await browser.ask(login("ada"));
    const early = await old.ask((session) => session.get("text"));
    assert.deepEqual([early.body, early.set], ["undefined", []]);
    assert.equal(site.seen.at(-1), "superseded");
    const change = await old.ask((session) => session.set("text", "late"));
    assert.deepEqual([change.response.status, change.set], [409, []]);
    clock.advance(minute);
    assert.equal((await old.ask()).body, "undefined");
    assert.equal(site.seen.at(-1), "rejected-cookie: revoked");
    assert.equal((await browser.ask()).body, "hello");
  });

  it("of parallel renewals the first wins, the others fail with 409", async () => {
    const { site, browser } = world();
    await browser.ask((session) => session.set("text", "hello"));
    const sessions = await Promise.all(
      Array.from({ length: 6 }, () => site.sessions.loadToken(browser.header)),
    );
    const outcomes = await Promise.allSettled(
      sessions.map(async (session) => {
        session.renewToken();
        await session.commit();
      }),
    );
    const lost = outcomes.filter((outcome) => outcome.status === "rejected");
    assert.equal(lost.length, 5);
    for (const { reason } of lost) {
      assert.deepEqual(
        [(reason as { code?: unknown }).code, (reason as { status?: unknown }).status],
        ["renewed", 409],
      );
    }
  });

  it("a slow change does not bring a session back that logged out meanwhile", async () => {
    const { browser } = world();
    await browser.ask((session) => session.set("text", "hello"));
    const [loaded, go] = [gate(), gate()];
    const slow = browser.copy().ask(async (session) => {
      loaded.open();
      await go.opened;
      session.set("text", "late");
    });
    await loaded.opened;
    await browser.ask((session) => session.destroy());
    go.open();
    const answer = await slow;
    assert.deepEqual([answer.response.status, answer.set], [409, []]);
  });

  it("logout also ends a session that was renewed in between, and again", async () => {
    const { browser } = world();
    await browser.ask((session) => session.set("text", "hello"));
    const [loaded, go] = [gate(), gate()];
    const logout = browser.copy().ask(async (session) => {
      loaded.open();
      await go.opened;
      session.destroy();
    });
    await loaded.opened;
    await browser.ask(login("ada"));
    await browser.ask(login("ada"));
    assert.equal((await browser.ask()).body, "hello");
    go.open();
    assert.equal((await logout).response.status, 200);
    assert.equal((await browser.ask()).body, "undefined");
  });

  it("a renewal that does not fit leaves the session as it was", async () => {
    const { memory, browser } = world();
    await browser.ask((session) => session.set("text", "hello"));
    const answer = await browser.ask((session) => {
      session.renewToken();
      session.set("big", "x".repeat(9000));
    });
    assert.deepEqual([answer.response.status, answer.set], [500, []]);
    assert.equal(memory.size, 0);
    assert.equal((await browser.ask()).body, "hello");
  });

  it("ends what merge took over", async () => {
    const { site, browser } = world();
    await browser.ask((session) => session.set("text", "hello"));
    const { token } = await createSession(site.sessions, { user: "ada" });
    await browser.ask((session) => site.sessions.merge(session, token));
    assert.equal((await site.sessions.loadToken(token)).isNew, true);
    assert.equal((await browser.ask((session) => session.get("user"))).body, "ada");
  });

  it("shares the engine with a manager that keeps its records there", async () => {
    const { clock, memory, browser } = world();
    const kept = new SessionManager<Data>({ store: memory, development: true, clock: clock.now });
    const { token } = await createSession(kept, { text: "kept" });
    await browser.ask((session) => session.set("text", "hello"));
    await browser.ask((session) => session.destroy());
    const listed: string[] = [];
    for await (const session of kept.iterate()) listed.push(String(session.get("text")));
    assert.deepEqual(listed, ["kept"]);
    assert.equal((await kept.loadToken(token)).get("text"), "kept");
    assert.equal(memory.size, 2);
  });
});

describe("not-before times", () => {
  it("revokeUser ends what a user has now, and nothing else, until they log in again", async () => {
    const { clock, site, engine, browser } = world({ user });
    const [ada, other, bob, nobody] = [0, 1, 2, 3].map(() => new Browser(site)) as [
      Browser,
      Browser,
      Browser,
      Browser,
    ];
    for (const [who, name] of [
      [ada, "ada"],
      [other, "ada"],
      [bob, "bob"],
    ] as const) {
      await who.ask(login(name));
    }
    await nobody.ask((session) => session.set("text", "anonymous"));
    clock.advance(minute);
    await engine.revokeUser("ada");
    clock.advance(1);
    const name = (session: { get(key: "user" | "text"): unknown }): unknown =>
      session.get("user") ?? session.get("text");
    assert.equal((await ada.ask(name)).body, "undefined");
    assert.equal((await other.ask(name)).body, "undefined");
    assert.equal((await bob.ask(name)).body, "bob");
    // A session from before that logs in now is a new one of hers.
    await nobody.ask(login("ada"));
    assert.equal((await nobody.ask(name)).body, "ada");
    clock.advance(minute);
    await engine.revokeUser("ada");
    assert.equal((await nobody.ask(name)).body, "undefined");
    assert.equal(browser.header, undefined);
  });

  it("a change or a renewal that began before it fails", async () => {
    for (const act of ["change", "renew"]) {
      const { clock, engine, browser } = world({ user });
      await browser.ask(login("ada"));
      clock.advance(minute);
      const [loaded, go] = [gate(), gate()];
      const slow = browser.copy().ask(async (session) => {
        loaded.open();
        await go.opened;
        if (act === "renew") session.renewToken();
        session.set("text", "late");
      });
      await loaded.opened;
      await engine.revokeUser("ada");
      go.open();
      const answer = await slow;
      assert.deepEqual([answer.response.status, answer.set], [409, []], act);
    }
  });

  it("revokeAll ends everything", async () => {
    const { clock, site, engine, browser } = world();
    await browser.ask((session) => session.set("text", "hello"));
    const dead = browser.cookies.get("session") ?? "";
    clock.advance(1);
    await engine.revokeAll();
    assert.equal((await browser.ask()).body, "undefined");
    clock.advance(1);
    const next = new Browser(site);
    await next.ask((session) => session.set("text", "new"));
    assert.equal((await next.ask()).body, "new");
    // A time that lies back changes nothing.
    const old = new Browser(site);
    old.cookies.set("session", dead);
    clock.advance(-3);
    await engine.revokeAll();
    assert.equal((await old.ask()).body, "undefined");
    assert.equal((await next.ask()).body, "new");
  });

  it("several at once leave the latest", async () => {
    const { clock, engine, browser } = world({ user });
    await browser.ask(login("ada"));
    clock.advance(1);
    await Promise.all([1, 2, 3, 4].map(() => engine.revokeUser("ada")));
    assert.equal((await browser.ask((session) => session.get("user"))).body, "undefined");
  });

  it("are unsupported without a list, without a user, and before a manager is there", async () => {
    const alone = new CookieStore({ keys, revocations: false });
    await assert.rejects(alone.revokeAll(), { code: "unsupported" });
    await assert.rejects(alone.revokeUser("ada"), { code: "unsupported" });
    await assert.rejects(world().engine.revokeUser("ada"), { code: "unsupported" });
    const unbound = new CookieStore({ keys, revocations: new MemoryStore() });
    await assert.rejects(unbound.revokeAll(), { code: "unsupported" });
  });
});

describe("while the list is down", () => {
  it("loads fail with 503, never an open session and never an anonymous one", async () => {
    for (const fault of ["failed", "hung", "lost"] as const) {
      const { list, site, browser } = world({}, { storeTimeout: "1s" });
      await browser.ask((session) => session.set("text", "hello"));
      list.always("load", fault);
      const answer = await browser.ask(() => assert.fail("the handler got a session"));
      assert.deepEqual([answer.response.status, answer.set], [503, []], fault);
      assert.ok(site.seen.includes("store-failed"));
      // Without a cookie there is nothing to look up.
      assert.equal((await site.ask(undefined)).body, "undefined");
    }
  });

  it("changes, renewals and logouts fail with 503, and the cookie stays", async () => {
    const acts: Record<string, Parameters<Browser["ask"]>[0]> = {
      change: (session) => session.set("text", "changed"),
      renewal: login("ada"),
      logout: (session) => session.destroy(),
    };
    for (const [name, act] of Object.entries(acts)) {
      for (const operations of [["load", "create"], ["create"]] as const) {
        if (name === "change" && !operations.includes("load" as never)) continue;
        const { list, browser } = world({}, { storeTimeout: "1s" });
        await browser.ask((session) => session.set("text", "hello"));
        const cookie = browser.header;
        const answer = await browser.ask(async (session, request) => {
          for (const operation of operations) list.always(operation, "failed");
          await act?.(session, request);
        });
        assert.deepEqual(
          [answer.response.status, answer.set],
          [503, []],
          `${name} ${operations.join()}`,
        );
        assert.equal(browser.header, cookie);
      }
    }
  });

  it("a renewal or logout whose reply was lost is recognised", async () => {
    for (const act of [
      login("ada"),
      (session: Parameters<ReturnType<typeof login>>[0]) => session.destroy(),
    ]) {
      const { list, browser } = world();
      await browser.ask((session) => session.set("text", "hello"));
      const old = browser.copy();
      list.next("create", "lost");
      assert.equal((await browser.ask(act)).response.status, 200);
      assert.equal((await old.ask()).body, "undefined");
    }
  });

  it("check says so, and close closes it", async () => {
    const { memory, site } = world();
    await site.sessions.check();
    let closed = 0;
    const engine = new CookieStore({
      keys,
      revocations: Object.assign(memory, {
        check: () => Promise.reject(new Error("down")),
        close: () => void closed++,
      }),
    });
    const sessions = new SessionManager({ store: engine, onEvent: () => {} });
    await assert.rejects(sessions.check(), { status: 503 });
    await sessions.close();
    assert.equal(closed, 1);
    await assert.rejects(sessions.loadToken("x"), { code: "closed" });
  });
});

describe("without revocations", () => {
  it("one event per manager says what is not enforced, unless the options say that you know", async () => {
    const silent = new Site({ store: new CookieStore({ keys, revocations: false }) });
    const told = new Site({ store: new CookieStore({ keys }) });
    for (const site of [silent, told]) {
      const browser = new Browser(site);
      for (let i = 0; i < 3; i++) await browser.ask((session) => session.set("n", i));
      await browser.ask((session) => session.destroy());
    }
    const warnings = told.events.filter(({ type }) => type === "not-enforced");
    assert.equal(warnings.length, 1);
    assert.equal(warnings[0]?.level, "warn");
    assert.match(warnings[0]?.message ?? "", /copied cookie keeps working after logout/);
    assert.ok(!silent.seen.includes("not-enforced"));
  });

  it("a copied cookie does open after logout: what the documentation says first", async () => {
    const site = new Site({ store: new CookieStore({ keys, revocations: false }) });
    const browser = new Browser(site);
    await browser.ask((session) => session.set("text", "hello"));
    const stolen = browser.copy();
    await browser.ask((session) => session.destroy());
    assert.equal((await stolen.ask()).body, "hello");
  });
});
