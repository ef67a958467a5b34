import assert from "node:assert/strict";
import { after, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { SessionError } from "../../src/errors.ts";
import type { StoreRecord } from "../../src/store.ts";
import { type RedisClient, RedisStore } from "../../src/stores/redis.ts";
import { storeSuite } from "../../src/testing/store.ts";
import { command, releaseOf, until } from "../servers/resp.ts";
import { redis } from "../servers/sharedServers.ts";
import { tested } from "../support/tested.ts";
import {
  type Connected,
  ioModule,
  nodeRedisModule,
  standalone,
  version,
} from "./redis-drivers/clients.ts";

const hour = 3_600_000;
const digest = Uint8Array.from({ length: 32 }, (_, i) => 255 - i);
const everyByte = Uint8Array.from({ length: 256 }, (_, i) => i);
const made = { digest, data: everyByte, lifetime: hour, idle: undefined };

const shared = await redis();
const connected = new Map<string, Connected>();
for (const [name, connect] of Object.entries(standalone)) {
  connected.set(name, await connect(target(shared)));
}
after(() => {
  for (const { end } of connected.values()) end();
});

// A pool differs from a client only in the connection that a command takes.
const release = await releaseOf(shared.port);
const full = process.env["SCS_FULL"] !== undefined;
if (!full) {
  const reason = "the whole suite only with SCS_FULL=1";
  tested({ area: "engine", what: "RedisStore", with: version("redis pool"), reason });
}
for (const [name, { client }] of connected) {
  if (name === "redis pool" && !full) continue;
  tested({
    area: "engine",
    what: "RedisStore",
    with: version(name),
    version: release,
    note: "the whole suite; its own tests",
    suite: `RedisStore, ${version(name)}`,
  });
  storeSuite({
    // At the same time: the tests spend theirs waiting.
    describe: (title, body) => describe(title, { concurrency: true }, body),
    it,
    name: `RedisStore, ${version(name)}`,
    create: async () => ({ store: new RedisStore(client, { prefix: "scs-suite:" }) }),
  });
}

let keys = 0;

/** A key of its own, a store under a prefix of its own, and raw commands about it. */
function bench(client: RedisClient, port = shared.port) {
  const prefix = `scs-${process.pid}-${++keys}:`;
  const store = new RedisStore(client, { prefix });
  return {
    prefix,
    store,
    raw: (name: string, key: string, ...args: string[]) =>
      command(port, name, prefix + key, ...args),
  };
}

function target({ host, port }: { host: string; port: number }) {
  return { host, port };
}

function present<T>(value: T | undefined): T {
  assert.ok(value !== undefined, "there is a value");
  return value;
}

for (const [name, { client }] of connected) {
  describe(`RedisStore, ${version(name)}`, () => {
    it("keeps keys and data of every byte, and updates them on conflict", async () => {
      const { store } = bench(client);
      const key = `a\0\r\n${String.fromCharCode(...everyByte)}\u{1f600}`;
      assert.equal(await store.create(key, made), true);
      const record = present(await store.load(key));
      assert.equal(record.key, key);
      assert.deepEqual(record.data, everyByte);
      assert.deepEqual(record.digest, digest);
      assert.equal(Object.getPrototypeOf(record.data), Uint8Array.prototype);
      const late = await store.update(key, { version: 7, digest, data: new Uint8Array(1) });
      assert.ok(!late.done);
      assert.deepEqual(present(late.record).data, everyByte);
      assert.equal(present(late.record).key, key);
    });

    it("goes on after SCRIPT FLUSH", async () => {
      const { store } = bench(client);
      const flush = () => command(shared.port, "SCRIPT", "FLUSH");
      assert.equal(await store.create("warm", made), true);
      await flush();
      assert.equal(await store.create("a", made), true);
      await flush();
      assert.equal((await store.update("a", { version: 1, digest, data: everyByte })).done, true);
      await flush();
      assert.equal(await store.touch("a", digest, hour), true);
      await flush();
      await store.check();
      assert.equal(present(await store.load("a")).version, 2);
    });

    it("takes what is no session for none, and leaves it alone", async () => {
      const { store, raw } = bench(client);
      await raw("SET", "short", "Sc");
      await raw("SET", "text", "hello ".repeat(50));
      await raw("SET", "empty", "");
      await raw("LPUSH", "list", "1");
      await store.create("cut", made);
      const whole = 61 + 3 + 256;
      assert.equal(await raw("STRLEN", "cut"), whole);
      await raw("SET", "cut", "Sc\u0001 and then nothing");
      for (const key of ["short", "text", "empty", "list", "cut"]) {
        const record = present(await store.load(key));
        assert.equal(record.data.length, 0, `${key} has no data, which no manager can decode`);
        assert.notDeepEqual(record.digest, digest);
        assert.equal(await store.create(key, made), false, `create on ${key}`);
        assert.equal(await store.touch(key, digest, hour), false, `touch of ${key}`);
        const result = await store.update(key, { version: 0, digest, data: everyByte });
        assert.equal(result.done, false, `update of ${key}`);
        assert.equal(await raw("EXISTS", key), 1, `${key} is still there`);
      }
      await store.destroy("list");
      assert.equal(await raw("EXISTS", "list"), 0);
    });

    it("says which key a record is of, wherever it was found", async () => {
      const { store, raw, prefix } = bench(client);
      await store.create("alice", made);
      await raw("COPY", "alice", `${prefix}mallory`);
      assert.equal(present(await store.load("mallory")).key, "alice");
      const listed: StoreRecord[] = [];
      for await (const record of store.iterate("mallory")) listed.push(record);
      assert.deepEqual(
        listed.map(({ key, data }) => [key, data.length]),
        [["mallory", 0]],
      );
    });

    it("rejects a record of a newer format, and keeps it", async () => {
      const { store, raw } = bench(client);
      await store.create("a", made);
      await raw("SETRANGE", "a", "2", "\u0002");
      const unknown = (error: unknown) =>
        error instanceof SessionError && error.code === "unknown-format";
      await assert.rejects(store.load("a"), unknown);
      await assert.rejects(store.update("a", { version: 1, digest, data: everyByte }), unknown);
      assert.equal(await store.create("a", made), false);
      assert.equal(await raw("EXISTS", "a"), 1);
    });

    it("ends a session in time even when its expiry was taken away or put off", async () => {
      const { store, raw } = bench(client);
      const lives = {
        a: { life: { lifetime: 1000 }, hand: ["PERSIST"] },
        b: { life: { idle: 1000 }, hand: ["PERSIST"] },
        c: { life: { lifetime: 1000 }, hand: ["EXPIRE", "3600"] },
        d: { life: { idle: 1000 }, hand: ["EXPIRE", "3600"] },
      };
      for (const [key, { life, hand }] of Object.entries(lives)) {
        const [name = "", ...args] = hand;
        // A machine that stalls lets it end before.
        await until(`the expiry of ${key} is changed`, async () => {
          await store.create(key, { ...made, ...life });
          return (await raw(name, key, ...args)) === 1;
        });
      }
      await sleep(1200);
      for (const key of Object.keys(lives)) {
        assert.equal(await raw("EXISTS", key), 1);
        assert.equal(await store.load(key), undefined);
        assert.equal(await store.touch(key, digest, hour), false);
        const change = { version: 1, digest, data: everyByte };
        assert.deepEqual(await store.update(key, change), { done: false, record: undefined });
      }
      for await (const record of store.iterate("")) assert.fail(`${record.key} was listed`);
      assert.equal(await store.create("a", made), true);
      assert.ok(Number(await raw("PTTL", "a")) > hour / 2);
    });

    it("lets the server expire keys, by the nearer end", async () => {
      const { store, raw } = bench(client);
      const left = async () => Number(await raw("PTTL", "a"));
      await store.create("a", { ...made, idle: 60_000 });
      assert.ok((await left()) <= 60_000 && (await left()) > 50_000);
      await store.update("a", { version: 1, digest, data: everyByte });
      assert.ok((await left()) <= 60_000 && (await left()) > 50_000);
      await store.touch("a", digest, 120_000);
      assert.ok((await left()) <= 120_000 && (await left()) > 110_000);
      await store.update("a", { version: 2, digest, data: everyByte, idle: 9 * hour });
      assert.ok((await left()) <= hour && (await left()) > hour - 10_000);
      await store.update("a", { version: 3, digest, data: everyByte, lifetime: 30_000 });
      assert.ok((await left()) <= 30_000 && (await left()) > 20_000);
    });

    it("lists by prefix, whatever characters it has", async () => {
      const odd = "s*[a-z]?\\^x:";
      const prefix = `scs-${process.pid}-${++keys}:${odd}`;
      const store = new RedisStore(client, { prefix });
      const near = new RedisStore(client, { prefix: prefix.replace("[a-z]", "a") });
      await near.create("one:1", made);
      for (let i = 0; i < 250; i++) await store.create(`one:${i}`, made);
      await store.create("two:1", made);
      const found = new Set<string>();
      for await (const { key } of store.iterate("one:")) found.add(key);
      assert.equal(found.size, 250);
      assert.ok(!found.has("two:1"));
    });

    it("does not hear a process whose clock is wrong", async (t) => {
      const { store } = bench(client);
      await store.create("a", { ...made, idle: 60_000 });
      const { now } = Date;
      for (const minutes of [-10, 10]) {
        t.mock.method(Date, "now", () => now() + minutes * 60_000);
        const fresh = new RedisStore(client, { prefix: bench(client).prefix });
        await fresh.create("a", { ...made, idle: 60_000 });
        for (const record of [present(await store.load("a")), present(await fresh.load("a"))]) {
          assert.ok(record.age < 10_000, `age ${record.age}`);
          assert.ok(Math.abs(record.deadlineIn - hour) < 10_000, `deadline ${record.deadlineIn}`);
          assert.ok(Math.abs(Number(record.idleIn) - 60_000) < 10_000, `idle ${record.idleIn}`);
        }
        t.mock.restoreAll();
      }
    });
  });
}

tested({
  area: "engine",
  what: "RedisStore",
  with: "every client",
  version: release,
  note: "clients, options and keys that are refused",
  suite: "RedisStore",
});

describe("RedisStore", () => {
  it("refuses what is no client, and clients that read from replicas", async () => {
    const { Cluster, Redis } = await ioModule("ioredis");
    const valkey = await ioModule("iovalkey");
    const { createCluster } = await nodeRedisModule();
    const lazy = { lazyConnect: true };
    const node = [{ host: "127.0.0.1", port: 1 }];
    const bad: unknown[] = [
      undefined,
      null,
      {},
      "redis://localhost",
      { get() {}, set() {} },
      { sendCommand() {} },
      new Cluster(node, { ...lazy, scaleReads: "slave" }),
      new Cluster(node, { ...lazy, scaleReads: "all" }),
      new Cluster(node, { ...lazy, scaleReads: () => undefined }),
      new valkey.Cluster(node, { ...lazy, scaleReads: "slave" }),
      new Redis({ ...lazy, role: "slave" }),
      new Redis({ ...lazy, keyPrefix: "x" }),
      new Cluster(node, { ...lazy, keyPrefix: "x" }),
      createCluster({ rootNodes: [{ url: "redis://127.0.0.1:1" }], useReplicas: true }),
    ];
    for (const client of bad) {
      assert.throws(
        () => new RedisStore(client as RedisClient),
        (error) => error instanceof SessionError && error.code === "invalid-option",
      );
    }
  });

  it("refuses options that make no sense", () => {
    const { client } = present(connected.get("redis"));
    const bad = [
      { prefix: 5 },
      { prefix: null },
      { prefix: "\ud800" },
      { waitForReplicas: { count: 0, timeout: 100 } },
      { waitForReplicas: { count: 1, timeout: 0 } },
      { waitForReplicas: { count: 1.5, timeout: 100 } },
      { waitForReplicas: { count: 1, timeout: Infinity } },
    ] as unknown as ConstructorParameters<typeof RedisStore>[1][];
    for (const options of bad) {
      assert.throws(
        () => new RedisStore(client, options),
        (error) => error instanceof SessionError && error.code === "invalid-option",
        JSON.stringify(options),
      );
    }
  });

  it("refuses keys and digests that it could not tell apart", async () => {
    const { store } = bench(present(connected.get("redis")).client);
    const invalid = (error: unknown) =>
      error instanceof SessionError && error.code === "invalid-argument";
    await assert.rejects(store.create("\ud800", made), invalid);
    await assert.rejects(store.create("a".repeat(65_536), made), invalid);
    await assert.rejects(store.create("a", { ...made, digest: new Uint8Array(31) }), invalid);
  });
});
