import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { describe, it } from "node:test";
import { promisify } from "node:util";
import { SessionError } from "../../src/errors.ts";
import { MemoryStore, type MemoryStoreOptions } from "../../src/stores/memory.ts";
import { ManualClock } from "../../src/testing/clock.ts";
import { storeSuite } from "../../src/testing/store.ts";
import { scriptArgs } from "../support/script.ts";
import { tested } from "../support/tested.ts";

storeSuite({
  describe,
  it,
  name: "MemoryStore, clock moved by hand",
  create: async () => {
    const clock = new ManualClock();
    return {
      store: new MemoryStore({ clock: clock.now }),
      advance: (ms) => clock.advance(ms),
    };
  },
});

// On other runtimes (test/runtimes) their clocks need not be tested again.
if (process.env["SCS_RUNTIME"] === undefined) {
  storeSuite({
    // At the same time: the tests spend theirs waiting.
    describe: (name, body) => describe(name, { concurrency: true }, body),
    it,
    name: "MemoryStore, real time",
    create: async () => {
      const store = new MemoryStore();
      return { store, close: () => store.close() };
    },
  });
}

const note = "the whole suite, with a clock moved by hand and in real time; its own tests";
tested({ area: "engine", what: "MemoryStore", with: "no client", note });

const digest = new Uint8Array(32).fill(7);
const data = Uint8Array.of(1, 2, 3);

function make(lifetime: number): Parameters<MemoryStore["create"]>[1] {
  return { digest, data, lifetime, idle: undefined };
}

/** Runs a script in a process of its own; its output, once it has ended by itself. */
async function child(script: string): Promise<string> {
  const memory = new URL("../../src/stores/memory.ts", import.meta.url).href;
  const source = `
    const { MemoryStore } = await import(${JSON.stringify(memory)});
    const record = (lifetime) => ({ digest: new Uint8Array(32), data: new Uint8Array(40), lifetime, idle: undefined });
    ${script}`;
  const { stdout } = await promisify(execFile)(process.execPath, scriptArgs(source), {
    timeout: 60_000,
  });
  return stdout.trim();
}

