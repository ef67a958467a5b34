// Redis Cluster and Sentinel, with failover and slots that move: only with SCS_FULL=1.
import assert from "node:assert/strict";
import { after, describe, it } from "node:test";
import { SessionError } from "../../src/errors.ts";
import type { StoreRecord } from "../../src/store.ts";
import { RedisStore } from "../../src/stores/redis.ts";
import { storeSuite } from "../../src/testing/store.ts";
import { startCluster } from "../servers/cluster.ts";
import { command, releaseOf, until } from "../servers/resp.ts";
import { startSentinel } from "../servers/sentinel.ts";
import { tested } from "../support/tested.ts";
import { clustered, type Connected, guarded, version } from "./redis-drivers/clients.ts";

const hour = 3_600_000;
const digest = new Uint8Array(32).fill(1);
const other = new Uint8Array(32).fill(2);
const data = Uint8Array.from({ length: 256 }, (_, i) => i);
const made = { digest, data, lifetime: hour, idle: 60_000 };
/** Replicas that are there confirm at once, or when a busy machine lets them. */
const waitForReplicas = { count: 1, timeout: 10_000 };

if (process.env["SCS_FULL"] === undefined) {
  for (const topology of ["Cluster", "Sentinel"]) {
    const reason = "only with SCS_FULL=1";
    tested({ area: "engine", what: "RedisStore", with: topology, reason });
  }
} else {
  await onCluster();
  await onSentinel();
}

/** Adds the rows of one topology; its own tests are in `describe("RedisStore on ...")`. */
async function testedOn(topology: string, names: readonly string[], port: number): Promise<void> {
  const row = { area: "engine", what: "RedisStore", version: await releaseOf(port) } as const;
  for (const name of names) {
    const client = `${version(name)} ${topology.toLowerCase()}`;
    const note = `${topology}: the whole suite`;
    tested({ ...row, with: version(name), note, suite: `RedisStore, ${client}` });
  }
  const note = `${topology}: failover, replicas that are waited for, and what is particular to it`;
  tested({ ...row, with: "every client", note, suite: `RedisStore on ${topology}` });
}

function suite(name: string, { client }: Connected): void {
  storeSuite({
    describe: (title, body) => describe(title, { concurrency: true }, body),
    it,
    name,
    create: async () => ({ store: new RedisStore(client, { prefix: "scs-suite:" }) }),
  });
}

/** Every operation, and what it must have left behind. */
async function everything(store: RedisStore, key: string): Promise<void> {
  await store.destroy(key);
  assert.equal(await store.create(key, made), true);
  assert.equal(await store.create(key, made), false);
  assert.deepEqual((await store.load(key))?.data, data);
  assert.equal((await store.update(key, { version: 1, digest, data })).done, true);
  const renewal = { version: 2, digest, data, newDigest: other };
  assert.equal((await store.update(key, renewal)).done, true);
  const late = await store.update(key, renewal);
  assert.ok(!late.done);
  assert.deepEqual(late.record?.digest, other);
  assert.deepEqual(late.record.data, data);
  assert.equal(late.record.version, 3);
  assert.equal(await store.touch(key, other, 70_000), true);
  await store.destroy(key);
  assert.equal(await store.load(key), undefined);
}

/** How long until the store can write again; while it cannot, it rejects, and never hangs. */
async function recovered(store: RedisStore, name: string): Promise<void> {
  await until(`${name} can write again`, async () => {
    const slow = new Promise<boolean>((resolve) => setTimeout(() => resolve(false), 3000));
    const check = store.check().then(
      () => true,
      () => false,
    );
    return await Promise.race([check, slow]);
  });
}

