import assert from "node:assert/strict";
import { AsyncLocalStorage } from "node:async_hooks";
import { beforeEach, describe, it } from "node:test";
import fc from "fast-check";
import {
  type Options,
  type Reply,
  type Session,
  SessionError,
  type SessionEvent,
  SessionManager,
  type TokenSession,
  type UpdateRecord,
  type UpdateResult,
} from "../src/index.ts";
import { defaultCodec } from "../src/codec.ts";
import { MemoryStore } from "../src/stores/memory.ts";
import { ManualClock } from "../src/testing/clock.ts";
import { CountingStore } from "./support/counting.ts";
import { type Exchange, exchange } from "./support/response.ts";
import "./support/seed.ts";

type Data = {
  user: string;
  visits: number;
  cart: { sku: string; quantity: number }[];
  flash: string;
};

let clock: ManualClock;
let memory: MemoryStore;
let store: CountingStore;
let events: SessionEvent[];

beforeEach(() => {
  clock = new ManualClock();
  memory = new MemoryStore({ clock: () => clock.now() });
  store = new CountingStore(memory);
  events = [];
});

function manager(options: Partial<Options<Data>> = {}): SessionManager<Data> {
  return new SessionManager<Data>({
    store,
    clock: () => clock.now(),
    onEvent: (event) => events.push(event),
    ...options,
  });
}

/** A stored session's token, with nothing left to count. */
async function stored(
  sessions: SessionManager<Data>,
  data: Partial<Data> = { user: "alice" },
): Promise<string> {
  const session = await sessions.loadToken(undefined);
  for (const [key, value] of Object.entries(data)) session.set(key as "user", value as string);
  await session.commit();
  store.taken();
  events.length = 0;
  assert.ok(session.token);
  return session.token;
}

const types = (): string[] => events.map((event) => event.type);

async function read(
  sessions: SessionManager<Data>,
  token: string | undefined,
): Promise<Partial<Data>> {
  const session = await sessions.loadToken(token);
  return Object.fromEntries(session.keys().map((key) => [key, session.get(key)])) as Partial<Data>;
}

describe("load", () => {
  it("asks the store nothing without a cookie, and sends only Vary", async () => {
    const sessions = manager();
    const request = exchange(sessions);
    const session = await sessions.load(request);
    assert.equal(session.isNew, true);
    assert.equal(session.get("user"), undefined);
    assert.deepEqual(Object.fromEntries(await request.head()), { vary: "Cookie" });
    assert.deepEqual(store.taken(), []);
  });

  it("is one store call and one object, also when two are in flight", async () => {
    const sessions = manager();
    const token = await stored(sessions);
    const request = exchange(sessions, token);
    const [one, two] = await Promise.all([sessions.load(request), sessions.load(request)]);
    assert.equal(one, two);
    assert.equal(await sessions.load(request), one);
    assert.equal(one.get("user"), "alice");
    assert.deepEqual(store.taken(), ["load"]);
  });

  it("takes every alias", async () => {
    const sessions = manager();
    const request = exchange(sessions);
    const alias = {};
    const outer = {};
    assert.equal(sessions.attach(outer, request, alias), true);
    assert.equal(sessions.attach(outer, request), false);
    assert.equal(await sessions.load(alias), await sessions.load(outer));
  });

  it("fails without the adapter, and says so", async () => {
    await assert.rejects(manager().load({}), { code: "no-adapter", message: /sessionMiddleware/ });
  });

  it("checks a token's shape before any work", async () => {
    const sessions = manager();
    for (const token of [
      "x",
      "a".repeat(63),
      "a".repeat(65),
      `${"a".repeat(63)}%`,
      "../".repeat(21),
    ]) {
      const request = exchange(sessions, token);
      assert.equal((await sessions.load(request)).isNew, true);
      await request.head();
      assert.equal(request.token, undefined);
    }
    assert.deepEqual(store.taken(), []);
  });

  it("never adopts an unknown token", async () => {
    const sessions = manager();
    const unknown = "A".repeat(64);
    const request = exchange(sessions, unknown);
    const session = await sessions.load(request);
    await request.head();
    assert.equal(request.token, undefined);
    const second = exchange(sessions, unknown);
    (await sessions.load(second)).set("user", "eve");
    await second.head();
    assert.match(second.token ?? "", /^[\w-]{64}$/);
    assert.notEqual(second.token?.slice(0, 24), "A".repeat(24));
    assert.equal(session.isNew, true);
  });

  it("refuses a known id with a wrong secret", async () => {
    const sessions = manager();
    const token = await stored(sessions);
    assert.deepEqual(await read(sessions, token.slice(0, 24) + "A".repeat(40)), {});
    assert.deepEqual(types(), []);
  });

  it("opens nothing with a token of another manager on the same store", async () => {
    const one = manager({ cookie: { name: "one" } });
    const two = manager({ cookie: { name: "two" } });
    const token = await stored(one);
    assert.deepEqual(await read(two, token), {});
    assert.deepEqual(await read(one, token), { user: "alice" });
  });

  it("fails with 503 when the store fails, and may be tried again", async () => {
    const sessions = manager();
    const token = await stored(sessions);
    store.faults.load = ["fail"];
    const request = exchange(sessions, token);
    await assert.rejects(sessions.load(request), { code: "store-failed", status: 503 });
    assert.deepEqual(types(), ["store-failed"]);
    assert.equal((await sessions.load(request)).get("user"), "alice");
    assert.equal(request.participants.length, 1);
  });

  it("gives up on a store that does not answer", async () => {
    const sessions = manager({ storeTimeout: 200 });
    const token = await stored(sessions);
    store.faults.load = ["hang"];
    const before = performance.now();
    // The manager's timer keeps no process alive; a server's socket does.
    const alive = setTimeout(() => {}, 10_000);
    await assert.rejects(sessions.loadToken(token), { code: "store-timeout", status: 503 });
    clearTimeout(alive);
    assert.ok(performance.now() - before < 5000);
  });

  it("refuses a record that names another session", async () => {
    const sessions = manager();
    const token = await stored(sessions);
    const other = await stored(sessions, { user: "bob" });
    const swapped = manager({
      store: new Proxy(memory, {
        get(target, property) {
          if (property !== "load") {
            const value: unknown = Reflect.get(target, property);
            return typeof value === "function" ? value.bind(target) : value;
          }
          return () => target.load(`${sessions.settings.name}:${other.slice(0, 24)}`);
        },
      }),
    });
    await assert.rejects(swapped.loadToken(token), { code: "store-failed" });
  });
});

