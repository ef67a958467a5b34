// Small bugs planted in the cookie engine are found: by the conformance suite where it can see them, by
// the checks below where it takes a second key or an outage.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { SessionManager } from "../../src/manager.ts";
import type { CookieStore } from "../../src/stores/cookie.ts";
import type { DerivedKeys } from "../../src/stores/cookie-derived.ts";
import { toText } from "../../src/stores/cookie-text.ts";
import type { Cipher, Crypto } from "../../src/stores/cookie-xaes.ts";
import type { MemoryStore } from "../../src/stores/memory.ts";
import { ManualClock } from "../../src/testing/clock.ts";
import type { storeSuite } from "../../src/testing/store.ts";
import { assertFails, collect } from "./collect.ts";
import { mutate } from "./mutate.ts";

interface Sources {
  readonly DerivedKeys: typeof DerivedKeys;
  readonly native: Crypto | undefined;
  readonly CookieStore: typeof CookieStore;
  readonly MemoryStore: typeof MemoryStore;
  readonly SessionManager: typeof SessionManager;
}

interface Bug {
  readonly file: string;
  readonly from: string;
  readonly to: string;
  /** Tests of the suite, or checks below, that must find it. */
  readonly finders: readonly string[];
}

const changed = "G7: a cookie changed at any place is no session";
const foreign = "G7: another manager's cookie is no session";
const lateWriter = "G2: a late writer does not revive a destroyed session";
const parallel = "G4: of parallel renewals exactly one wins";

