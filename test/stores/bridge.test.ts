// What the bridges do with back ends that are odd, broken or slow, and with what they find there.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { SessionError } from "../../src/errors.ts";
import type { SessionEvent } from "../../src/events.ts";
import { SessionManager } from "../../src/manager.ts";
import { Locks } from "../../src/stores/bridge-lock.ts";
import { keyOf, nameOf } from "../../src/stores/bridge-record.ts";
import {
  type ExpressSessionStore,
  ExpressStore,
  type ExpressStoreOptions,
} from "../../src/stores/express.ts";
import { MemoryStore } from "../../src/stores/memory.ts";
import {
  type UnstorageClient,
  UnstorageStore,
  type UnstorageStoreOptions,
} from "../../src/stores/unstorage.ts";
import {
  fileStore,
  memoryOfExpress,
  memorystore,
  unstorage,
  unstorageDriver,
} from "./bridges/backends.ts";
import { digest, hour, record, refused } from "./engines.ts";
import { standalone } from "./redis-drivers/clients.ts";
import { redis } from "../servers/sharedServers.ts";

const folder = mkdtempSync(join(tmpdir(), "scs-session-bridge-"));
after(() => rmSync(folder, { recursive: true }));

const change = { version: 1, digest, data: Uint8Array.of(9) };

/** What is stored, under the back end's own names. */
class Shelf implements ExpressSessionStore {
  readonly kept = new Map<string, Record<string, unknown>>();
  get(sid: string, done: (error: unknown, session?: object | null) => void): void {
    done(null, this.kept.get(sid));
  }
  set(sid: string, session: object, done?: (error?: unknown) => void): void {
    this.kept.set(sid, JSON.parse(JSON.stringify(session)) as Record<string, unknown>);
    done?.();
  }
  destroy(sid: string, done?: (error?: unknown) => void): void {
    this.kept.delete(sid);
    done?.();
  }
}