describe("two cookies of our name", () => {
  async function withCookies(
    ...tokens: string[]
  ): Promise<{ user: string | undefined; request: Exchange }> {
    const sessions = manager();
    const name = sessions.settings.cookie.name;
    const request = exchange(sessions);
    request.requestHeaders.set("cookie", tokens.map((token) => `${name}=${token}`).join("; "));
    return { user: (await sessions.load(request)).get("user"), request };
  }
  const junk = "B".repeat(64);

  it("uses exactly one that authenticates, in either order, with an event", async () => {
    const token = await stored(manager());
    for (const pair of [
      [token, junk],
      [junk, token],
      [token, "short"],
    ]) {
      assert.equal((await withCookies(...pair)).user, "alice");
      const [event] = events.splice(0);
      assert.equal(event?.type === "duplicate-cookie" && event.accepted, true);
    }
  });

  it("uses none when both authenticate, or none does, or there are three", async () => {
    const token = await stored(manager());
    const other = await stored(manager(), { user: "eve" });
    for (const set of [
      [token, other],
      [junk, "C".repeat(64)],
      [junk, junk, token],
    ]) {
      store.taken();
      assert.equal((await withCookies(...set)).user, undefined);
      const [event] = events.splice(0);
      assert.equal(event?.type === "duplicate-cookie" && event.accepted, false);
      assert.ok(store.taken().length <= 2);
    }
  });
});

describe("commit at the head", () => {
  it("creates with one Set-Cookie and no-store; changes without; reads with private", async () => {
    const sessions = manager();
    const first = exchange(sessions);
    (await sessions.load(first)).set("user", "alice");
    const created = await first.head();
    assert.match(
      created.get("set-cookie") ?? "",
      /^__Host-Http-session=[\w-]{64}; Path=\/; HttpOnly; Secure; SameSite=Lax; Max-Age=86400$/,
    );
    assert.equal(created.get("cache-control"), "no-store");
    assert.deepEqual(store.taken(), ["create"]);

    const second = exchange(sessions, first.token);
    (await sessions.load(second)).update("visits", (visits = 0) => visits + 1);
    const changed = await second.head();
    assert.deepEqual(Object.fromEntries(changed), { vary: "Cookie", "cache-control": "private" });
    assert.deepEqual(store.taken(), ["load", "update"]);

    const third = exchange(sessions, first.token);
    assert.equal((await sessions.load(third)).get("visits"), 1);
    await third.head();
    assert.equal(third.token, undefined);
    assert.deepEqual(store.taken(), ["load"]);
  });

  it("writes nothing for what cancels out or changes nothing", async () => {
    const sessions = manager();
    const request = exchange(sessions);
    const session = await sessions.load(request);
    session.set("user", "x");
    session.delete("user");
    session.pop("flash");
    session.take("flash");
    session.clear();
    await request.head();
    assert.equal(request.token, undefined);
    const token = await stored(sessions);
    const second = exchange(sessions, token);
    const existing = await sessions.load(second);
    existing.delete("visits");
    existing.pop("flash");
    assert.equal(existing.status, "unmodified");
    await second.head();
    assert.deepEqual(store.taken(), ["load"]);
  });

  it("renews: same id and data, new secret, the old token superseded and then unknown", async () => {
    const sessions = manager();
    const token = await stored(sessions);
    const request = exchange(sessions, token);
    const session = await sessions.load(request);
    session.renewToken();
    await request.head();
    assert.equal(request.token?.slice(0, 24), token.slice(0, 24));
    assert.notEqual(request.token, token);
    assert.deepEqual(await read(sessions, request.token), { user: "alice" });
    assert.deepEqual(store.taken(), ["load", "update", "load"]);

    const late = exchange(sessions, token);
    const empty = await sessions.load(late);
    assert.deepEqual(empty.keys(), []);
    empty.set("user", "late");
    await assert.rejects(late.head(), { code: "superseded", status: 409 });
    assert.equal(late.token, undefined);
    assert.ok(types().includes("superseded"));

    const again = exchange(sessions, token);
    const login = await sessions.load(again);
    login.renewToken();
    login.set("user", "alice");
    await again.head();
    assert.notEqual(again.token?.slice(0, 24), token.slice(0, 24));

    clock.advance(60_000);
    events.length = 0;
    const unknown = exchange(sessions, token);
    (await sessions.load(unknown)).set("user", "new");
    await unknown.head();
    assert.ok(unknown.token);
    assert.equal(types().includes("superseded"), false);
  });

  it("destroys, clears the cookie, and builds a new session from what follows", async () => {
    const sessions = manager();
    const token = await stored(sessions);
    const request = exchange(sessions, token);
    const session = await sessions.load(request);
    session.destroy();
    assert.equal(session.status, "destroyed");
    assert.equal(session.get("user"), undefined);
    const head = await request.head();
    assert.equal(
      head.get("set-cookie"),
      "__Host-Http-session=; Path=/; HttpOnly; Secure; SameSite=Lax; Max-Age=0",
    );
    assert.deepEqual(await read(sessions, token), {});

    const second = exchange(sessions, await stored(sessions));
    const next = await sessions.load(second);
    const before = next.id;
    next.destroy();
    next.set("flash", "bye");
    assert.notEqual(next.id, before);
    assert.equal(next.isNew, true);
    await second.head();
    assert.equal(second.token?.slice(0, 24), next.id);
    assert.deepEqual(await read(sessions, second.token), { flash: "bye" });
  });

  it("rolls back on 500, with an event; only destroy stands", async () => {
    const sessions = manager();
    const token = await stored(sessions);
    const request = exchange(sessions, token);
    (await sessions.load(request)).set("user", "mallory");
    await request.head(500);
    assert.deepEqual(types(), ["rolled-back"]);
    assert.deepEqual(await read(sessions, token), { user: "alice" });

    const logout = exchange(sessions, token);
    const session = await sessions.load(logout);
    session.destroy();
    session.set("flash", "dropped");
    await logout.head(503);
    assert.equal(logout.token, "");
    assert.deepEqual(await read(sessions, token), {});
    assert.equal(memory.size, 0);
  });

  it("rolls back what the client of a closed connection could not use, and keeps the rest", async () => {
    const sessions = manager();
    const visitor = exchange(sessions);
    (await sessions.load(visitor)).set("user", "alice");
    await visitor.head(200, true);
    assert.equal(memory.size, 0);
    assert.deepEqual(types(), ["rolled-back"]);

    const token = await stored(sessions);
    const renewal = exchange(sessions, token);
    (await sessions.load(renewal)).renewToken();
    await renewal.head(200, true);
    const change = exchange(sessions, token);
    (await sessions.load(change)).set("visits", 7);
    await change.head(200, true);
    assert.deepEqual(await read(sessions, token), { user: "alice", visits: 7 });
  });

  it("keeps what an explicit commit stored, and its cookie goes on an error too", async () => {
    const sessions = manager();
    const request = exchange(sessions);
    const session = await sessions.load(request);
    session.set("user", "alice");
    await session.commit();
    assert.equal(session.isNew, false);
    session.set("user", "dropped");
    await request.head(500);
    assert.deepEqual(await read(sessions, request.token), { user: "alice" });
  });

  it("waits for an explicit commit that nobody awaited", async () => {
    const sessions = manager();
    const request = exchange(sessions);
    const session = await sessions.load(request);
    session.set("user", "alice");
    void session.commit();
    session.set("visits", 1);
    await request.head();
    assert.deepEqual(await read(sessions, request.token), { user: "alice", visits: 1 });
  });
});