const bugs: Readonly<Record<string, Bug>> = {
  "the tag is not looked at": {
    file: "stores/cookie-xaes.ts",
    from: "    try {\n      decipher.final();\n    } catch {\n      return undefined;\n    }\n",
    to: "",
    finders: [changed, foreign],
  },
  "the cookie's name is not bound in": {
    file: "stores/cookie-seal.ts",
    from: "this.#binding = `${cookie}\\0${manager}`;",
    to: "this.#binding = `${cookie.length * 0}\\0${manager}`;",
    finders: [foreign],
  },
  "the manager's name is not bound in": {
    file: "stores/cookie-seal.ts",
    from: "this.#binding = `${cookie}\\0${manager}`;",
    to: "this.#binding = `${cookie}\\0${manager.length * 0}`;",
    finders: [foreign],
  },
  "the key's id is not bound in": {
    file: "stores/cookie-seal.ts",
    from: "const name = `${kind}\\0${keyId}\\0${count}`;",
    to: "const name = `${kind}\\0${keyId.length * 0}\\0${count}`;",
    finders: ["one key under two ids is two keys"],
  },
  "data and stamp are sealed alike": {
    file: "stores/cookie-seal.ts",
    from: "const name = `${kind}\\0${keyId}\\0${count}`;",
    to: "const name = `${kind.length}\\0${keyId}\\0${count}`;",
    finders: ["a stamp is no session"],
  },
  "a nonce is used twice": {
    file: "stores/cookie-derived.ts",
    from: "  draw(message, prefixLength);\n",
    to: "",
    finders: ["nonces differ"],
  },
  "the random bytes are the same each time": {
    file: "stores/cookie-derived.ts",
    from: "    crypto.getRandomValues(pool);\n    poolAt = 0;\n  }\n",
    to: "    crypto.getRandomValues(pool);\n  }\n  poolAt = 0;\n",
    finders: ["nonces differ"],
  },
  "a first half of nonces is never given up": {
    file: "stores/cookie-derived.ts",
    from: "current !== undefined && current.left > 0",
    to: "current !== undefined",
    finders: ["a first half of nonces is given up"],
  },
  "a key is kept for what does not open": {
    file: "stores/cookie-derived.ts",
    from: "      if (plain !== undefined) this.#keep",
    to: "      this.#keep",
    finders: ["forged cookies push out nothing"],
  },
  "kept keys are found by another's first half": {
    file: "stores/cookie-derived.ts",
    from: "this.#kept.get(text.slice(0, prefixText))",
    to: "[...this.#kept.values()][0]",
    finders: ["cookies of two processes open"],
  },
  "characters that mean others are taken": {
    file: "stores/cookie-text.ts",
    from: 'text.includes("+") || text.includes("/") || wide.test(text)',
    to: "false",
    finders: ["one text for one cookie"],
  },
  "the deadline inside is not enforced": {
    file: "stores/cookie-jar.ts",
    from: "return now < at.deadline &&",
    to: "return",
    finders: [
      "G5: a change does not move the deadline",
      "G5: a process whose clock is wrong sees sessions end in time",
      "G2: a late writer does not revive an expired session",
    ],
  },
  "the idle expiry inside is not enforced": {
    file: "stores/cookie-jar.ts",
    from: "(at.idle === undefined || now < at.idle)",
    to: "at.created <= now",
    finders: ["G5: use moves the idle expiry, and idling ends the session"],
  },
  "a stamp counts for every session": {
    file: "stores/cookie-stamp.ts",
    from: "stamp?.id === id && claimOf(stamp.idle) === parsed.claim ? stamp.idle : 0",
    to: "stamp?.idle ?? 0",
    finders: ["G5: the idle stamp prolongs its own session only, and not past the deadline"],
  },
  "what a stamp claims is taken for proven": {
    file: "stores/cookie-jar.ts",
    from: "this.#live(plain, 0, unopened)",
    to: "this.#live(plain, unopened.until)",
    finders: ["a claim proves nothing"],
  },
  "a stamp that was not opened is never opened": {
    file: "stores/cookie-jar.ts",
    from: "if (unopened === undefined) return undefined;",
    to: "return undefined;",
    finders: ["a stamp is opened when it is needed"],
  },
  "a claim is believed however late": {
    file: "sealed-engine.ts",
    from: "claimedIn <= (settings.idleTimeout ?? 0) ? claimedIn : idleIn",
    to: "claimedIn",
    finders: ["a claim puts off no touch for longer than a touch does"],
  },
  "stamps are not read": {
    file: "stores/cookie-jar.ts",
    from: "Math.max(plain.idle ?? 0, stamped)",
    to: "plain.idle ?? 0",
    finders: ["G5: use moves the idle expiry, and idling ends the session"],
  },
  "a change starts the lifetime again": {
    file: "sealed-executor.ts",
    from: "(from === undefined || foreign ? first : undefined)",
    to: "first",
    finders: ["G5: a change does not move the deadline"],
  },
  "an expired session can still be written": {
    file: "stores/cookie-jar.ts",
    from: "if (isLive(record.at, this.#clock())) return record;",
    to: "if (record.at.created > 0) return record;",
    finders: ["G2: a late writer does not revive an expired session"],
  },
  "what does not fit is cut": {
    file: "stores/cookie-jar.ts",
    from: "if (least <= room) return",
    to: "if (least >= 0) return",
    finders: ["G6: a change that does not fit is no success"],
  },
  "a renewal keeps the id": {
    file: "sealed-executor.ts",
    from: "from === undefined || renews ? idOf(target.freshToken()) : from.id",
    to: "from === undefined ? idOf(target.freshToken()) : from.id",
    finders: ["G4: a renewal keeps id and data, and starts a new lifetime"],
  },
  "a logout is not recorded": {
    file: "stores/cookie-revocations.ts",
    from: "if (await this.#insert(next.id, next.deadline, new Uint8Array(0))) return;",
    to: "return;",
    finders: [lateWriter, "G2: changes after destroy build another session"],
  },
  "a logout does not follow renewals": {
    file: "stores/cookie-revocations.ts",
    from: "next = found === undefined ? undefined : endIn(found);",
    to: "next = undefined;",
    finders: ["G2: logout also ends a session that was renewed in between"],
  },
  "a renewal does not wait for the list": {
    file: "sealed-executor.ts",
    from: '(await this.#retrying("renew", () => revocations.replace(record, next)))',
    to: "next !== undefined",
    finders: [parallel],
  },
  "a renewal that lost counts as won": {
    file: "stores/cookie-revocations.ts",
    from: "endIn(found)?.id === successor.id",
    to: "endIn(found) !== undefined",
    finders: [parallel],
  },
  "a change does not ask the list": {
    file: "sealed-executor.ts",
    from: 'if (done && state === "live") return;',
    to: "if (done) return;",
    finders: [lateWriter, "G2: a late writer does not change a renewed session"],
  },
  "the renewed cookie is not told from the ended": {
    file: "stores/cookie-revocations.ts",
    from: "end.data.length > 0 && end.age < supersededWindow",
    to: "end.age < 0",
    finders: ["G4: a token renewed a moment ago reads as empty and changes nothing"],
  },
  "a list that is down lets everybody in": {
    file: "sealed-engine.ts",
    from: 'reportFailure(this.#shared, "look up revocations", error);\n      throw error;',
    to: 'return "live";',
    finders: ["a list that is down is a 503"],
  },
};

type Check = (sources: Sources) => Promise<void>;

const key = crypto.getRandomValues(new Uint8Array(32));
const minute = 60_000;
const year = 365 * 24 * 60 * minute;
const base36 = (ms: number): string => Math.floor(ms / 1000).toString(36);

