// What needs a Redis of its own: restarts, statistics, replicas, limits.
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { SessionError } from "../../src/errors.ts";
import type { StoreRecord } from "../../src/store.ts";
import { type RedisClient, RedisStore } from "../../src/stores/redis.ts";
import { startRedis } from "../servers/redis.ts";
import { command, releaseOf, until } from "../servers/resp.ts";
import type { Server } from "../servers/server.ts";
import { tested } from "../support/tested.ts";
import { type Connected, standalone } from "./redis-drivers/clients.ts";

const hour = 3_600_000;
const digest = new Uint8Array(32).fill(1);
const other = new Uint8Array(32).fill(2);
const data = Uint8Array.from({ length: 256 }, (_, i) => i);
const made = { digest, data, lifetime: hour, idle: 60_000 };

function address({ host, port }: Server) {
  return { host, port };
}

async function connectAll(server: Server): Promise<Map<string, Connected>> {
  const all = new Map<string, Connected>();
  for (const [name, connect] of Object.entries(standalone)) {
    all.set(name, await connect(address(server)));
  }
  return all;
}

function hasCode(code: string) {
  return (error: unknown) => error instanceof SessionError && error.code === code;
}

/** How often each command was called, by the server's own statistics, without those of this test. */
async function calls(port: number, run: () => Promise<unknown>): Promise<Record<string, number>> {
  await command(port, "CONFIG", "RESETSTAT");
  await run();
  const counts: Record<string, number> = {};
  const info = String(await command(port, "INFO", "commandstats"));
  for (const [, name = "", count] of info.matchAll(/^cmdstat_([^:]+):calls=(\d+)/gm)) {
    if (!/^(config|info|client|hello|command)/.test(name)) counts[name] = Number(count);
  }
  return counts;
}

