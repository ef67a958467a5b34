/** Sessions in cookies, as a browser and an attacker see them. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { inspect } from "node:util";
import { sessionHandler } from "../../src/adapters/node.ts";
import type { Participant } from "../../src/carrier.ts";
import { SessionManager } from "../../src/manager.ts";
import type { Options } from "../../src/options.ts";
import { CookieStore, type CookieStoreOptions } from "../../src/stores/cookie.ts";
import { ManualClock } from "../../src/testing/clock.ts";
import { createSession } from "../../src/testing/index.ts";
import { get, raw, serving } from "../adapters/harness.ts";
import { mutate } from "../mutants/mutate.ts";
import { Browser, type Data, Site } from "../support/browser.ts";

const minute = 60_000;
const key = (): Uint8Array => crypto.getRandomValues(new Uint8Array(32));
const one = key();
const two = key();

interface World {
  readonly clock: ManualClock;
  readonly site: Site;
  readonly browser: Browser;
}

function world(
  store: Partial<CookieStoreOptions> = {},
  options: Partial<Options<Data>> = {},
): World {
  const clock = new ManualClock();
  const keys = [{ id: "k1", key: one }];
  const engine = new CookieStore({ keys, revocations: false, clock: clock.now, ...store });
  const site = new Site({ store: engine, clock: clock.now, ...options });
  return { clock, site, browser: new Browser(site) };
}

describe("a session in a cookie", () => {
  it("is created, read without Set-Cookie, changed and ended", async () => {
    const { site, browser } = world();
    assert.deepEqual((await browser.ask()).set, []);
    const created = await browser.ask((session) => session.set("text", "hello"));
    assert.equal(created.set.length, 1);
    assert.match(
      created.set[0] ?? "",
      /^session=v1\.k1\.[\w-]+; Path=\/; HttpOnly; SameSite=Lax; Max-Age=86400$/,
    );
    assert.equal(created.response.headers.get("cache-control"), "no-store");
    const read = await browser.ask();
    assert.deepEqual([read.body, read.set], ["hello", []]);
    assert.equal(read.response.headers.get("cache-control"), "private");
    await browser.ask((session) => session.set("text", "changed"));
    assert.equal((await browser.ask()).body, "changed");
    const ended = await browser.ask((session) => session.destroy());
    assert.match(ended.set.join(), /^session=; .*Max-Age=0$/);
    assert.equal(browser.header, undefined);
    assert.deepEqual(site.seen, ["created", "destroyed"]);
  });

  it("keeps id and creation through changes; renewal gives a new id and a new lifetime", async () => {
    const { clock, browser } = world({}, { lifetime: 10 * minute });
    const facts = (session: { id: string; createdAt: Date; deadline: Date }): string =>
      JSON.stringify([session.id, session.createdAt, session.deadline]);
    await browser.ask((session) => session.set("text", "hello"));
    const first = (await browser.ask(facts)).body;
    const before = browser.copy();
    for (let i = 0; i < 5; i++) {
      clock.advance(minute);
      await browser.ask((session) => session.set("n", i));
      assert.equal((await browser.ask(facts)).body, first);
    }
    await browser.ask((session) => session.renewToken());
    const [id, createdAt, deadline] = JSON.parse((await browser.ask(facts)).body) as string[];
    const [oldId, oldCreation] = JSON.parse(first) as string[];
    assert.notEqual(id, oldId);
    assert.equal(createdAt, oldCreation);
    assert.equal(Date.parse(deadline ?? ""), clock.now() + 10 * minute);
    assert.equal((await browser.ask()).body, "hello");
    // What the design says cannot hold here without revocations.
    assert.equal((await before.ask()).body, "hello");
  });

  it("takes rememberMe and a deadline", async () => {
    const { clock, browser } = world({}, { cookie: { persist: false }, lifetime: "1h" });
    const plain = await browser.ask((session) => session.set("text", "hello"));
    assert.doesNotMatch(plain.set.join(), /Max-Age/);
    const remembered = await browser.ask((session) => session.rememberMe(true));
    assert.match(remembered.set.join(), /Max-Age=3600$/);
    const bounded = await browser.ask((session) => {
      session.deadline = clock.now() + 10 * minute;
    });
    assert.match(bounded.set.join(), /Max-Age=600$/);
    // A deadline by hand stays through a change and a renewal.
    await browser.ask((session) => session.renewToken());
    clock.advance(10 * minute);
    assert.equal((await browser.ask()).body, "undefined");
  });

  it("two managers in one request have a cookie each", async () => {
    const engine = new CookieStore({ keys: [{ id: "k1", key: one }], revocations: false });
    const [a, b] = ["a", "b"].map(
      (name) => new SessionManager<Data>({ store: engine, development: true, cookie: { name } }),
    ) as [SessionManager<Data>, SessionManager<Data>];
    const listener = sessionHandler(
      a,
      sessionHandler(b, async (req, res) => {
        (await a.load(req)).set("text", "first");
        (await b.load(req)).set("text", "second");
        res.end();
      }),
    );
    await serving(listener, async ({ port }) => {
      const answer = await raw(port, get());
      const cookies = [...answer.matchAll(/^set-cookie: ([^;]+)/gim)].map((match) => match[1]);
      assert.equal(cookies.length, 2);
      const header = cookies.join("; ");
      assert.equal((await a.loadCookie(header)).get("text"), "first");
      assert.equal((await b.loadCookie(header)).get("text"), "second");
      // Exchanged, they are nothing.
      const swapped = `a=${cookies[1]?.slice(2)}; b=${cookies[0]?.slice(2)}`;
      assert.equal((await a.loadCookie(swapped)).isNew, true);
      assert.equal((await b.loadCookie(swapped)).isNew, true);
    });
  });

  it("goes by its token without HTTP; createSession gives a Cookie header", async () => {
    const { site } = world({ chunks: 3 });
    const { cookie, token } = await createSession(site.sessions, { big: "x".repeat(5000) });
    assert.equal(cookie, token);
    assert.deepEqual(
      cookie.split("; ").map((pair) => pair.split("=")[0]),
      ["session", "session.1"],
    );
    const session = await site.sessions.loadToken(token);
    assert.equal(session.get("big")?.length, 5000);
    session.set("big", "small");
    await session.commit();
    assert.match(session.token ?? "", /^session=[^;]+$/);
    assert.equal((await site.sessions.loadToken(session.token)).get("big"), "small");
    session.destroy();
    await session.commit();
    assert.equal(session.token, undefined);
  });

  it("merges another session's data", async () => {
    const { site, browser } = world();
    const { token } = await createSession(site.sessions, { user: "ada", n: 5 });
    const merged = await browser.ask(async (session) => {
      session.set("text", "mine");
      return site.sessions.merge(session, token);
    });
    assert.equal(merged.body, "true");
    const body = (session: { get(key: "text" | "user"): unknown }): string =>
      `${String(session.get("text"))} ${String(session.get("user"))}`;
    assert.equal((await browser.ask(body)).body, "mine ada");
  });

  it("cannot be listed", async () => {
    const { site } = world();
    await assert.rejects(site.sessions.iterate()[Symbol.asyncIterator]().next(), {
      code: "unsupported",
    });
  });
});

/** A request whose handler has stored a text; its head is due. */
async function recorded(
  site: Site,
  cookie: string | undefined,
  text: string,
): Promise<Participant> {
  const request = {};
  const participants: Participant[] = [];
  site.sessions.attach(request, {
    header: () => cookie,
    attach: (participant) => void participants.push(participant),
    intercept: () => {},
    headSent: false,
  });
  (await site.sessions.load(request)).set("text", text);
  const [participant] = participants;
  assert.ok(participant);
  return participant;
}

