import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { SessionError } from "../src/errors.ts";
import { SessionManager } from "../src/manager.ts";
import type { StoreRecord } from "../src/store.ts";
import { MemoryStore } from "../src/stores/memory.ts";
import { createSession, ManualClock } from "../src/testing/index.ts";
import { storeSuite } from "../src/testing/store.ts";
import { inTime } from "../src/testing/expect.ts";
import { assertFails, collect } from "./mutants/collect.ts";

describe("createSession", () => {
  it("stores a session and returns its cookie and token", async () => {
    const sessions = new SessionManager<{ user: string; visits: number }>({
      store: new MemoryStore(),
      cookie: { name: "__Host-app" },
    });
    const { cookie, token } = await createSession(sessions, { user: "ada" });
    assert.equal(cookie, `__Host-app=${token}`);
    const session = await sessions.loadCookie(`theme=dark; ${cookie}`);
    assert.equal(session.isNew, false);
    assert.equal(session.get("user"), "ada");
    assert.deepEqual(session.keys(), ["user"]);
    await sessions.close();
  });

  it("stores an empty session too", async () => {
    const sessions = new SessionManager({ store: new MemoryStore() });
    const { token } = await createSession(sessions, {});
    const session = await sessions.loadToken(token);
    assert.equal(session.isNew, false);
    assert.deepEqual(session.keys(), []);
    await sessions.close();
  });

  it("passes on what went wrong", async () => {
    const sessions = new SessionManager({ store: new MemoryStore() });
    await assert.rejects(
      createSession(sessions, { fn: () => 1 }),
      (error) => error instanceof SessionError && error.code === "unencodable",
    );
    await sessions.close();
  });
});

describe("ManualClock", () => {
  it("stands still until it is moved, and needs no this", () => {
    const clock = new ManualClock(1000);
    const { now } = clock;
    assert.equal(now(), 1000);
    clock.advance(50);
    assert.equal(now(), 1050);
    clock.advance(-100);
    assert.equal(now(), 950);
    assert.equal(new ManualClock().now(), new ManualClock().now());
  });
});

describe("storeSuite", () => {
  it("checks only what the engine declares", async () => {
    class Undeclared extends MemoryStore {
      override readonly abilities = { iterate: false, shared: false, guarantees: [] };
      override load(): Promise<undefined> {
        throw new Error("was asked for something that it does not declare");
      }
    }
    const tests = collect(storeSuite, async () => ({ store: new Undeclared() }));
    let run = 0;
    for (const [name, test] of tests) {
      if (name.startsWith("check resolves")) continue; // needs nothing
      await test();
      run++;
    }
    assert.ok(run > 80, `${run} tests`);
  });

  it("closes each engine, also when a test fails", async () => {
    let open = 0;
    const tests = collect(storeSuite, async () => {
      open++;
      const store = new MemoryStore();
      store.destroy = () => Promise.reject(new Error("broken"));
      return { store, close: async () => void open-- };
    });
    await assert.rejects(async () => tests.get("update of a destroyed record finds nothing")?.());
    await tests.get("create only inserts")?.();
    assert.equal(open, 0);
  });

  /** The tests in which something must happen before a short life is over. */
  const hurried = [
    "create after the end of the old record inserts a new one",
    "load ends at the absolute deadline",
    "load ends at the idle expiry",
    "load does not count as use",
    "touch keeps a session alive past its first idle expiry",
    "update of an expired record finds nothing",
    "iterate leaves out what has expired",
    "G2: a late writer does not revive an expired session",
    "G5: a session ends at its absolute deadline, however much it is used",
    "G5: use moves the idle expiry, and idling ends the session",
    "G5: a process whose clock is wrong sees sessions end in time",
  ];

  it("does not hold against an engine that the machine stalls while a short life lasts", async (t) => {
    const clock = new ManualClock();
    const start = clock.now();
    // Deno does not restore a mock at the end of a test.
    const mocked = t.mock.method(performance, "now", () => clock.now() - start);
    let stalls = 0;
    for (const name of hurried) {
      for (const nth of [1, 2]) {
        const store = new MemoryStore({ clock: clock.now });
        const load = store.load.bind(store);
        let loads = 0;
        store.load = (key) => {
          if (++loads === nth) {
            clock.advance(3000);
            stalls++;
          }
          return load(key);
        };
        const advance = (ms: number): void => clock.advance(ms);
        await collect(storeSuite, async () => ({ store, advance })).get(name)?.();
      }
    }
    mocked.mock.restore();
    assert.equal(stalls, 2 * hurried.length);
  });

  it("asks again when a reply took long, of which an engine knows its server's time badly", async () => {
    for (const name of ["create stores what load returns", "create only inserts"]) {
      const store = new MemoryStore();
      const load = store.load.bind(store);
      let slow = 0;
      store.load = (key) => {
        const record = load(key) as StoreRecord;
        if (slow++ > 0) return record;
        const until = performance.now() + 400;
        while (performance.now() < until);
        return { ...record, deadlineIn: record.deadlineIn + 200 };
      };
      await collect(storeSuite, async () => ({ store })).get(name)?.();
    }
    const store = new MemoryStore();
    const load = store.load.bind(store);
    store.load = (key) => {
      const record = load(key) as StoreRecord | undefined;
      return record && { ...record, deadlineIn: record.deadlineIn + 200 };
    };
    await assertFails(
      collect(storeSuite, async () => ({ store })),
      "create stores what load returns",
    );
  });

  it("finds an engine that ends a short life too early", async () => {
    for (const name of hurried.filter((each) => /load ends|keeps|used|use moves/.test(each))) {
      const clock = new ManualClock();
      const store = new MemoryStore({ clock: clock.now });
      const create = store.create.bind(store);
      store.create = (key, record) => {
        const { lifetime, idle } = record;
        const half = { lifetime: lifetime / 3, idle: idle === undefined ? undefined : idle / 3 };
        return create(key, { ...record, ...half });
      };
      const advance = (ms: number): void => clock.advance(ms);
      await assertFails(
        collect(storeSuite, async () => ({ store, advance })),
        name,
      );
    }
  });
});

describe("what must be in time", () => {
  const after = (ms: number) =>
    new Promise<string>((resolve) => setTimeout(() => resolve("done"), ms));

  it("is, when this program stood still meanwhile", async () => {
    const work = inTime(1000, after(200), "the work");
    const until = performance.now() + 1500;
    while (performance.now() < until);
    assert.equal(await work, "done");
  });

  it("is not, when it comes later or never", async () => {
    for (const work of [after(1500), new Promise(() => {})]) {
      const start = performance.now();
      await assert.rejects(inTime(300, work, "the work"), /the work: not within 300 ms/);
      assert.ok(performance.now() - start >= 290);
    }
  });

  it("is what the work comes to, its failure too", async () => {
    await assert.rejects(inTime(1000, Promise.reject(new Error("planted")), "x"), /planted/);
  });
});