describe("after the head", () => {
  it("changes of an existing session work with an explicit commit", async () => {
    const sessions = manager();
    const token = await stored(sessions);
    const request = exchange(sessions, token);
    const session = await sessions.load(request);
    await request.head();
    session.set("visits", 3);
    await session.commit();
    request.ended();
    assert.deepEqual(types(), []);
    assert.deepEqual(await read(sessions, token), { user: "alice", visits: 3 });
  });

  it("what needs a Set-Cookie throws at once", async () => {
    const sessions = manager();
    const request = exchange(sessions, await stored(sessions));
    const session = await sessions.load(request);
    await request.head();
    const late: (() => void)[] = [
      () => session.renewToken(),
      () => session.destroy(),
      () => session.rememberMe(true),
      () => (session.deadline = clock.now() + 1000),
    ];
    for (const change of late) assert.throws(change, { code: "head-sent" });
    const visitor = exchange(sessions);
    const fresh = await sessions.load(visitor);
    await visitor.head();
    assert.throws(() => fresh.set("user", "x"), { code: "head-sent" });
    assert.throws(() => fresh.update("visits", () => 1), { code: "head-sent" });
  });

  it("a change that is left uncommitted is reported", async () => {
    const sessions = manager();
    const request = exchange(sessions, await stored(sessions));
    const session = await sessions.load(request);
    await request.head();
    session.set("visits", 3);
    request.ended();
    assert.deepEqual(types(), ["uncommitted"]);
  });
});

describe("an update function", () => {
  it("runs once when no other request was faster, in a new session and in an old one", async () => {
    const sessions = manager();
    let runs = 0;
    const count = (visits = 0): number => {
      runs++;
      return visits + 1;
    };
    const session = await sessions.loadToken(undefined);
    session.update("visits", count);
    await session.commit();
    assert.equal(runs, 1);
    session.update("visits", count);
    await session.commit();
    assert.equal(runs, 2);
    session.destroy();
    session.update("visits", count);
    await session.commit();
    assert.equal(runs, 3);
    assert.deepEqual(await read(sessions, session.token), { visits: 1 });
  });
});

describe("commits of one request that overlap", () => {
  it("one that fails leaves nothing behind for the next", async () => {
    const sessions = manager();
    const token = await stored(sessions, { flash: "once" });
    const [loser, winner] = [await sessions.loadToken(token), await sessions.loadToken(token)];
    winner.take("flash");
    await winner.commit();
    loser.take("flash");
    loser.set("user", "dropped");
    const first = loser.commit();
    loser.set("visits", 1);
    const second = loser.commit();
    await assert.rejects(first, { code: "conflict" });
    await second;
    assert.deepEqual(await read(sessions, token), { visits: 1 });
    assert.deepEqual(loser.keys(), ["visits"]);
  });

  it("of a new session make one session, whose id is the same all along", async () => {
    const sessions = manager();
    const session = await sessions.loadToken(undefined);
    session.set("user", "alice");
    const { id } = session;
    const first = session.commit();
    assert.equal(session.id, id);
    session.set("visits", 1);
    await Promise.all([first, session.commit()]);
    assert.equal(session.id, id);
    assert.equal(memory.size, 1);
    assert.deepEqual(await read(sessions, session.token), { user: "alice", visits: 1 });
  });
});