describe("at the head", () => {
  it("a commit has nothing to wait for, and the response carries its cookie", async () => {
    const { site } = world();
    const participant = await recorded(site, undefined, "hello");
    assert.equal(participant.pending, true);
    assert.equal(participant.finish({ status: 200, closed: false }), undefined);
    const { token, more } = participant.effects();
    assert.match(token?.value ?? "", /^session=v1\.k1\./);
    assert.deepEqual(more, []);
  });

  it("a client that has left gets nothing, so nothing is done", async () => {
    const { site } = world();
    const { cookie } = await createSession(site.sessions, { text: "hello" });
    const participant = await recorded(site, cookie, "lost");
    assert.equal(participant.makesToken, true);
    assert.equal(participant.finish({ status: 200, closed: true }), undefined);
    assert.equal(participant.effects().token, undefined);
    assert.equal(site.seen.at(-1), "rolled-back");
  });

  it("over a real socket", async () => {
    const { site } = world();
    const listener = sessionHandler(site.sessions, async (req, res) => {
      (await site.sessions.load(req)).set("text", "hello");
      res.end("body");
    });
    await serving(listener, async ({ port }) => {
      const answer = await raw(port, get());
      assert.match(answer, /^HTTP\/1\.1 200 OK\r\n/);
      assert.equal(answer.match(/^Set-Cookie: session=v1\./gim)?.length, 1);
      assert.match(answer, /\r\n\r\n.*body/s);
    });
  });

  it("any change after it throws at once, and a touch too", async () => {
    const { clock, site } = world({}, { idleTimeout: 10 * minute });
    const { cookie } = await createSession(site.sessions, { text: "hello" });
    clock.advance(5 * minute);
    const codes: unknown[] = [];
    const listener = sessionHandler(site.sessions, async (req, res) => {
      const session = await site.sessions.load(req, { touch: false });
      res.write("one");
      const attempts: (() => unknown)[] = [
        () => session.set("text", "late"),
        () => session.delete("text"),
        () => session.update("n", () => 1),
        () => session.pop("text"),
        () => session.clear(),
        () => session.renewToken(),
        () => session.destroy(),
        () => session.touch(),
      ];
      for (const attempt of attempts) {
        try {
          await attempt();
          codes.push("nothing thrown");
        } catch (error) {
          codes.push((error as { code?: unknown }).code);
        }
      }
      assert.equal(session.get("text"), "hello");
      res.end();
    });
    await serving(listener, async ({ port }) => {
      const answer = await raw(port, get("/", "GET", `Cookie: ${cookie}\r\n`));
      assert.doesNotMatch(answer, /set-cookie/i);
    });
    assert.deepEqual(
      codes,
      Array.from({ length: 8 }, () => "head-sent"),
    );
    assert.deepEqual(
      site.seen.filter((type) => type !== "created"),
      [],
    );
  });

  it("a load after it reads, without a touch and without a complaint", async () => {
    const { clock, site } = world({}, { idleTimeout: 10 * minute });
    const { cookie } = await createSession(site.sessions, { text: "hello" });
    clock.advance(5 * minute);
    assert.equal((await site.sessions.loadCookie(cookie)).get("text"), "hello");
    const session = await site.sessions.loadCookie(cookie);
    assert.throws(() => session.set("text", "x"), { code: "head-sent" });
    assert.deepEqual(
      site.seen.filter((type) => type !== "created"),
      [],
    );
  });

  it("what was committed by hand goes on whatever head leaves", async () => {
    const { site, browser } = world();
    const kept = await browser.ask(async (session) => {
      session.set("text", "kept");
      await session.commit();
      assert.equal(session.status, "unmodified");
      session.set("text", "dropped");
    }, 500);
    assert.equal(kept.response.status, 500);
    assert.equal(kept.set.length, 1);
    assert.equal((await browser.ask()).body, "kept");
    assert.ok(site.seen.includes("rolled-back"));
    const none = await browser.ask((session) => session.set("text", "dropped"), 500);
    assert.deepEqual(none.set, []);
    // destroy stands on 500.
    await browser.ask((session) => session.destroy(), 500);
    assert.equal(browser.header, undefined);
  });

  it("one response carries the last of several commits", async () => {
    const { browser } = world({ chunks: 3 });
    const answer = await browser.ask(async (session) => {
      session.set("big", "x".repeat(6000));
      await session.commit();
      session.set("big", "small");
      await session.commit();
      session.renewToken();
    });
    assert.equal(answer.set.length, 1);
    assert.equal((await browser.ask((session) => session.get("big"))).body, "small");
  });
});