describe("RedisStore and its server", () => {
  let server: Server;
  let clients: Map<string, Connected>;
  const all = (): [string, RedisClient][] =>
    Array.from(clients, ([name, { client }]) => [name, client]);

  before(async () => {
    server = await startRedis({
      own: true,
      appendonly: true,
      args: ["--repl-diskless-sync-delay", "0"],
    });
    clients = await connectAll(server);
    const note = "restarts, round trips by the server's count, replicas, limits";
    const version = await releaseOf(server.port);
    tested({ area: "engine", what: "RedisStore", with: "every client", version, note });
  });
  after(async () => {
    for (const { end } of clients.values()) end();
    await server.stop();
  });

  it("sends one command per operation", async () => {
    for (const [name, client] of all()) {
      const store = new RedisStore(client, { prefix: `${name}:` });
      // After a reply that took long, the next load asks for the time once more: until none is due.
      const settled = (): Promise<void> =>
        until("the server's time is known", async () => {
          const { time } = await calls(server.port, () => store.load("warm"));
          return time === undefined;
        });
      // The server's time and scripts become known.
      for (const key of ["warm", "warmer"]) await store.create(key, made);
      const warm = { version: 1, digest, data };
      await store.update("warm", warm);
      await store.touch("warm", digest, 70_000);
      await store.check();

      const { port } = server;
      const inside = { evalsha: 1, time: 1, getrange: 1 };
      const create = await calls(port, () => store.create("a", made));
      assert.deepEqual(create, { evalsha: 1, time: 1, set: 1, setrange: 1 }, `${name} create`);
      await settled();
      assert.deepEqual(await calls(port, () => store.load("a")), { get: 1 }, `${name} load`);
      const still = { evalsha: 1, getrange: 1, pexpiretime: 1, set: 1, setrange: 1 };
      const update = await calls(port, () => store.update("a", warm));
      assert.deepEqual(update, still, `${name} update`);
      const conflict = await calls(port, () => store.update("a", warm));
      assert.deepEqual(conflict, { ...inside, get: 1 }, `${name} update on conflict`);
      const renewal = { version: 2, digest, data, newDigest: other };
      const renew = await calls(port, () => store.update("a", renewal));
      assert.deepEqual(renew, still, `${name} renewal`);
      const moving = { version: 3, digest: other, data, idle: 80_000 };
      const move = await calls(port, () => store.update("a", moving));
      assert.deepEqual(move, { ...inside, set: 1, setrange: 1 }, `${name} update of times`);
      const touch = await calls(port, () => store.touch("a", other, 90_000));
      assert.deepEqual(touch, { ...inside, setrange: 1, pexpireat: 1 }, `${name} touch`);
      assert.deepEqual(await calls(port, () => store.destroy("a")), { del: 1 }, `${name} destroy`);
      const check = await calls(port, () => store.check());
      assert.deepEqual(check, { evalsha: 1, time: 1, set: 1, del: 1 }, `${name} check`);
    }
  });

  it("asks for the time once, not with every load, and again after a slow reply only", async () => {
    for (const [name, client] of all()) {
      const store = new RedisStore(client, { prefix: `${name}:` });
      await new RedisStore(client, { prefix: `${name}:` }).create("timed", made);
      let slow = 0;
      const counted = await calls(server.port, async () => {
        for (let i = 0; i < 20; i++) {
          const start = performance.now();
          assert.ok(await store.load("timed"));
          if (performance.now() - start > 90) slow++;
        }
      });
      const { time = 0, ...rest } = counted;
      assert.deepEqual(rest, { get: 20 }, name);
      assert.ok(time >= 1 && time <= 1 + slow, `${name}: ${time} times, ${slow} slow replies`);
    }
  });

  it("keeps what it acknowledged when the server is killed, and goes on", async () => {
    for (const [name, client] of all()) {
      const store = new RedisStore(client, { prefix: `${name}:` });
      await store.create("kept", made);
      await store.update("kept", { version: 1, digest, data: other });
      await store.create("ended", made);
      await store.destroy("ended");
    }
    await server.kill();
    await server.restart();
    for (const [name, client] of all()) {
      const store = new RedisStore(client, { prefix: `${name}:` });
      let answer: { readonly record: StoreRecord | undefined } | undefined;
      await until(`${name} is connected again`, async () => {
        answer = { record: await store.load("kept") };
        return true;
      });
      const kept = answer?.record;
      assert.equal(kept?.version, 2, name);
      assert.deepEqual(kept.data, other, name);
      assert.equal(await store.load("ended"), undefined, name);
      // The scripts went with the server.
      assert.deepEqual(await store.update("kept", { version: 2, digest, data }), { done: true });
      assert.equal(await store.touch("kept", digest, 80_000), true);
    }
  });

  it("says that Redis is full, and changes nothing", async () => {
    for (const [name, client] of all()) {
      const store = new RedisStore(client, { prefix: `${name}:` });
      await store.create("full", made);
      await command(server.port, "CONFIG", "SET", "maxmemory", "1");
      try {
        await assert.rejects(store.create("more", made), hasCode("store-full"), name);
        const change = { version: 1, digest, data };
        await assert.rejects(store.update("full", change), hasCode("store-full"), name);
        await assert.rejects(store.check(), /OOM/, name);
        assert.equal((await store.load("full"))?.version, 1, name);
        // Logging out works all the same.
        await store.destroy("full");
        assert.equal(await store.load("full"), undefined, name);
      } finally {
        await command(server.port, "CONFIG", "SET", "maxmemory", "0");
      }
      await store.check();
    }
  });

  it("rejects when the server is read-only", async () => {
    for (const [name, client] of all()) {
      await new RedisStore(client, { prefix: `${name}:` }).destroy("readonly");
    }
    // A replica of nobody: what a primary becomes after a failover.
    await command(server.port, "CONFIG", "SET", "replica-serve-stale-data", "yes");
    await command(server.port, "REPLICAOF", "127.0.0.1", "1");
    try {
      for (const [name, client] of all()) {
        const store = new RedisStore(client, { prefix: `${name}:` });
        await assert.rejects(store.create("readonly", made), /READONLY/, name);
        await assert.rejects(store.check(), /READONLY/, name);
        await assert.rejects(store.destroy("readonly"), /READONLY/, name);
      }
      await command(server.port, "CONFIG", "SET", "replica-serve-stale-data", "no");
      for (const [name, client] of all()) {
        const store = new RedisStore(client, { prefix: `${name}:` });
        await assert.rejects(store.load("readonly"), /MASTERDOWN/, name);
      }
    } finally {
      await command(server.port, "REPLICAOF", "NO", "ONE");
    }
    for (const [, client] of all()) await new RedisStore(client).check();
  });

  it("waits for replicas on renewal and destroy only, and says when there are too few", async () => {
    const waiting = (timeout: number) =>
      all().map(([name, client]) => {
        const waitForReplicas = { count: 1, timeout };
        const options = { prefix: `${name}:wait:`, waitForReplicas };
        return [name, new RedisStore(client, options)] as const;
      });
    const renewal = { version: 2, digest, data, newDigest: other };
    for (const [name, store] of waiting(200)) {
      await store.create("a", made);
      assert.equal((await store.update("a", { version: 1, digest, data })).done, true);
      const unknown = hasCode("commit-unknown");
      await assert.rejects(store.update("a", renewal), unknown, name);
      // It was done: the error says that it may be lost.
      assert.deepEqual((await store.load("a"))?.digest, other, name);
      const conflict = await store.update("a", renewal);
      assert.ok(!conflict.done);
      assert.deepEqual(conflict.record?.data, data, name);
      await assert.rejects(store.destroy("a"), unknown, name);
      assert.equal(await store.load("a"), undefined, name);
    }
    const replica = await startRedis({
      own: true,
      args: ["--replicaof", server.host, String(server.port)],
    });
    try {
      await until("the replica is online", async () => {
        const info = String(await command(server.port, "INFO", "replication"));
        return info.includes("state=online");
      });
      const stores = waiting(5000);
      for (const [name, store] of stores) {
        await command(server.port, "SCRIPT", "FLUSH");
        await store.create("b", made);
        await store.update("b", { version: 1, digest, data });
        await command(server.port, "SCRIPT", "FLUSH");
        assert.deepEqual(await store.update("b", renewal), { done: true }, name);
        const key = `${name}:wait:b`;
        assert.equal(await command(replica.port, "EXISTS", key), 1, name);
        await store.destroy("b");
        assert.equal(await command(replica.port, "EXISTS", key), 0, name);
      }
      const [, store] = stores[0] ?? assert.fail();
      await store.create("c", made);
      const counted = await calls(server.port, () => store.destroy("c"));
      assert.equal(counted["wait"], 1);
      assert.equal(counted["del"], 1);
    } finally {
      await replica.stop();
    }
  });
});