describe("ExpressStore", () => {
  it("refuses what is no store of express-session, and options that make no sense", async () => {
    const { host, port } = await redis();
    const connected = await standalone["redis"]?.({ host, port });
    const strangers = [connected?.client, new Map(), new MemoryStore(), {}, undefined, "redis://"];
    for (const each of strangers) {
      const make = () => new ExpressStore(each as unknown as ExpressSessionStore);
      assert.throws(make, refused("invalid-option", /takes a store of express-session/));
    }
    connected?.end();
    for (const exclusive of ["yes", 1, null]) {
      const options = { exclusive } as unknown as ExpressStoreOptions;
      const make = () => new ExpressStore(new Shelf(), options);
      assert.throws(make, refused("invalid-option", /^exclusive is/));
    }
  });

  it("gives the store names that any of them can keep", async () => {
    const shelf = new Shelf();
    const store = new ExpressStore(shelf);
    const keys = ["Az09_-", "a:b", "../..", "a/b\\c", "\u{1f600}", "~7e", ""];
    for (const key of keys) assert.equal(await store.create(key, record()), true);
    for (const name of shelf.kept.keys()) assert.match(name, /^[A-Za-z0-9_~-]*$/);
    assert.deepEqual([...shelf.kept.keys()].map(keyOf), keys);
    assert.equal(nameOf("a:b"), "a~3ab");
    assert.equal(keyOf("a%3ab"), undefined);
    assert.equal(keyOf("~ff"), undefined);
  });

  it("has the store keep a session for an hour past its end, in every field that stores read", async () => {
    const shelf = new Shelf();
    const store = new ExpressStore(shelf);
    const left = (): number[] => {
      const cookie = shelf.kept.get("k")?.["cookie"] as
        | { expires: string; maxAge: number; originalMaxAge: number }
        | undefined;
      const { expires, maxAge, originalMaxAge } = cookie ?? assert.fail();
      return [new Date(expires).getTime() - Date.now(), maxAge, originalMaxAge];
    };
    const is = (expected: number): void => {
      for (const each of left()) {
        assert.ok(Math.abs(each - expected) < 20_000, `${each} ms, not ${expected}`);
      }
    };
    await store.create("k", record(10 * hour, hour));
    is(2 * hour);
    await store.touch("k", digest, 3 * hour);
    is(4 * hour);
    await store.update("k", { ...change, lifetime: 2 * hour });
    is(3 * hour);
    await store.destroy("k");
    await store.create("k", record(Infinity));
    assert.ok(new Date(Date.now() + (left()[1] ?? 0)).getFullYear() > 2100);
  });

  it("tells stores that end sessions themselves nothing shorter than the session", async (t) => {
    for (const back of [
      await memoryOfExpress(),
      await memorystore(),
      await fileStore(join(folder, "ends")),
    ]) {
      const store = new ExpressStore(back);
      await store.create("k", record(1000));
      const { now } = Date;
      // By the back end's clock, half an hour is over; the record says that it has ended.
      t.mock.method(Date, "now", () => now() + hour / 2);
      assert.equal(await store.load("k"), undefined);
      t.mock.restoreAll();
      assert.equal((await store.load("k"))?.version, 1, "it was still there");
      await store.destroy("k");
    }
  });

  it("takes what is no session of ours for a damaged record, and leaves it alone", async () => {
    const shelf = new Shelf();
    const store = new ExpressStore(shelf);
    await store.create("k", record());
    const whole = shelf.kept.get("k") ?? {};
    const damages: Record<string, unknown>[] = [
      { cookie: {}, passport: { user: 1 } },
      { ...whole, scs: "1" },
      { ...whole, data: "%%%" },
      { ...whole, data: 5 },
      { ...whole, digest: "AAAA" },
      { ...whole, version: "1" },
      { ...whole, version: -1 },
      { ...whole, deadline: null },
      { ...whole, idle: (whole["deadline"] as number) + 1 },
      { ...whole, idle: "soon" },
      { ...whole, key: undefined },
    ];
    for (const [index, damage] of damages.entries()) {
      shelf.kept.set("k", damage);
      const found = await store.load("k");
      assert.equal(found?.data.length, 0, `damage ${index}`);
      assert.notDeepEqual(found?.digest, digest);
      assert.equal(await store.create("k", record()), false, `create over damage ${index}`);
      assert.equal((await store.update("k", { ...change, version: 0 })).done, false);
      assert.equal(await store.touch("k", digest, hour), false);
      assert.equal(shelf.kept.get("k"), damage);
    }
  });

  it("says of which key a record is, and changes none of another", async () => {
    const shelf = new Shelf();
    const store = new ExpressStore(shelf);
    await store.create("alice", record());
    shelf.kept.set("mallory", shelf.kept.get("alice") ?? {});
    assert.equal((await store.load("mallory"))?.key, "alice");
    assert.equal((await store.update("mallory", change)).done, false);
    assert.equal(await store.touch("mallory", digest, hour), false);
  });

  it("rejects a record of a newer format, and keeps it", async () => {
    const shelf = new Shelf();
    const store = new ExpressStore(shelf);
    await store.create("k", record());
    shelf.kept.set("k", { ...shelf.kept.get("k"), scs: 2 });
    const unknown = refused("unknown-format", /format 2/);
    await assert.rejects(store.load("k"), unknown);
    await assert.rejects(store.update("k", change), unknown);
    await assert.rejects(store.create("k", record()), unknown);
    assert.equal(shelf.kept.get("k")?.["scs"], 2);
  });

  it("text that is no JSON is a damaged record to the manager, not an error on every request", async () => {
    const back = await memoryOfExpress();
    const { sessions: texts } = back as unknown as { sessions: Record<string, string> };
    const events: SessionEvent[] = [];
    const sessions = new SessionManager<{ a: number }>({
      store: new ExpressStore(back, { exclusive: true }),
      onEvent: (event) => events.push(event),
    });
    const session = await sessions.loadToken(undefined);
    session.set("a", 1);
    await session.commit();
    const [name = ""] = Object.keys(texts);
    texts[name] = texts[name]?.slice(0, -5) ?? "";
    assert.equal((await sessions.loadToken(session.token)).isNew, true);
    assert.equal(events.at(-1)?.type, "damaged-record");
  });

  it("an error by callback, by promise or thrown is an error; a missing file is no session", async () => {
    const failing = (how: (done: (error: unknown) => void) => unknown): ExpressStore =>
      new ExpressStore({
        get: (_sid, done) => how(done),
        set: (_sid, _session, done) => how((error) => done?.(error)),
        destroy: (_sid, done) => how((error) => done?.(error)),
      });
    const down = new Error("down");
    for (const how of [
      (done: (error: unknown) => void) => done(down),
      (done: (error: unknown) => void) => void setTimeout(done, 1, down),
      async () => {
        throw down;
      },
      () => {
        throw down;
      },
    ]) {
      const store = failing(how);
      await assert.rejects(store.load("k"), down);
      await assert.rejects(store.create("k", record()), down);
      await assert.rejects(store.update("k", change), down);
      await assert.rejects(store.touch("k", digest, 1), down);
      await assert.rejects(store.destroy("k"), down);
      await assert.rejects(store.check(), refused("store-failed", /cannot keep sessions: down/));
    }
    const text = failing((done) => done("just text"));
    await assert.rejects(text.load("k"), (error) => error instanceof Error);
    const missing = failing((done) =>
      done(Object.assign(new Error("no file"), { code: "ENOENT" })),
    );
    assert.equal(await missing.load("k"), undefined);
    await missing.destroy("k");
  });

  it("check refuses a store that forgets", async () => {
    const shelf = new Shelf();
    const store = new ExpressStore(shelf);
    await store.check();
    assert.equal(shelf.kept.size, 0, "it leaves nothing behind");
    shelf.set = (_sid, _session, done) => done?.();
    await assert.rejects(store.check(), refused("store-failed", /returns what was not stored/));
  });
});