describe("timeouts are inside the seal", () => {
  it("a cookie replayed after its deadline is no session, whatever its Max-Age was", async () => {
    const { clock, site, browser } = world({}, { lifetime: 10 * minute });
    await browser.ask((session) => session.set("text", "hello"));
    clock.advance(10 * minute - 1);
    assert.equal((await browser.ask()).body, "hello");
    clock.advance(1);
    const late = await browser.ask();
    assert.deepEqual([late.body, late.set], ["undefined", []]);
    assert.equal(site.seen.at(-1), "rejected-cookie: expired");
    assert.equal(site.events.at(-1)?.level, "debug");
  });

  it("a change that comes after the end fails with 409", async () => {
    const { clock, browser } = world({}, { lifetime: 10 * minute });
    await browser.ask((session) => session.set("text", "hello"));
    const late = await browser.ask((session) => {
      session.set("text", "late");
      clock.advance(10 * minute);
    });
    assert.deepEqual([late.response.status, late.set], [409, []]);
  });

  it("a use moves the idle expiry in a small cookie of its own, at most once per touchInterval", async () => {
    const { clock, browser } = world({}, { idleTimeout: 10 * minute, lifetime: "1h" });
    await browser.ask((session) => session.set("text", "hello"));
    const data = browser.cookies.get("session");
    assert.deepEqual((await browser.ask()).set, []);
    clock.advance(9 * minute);
    const used = await browser.ask();
    assert.deepEqual(
      used.set.map((line) => line.split("=")[0]),
      ["session.idle"],
    );
    assert.ok((used.set[0] ?? "").length < 250);
    assert.equal(used.response.headers.get("cache-control"), "no-store");
    assert.equal(browser.cookies.get("session"), data, "a read never sends data");
    assert.deepEqual((await browser.ask()).set, []);
    clock.advance(9 * minute);
    assert.equal((await browser.ask()).body, "hello");
    clock.advance(10 * minute);
    assert.equal((await browser.ask()).body, "undefined");
  });

  it("without its stamp, or with another session's, only the time of the last change counts", async () => {
    const { clock, browser } = world({}, { idleTimeout: 10 * minute, lifetime: "1h" });
    await browser.ask((session) => session.set("text", "hello"));
    const other = browser.copy();
    other.cookies.clear();
    await other.ask((session) => session.set("text", "other"));
    clock.advance(6 * minute);
    await browser.ask();
    clock.advance(6 * minute);
    const stamp = browser.cookies.get("session.idle") ?? "";
    other.cookies.set("session.idle", stamp);
    assert.equal((await other.ask()).body, "undefined");
    for (const bad of [
      "",
      "x",
      stamp.slice(1),
      `${stamp}A`,
      browser.cookies.get("session") ?? "",
    ]) {
      const copy = browser.copy();
      copy.cookies.set("session.idle", bad);
      assert.equal((await copy.ask()).body, "undefined");
    }
    for (let i = 0; i < stamp.length; i++) {
      const copy = browser.copy();
      const changed = stamp.charAt(i) === "A" ? "B" : "A";
      copy.cookies.set("session.idle", stamp.slice(0, i) + changed + stamp.slice(i + 1));
      assert.equal((await copy.ask()).body, "undefined", `changed at ${i}`);
    }
    assert.equal((await browser.ask()).body, "hello");
  });

  it("a slow read cannot undo a login", async () => {
    const { clock, browser } = world({}, { idleTimeout: 10 * minute, lifetime: "1h" });
    await browser.ask((session) => session.set("text", "before"));
    clock.advance(5 * minute);
    const slow = await browser.copy().ask();
    await browser.ask((session) => {
      session.set("text", "logged in");
      session.renewToken();
    });
    browser.take(slow.set); // arrives last
    assert.deepEqual([...browser.cookies.keys()], ["session", "session.idle"]);
    assert.equal((await browser.ask()).body, "logged in");
    clock.advance(9 * minute);
    assert.equal((await browser.ask()).body, "logged in");
  });

  it("a touch after a commit keeps the commit's cookie", async () => {
    const { clock, browser } = world({}, { idleTimeout: 10 * minute, lifetime: "1h" });
    const answer = await browser.ask(async (session) => {
      session.set("text", "hello");
      await session.commit();
      clock.advance(5 * minute);
      assert.equal(await session.touch(), true);
    });
    assert.deepEqual(answer.set.map((line) => line.split("=")[0]).sort(), [
      "session",
      "session.idle",
    ]);
    clock.advance(9 * minute);
    assert.equal((await browser.ask()).body, "hello");
  });
});

