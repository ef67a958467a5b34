import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { SessionError } from "../src/errors.ts";
import { SessionManager } from "../src/manager.ts";
import { MemoryStore } from "../src/stores/memory.ts";
import { createSession, ManualClock } from "../src/testing/index.ts";
import { storeSuite } from "../src/testing/store.ts";
import { collect } from "./mutants/collect.ts";

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
});