describe("UnstorageStore", () => {
  it("refuses what is no storage, drivers that only read, and options that make no sense", async () => {
    const { setItem: _, ...reading } = (await unstorageDriver("memory")) as object as {
      setItem: unknown;
    };
    for (const each of [new Map(), new Shelf(), reading, {}, undefined, null]) {
      const make = () => new UnstorageStore(each as unknown as UnstorageClient);
      assert.throws(make, refused("invalid-option", /takes a storage of unstorage/));
    }
    const storage = await unstorage();
    for (const base of ["", "a:", ":a", "a/b", "..", "a?b", 5, null]) {
      const options = { base } as unknown as UnstorageStoreOptions;
      const make = () => new UnstorageStore(storage, options);
      assert.throws(make, refused("invalid-option", /^base must be/));
    }
  });

  it("lists what is under its base, and removes what has ended", async () => {
    const base = join(folder, "lists");
    for (const client of [
      await unstorage(await unstorageDriver("fs", { base })),
      await unstorageDriver("fs-lite", { base: join(folder, "lite") }),
      await unstorage(),
    ]) {
      const store = new UnstorageStore(client, { base: "app:sessions" });
      const other = new UnstorageStore(client, { base: "app" });
      for (const key of ["a:1", "a:2", "a:over", "b:1"]) await store.create(key, record());
      await store.create("a:ended", record(1));
      await store.create("a:idle", record(hour, 1));
      await other.create("a:9", record());
      await client.setItem?.("app:sessions:text", "not ours", {});
      await new Promise((resolve) => setTimeout(resolve, 20));
      await store.destroy("a:over");
      const listed = async (): Promise<string[]> => {
        const keys: string[] = [];
        for await (const { key } of store.iterate("a:")) keys.push(key);
        return keys.sort();
      };
      assert.deepEqual(await listed(), ["a:1", "a:2"]);
      assert.equal(await store.removeExpired(), 2);
      assert.equal(await store.removeExpired(), 0);
      assert.deepEqual(await listed(), ["a:1", "a:2"]);
      assert.equal((await store.load("b:1"))?.version, 1);
      assert.equal((await other.load("a:9"))?.version, 1);
    }
  });

  it("gives the driver a time to live in seconds, an hour past the session's end", async () => {
    const ttls: (number | undefined)[] = [];
    const driver = await unstorageDriver("memory");
    const spied: UnstorageClient = {
      getItem: (key, options) => driver.getItem(key, options),
      removeItem: (key, options) => driver.removeItem?.(key, options),
      getKeys: (base, options) => driver.getKeys(base, options),
      setItem: (key, value, options) => {
        ttls.push(options.ttl);
        return driver.setItem?.(key, value, options);
      },
    };
    const store = new UnstorageStore(spied);
    await store.create("k", record(hour, hour / 2));
    await store.touch("k", digest, 2 * hour);
    assert.deepEqual(ttls, [5400, 7200]);
  });

  it("an error that a driver returns in place of throwing it is an error", async () => {
    const base = join(folder, "broken");
    const driver = await unstorageDriver("fs-lite", { base });
    const wrong = new UnstorageStore({
      ...driver,
      getItem: () => new Error("EACCES"),
      removeItem: () => new Error("EPERM"),
    });
    await assert.rejects(wrong.load("k"), /EACCES/);
    await assert.rejects(wrong.destroy("k"), /EPERM/);
    await assert.rejects(wrong.check(), refused("store-failed", /EACCES/));
  });

  it("one process: a removal that a storage hides to have failed is no logout", async () => {
    const driver = await unstorageDriver("memory");
    const stuck = await unstorage({ ...driver, removeItem: () => new Error("EPERM") });
    const store = new UnstorageStore(stuck, { exclusive: true });
    await store.create("k", record());
    await assert.rejects(store.destroy("k"), /still has a session/);
    assert.equal((await store.load("k"))?.version, 1);
  });
});