describe("overlapping requests", () => {
  it("share writes: 64 changes of one session cost two", async () => {
    const sessions = manager();
    const token = await stored(sessions);
    const all = await Promise.all(Array.from({ length: 64 }, () => sessions.loadToken(token)));
    store.taken();
    await Promise.all(
      all.map((session) => {
        session.update("visits", (visits = 0) => visits + 1);
        return session.commit();
      }),
    );
    assert.deepEqual(store.taken(), ["update", "update"]);
    assert.deepEqual(await read(sessions, token), { user: "alice", visits: 64 });
  });

  it("share writes on an engine that answers at once, too", async () => {
    let [calls, writes] = [0, 0];
    class Counting extends MemoryStore {
      override update(key: string, change: UpdateRecord): Reply<UpdateResult> {
        calls++;
        const result = super.update(key, change) as UpdateResult;
        if (result.done) writes++;
        return result;
      }
    }
    const sessions = new SessionManager<Data>({ store: new Counting(), onEvent: () => {} });
    const token = await stored(sessions);
    const all = await Promise.all(Array.from({ length: 64 }, () => sessions.loadToken(token)));
    await Promise.all(
      all.map((session) => {
        session.update("visits", (visits = 0) => visits + 1);
        return session.commit();
      }),
    );
    // One at once; one that meets it, and is written again; the rest together.
    assert.deepEqual({ calls, writes }, { calls: 4, writes: 3 });
    assert.deepEqual(await read(sessions, token), { user: "alice", visits: 64 });
  });

  it("one that cannot be applied fails alone", async () => {
    const sessions = manager();
    const token = await stored(sessions, { flash: "once", visits: 0 });
    const all = await Promise.all(Array.from({ length: 6 }, () => sessions.loadToken(token)));
    const outcomes = await Promise.allSettled(
      all.map((session, i) => {
        if (i < 2) session.update("visits", (visits = 0) => visits + 1);
        else if (i < 5) assert.equal(session.take("flash"), "once");
        else {
          session.update("visits", (visits = 0) => {
            if (visits > 0) throw new Error("too late");
            return 1;
          });
        }
        return session.commit();
      }),
    );
    assert.deepEqual(
      outcomes.map((outcome) =>
        outcome.status === "fulfilled" ? "ok" : (outcome.reason as SessionError).code,
      ),
      ["ok", "ok", "ok", "conflict", "conflict", "update-failed"],
    );
    assert.deepEqual(await read(sessions, token), { visits: 2 });
  });

  it("runs update functions in the async context of their own request", async () => {
    const sessions = manager();
    const token = await stored(sessions);
    const context = new AsyncLocalStorage<number>();
    const seen: [number, number | undefined][] = [];
    await Promise.all(
      Array.from({ length: 8 }, (_, i) =>
        context.run(i, async () => {
          const session = await sessions.loadToken(token);
          session.update("visits", (visits = 0) => {
            seen.push([i, context.getStore()]);
            return visits + 1;
          });
          await session.commit();
        }),
      ),
    );
    assert.ok(seen.length > 8, "some functions ran again");
    for (const [own, current] of seen) assert.equal(current, own);
  });

  it("of two processes, none fails by contention and none loses an update", async () => {
    const one = manager();
    const two = manager();
    const token = await stored(one);
    await Promise.all(
      Array.from({ length: 100 }, async (_, i) => {
        const session = await (i % 2 === 0 ? one : two).loadToken(token);
        session.update("visits", (visits = 0) => visits + 1);
        await session.commit();
      }),
    );
    assert.equal((await read(one, token)).visits, 100);
  });

  it("a logout beats a late writer and a late renewal", async () => {
    const sessions = manager();
    const token = await stored(sessions);
    const [writer, renewer, logout] = await Promise.all(
      [1, 2, 3].map(() => sessions.loadToken(token)),
    );
    assert.ok(writer && renewer && logout);
    logout.destroy();
    await logout.commit();
    writer.set("visits", 1);
    await assert.rejects(writer.commit(), { code: "gone", status: 409 });
    renewer.renewToken();
    await assert.rejects(renewer.commit(), { code: "gone", status: 409 });
    assert.equal(memory.size, 0);
  });
});