describe("a cookie with any flaw", () => {
  const flaws: Record<string, (good: string) => string> = {
    "not-authentic": (good) =>
      good.slice(0, -9) + (good.at(-9) === "A" ? "B" : "A") + good.slice(-8),
    "unknown-key": (good) => good.replace("v1.k1.", "v1.k9."),
    "retired-key": (good) => good.replace("v1.k1.", "v1.revoked."),
    "malformed: cut off": (good) => good.slice(0, -1),
    "malformed: another version": (good) => good.replace("v1.", "v2."),
    "malformed: plain JSON": () => encodeURIComponent('{"user":"admin"}'),
    "malformed: base64 of JSON": () => Buffer.from('{"user":"admin"}').toString("base64url"),
    "malformed: empty": () => "",
    "malformed: a token of another engine": () => "A".repeat(64),
    "malformed: a count": (good) => good.replace("v1.k1.", "v1.k1.2."),
    "malformed: the other alphabet": (good) => good.replaceAll("-", "+").replaceAll("_", "/"),
    "malformed: a letter that looks the same to a careless decoder": (good) =>
      good.slice(0, 30) + String.fromCharCode(good.charCodeAt(30) + 0x80) + good.slice(31),
  };
  const ring = {
    keys: [
      { id: "k1", key: one },
      { id: "revoked", revoked: true as const },
    ],
  };

  it("is the same outcome to the client, and one event with its reason", async () => {
    const { site, browser } = world(ring);
    let good = "";
    // In one of four thousand, the two alphabets do not differ.
    for (let i = 0; i < 20 && !/[-_]/.test(good.slice(6)); i++) {
      await browser.ask((session) => session.set("text", "hello"));
      good = browser.cookies.get("session") ?? "";
    }
    const answers = new Set<string>();
    for (const [flaw, change] of Object.entries(flaws)) {
      site.events.length = 0;
      const { response, body } = await site.ask(`session=${change(good)}`);
      answers.add(JSON.stringify([response.status, [...response.headers], body]));
      assert.deepEqual(site.seen, [`rejected-cookie: ${flaw.split(":")[0]}`], flaw);
      assert.equal(site.events[0]?.level, "warn");
    }
    assert.equal(answers.size, 1, [...answers].join("\n"));
    assert.match([...answers].join(), /undefined/);
  });

  it("is never adopted: a change starts another session", async () => {
    const { site, browser } = world(ring);
    await browser.ask((session) => session.set("user", "ada"));
    const good = browser.cookies.get("session") ?? "";
    for (const change of Object.values(flaws)) {
      const { set } = await site.ask(`session=${change(good)}`, (session) => {
        assert.equal(session.isNew, true);
        session.set("text", "new");
      });
      const [fresh = ""] = (set[0] ?? "").split(";");
      const session = await site.sessions.loadToken(fresh);
      assert.deepEqual(session.keys(), ["text"]);
    }
  });

  it("every place of it, and every bit of some, in a session of several cookies", async () => {
    const { site, browser } = world({ chunks: 3 });
    await browser.ask((session) => session.set("big", "x".repeat(7000)));
    assert.equal(browser.cookies.size, 3);
    const good = [...browser.cookies];
    for (const [name, value] of good) {
      const places = process.env["SCS_FULL"] === "1" ? 1 : 37;
      for (let i = 0; i < value.length; i += i < 80 ? 1 : places) {
        browser.cookies.set(
          name,
          value.slice(0, i) + (value[i] === "A" ? "B" : "A") + value.slice(i + 1),
        );
        assert.equal((await site.sessions.loadCookie(browser.header)).isNew, true, `${name} ${i}`);
      }
      browser.cookies.set(name, value);
    }
    assert.equal((await browser.ask((session) => session.get("big")?.length)).body, "7000");
  });

  it("a cookie that comes twice: the one that opens is used, with an event", async () => {
    const { site, browser } = world();
    await browser.ask((session) => session.set("text", "hello"));
    const { header = "" } = browser;
    for (const [cookie, body] of [
      [`session=tossed; ${header}`, "hello"],
      [`${header}; session=tossed`, "hello"],
      [`${header}; ${header}`, "hello"],
      [`${header}; ${header}; ${header}`, "undefined"],
      ["session=a; session=b", "undefined"],
    ] as const) {
      site.events.length = 0;
      assert.equal((await site.ask(cookie)).body, body, cookie.slice(0, 30));
      assert.equal(site.seen.filter((type) => type === "duplicate-cookie").length, 1);
    }
  });
});