describe("locks by key", () => {
  const opened = (): { promise: Promise<void>; resolve: () => void } => {
    let resolve = (): void => {};
    const promise = new Promise<void>((done) => (resolve = done));
    return { promise, resolve };
  };
  const settle = () => new Promise((resolve) => setImmediate(resolve));

  it("a writer is alone, readers share, and nobody overtakes", async () => {
    const locks = new Locks();
    const done: string[] = [];
    const gates = new Map<string, () => void>();
    const run = (name: string) => async (): Promise<void> => {
      done.push(`${name} in`);
      const { promise, resolve } = opened();
      gates.set(name, resolve);
      await promise;
      done.push(`${name} out`);
    };
    const all = [
      locks.read("k", run("r1")),
      locks.read("k", run("r2")),
      locks.write("k", run("w1")),
      locks.read("k", run("r3")),
      locks.write("other", run("o")),
      locks.write("k", run("w2")),
    ];
    await settle();
    assert.deepEqual(done.splice(0), ["r1 in", "r2 in", "o in"]);
    gates.get("o")?.();
    gates.get("r1")?.();
    await settle();
    assert.deepEqual(done.splice(0), ["o out", "r1 out"], "the other reader is still in");
    gates.get("r2")?.();
    await settle();
    assert.deepEqual(done.splice(0), ["r2 out", "w1 in"]);
    gates.get("w1")?.();
    await settle();
    assert.deepEqual(done.splice(0), ["w1 out", "r3 in"]);
    gates.get("r3")?.();
    await settle();
    assert.deepEqual(done.splice(0), ["r3 out", "w2 in"]);
    gates.get("w2")?.();
    await Promise.all(all);
  });

  it("one that fails lets the next one in", async () => {
    const locks = new Locks();
    const failed = locks.write("k", () => Promise.reject(new Error("failed")));
    const next = locks.write("k", async () => "next");
    await assert.rejects(failed, /failed/);
    assert.equal(await next, "next");
  });

  it("who waits for a back end that never answers gives up, undone; a late answer mends it", async (t) => {
    t.mock.timers.enable({ apis: ["setTimeout"] });
    const locks = new Locks();
    const { promise, resolve } = opened();
    const stuck = locks.write("k", () => promise);
    const ran: string[] = [];
    const write = async (name: string): Promise<void> => void ran.push(name);
    const waiting = [locks.write("k", () => write("write")), locks.read("k", () => write("read"))];
    await settle();
    t.mock.timers.tick(10_000);
    for (const each of waiting) {
      await assert.rejects(
        each,
        (error) => error instanceof SessionError && error.code === "store-failed",
      );
    }
    assert.deepEqual(ran, []);
    const later = locks.write("k", () => write("later"));
    resolve();
    await Promise.all([stuck, later]);
    assert.deepEqual(ran, ["later"]);
  });
});
