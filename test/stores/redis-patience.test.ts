// Commands of node-redis that cannot be sent: given up after the client's own bound, by one signal.
import assert from "node:assert/strict";
import { it } from "node:test";
import { createClient } from "redis";
import { RedisStore } from "../../src/stores/redis.ts";
import { patience } from "../../src/stores/redis-patience.ts";
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

it("one signal serves commands of about the same time; without a bound there is none", () => {
  const mapping = {};
  const bounded = patience({ _commandOptions: { timeout: 60_000 } }, mapping);
  const first = bounded();
  assert.ok(first.abortSignal instanceof AbortSignal);
  assert.ok("timeout" in first && first.timeout === undefined && first.typeMapping === mapping);
  assert.equal(bounded(), first);
  const signals = new Set(Array.from({ length: 1000 }, () => bounded().abortSignal));
  assert.equal(signals.size, 4);
  for (const timeout of [undefined, 0, -1, Infinity, "5"]) {
    const { abortSignal } = patience({ _commandOptions: { timeout } }, mapping)();
    assert.equal(abortSignal, undefined);
  }
  assert.equal(patience({}, mapping)().abortSignal, undefined);
});