describe("a lost reply", () => {
  for (const operation of ["create", "update", "destroy"] as const) {
    it(`of ${operation}: the retry recognises its own write`, async () => {
      const sessions = manager();
      const token = operation === "create" ? undefined : await stored(sessions, { visits: 1 });
      store.faults[operation] = ["lose"];
      const session = await sessions.loadToken(token);
      if (operation === "destroy") session.destroy();
      else session.update("visits", (visits = 0) => visits + 1);
      await session.commit();
      assert.deepEqual(
        await read(sessions, session.token),
        operation === "destroy" ? {} : { visits: token ? 2 : 1 },
      );
      assert.equal(memory.size, operation === "destroy" ? 0 : 1);
    });

    it(`of ${operation}, again and again: 503, and no Set-Cookie`, async () => {
      const sessions = manager();
      const token = operation === "create" ? undefined : await stored(sessions);
      store.faults[operation] = ["fail", "fail", "fail", "fail"];
      const request = exchange(sessions, token);
      const session = await sessions.load(request);
      if (operation === "destroy") session.destroy();
      else session.set("visits", 1);
      await assert.rejects(request.head(), { code: "commit-unknown", status: 503 });
      assert.equal(request.token, undefined);
      assert.ok(types().includes("commit-failed"));
    });

    it(`of ${operation}, each after some time: not tried again past the store timeout`, async () => {
      const sessions = manager({ storeTimeout: 1000 });
      const token = operation === "create" ? undefined : await stored(sessions);
      const session = await sessions.loadToken(token);
      if (operation === "destroy") session.destroy();
      else session.set("visits", 1);
      let calls = 0;
      store[operation] = async () => {
        calls++;
        await new Promise((resolve) => setTimeout(resolve, 600));
        throw new Error("slow");
      };
      await assert.rejects(session.commit(), { code: "commit-unknown", status: 503 });
      assert.ok(calls <= 2, `${calls} calls`);
    });
  }

  for (const what of ["change", "renewal"] as const) {
    it(`of a ${what} that the driver sends again is not taken for a conflict`, async () => {
      const sessions = manager();
      const token = await stored(sessions, { visits: 1 });
      store.faults.update = ["resend"];
      const session = await sessions.loadToken(token);
      session.update("visits", (visits = 0) => visits + 1);
      if (what === "renewal") session.renewToken();
      await session.commit();
      assert.deepEqual(await read(sessions, session.token), { visits: 2 });
    });
  }

  it("of a creation that the driver sends again makes one session", async () => {
    const sessions = manager();
    store.faults.create = ["resend"];
    const session = await sessions.loadToken(undefined);
    session.set("user", "alice");
    const { id } = session;
    await session.commit();
    assert.equal(session.id, id);
    assert.equal(memory.size, 1);
    assert.deepEqual(await read(sessions, session.token), { user: "alice" });
  });

  it("of a renewal: the new token is the client's", async () => {
    const sessions = manager();
    const token = await stored(sessions);
    store.faults.update = ["lose"];
    const request = exchange(sessions, token);
    (await sessions.load(request)).renewToken();
    await request.head();
    assert.deepEqual(await read(sessions, request.token), { user: "alice" });
    assert.deepEqual(await read(sessions, token), {});
  });

  /** A session whose next change is stored and its reply lost; then others do this, and it is read. */
  async function losing(
    meanwhile: (other: () => Promise<TokenSession<Data>>) => Promise<void>,
  ): Promise<{ readonly session: TokenSession<Data>; readonly now: () => Promise<Partial<Data>> }> {
    const sessions = manager();
    const token = await stored(sessions);
    const session = await sessions.loadToken(token);
    const others = manager({ store: memory });
    store.faults.update = ["lose"];
    store.before.load = () => meanwhile(() => others.loadToken(token));
    return { session, now: () => read(others, token) };
  }

  it("is unknown after more commits of others than a record remembers", async () => {
    const { session } = await losing(async (other) => {
      for (let i = 0; i < 17; i++) await flash(await other(), i);
    });
    session.set("visits", 1);
    await assert.rejects(session.commit(), { code: "commit-unknown", status: 503 });
  });

  it("is gone once the session has ended, although it was stored before", async () => {
    const { session } = await losing(async (other) => {
      const last = await other();
      assert.equal(last.get("visits"), 1);
      last.destroy();
      await last.commit();
    });
    session.set("visits", 1);
    await assert.rejects(session.commit(), { code: "gone", status: 409 });
  });

  it("is unknown, too, when the engine refuses the second try", async () => {
    const sessions = manager();
    const token = await stored(sessions);
    const session = await sessions.loadToken(token);
    const update = store.update.bind(store);
    const late: Parameters<typeof update>[] = [];
    const full = new SessionError("store-full", "full");
    // The first copy is still on its way when the second is refused.
    store.update = async (...change) => {
      if (late.push(change) === 1) throw new Error("connection lost");
      throw full;
    };
    session.set("visits", 1);
    await assert.rejects(session.commit(), { code: "commit-unknown", status: 503, cause: full });
    await update(...(late[0] ?? assert.fail()));
    assert.equal((await read(sessions, token)).visits, 1);
  });

  it("is recognised after as many commits of others as a record remembers", async () => {
    const { session, now } = await losing(async (other) => {
      for (let i = 0; i < 15; i++) await flash(await other(), i);
    });
    session.update("visits", (visits = 0) => visits + 1);
    await session.commit();
    assert.deepEqual(await now(), { user: "alice", visits: 1, flash: "14" });
  });
});

async function flash(session: TokenSession<Data>, i: number): Promise<void> {
  session.set("flash", `${i}`);
  await session.commit();
}