describe("size", () => {
  it("the largest session fills a cookie of at most 4096 bytes; one more is an error that names sizes", async () => {
    const { site, browser } = world();
    let fits = 0;
    let error: unknown;
    for (let size = 2800; error === undefined; size++) {
      const { response, set } = await browser.ask(async (session) => {
        session.set("big", "x".repeat(size));
        await session.commit().catch((reason: unknown) => (error = reason));
      });
      assert.equal(response.status, 200);
      if (error !== undefined) assert.deepEqual(set, []);
      else fits = size;
    }
    const [name, value] = [...browser.cookies][0] ?? ["", ""];
    const bytes = name.length + value.length;
    assert.ok(bytes <= 4096 && bytes > 4096 - 4, `${bytes} bytes`);
    assert.ok(fits > 2850, `${fits} characters`);
    assert.equal((error as { code?: unknown }).code, "too-large");
    const { message } = error as Error;
    assert.match(message, /\b\d{4} bytes take 4084 characters once sealed, and 4083 fit/);
    assert.match(message, /4096 bytes of name \(7\) and value/);
    assert.ok(!message.includes("xxx"));
    // At the head it replaces the response.
    const late = await browser.ask((session) => session.set("big", "x".repeat(fits + 1)));
    assert.deepEqual([late.response.status, late.set], [500, []]);
    assert.equal((await browser.ask((session) => session.get("big")?.length)).body, String(fits));
    assert.ok(site.seen.includes("commit-failed"));
  });

  it("chunks: as many as it takes, stale ones deleted, bounded", async () => {
    const { browser } = world({ chunks: 3 });
    const names = (): string[] => [...browser.cookies.keys()];
    await browser.ask((session) => session.set("big", "x".repeat(8500)));
    assert.deepEqual(names(), ["session", "session.1", "session.2"]);
    assert.equal((await browser.ask((session) => session.get("big")?.length)).body, "8500");
    const shrunk = await browser.ask((session) => session.set("big", "x".repeat(4000)));
    assert.equal(shrunk.set.filter((line) => line.includes("Max-Age=0")).length, 1);
    assert.deepEqual(names(), ["session", "session.1"]);
    const tooLarge = await browser.ask((session) => session.set("big", "x".repeat(9500)));
    assert.deepEqual([tooLarge.response.status, tooLarge.set], [500, []]);
    await browser.ask((session) => session.set("big", "small"));
    assert.deepEqual(names(), ["session"]);
    await browser.ask((session) => session.set("big", "x".repeat(8500)));
    await browser.ask((session) => session.destroy());
    assert.deepEqual(names(), []);
  });

  it("chunks are authenticated as a whole", async () => {
    const { site, browser } = world({ chunks: 3 });
    await browser.ask((session) => session.set("big", "x".repeat(8500)));
    const first = browser.copy();
    await browser.ask((session) => session.set("big", "y".repeat(8500)));
    const names = [...browser.cookies.keys()];
    const open = async (cookies: Browser): Promise<boolean> =>
      !(await site.sessions.loadCookie(cookies.header)).isNew;
    for (const name of names) {
      const mixed = browser.copy();
      mixed.cookies.set(name, first.cookies.get(name) ?? "");
      assert.equal(await open(mixed), false, `${name} of another session state`);
      const missing = browser.copy();
      missing.cookies.delete(name);
      assert.equal(await open(missing), false, `without ${name}`);
    }
    const swapped = browser.copy();
    swapped.cookies.set("session.1", browser.cookies.get("session.2") ?? "");
    swapped.cookies.set("session.2", browser.cookies.get("session.1") ?? "");
    assert.equal(await open(swapped), false);
    const twice = `${browser.header ?? ""}; session.1=tossed`;
    assert.equal((await site.sessions.loadCookie(twice)).isNew, true);
    assert.equal(await open(browser), true);
  });

  it("a session in several cookies opens where chunks are not allowed any more, and shrinks", async () => {
    const { site, browser } = world({ chunks: 2 });
    await browser.ask((session) => session.set("big", "x".repeat(5000)));
    const { site: next } = world();
    const opened = await next.ask(browser.header, (session) => session.get("big")?.length);
    assert.equal(opened.body, "5000");
    const changed = await next.ask(browser.header, (session) => session.delete("big"));
    assert.match(changed.set.join(), /session\.1=; .*Max-Age=0/);
    assert.equal(site.seen.length, 1);
  });

  it("the length of a cookie tells a bucket, not a length", async () => {
    const { site } = world();
    const lengths = new Map<number, number>();
    for (let size = 0; size < 480; size++) {
      const { token } = await createSession(site.sessions, { text: "x".repeat(size) });
      const length = token.length - "session=v1.k1.".length;
      assert.equal(length % 64, 0);
      lengths.set(length, (lengths.get(length) ?? 0) + 1);
    }
    assert.ok(lengths.size <= 12, `${lengths.size} lengths`);
    const counts = [...lengths.values()].slice(1, -1);
    assert.ok(Math.min(...counts) >= 46, counts.join());
    assert.equal(new Set(await tokensOf(site, 20)).size, 20, "no two seals are alike");
  });
});