async function onCluster(): Promise<void> {
  const cluster = await startCluster();
  after(() => cluster.stop());
  const { host, port } = cluster;
  const connected = new Map<string, Connected>();
  for (const [name, connect] of Object.entries(clustered)) {
    const made = await connect({ host, port });
    connected.set(name, made);
    after(made.end);
    suite(`RedisStore, ${version(name)} cluster`, made);
  }
  await testedOn("Cluster", [...connected.keys()], port);

  describe("RedisStore on Cluster", () => {
    it("lists the sessions of every primary", async () => {
      for (const [name, { client }] of connected) {
        const store = new RedisStore(client, { prefix: `${name}:list:` });
        const keys = Array.from({ length: 120 }, (_, i) => `s:${i}`);
        await Promise.all(keys.map((key) => store.create(key, made)));
        const found = new Set<string>();
        for await (const record of store.iterate("s:")) found.add(record.key);
        assert.deepEqual([...found].sort(), keys.sort(), name);
      }
    });

    it("waits for the replicas of the key's own primary", async () => {
      for (const [name, { client }] of connected) {
        const store = new RedisStore(client, { prefix: `${name}:wait:`, waitForReplicas });
        for (let i = 0; i < 6; i++) await everything(store, `s:${i}`);
        const many = { count: 2, timeout: 200 };
        const strict = new RedisStore(client, { prefix: `${name}:`, waitForReplicas: many });
        await strict.create("a", made);
        const renewal = { version: 1, digest, data, newDigest: other };
        const unknown = (error: unknown) =>
          error instanceof SessionError && error.code === "commit-unknown";
        await assert.rejects(strict.update("a", renewal), unknown, name);
        await assert.rejects(strict.destroy("a"), unknown, name);
      }
    });

    it("follows slots that move", async () => {
      for (const [name, { client }] of connected) {
        // All keys of the test in one slot.
        const prefix = `{${name}}:`;
        const slot = Number(await command(port, "CLUSTER", "KEYSLOT", prefix));
        const plain = new RedisStore(client, { prefix });
        const waiting = new RedisStore(client, { prefix, waitForReplicas });
        await plain.create("stays", made);
        const from = await cluster.primary(slot);
        const others = await Promise.all([0, 6000, 12_000].map((each) => cluster.primary(each)));
        const to = others.find((each) => each.port !== from.port) ?? assert.fail();
        const { finish } = await cluster.moveSlot(slot, to);
        for (const store of [plain, waiting]) await everything(store, "asking");
        assert.deepEqual((await plain.load("stays"))?.data, data, `${name}, ASK`);
        await finish();
        for (const store of [waiting, plain]) await everything(store, "moved");
        assert.deepEqual((await plain.load("stays"))?.data, data, `${name}, MOVED`);
      }
    });

    it("goes on after a failover", async () => {
      const stores = Array.from(connected, ([name, { client }]) => {
        return [
          name,
          new RedisStore(client, { prefix: `{over}${name}:`, waitForReplicas }),
        ] as const;
      });
      for (const [, store] of stores) {
        await store.create("kept", made);
        await store.update("kept", { version: 1, digest, data, newDigest: other });
      }
      const slot = Number(await command(port, "CLUSTER", "KEYSLOT", "{over}"));
      await cluster.failOver(slot);
      for (const [name, store] of stores) {
        let record: StoreRecord | undefined;
        await until(`${name} reads again`, async () => {
          record = await store.load("kept");
          return record !== undefined;
        });
        assert.deepEqual(record?.digest, other, name);
        const change = { version: 2, digest: other, data: other };
        assert.deepEqual(await store.update("kept", change), { done: true }, name);
      }
    });
  });
}

async function onSentinel(): Promise<void> {
  const servers = await startSentinel();
  after(() => servers.stop());
  const connected = new Map<string, Connected>();
  for (const [name, connect] of Object.entries(guarded)) {
    const made = await connect(servers.sentinels, servers.name);
    connected.set(name, made);
    after(made.end);
    suite(`RedisStore, ${version(name)} sentinel`, made);
  }
  await testedOn("Sentinel", [...connected.keys()], servers.port);

  describe("RedisStore on Sentinel", () => {
    it("waits for replicas, also when many do at once", async () => {
      for (const [name, { client }] of connected) {
        const store = new RedisStore(client, { prefix: `${name}:wait:`, waitForReplicas });
        await Promise.all(Array.from({ length: 20 }, (_, i) => everything(store, `s:${i}`)));
      }
    });

    it("keeps what replicas confirmed, and goes on after a failover", async () => {
      const stores = Array.from(connected, ([name, { client }]) => {
        const options = { prefix: `${name}:`, waitForReplicas: { ...waitForReplicas, count: 2 } };
        return [name, new RedisStore(client, options)] as const;
      });
      for (const [, store] of stores) {
        await store.create("kept", made);
        await store.update("kept", { version: 1, digest, data, newDigest: other });
        await store.create("ended", made);
        await store.destroy("ended");
      }
      await servers.failOver();
      for (const [name, store] of stores) {
        await recovered(store, name);
        assert.deepEqual((await store.load("kept"))?.digest, other, name);
        assert.equal(await store.load("ended"), undefined, name);
        const change = { version: 2, digest: other, data: other };
        assert.deepEqual(await store.update("kept", change), { done: true }, name);
      }
    });
  });
}