/** The value of a session's data cookie. */
async function sealed({ CookieStore, SessionManager }: Sources, id = "a"): Promise<string> {
  const store = new CookieStore({ keys: [{ id, key }], revocations: false });
  const session = await new SessionManager({ store, development: true }).loadToken(undefined);
  session.set("text", "hello");
  await session.commit();
  return session.token ?? "";
}

/** The text of a cookie, which begins with its nonce; from one engine, many times. */
function texts({ CookieStore }: Sources): () => Promise<string> {
  const store = new CookieStore({ keys: [{ id: "a", key }], revocations: false });
  const jar = store.bind("session", "session", () => {});
  const id = "A".repeat(24);
  const request = { id, data: new Uint8Array(3), from: undefined, lifetime: 1e9, idle: undefined };
  return async () => {
    const made = await jar.seal(request, () => []);
    return made?.cookies[0]?.value?.slice("v1.a.".length) ?? "";
  };
}

/** A session that was used five minutes after its creation, with ten minutes of idling allowed. */
async function stamped({ CookieStore, SessionManager }: Sources) {
  const clock = new ManualClock();
  const options = { keys: [{ id: "a", key }], revocations: false, clock: clock.now } as const;
  const manager = new SessionManager({
    store: new CookieStore(options),
    development: true,
    clock: clock.now,
    idleTimeout: 10 * minute,
    touchInterval: 4 * minute,
    onEvent: () => {},
  });
  const load = (token: string | undefined) => manager.loadToken(token);
  const session = await load(undefined);
  session.set("text", "hello");
  await session.commit();
  clock.advance(5 * minute);
  const used = (await load(session.token)).token ?? "";
  const claims = /(?<=\.idle=v1\.a\.)[0-9a-z]+/;
  assert.match(used, claims);
  return { clock, used, claims, load };
}