async function tokensOf(site: Site, count: number): Promise<string[]> {
  const tokens: string[] = [];
  for (let i = 0; i < count; i++) {
    tokens.push((await createSession(site.sessions, { text: "same" })).token);
  }
  return tokens;
}

describe("keys", () => {
  it("the first seals, all open; an old key's session is sealed anew at its next change", async () => {
    const { site: before, browser } = world({ keys: [{ id: "old", key: two }] });
    await browser.ask((session) => session.set("text", "hello"));
    const { site: after } = world({
      keys: [
        { id: "new", key: one },
        { id: "old", key: two },
      ],
    });
    const read = await after.ask(browser.header);
    assert.deepEqual([read.body, read.set], ["hello", []]);
    const changed = await after.ask(browser.header, (session) => session.set("n", 1));
    assert.match(changed.set.join(), /^session=v1\.new\./);
    assert.equal(before.seen.length, 1);
    const { site: last } = world({ keys: [{ id: "new", key: one }] });
    assert.equal((await last.ask(browser.header)).body, "undefined");
    assert.deepEqual(last.seen, ["rejected-cookie: unknown-key"]);
    assert.equal((await last.ask(changed.set[0]?.split(";")[0])).body, "hello");
  });

  it("a key opens until it retires, and never once it is revoked", async () => {
    const { browser } = world({ keys: [{ id: "old", key: two }] });
    await browser.ask((session) => session.set("text", "hello"));
    const until = new Date(new ManualClock().now() + minute);
    const retiring = world({
      keys: [
        { id: "new", key: one },
        { id: "old", key: two, until },
      ],
    });
    assert.equal((await retiring.site.ask(browser.header)).body, "hello");
    retiring.clock.advance(minute);
    assert.equal((await retiring.site.ask(browser.header)).body, "undefined");
    assert.deepEqual(retiring.site.seen, ["rejected-cookie: retired-key"]);
    const revoked = world({
      keys: [
        { id: "new", key: one },
        { id: "old", revoked: true },
      ],
    });
    assert.equal((await revoked.site.ask(browser.header)).body, "undefined");
    assert.deepEqual(revoked.site.seen, ["rejected-cookie: retired-key"]);
  });

  it("a key id does not choose the key that was used", async () => {
    const keys = [
      { id: "a", key: one },
      { id: "b", key: two },
    ];
    const { site, browser } = world({ keys });
    await browser.ask((session) => session.set("text", "hello"));
    assert.equal((await site.ask(browser.header?.replace("v1.a.", "v1.b."))).body, "undefined");
    // The same key under another id: the id is bound in.
    const { site: renamed } = world({ keys: [{ id: "b", key: one }] });
    assert.equal((await renamed.ask(browser.header?.replace("v1.a.", "v1.b."))).body, "undefined");
    assert.deepEqual(renamed.seen, ["rejected-cookie: not-authentic"]);
  });
});

