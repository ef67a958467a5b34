// What long connections need: whether a session is still there, and the news of its end.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type SessionEvent, SessionManager } from "../src/index.ts";
import { CookieStore } from "../src/stores/cookie.ts";
import { MemoryStore } from "../src/stores/memory.ts";
import { ManualClock } from "../src/testing/clock.ts";
import { FaultyStore } from "../src/testing/faults.ts";
import { createSession } from "../src/testing/index.ts";

interface Data {
  text: string;
}

function world() {
  const clock = new ManualClock();
  const store = new FaultyStore(new MemoryStore({ clock: clock.now }));
  const events: SessionEvent[] = [];
  const sessions = new SessionManager<Data>({
    store,
    clock: clock.now,
    lifetime: "1h",
    idleTimeout: "10m",
    storeTimeout: 1000,
    onEvent: (event) => void events.push(event),
  });
  return { clock, store, events, sessions };
}

describe("isAlive", () => {
  it("is true from the commit on until the session ends, through a renewal too", async () => {
    const { sessions } = world();
    const session = await sessions.loadToken(undefined);
    session.set("text", "x");
    assert.equal(await sessions.isAlive(session.id), false);
    await session.commit();
    assert.equal(await sessions.isAlive(session.id), true);
    session.renewToken();
    await session.commit();
    assert.equal(await sessions.isAlive(session.id), true);
    const { id } = session;
    session.destroy();
    await session.commit();
    assert.equal(await sessions.isAlive(id), false);
  });

  it("does not count as use, and sees the idle timeout and the deadline", async () => {
    for (const [minutes, uses] of [
      [11, false],
      [61, true],
    ] as const) {
      const { sessions, clock } = world();
      const { token } = await createSession(sessions, { text: "x" });
      const { id } = await sessions.loadToken(token);
      for (let minute = 0; minute < minutes; minute++) {
        assert.equal(await sessions.isAlive(id), minute < (uses ? 60 : 10), `minute ${minute}`);
        clock.advance(60_000);
        if (uses) await sessions.loadToken(token);
      }
      assert.equal(await sessions.isAlive(id), false);
    }
  });

  it("asks the engine for ids only, and never takes a failure for an end", async () => {
    const { sessions, store } = world();
    const { token } = await createSession(sessions, { text: "x" });
    const { id } = await sessions.loadToken(token);
    const { load } = store.calls;
    for (const none of ["", "x", token, `${id}x`, id.replace(/.$/, "/")]) {
      assert.equal(await sessions.isAlive(none), false);
    }
    assert.equal(store.calls.load, load);
    store.always("load", "failed");
    await assert.rejects(sessions.isAlive(id), { status: 503 });
  });

  it("of a damaged record is false, with an event", async () => {
    const { sessions, store, events } = world();
    const { token } = await createSession(sessions, { text: "x" });
    const { id } = await sessions.loadToken(token);
    const load = store.load.bind(store);
    store.load = async (key) => {
      const record = await load(key);
      return record && { ...record, data: record.data.map((byte) => byte ^ 1) };
    };
    assert.equal(await sessions.isAlive(id), false);
    assert.equal(events.at(-1)?.type, "damaged-record");
  });

  it("of another manager's session is false; after close it fails", async () => {
    const { sessions, store } = world();
    const other = new SessionManager<Data>({ store, name: "other" });
    const { token } = await createSession(sessions, { text: "x" });
    const { id } = await sessions.loadToken(token);
    assert.equal(await other.isAlive(id), false);
    await sessions.close();
    await assert.rejects(sessions.isAlive(id), { code: "closed" });
  });

  it("is unsupported on an engine that holds no record", async () => {
    const store = new CookieStore({
      keys: [{ id: "k1", key: crypto.getRandomValues(new Uint8Array(32)) }],
    });
    const sessions = new SessionManager<Data>({ store, onEvent: () => {} });
    await assert.rejects(sessions.isAlive("x".repeat(24)), { code: "unsupported" });
  });
});

describe("the event destroyed", () => {
  it("comes with the id, once the engine has confirmed: by destroy, a past deadline, a merge", async () => {
    const { sessions, events, store } = world();
    const ended = (): string[] =>
      events.flatMap((event) => (event.type === "destroyed" ? [event.id] : []));
    const make = async () => {
      const { token } = await createSession(sessions, { text: "x" });
      return sessions.loadToken(token);
    };
    const [a, b, c, d] = [await make(), await make(), await make(), await make()];
    const ids = [a.id, b.id, c.id];
    a.destroy();
    assert.deepEqual(ended(), []);
    await a.commit();
    b.deadline = 0;
    await b.commit();
    assert.equal(await sessions.merge(d, c.token ?? ""), true);
    await d.commit();
    assert.deepEqual(ended(), ids);
    for (const id of ids) assert.equal(await sessions.isAlive(id), false);
    assert.equal(await sessions.isAlive(d.id), true);
    store.always("destroy", "failed");
    d.destroy();
    await assert.rejects(d.commit());
    assert.deepEqual(ended(), ids);
  });
});