const checks: Readonly<Record<string, Check>> = {
  "one key under two ids is two keys": async (sources) => {
    const token = await sealed(sources);
    const store = new sources.CookieStore({ keys: [{ id: "b", key }], revocations: false });
    const other = new sources.SessionManager({ store, development: true, onEvent: () => {} });
    assert.equal((await other.loadToken(token.replace("v1.a.", "v1.b."))).isNew, true);
  },
  "a stamp is no session": async ({ CookieStore, SessionManager }) => {
    const clock = new ManualClock();
    const store = new CookieStore({
      keys: [{ id: "a", key }],
      revocations: false,
      clock: clock.now,
    });
    const jar = store.bind("session", "session", () => {});
    const id = "A".repeat(24);
    const data = new Uint8Array(3);
    const request = { id, data, from: undefined, lifetime: 1e9, idle: undefined };
    const made = await jar.seal(request, () => []);
    const stamp = made === undefined ? undefined : await jar.stamp(made.record, 1e6);
    const value = stamp?.cookies[0]?.value?.replace(/^v1\.a\.[0-9a-z]+\./, "v1.a.");
    const opened = await jar.open(value, () => []);
    assert.deepEqual(opened, { reason: "not-authentic" });
    assert.ok(new SessionManager({ store }));
  },
  "a claim proves nothing": async (sources) => {
    const { clock, used, claims, load } = await stamped(sources);
    clock.advance(4 * minute);
    const forged = used.replace(claims, base36(clock.now() + 9 * minute));
    const session = await load(forged);
    assert.equal(session.isNew, false, "it lives by itself");
    assert.equal(session.token, forged, "touched");
    session.set("text", "late");
    clock.advance(2 * minute);
    await assert.rejects(session.commit(), { code: "gone" });
    assert.equal((await load(forged)).isNew, true);
  },
  "a stamp is opened when it is needed": async (sources) => {
    const { clock, used, load } = await stamped(sources);
    clock.advance(4 * minute);
    const session = await load(used);
    assert.equal(session.token, used, "touched");
    session.set("text", "late");
    clock.advance(2 * minute);
    await session.commit();
    assert.equal((await load(session.token ?? "")).get("text"), "late");
  },
  "a claim puts off no touch for longer than a touch does": async (sources) => {
    const { clock, used, claims, load } = await stamped(sources);
    const forged = used.replace(claims, base36(clock.now() + year));
    const touched = (await load(forged)).token ?? "";
    assert.notEqual(touched, forged);
    clock.advance(9 * minute);
    assert.equal((await load(touched)).isNew, false);
  },
  "nonces differ": async (sources) => {
    const text = texts(sources);
    const nonces = new Set<string>();
    for (let i = 0; i < 300; i++) nonces.add((await text()).slice(0, 32));
    assert.equal(nonces.size, 300);
  },
  "a first half of nonces is given up": async (sources) => {
    const text = texts(sources);
    const halves = new Set<string>();
    for (let i = 0; i <= 65_536; i++) halves.add((await text()).slice(0, 16));
    assert.equal(halves.size, 2);
  },
  "cookies of two processes open": async (sources) => {
    const store = new sources.CookieStore({ keys: [{ id: "a", key }], revocations: false });
    const sessions = new sources.SessionManager({ store, development: true });
    for (let i = 0; i < 3; i++) {
      const session = await sessions.loadToken(await sealed(sources));
      assert.equal(session.get("text"), "hello");
    }
  },
  "forged cookies push out nothing": async ({ DerivedKeys, native }) => {
    assert.ok(native);
    const cipher = native.key(key);
    let derived = 0;
    const counting: Cipher = { derive: (prefix) => (derived++, cipher.derive(prefix)) };
    const keys = new DerivedKeys(counting);
    const about = new Uint8Array(0);
    const message = new Uint8Array(48);
    await keys.seal(message, about);
    for (let i = 0; i < 300; i++) {
      const forged = crypto.getRandomValues(new Uint8Array(48));
      assert.equal(await keys.open(toText(forged), forged, about), undefined);
    }
    assert.equal(derived, 301);
    assert.ok(await keys.open(toText(message), message, about));
    assert.equal(derived, 301);
  },
  "one text for one cookie": async (sources) => {
    let token = "";
    let at = -1;
    // Nearly every cookie has an A.
    while (at === -1) {
      token = await sealed(sources);
      at = token.indexOf("A", "session=v1.a.".length);
    }
    const store = new sources.CookieStore({ keys: [{ id: "a", key }], revocations: false });
    const other = new sources.SessionManager({ store, development: true, onEvent: () => {} });
    const changed = `${token.slice(0, at)}\u0141${token.slice(at + 1)}`;
    assert.equal((await other.loadToken(changed)).isNew, true);
    assert.equal((await other.loadToken(token)).isNew, false);
  },
  "a list that is down is a 503": async ({ CookieStore, MemoryStore, SessionManager }) => {
    const list = new MemoryStore();
    const store = new CookieStore({ keys: [{ id: "a", key }], revocations: list });
    const sessions = new SessionManager({ store, development: true, onEvent: () => {} });
    const session = await sessions.loadToken(undefined);
    session.set("text", "hello");
    await session.commit();
    list.load = () => Promise.reject(new Error("down"));
    await assert.rejects(sessions.loadToken(session.token), { status: 503 });
  },
};

describe("the sources as they are pass", () => {
  for (const [name, check] of Object.entries(checks)) {
    it(name, async () => {
      await check({
        ...(await import("../../src/stores/cookie.ts")),
        ...(await import("../../src/stores/cookie-derived.ts")),
        ...(await import("../../src/stores/cookie-xaes.ts")),
        ...(await import("../../src/stores/memory.ts")),
        ...(await import("../../src/manager.ts")),
      });
    });
  }
});

describe("a bug in the cookie engine is found:", () => {
  for (const [name, bug] of Object.entries(bugs)) {
    it(name, async () => {
      const { module, dispose } = await mutate(bug.file, bug.from, bug.to);
      try {
        const sources: Sources = {
          ...(await module<Pick<Sources, "CookieStore">>("stores/cookie.ts")),
          ...(await module<Pick<Sources, "DerivedKeys">>("stores/cookie-derived.ts")),
          ...(await module<Pick<Sources, "native">>("stores/cookie-xaes.ts")),
          ...(await module<Pick<Sources, "MemoryStore">>("stores/memory.ts")),
          ...(await module<Pick<Sources, "SessionManager">>("manager.ts")),
        };
        const suite = await module<{ storeSuite: typeof storeSuite }>("testing/store.ts");
        const tests = collect(suite.storeSuite, async () => {
          const clock = new ManualClock();
          const revocations = new sources.MemoryStore({ clock: clock.now });
          const keys = [{ id: "k1", key }];
          return {
            store: new sources.CookieStore({ keys, revocations, clock: clock.now }),
            advance: (ms) => clock.advance(ms),
          };
        });
        for (const finder of bug.finders) {
          const check = checks[finder];
          if (check === undefined) await assertFails(tests, finder);
          else await assert.rejects(check(sources), `${finder} passes`);
        }
      } finally {
        await dispose();
      }
    });
  }
});