describe("timeouts", () => {
  it("the deadline is absolute, whatever happens", async () => {
    const sessions = manager({ lifetime: "1h" });
    const token = await stored(sessions);
    for (let minute = 0; minute < 59; minute++) {
      clock.advance(60_000);
      const session = await sessions.loadToken(token);
      session.update("visits", (visits = 0) => visits + 1);
      await session.commit();
    }
    clock.advance(59_999);
    assert.equal((await read(sessions, token)).visits, 59);
    clock.advance(1);
    assert.deepEqual(await read(sessions, token), {});
  });

  it("use moves the idle expiry, at most once per touchInterval, without a cookie", async () => {
    const sessions = manager({ lifetime: "1h", idleTimeout: "10m", touchInterval: "1m" });
    const token = await stored(sessions);
    const use = async (): Promise<string[]> => {
      const request = exchange(sessions, token);
      assert.equal((await sessions.load(request)).get("user"), "alice");
      await request.head();
      assert.equal(request.token, undefined);
      return store.taken();
    };
    clock.advance(60_000);
    assert.deepEqual(await use(), ["load"]);
    clock.advance(1);
    assert.deepEqual(await use(), ["load", "touch"]);
    assert.deepEqual(await use(), ["load"]);
    clock.advance(10 * 60_000 - 1);
    assert.deepEqual(await use(), ["load", "touch"]);
    clock.advance(10 * 60_000);
    assert.deepEqual(await read(sessions, token), {});
  });

  it("near the deadline, requests do not write touches that move nothing", async () => {
    const sessions = manager({ lifetime: "15m", idleTimeout: "10m", touchInterval: "1m" });
    const token = await stored(sessions);
    clock.advance(7 * 60_000);
    await read(sessions, token);
    assert.deepEqual(store.taken(), ["load", "touch"]);
    for (let i = 0; i < 7; i++) {
      clock.advance(60_000);
      assert.equal((await read(sessions, token)).user, "alice");
    }
    assert.deepEqual(
      store.taken(),
      Array.from({ length: 7 }, () => "load"),
    );
  });

  it("a change moves the idle expiry as a read does, and no oftener", async () => {
    const sessions = manager({ lifetime: "1h", idleTimeout: "10m", touchInterval: "1m" });
    const token = await stored(sessions);
    const moves: (number | undefined)[] = [];
    const update = store.update.bind(store);
    store.update = (key, change) => {
      moves.push(change.idle);
      return update(key, change);
    };
    clock.advance(60_000);
    const session = await sessions.loadToken(token);
    session.set("visits", 1);
    await session.commit();
    // It goes on for long, and so does the session.
    clock.advance(9 * 60_000 - 1);
    session.set("visits", 2);
    await session.commit();
    assert.deepEqual(moves, [undefined, 600_000]);
    clock.advance(10 * 60_000 - 1);
    assert.equal((await read(sessions, token)).visits, 2);
  });

  it("a load looks at the clock once, and so does a change that moves no time", async () => {
    let looks = 0;
    const ticking = (): number => (looks++, clock.now());
    const sessions = manager({ store: memory, clock: ticking, idleTimeout: "10m" });
    const token = await stored(sessions);
    looks = 0;
    const session = await sessions.loadToken(token);
    assert.equal(looks, 1);
    session.set("visits", 1);
    await session.commit();
    assert.equal(looks, 2);
  });

  it("a renewal near the deadline moves the idle expiry, which that deadline held back", async () => {
    const sessions = manager({ lifetime: "15m", idleTimeout: "10m", touchInterval: "1m" });
    const token = await stored(sessions);
    clock.advance(9 * 60_000);
    await read(sessions, token);
    clock.advance(6 * 60_000 - 1);
    const session = await sessions.loadToken(token);
    session.renewToken();
    await session.commit();
    clock.advance(9 * 60_000);
    assert.equal((await read(sessions, session.token ?? "")).user, "alice");
  });

  it("a load with touch: false does not count, until another does", async () => {
    const sessions = manager({ idleTimeout: "10m" });
    const token = await stored(sessions);
    clock.advance(9 * 60_000);
    const request = exchange(sessions, token);
    const session = await sessions.load(request, { touch: false });
    assert.deepEqual(store.taken(), ["load"]);
    assert.equal(await sessions.load(request), session);
    assert.deepEqual(store.taken(), ["touch"]);
  });

  it("a touch that fails is an event only; touch() of an ended session says so", async () => {
    const sessions = manager({ idleTimeout: "10m" });
    const token = await stored(sessions);
    clock.advance(5 * 60_000);
    store.faults.touch = ["fail"];
    const session = await sessions.loadToken(token);
    assert.equal(session.get("user"), "alice");
    assert.deepEqual(types(), ["touch-failed"]);
    const other = await sessions.loadToken(token);
    other.destroy();
    await other.commit();
    assert.equal(await session.touch(), false);
    assert.equal(memory.size, 0);
  });

  it("a deadline set by hand holds through renewals; a past one destroys", async () => {
    const sessions = manager({ lifetime: "24h" });
    const token = await stored(sessions);
    const request = exchange(sessions, token);
    const session = await sessions.load(request);
    session.deadline = new Date(clock.now() + 3_600_000);
    const head = await request.head();
    assert.match(head.get("set-cookie") ?? "", new RegExp(`=${token};.*Max-Age=3600$`));

    clock.advance(600_000);
    const renewal = exchange(sessions, token);
    const renewed = await sessions.load(renewal);
    renewed.renewToken();
    assert.equal(renewed.deadline.getTime(), clock.now() + 3_000_000);
    assert.match((await renewal.head()).get("set-cookie") ?? "", /Max-Age=3000$/);

    const end = exchange(sessions, renewal.token);
    (await sessions.load(end)).deadline = clock.now() - 1;
    assert.match((await end.head()).get("set-cookie") ?? "", /=; .*Max-Age=0$/);
    assert.equal(memory.size, 0);
  });

  it("refuses a deadline that is no time", async () => {
    const session = await manager().loadToken(undefined);
    for (const bad of [Number.NaN, new Date("x"), Infinity, "tomorrow", null]) {
      assert.throws(() => (session.deadline = bad as Date), { code: "invalid-argument" });
    }
  });

  it("renewal resets the lifetime, and Max-Age with it", async () => {
    const sessions = manager({ lifetime: "1h" });
    const token = await stored(sessions);
    clock.advance(30 * 60_000);
    const request = exchange(sessions, token);
    const session = await sessions.load(request);
    assert.equal(session.createdAt.getTime(), clock.now() - 30 * 60_000);
    session.renewToken();
    assert.match((await request.head()).get("set-cookie") ?? "", /Max-Age=3600$/);
  });
});

describe("the cookie's persistence", () => {
  it("rememberMe overrides the option, for this session, until it is called again", async () => {
    const sessions = manager({ cookie: { persist: false } });
    const first = exchange(sessions);
    (await sessions.load(first)).set("user", "alice");
    assert.doesNotMatch((await first.head()).get("set-cookie") ?? "", /Max-Age/);

    const second = exchange(sessions, first.token);
    (await sessions.load(second)).rememberMe(true);
    assert.match((await second.head()).get("set-cookie") ?? "", /Max-Age=86400$/);

    const third = exchange(sessions, first.token);
    (await sessions.load(third)).renewToken();
    assert.match((await third.head()).get("set-cookie") ?? "", /Max-Age=86400$/);

    const fourth = exchange(sessions, third.token);
    (await sessions.load(fourth)).rememberMe(false);
    assert.doesNotMatch((await fourth.head()).get("set-cookie") ?? "", /Max-Age/);
  });

  it("is capped at 400 days", async () => {
    const sessions = manager({ lifetime: "1000d" });
    const request = exchange(sessions);
    (await sessions.load(request)).set("user", "alice");
    assert.match((await request.head()).get("set-cookie") ?? "", /Max-Age=34560000$/);
  });
});