describe("secrets", () => {
  it("no event, error or inspection shows a key or a cookie", async () => {
    const secret = "a-secret-of-mine-0123456789-abcdefghijk";
    const store = new CookieStore({ keys: [{ id: "k", key: secret }], revocations: false });
    const site = new Site({ store });
    const browser = new Browser(site);
    await browser.ask((session) => session.set("text", "hello"));
    const value = browser.cookies.get("session") ?? "";
    await site.ask(`session=${value.slice(0, -1)}`);
    await browser.ask((session) => session.set("big", "x".repeat(9000)));
    const session = await site.sessions.loadCookie(browser.header);
    const shown = inspect([site.events, store, site.sessions, session], {
      depth: 9,
      showHidden: true,
    });
    assert.ok(!shown.includes(secret));
    assert.ok(!shown.includes(value.slice(6, 60)));
    assert.ok(!shown.includes("hello"));
    assert.ok(site.events.length >= 3);
  });
});

describe("contradictions are refused", () => {
  const store = new CookieStore({ keys: [{ id: "k", key: one }], revocations: false, chunks: 3 });
  for (const [name, options] of Object.entries({
    "tokens in a header": { transport: { header: "X-Session" } },
    "more partitioned cookies than browsers keep": { cookie: { partitioned: true } },
    "a second encryption": {
      sealer: { seal: (bytes: Uint8Array) => bytes, open: (bytes: Uint8Array) => bytes },
    },
  })) {
    it(name, () => {
      assert.throws(() => new SessionManager({ store, ...options }), { code: "invalid-option" });
    });
  }
});