describe("MemoryStore", () => {
  it("refuses options that make no sense", () => {
    const bad = [
      { maxSessions: 0 },
      { maxSessions: -1 },
      { maxSessions: 1.5 },
      { maxSessions: Number.NaN },
      { maxSessions: Infinity },
      { maxSessions: "10" },
      { maxSessions: null },
      { clock: 5 },
      { clock: null },
    ] as unknown as MemoryStoreOptions[];
    for (const options of bad) {
      assert.throws(
        () => new MemoryStore(options),
        (error) => error instanceof SessionError && error.code === "invalid-option",
        JSON.stringify(options),
      );
    }
    assert.equal(new MemoryStore({ maxSessions: undefined, clock: undefined }).size, 0);
  });

  it("ends a record exactly at its time", async () => {
    const clock = new ManualClock();
    const store = new MemoryStore({ clock: clock.now });
    await store.create("deadline", make(1000));
    await store.create("idle", { digest, data, lifetime: 5000, idle: 1000 });
    clock.advance(999);
    assert.equal((await store.load("deadline"))?.deadlineIn, 1);
    assert.equal((await store.load("idle"))?.idleIn, 1);
    clock.advance(1);
    assert.equal(await store.load("deadline"), undefined);
    assert.equal(await store.load("idle"), undefined);
  });

  it("returns exact times", async () => {
    const clock = new ManualClock();
    const store = new MemoryStore({ clock: clock.now });
    await store.create("a", { digest, data, lifetime: 10_000, idle: 4000 });
    clock.advance(1500);
    const record = await store.load("a");
    assert.deepEqual(
      { age: record?.age, deadlineIn: record?.deadlineIn, idleIn: record?.idleIn },
      { age: 1500, deadlineIn: 8500, idleIn: 2500 },
    );
    assert.equal(await store.touch("a", digest, 9000), true);
    assert.equal((await store.load("a"))?.idleIn, 8500);
  });

  it("keeps lifetimes beyond 25 days, fractions and a clock that goes back", async () => {
    const clock = new ManualClock(0.5);
    const store = new MemoryStore({ clock: clock.now });
    const year = 365 * 24 * 3600 * 1000;
    await store.create("long", { digest, data, lifetime: 10 * year + 0.25, idle: 3 * year });
    clock.advance(2 * year);
    assert.equal((await store.load("long"))?.deadlineIn, 8 * year + 0.25);
    clock.advance(-5 * year);
    await store.create("early", { digest, data, lifetime: year, idle: 1 });
    assert.equal((await store.load("early"))?.idleIn, 1);
    assert.equal((await store.load("early"))?.age, 0);
  });

  it("throws store-full when full, and evicts no live session", async () => {
    const clock = new ManualClock();
    const store = new MemoryStore({ maxSessions: 3, clock: clock.now });
    await store.create("a", make(1000));
    await store.create("b", make(9000));
    await store.create("c", make(9000));
    await assert.rejects(
      async () => store.create("d", make(9000)),
      (error) =>
        error instanceof SessionError && error.code === "store-full" && error.status === 503,
    );
    assert.equal(await store.create("b", make(9000)), false, "a taken key is no reason to fail");
    for (const key of ["a", "b", "c"]) assert.notEqual(await store.load(key), undefined, key);
    clock.advance(1000);
    assert.equal(await store.create("d", make(9000)), true, "the expired one makes room");
    assert.equal(store.size, 3);
    await store.destroy("b");
    assert.equal(await store.create("e", make(9000)), true, "a destroyed one makes room");
    store.close();
  });

  it("finds room behind more live records than one step looks at", async () => {
    const clock = new ManualClock();
    const store = new MemoryStore({ maxSessions: 5000, clock: clock.now });
    for (let i = 0; i < 5000; i++) await store.create(`key-${i}`, make(i === 4999 ? 10 : 9999));
    clock.advance(10);
    let refused = 0;
    for (;;) {
      const made = await Promise.resolve(store.create("new", make(10))).catch(() => undefined);
      if (made === true) break;
      assert.ok(++refused < 7, "within one pass");
    }
    assert.equal(store.size, 5000);
    store.close();
  });

  it("removes expired records by itself, in bounded steps", async () => {
    // Own process: its timers are watched. 30 000 records are 30 steps of at most 1000.
    const output = await child(`
      const real = setTimeout;
      let now = 0;
      const steps = [];
      globalThis.setTimeout = (run, ms) => real(() => {
        const before = store.size;
        run();
        steps.push(before - store.size);
      }, ms);
      const store = new MemoryStore({ clock: () => now });
      for (let i = 0; i < 30_000; i++) await store.create("session:" + Math.random() + i, record(1000));
      await store.create("live", record(9000));
      now = 1000;
      const keep = setInterval(() => {
        if (store.size > 1) return;
        clearInterval(keep);
        const removing = steps.filter((n) => n > 0);
        console.log(JSON.stringify({ size: store.size, most: Math.max(...steps), steps: removing.length }));
      }, 10);
    `);
    const seen = JSON.parse(output) as { size: number; most: number; steps: number };
    assert.equal(seen.size, 1);
    assert.ok(seen.most <= 1000, `${seen.most} in one step`);
    assert.ok(seen.steps >= 30, `${seen.steps} steps`);
  });

  it("keeps no process alive", async () => {
    const output = await child(`
      const store = new MemoryStore();
      await store.create("a", record(3_600_000));
      console.log(store.size);
    `);
    assert.equal(output, "1");
  });

  it("works where setTimeout returns a number and there is no Buffer", async () => {
    const output = await child(`
      const real = setTimeout;
      const timers = new Map();
      let last = 0;
      globalThis.setTimeout = (run, ms) => { timers.set(++last, real(run, ms)); return last; };
      const clear = clearTimeout;
      globalThis.clearTimeout = (id) => clear(timers.get(id));
      delete globalThis.Buffer;
      const fresh = await import(${JSON.stringify(
        `${new URL("../../src/stores/memory.ts", import.meta.url).href}?without-buffer`,
      )});
      let now = 0;
      const store = new fresh.MemoryStore({ clock: () => now });
      const data = Uint8Array.from({ length: 10_000 }, (_, i) => i * 7);
      await store.create("a", { digest: data.slice(0, 32), data, lifetime: 1000, idle: undefined });
      const found = await store.load("a");
      const same = found.data.every((byte, i) => byte === data[i]) && found.data.length === 10_000;
      now = 1000;
      await new Promise((resolve) => real(resolve, 300));
      console.log(same, store.size, timers.size > 0);
      store.close();
    `);
    assert.equal(output, "true 0 true");
  });

  it("replaces a timer that the runtime dropped", async () => {
    const output = await child(`
      const real = setTimeout;
      let calls = 0;
      globalThis.setTimeout = (run, ms) => (calls++ === 0 ? {} : real(run, ms));
      let now = 0;
      const wall = Date.now;
      const store = new MemoryStore({ clock: () => now });
      await store.create("a", record(1000));
      await store.create("b", record(1000));
      const before = calls;
      Date.now = () => wall() + 60_000;
      await store.create("c", record(1000));
      now = 1000;
      await new Promise((resolve) => real(resolve, 300));
      console.log(before, calls > 1, store.size);
    `);
    assert.equal(output, "1 true 0");
  });

  it("close stops the timer, may be called twice, and leaves the records readable", async () => {
    const output = await child(`
      let pending = 0;
      const [set, clear] = [setTimeout, clearTimeout];
      globalThis.setTimeout = (run, ms) => { pending++; return set(() => { pending--; run(); }, ms); };
      globalThis.clearTimeout = (timer) => { pending--; clear(timer); };
      const store = new MemoryStore();
      await store.create("a", record(60_000));
      const open = pending;
      store.close();
      store.close();
      await store.create("b", record(60_000));
      console.log(open, pending, (await store.load("a")).version, store.size);
    `);
    assert.equal(output, "1 0 1 2");
  });

  it("counts what it holds", async () => {
    const clock = new ManualClock();
    const store = new MemoryStore({ clock: clock.now });
    for (const key of ["a", "b", "c"]) await store.create(key, make(1000));
    assert.equal(store.size, 3);
    await store.destroy("a");
    await store.destroy("a");
    assert.equal(store.size, 2);
    clock.advance(1000);
    await store.load("b");
    assert.equal(store.size, 1, "an expired record that somebody asked for is gone");
    assert.equal(await store.create("c", make(1000)), true);
    assert.equal(store.size, 1, "an expired record was replaced");
    store.close();
  });

  it("iterate lets the event loop run between records", async () => {
    const store = new MemoryStore();
    for (let i = 0; i < 5000; i++) await store.create(`key-${i}`, make(60_000));
    let turns = 0;
    let ended = false;
    const turn = (): void => {
      turns++;
      if (!ended) setImmediate(turn);
    };
    setImmediate(turn);
    let count = 0;
    for await (const record of store.iterate("key-")) count += record.version;
    ended = true;
    assert.equal(count, 5000);
    assert.ok(turns >= 4, `${turns} turns of the event loop`);
    store.close();
  });
});