describe("around HTTP", () => {
  it("tells the adapter of the first change, and again of the first that may make a token", async () => {
    const sessions = manager();
    const token = await stored(sessions);
    const told = async (
      sent: string | undefined,
      change: (session: Session<Data>) => void,
    ): Promise<boolean[]> => {
      const asked = exchange(sessions, sent);
      const seen: boolean[] = [];
      asked.intercept = (participant) => void seen.push(participant.makesToken);
      change(await sessions.load(asked));
      return seen;
    };
    assert.deepEqual(
      await told(token, (session) => {
        session.set("visits", 1);
        session.set("visits", 2);
        session.renewToken();
        session.set("visits", 3);
        session.renewToken();
      }),
      [false, true],
    );
    assert.deepEqual(
      await told(token, (session) => {
        session.destroy();
        session.set("visits", 1);
      }),
      [true],
    );
    assert.deepEqual(
      await told(undefined, (session) => {
        session.set("visits", 1);
        session.renewToken();
      }),
      [true],
    );
  });

  it("a token in a header instead of a cookie", async () => {
    const sessions = manager({ transport: { header: "X-Session" } });
    const first = exchange(sessions);
    (await sessions.load(first)).set("user", "alice");
    const head = await first.head();
    const token = head.get("x-session") ?? "";
    assert.match(token, /^[\w-]{64}$/);
    assert.equal(head.get("vary"), "x-session");
    assert.equal(head.get("set-cookie"), null);
    assert.equal(head.get("cache-control"), "no-store");
    const second = exchange(sessions);
    second.requestHeaders.set("x-session", token);
    const session = await sessions.load(second);
    assert.equal(session.get("user"), "alice");
    session.destroy();
    assert.equal((await second.head()).get("x-session"), "");
  });

  it("loadCookie reads and commits changes, and never needs a Set-Cookie", async () => {
    const sessions = manager();
    const token = await stored(sessions);
    const session = await sessions.loadCookie(`a=b; __Host-Http-session=${token}`);
    session.set("visits", 5);
    await session.commit();
    assert.equal((await read(sessions, token)).visits, 5);
    assert.throws(() => session.destroy(), { code: "head-sent" });
    for (const header of [null, undefined, ""]) {
      const nobody = await sessions.loadCookie(header);
      assert.equal(nobody.isNew, true);
      assert.throws(() => nobody.set("user", "x"), { code: "head-sent" });
    }
  });

  it("loadToken has token and expires after commit", async () => {
    const sessions = manager({ idleTimeout: "1h" });
    const session = await sessions.loadToken(undefined);
    assert.deepEqual([session.token, session.expires], [undefined, undefined]);
    session.set("user", "alice");
    await session.commit();
    assert.equal(session.expires?.getTime(), clock.now() + 3_600_000);
    assert.equal(session.deadline.getTime(), clock.now() + 86_400_000);
    const before = session.token;
    session.renewToken();
    await session.commit();
    assert.notEqual(session.token, before);
    assert.deepEqual(await read(sessions, session.token), { user: "alice" });
  });

  it("merge takes over data and the later deadline, and ends the other session at the commit", async () => {
    const sessions = manager({ lifetime: "2h" });
    const older = await stored(sessions, { user: "alice", flash: "old" });
    clock.advance(3_600_000);
    const newer = await stored(sessions, { flash: "new", visits: 3 });
    const into = await sessions.loadToken(older);
    assert.equal(await sessions.merge(into, newer), true);
    assert.deepEqual(await read(sessions, newer), { flash: "new", visits: 3 });
    await into.commit();
    assert.deepEqual(await read(sessions, older), { user: "alice", flash: "new", visits: 3 });
    assert.deepEqual(await read(sessions, newer), {});
    assert.equal(into.deadline.getTime(), clock.now() + 7_200_000);
    assert.equal(await sessions.merge(into, older), false);
    assert.equal(await sessions.merge(into, newer), false);
    await assert.rejects(sessions.merge({} as typeof into, older), { code: "invalid-argument" });
  });

  it("iterate lists this manager's sessions, which can be changed and ended", async () => {
    const one = manager({ store: memory, cookie: { name: "one" } });
    const two = manager({ store: memory, cookie: { name: "two" } });
    const tokens = [await stored(one, { user: "a" }), await stored(one, { user: "b" })];
    await stored(two, { user: "c" });
    const seen: (string | undefined)[] = [];
    for await (const session of one.iterate()) {
      seen.push(session.get("user"));
      if (session.get("user") === "a") session.destroy();
      else session.set("visits", 1);
      await session.commit();
    }
    assert.deepEqual(seen.sort(), ["a", "b"]);
    assert.deepEqual(await read(one, tokens[0]), {});
    assert.deepEqual(await read(one, tokens[1]), { user: "b", visits: 1 });
    await assert.rejects(
      async () => {
        for await (const session of manager().iterate()) assert.fail(session.id);
      },
      { code: "unsupported" },
    );
  });

  it("a sealer keeps the store in the dark, and its failure is not a lost session", async () => {
    const xor = (bytes: Uint8Array): Uint8Array => bytes.map((byte) => byte ^ 0x5a);
    const tag = (id: string): number[] => [...new TextEncoder().encode(id)];
    let lost = false;
    const sealer = {
      seal: async (bytes: Uint8Array, id: string) => new Uint8Array([...tag(id), ...xor(bytes)]),
      open: async (bytes: Uint8Array, id: string) => {
        if (lost) throw new Error("unknown key");
        const own = tag(id).every((byte, i) => bytes[i] === byte);
        return own ? xor(bytes.subarray(24)) : undefined;
      },
    };
    const sessions = manager({ sealer });
    const token = await stored(sessions, { user: "needle" });
    assert.deepEqual(await read(sessions, token), { user: "needle" });
    const record = await memory.load(`${sessions.settings.name}:${token.slice(0, 24)}`);
    assert.ok(record && !Buffer.from(record.data).includes("needle"));
    lost = true;
    await assert.rejects(sessions.loadToken(token), { code: "unknown-format", status: 503 });
    lost = false;
    assert.deepEqual(await read(sessions, token), { user: "needle" });
    assert.deepEqual(await read(manager(), token), {});
    assert.deepEqual(types(), ["damaged-record"]);
  });

  it("a custom codec gets copies, one key at a time", async () => {
    const calls: string[] = [];
    const codec = {
      encode(value: unknown) {
        calls.push("encode");
        return new TextEncoder().encode(String(value));
      },
      decode(bytes: Uint8Array) {
        calls.push("decode");
        const text = new TextDecoder().decode(bytes);
        bytes.fill(0);
        return text;
      },
    };
    const sessions = manager({ codec });
    const token = await stored(sessions, { user: "alice", flash: "hi" });
    calls.length = 0;
    const session = await sessions.loadToken(token);
    assert.equal(session.get("user"), "alice");
    assert.equal(session.get("user"), "alice");
    session.set("flash", "changed");
    await session.commit();
    assert.deepEqual(calls, ["decode", "encode"]);
    assert.deepEqual(await read(sessions, token), { user: "alice", flash: "changed" });
  });

  it("a value that cannot be decoded throws when read, and can be replaced", async () => {
    const broken = { encode: () => new Uint8Array([250, 250]), decode: () => 0 };
    const token = await stored(manager({ codec: broken }), { user: "alice" });
    const sessions = manager();
    const session = await sessions.loadToken(token);
    assert.throws(() => session.get("user"), { code: "undecodable", status: 500 });
    assert.equal(session.has("user"), true);
    session.set("user", "bob");
    await session.commit();
    assert.deepEqual(await read(sessions, token), { user: "bob" });
  });

  it("refuses to grow above maxSize, at set", async () => {
    const session = await manager({ maxSize: "1kb" }).loadToken(undefined);
    session.set("user", "x".repeat(900));
    assert.throws(() => session.set("flash", "x".repeat(200)), {
      code: "too-large",
      message: /flash/,
    });
    assert.equal(session.has("flash"), false);
    session.set("user", "x");
    session.set("flash", "x".repeat(900));
  });

  it("knows maxSize to the byte, whatever was set and deleted before", async () => {
    const maxSize = 200;
    const changes = fc.array(
      fc.record({
        key: fc.constantFrom("user", "flash", "visits"),
        length: fc.oneof(fc.nat({ max: 20 }), fc.integer({ min: 40, max: 190 })),
        change: fc.constantFrom("set", "set", "set", "delete", "pop", "clear"),
      }),
      { maxLength: 30 },
    );
    const sizeOf = (values: ReadonlyMap<string, string>): number =>
      [...values].reduce(
        (sum, [key, value]) => sum + key.length + defaultCodec.encode(value).length + 4,
        0,
      );
    const sessions = new SessionManager<Record<string, string>>({ store: memory, maxSize });
    await fc.assert(
      fc.asyncProperty(changes, changes, async (first, second) => {
        const values = new Map<string, string>();
        let session = await sessions.loadToken(undefined);
        for (const all of [first, second]) {
          for (const { key, length, change } of all) {
            const value = "x".repeat(length);
            if (change === "set") {
              const next = new Map([...values, [key, value]]);
              if (sizeOf(next) > maxSize) {
                assert.throws(() => session.set(key, value), { code: "too-large" });
                continue;
              }
              session.set(key, value);
              values.set(key, value);
            } else if (change === "clear") {
              session.clear();
              values.clear();
            } else {
              session[change](key);
              values.delete(key);
            }
          }
          await session.commit();
          session = await sessions.loadToken(session.token);
        }
      }),
    );
  });

  it("never prints a token or data", async () => {
    const { inspect } = await import("node:util");
    const sessions = manager();
    const token = await stored(sessions, { user: "needle" });
    const session = await sessions.loadToken(token);
    session.set("flash", "needle");
    const printed = [session, sessions].map(
      (object) => inspect(object, { depth: 9, showHidden: true }) + JSON.stringify(session),
    );
    for (const text of printed) {
      assert.ok(!text.includes("needle"));
      assert.ok(!text.includes(token.slice(24)));
    }
  });

  it("an event handler that throws harms nobody", async (test) => {
    const printed = test.mock.method(console, "error", () => {});
    const sessions = manager({
      onEvent: () => {
        throw new Error("logger down");
      },
    });
    const session = await sessions.loadToken(undefined);
    session.set("user", "alice");
    await session.commit();
    assert.equal(printed.mock.callCount(), 1);
  });

  it("close waits for commits under way; later loads fail", async () => {
    const sessions = manager();
    const session = await sessions.loadToken(undefined);
    session.set("user", "alice");
    const committing = session.commit();
    await sessions.check();
    await sessions.close();
    await committing;
    assert.equal(memory.size, 1);
    await assert.rejects(sessions.loadToken(undefined), { code: "closed", status: 503 });
    await assert.rejects(sessions.check(), { code: "closed" });
    await sessions.close();
  });
});
