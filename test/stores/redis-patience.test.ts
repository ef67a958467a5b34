// Commands of node-redis that cannot be sent: given up after the client's own bound, by one signal.
import assert from "node:assert/strict";
import { it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { createClient } from "redis";
import { RedisStore } from "../../src/stores/redis.ts";
import { wireOf } from "../../src/stores/redis-client.ts";
import { Patience } from "../../src/stores/redis-patience.ts";
import { startRedis } from "../servers/redis.ts";
import { until } from "../servers/resp.ts";

it("commands that wait for a connection are given up when the client says, and not sent later", async () => {
  const server = await startRedis({ own: true });
  const client = createClient({ url: server.url, commandOptions: { timeout: 1000 } });
  client.on("error", () => {});
  const warnings: Error[] = [];
  const warned = (warning: Error): void => void warnings.push(warning);
  process.on("warning", warned);
  await client.connect();
  const store = new RedisStore(client);
  const record = { digest: new Uint8Array(32), data: new Uint8Array(9), lifetime: 60_000 };
  try {
    await store.check();
    await server.kill();
    await until("the connection is lost", async () => !client.isReady);
    const began = performance.now();
    // More than listeners on a signal that Node takes for a leak.
    const given = await Promise.allSettled(
      Array.from({ length: 40 }, (_, at) =>
        store.create(`late${at}`, { ...record, idle: undefined }),
      ),
    );
    const took = performance.now() - began;
    for (const each of given) {
      assert.equal(each.status, "rejected");
      assert.match(String(each.reason), /abort/i);
    }
    assert.ok(took >= 1000 && took < 10_000, `${took} ms`);
    await server.restart();
    await until("it serves again", async () => store.check().then(() => true));
    assert.equal(await client.dbSize(), 0);
    assert.deepEqual(warnings, []);
  } finally {
    process.off("warning", warned);
    client.destroy();
    await server.stop();
  }
});

it("on a connection that has fallen silent, what does not fit into its buffers is given up, too", async () => {
  const server = await startRedis({ own: true });
  const client = createClient({ url: server.url, commandOptions: { timeout: 1000 } });
  client.on("error", () => {});
  await client.connect();
  const store = new RedisStore(client);
  const digest = new Uint8Array(32);
  const create = (key: string, size: number): Promise<boolean> =>
    store.create(key, { digest, data: new Uint8Array(size), lifetime: 60_000, idle: undefined });
  const { pid } = server;
  assert.ok(pid !== undefined);
  try {
    assert.equal(await create("before", 9), true);
    process.kill(pid, "SIGSTOP");
    await sleep(300);
    assert.equal(client.isReady, true);
    // 64 MB: more than both ends of a connection hold.
    const outcomes = Array.from({ length: 64 }, (_, at) => {
      return create(`late${at}`, 1_000_000).then(String, String);
    });
    const last = outcomes.at(-1);
    const given = await Promise.race([last, sleep(5000).then(() => "still waiting")]);
    assert.match(String(given), /abort/i);
    process.kill(pid, "SIGCONT");
    const created = (await Promise.all(outcomes)).filter((outcome) => outcome === "true").length;
    assert.ok(created < 64, String(created));
    assert.equal(await client.dbSize(), created + 1);
  } finally {
    process.kill(pid, "SIGCONT");
    client.destroy();
    await server.stop();
  }
});

const limited = { _commandOptions: { timeout: 60_000 } };

it("one signal serves commands of about the same time; without a bound there is none", () => {
  const mapping = {};
  const bounded = new Patience(limited, mapping);
  const first = bounded.next();
  assert.ok(first.abortSignal instanceof AbortSignal);
  assert.ok("timeout" in first && first.timeout === undefined && first.typeMapping === mapping);
  assert.equal(bounded.next(), first);
  const signals = new Set(Array.from({ length: 1000 }, () => bounded.next().abortSignal));
  assert.equal(signals.size, 4);
  for (const timeout of [undefined, 0, -1, Infinity, "5"]) {
    const { abortSignal } = new Patience({ _commandOptions: { timeout } }, mapping).next();
    assert.equal(abortSignal, undefined);
  }
  assert.equal(new Patience({}, mapping).next().abortSignal, undefined);
});

it("what a pool has answered says nothing of the connection that the next command gets", async () => {
  for (const isPool of [false, true]) {
    const given: { readonly abortSignal?: AbortSignal }[] = [];
    const client = {
      ...limited,
      isReady: true,
      withTypeMapping: () => client,
      sendCommand: async (_args: unknown, options: object) => void given.push(options),
      ...(isPool && { execute: () => {} }),
    };
    const wire = wireOf(client);
    wire.heard();
    await wire.get("a");
    assert.equal(given[0]?.abortSignal !== undefined, isPool);
  }
});

it("there is none for one connection that has just answered, nor the client's own bound", async () => {
  const client = { ...limited, isReady: true };
  const mapping = {};
  const patience = new Patience(client, mapping);
  assert.ok(patience.next().abortSignal, "before any answer");
  patience.heard();
  assert.deepEqual(patience.next(), { typeMapping: mapping, timeout: undefined });
  client.isReady = false;
  assert.ok(patience.next().abortSignal, "a connection that is lost");
  client.isReady = true;
  await sleep(300);
  assert.ok(patience.next().abortSignal, "an answer long ago");
  const several = new Patience(limited, mapping);
  several.heard();
  assert.ok(several.next().abortSignal, "a pool, a cluster");
});