describe("where cryptography is asynchronous", () => {
  it("sessions are the same, and those of other runtimes open", async () => {
    const { module, dispose } = await mutate(
      "stores/cookie-xaes.ts",
      "= findNative();",
      "= undefined;",
    );
    try {
      const portable = await module<{ CookieStore: typeof CookieStore }>("stores/cookie.ts");
      const manager = await module<{ SessionManager: typeof SessionManager }>("manager.ts");
      const keys = [
        { id: "raw", key: one },
        { id: "secret", key: "a secret that is longer than 32 bytes, 7f3b91" },
      ];
      for (const ring of [keys, [...keys].reverse()]) {
        const options = { keys: ring, revocations: false, chunks: 2 } as const;
        const far = new manager.SessionManager<Data>({
          store: new portable.CookieStore(options),
          development: true,
          idleTimeout: "20m",
        });
        const near = new SessionManager<Data>({
          store: new CookieStore(options),
          development: true,
          idleTimeout: "20m",
        });
        const made = await far.loadToken(undefined);
        made.set("big", "x".repeat(5000));
        await made.commit();
        const session = await near.loadToken(made.token);
        assert.equal(session.get("big")?.length, 5000);
        session.renewToken();
        await session.commit();
        const again = await far.loadToken(session.token);
        assert.equal(again.get("big")?.length, 5000);
        const { token = "" } = session;
        assert.equal((await far.loadToken(token.replace(/.$/, "!"))).isNew, true);
        assert.equal((await far.loadToken(token.replace(".2.", ".3."))).isNew, true);
      }
    } finally {
      await dispose();
    }
  });
});
