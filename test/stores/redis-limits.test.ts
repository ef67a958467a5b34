// Redis that is full, that evicts, or that is a replica: what requests see, and what comes after.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, before, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { SessionError, type SessionErrorCode } from "../../src/errors.ts";
import type { SessionEvent } from "../../src/events.ts";
import { SessionManager } from "../../src/manager.ts";
import { type RedisClient, RedisStore } from "../../src/stores/redis.ts";
import { startRedis } from "../servers/redis.ts";
import { command, until } from "../servers/resp.ts";
import type { Server } from "../servers/server.ts";
import { type Connected, standalone } from "./redis-drivers/clients.ts";

type Data = { n: number; text: string };

const failsWith =
  (code: SessionErrorCode, status: number) =>
  (error: unknown): true => {
    assert.ok(error instanceof SessionError, String(error));
    assert.equal(error.code, code);
    assert.equal(error.status, status);
    return true;
  };

const because =
  (cause: RegExp) =>
  (error: unknown): true => {
    assert.ok(error instanceof SessionError && error.status === 503, String(error));
    assert.match(String(error.cause), cause);
    return true;
  };

function managerOn(client: RedisClient, prefix: string, events: SessionEvent[] = []) {
  return new SessionManager<Data>({
    store: new RedisStore(client, { prefix }),
    // Every use is due.
    idleTimeout: "10m",
    touchInterval: 1,
    onEvent: (event) => events.push(event),
  });
}

async function begin(sessions: SessionManager<Data>): Promise<string> {
  const session = await sessions.loadToken(undefined);
  session.set("n", 1);
  session.set("text", randomBytes(3000).toString("base64"));
  await session.commit();
  return session.token ?? assert.fail();
}

describe("Redis at its limits", () => {
  let server: Server;
  const clients = new Map<string, Connected>();
  const set = (name: string, value: string) => command(server.port, "CONFIG", "SET", name, value);

  before(async () => {
    server = await startRedis({ own: true, args: ["--repl-diskless-sync-delay", "0"] });
    const { host, port } = server;
    for (const [name, connect] of Object.entries(standalone)) {
      clients.set(name, await connect({ host, port }));
    }
  });
  after(async () => {
    for (const { end } of clients.values()) end();
    await server?.stop();
  });

  it("full: changes fail at once with store-full (503), reads and logouts work, and it recovers", async () => {
    for (const [name, { client }] of clients) {
      const events: SessionEvent[] = [];
      const sessions = managerOn(client, `${name}:`, events);
      const token = await begin(sessions);
      const leaving = await begin(sessions);
      await sleep(100);
      await set("maxmemory", "1");
      try {
        events.length = 0;
        const session = await sessions.loadToken(token);
        assert.equal(session.get("n"), 1, name);
        // The touch that was due is an event, and nothing else.
        assert.deepEqual(
          events.map(({ type }) => type),
          ["touch-failed"],
          name,
        );
        session.set("n", 2);
        events.length = 0;
        await assert.rejects(session.commit(), failsWith("store-full", 503), name);
        assert.deepEqual(
          events.map(({ type }) => type),
          ["store-failed"],
          `${name}: sent once`,
        );
        const renewing = await sessions.loadToken(token);
        renewing.renewToken();
        await assert.rejects(renewing.commit(), failsWith("store-full", 503), name);
        await assert.rejects(begin(sessions), failsWith("store-full", 503), name);
        await assert.rejects(sessions.check(), because(/OOM/), name);
        const logout = await sessions.loadToken(leaving);
        logout.destroy();
        await logout.commit();
      } finally {
        await set("maxmemory", "0");
      }
      await sessions.check();
      const session = await sessions.loadToken(token);
      assert.equal(session.get("n"), 1, `${name}: nothing was written`);
      session.set("n", 3);
      await session.commit();
      assert.equal((await sessions.loadToken(token)).get("n"), 3, name);
      assert.equal((await sessions.loadToken(leaving)).isNew, true, name);
    }
  });

  it("a session takes what the page says, and no more", async (t) => {
    const { client } = clients.get("redis") ?? assert.fail();
    const store = new RedisStore(client);
    const digest = new Uint8Array(32);
    const sizes: string[] = [];
    for (const size of [100, 200, 1024, 4096, 65_536]) {
      const key = `__Host-Http-session:${"x".repeat(24)}`;
      await store.destroy(key);
      await store.create(key, { digest, data: new Uint8Array(size), lifetime: 1e8, idle: 1e6 });
      const used = Number(await command(server.port, "MEMORY", "USAGE", `scs:${key}`));
      // The header and the key are 105 bytes; the rest is the server's, which rounds up.
      assert.ok(used > size + 105 && used < size * 1.25 + 300, `${used} for ${size} bytes`);
      sizes.push(`${size}: ${used}`);
    }
    t.diagnostic(`MEMORY USAGE by bytes of data: ${sizes.join(", ")}`);
  });

  it("evicting: sessions end early and in silence, and none comes back", async () => {
    const { client } = clients.get("redis") ?? assert.fail();
    const sessions = managerOn(client, "evicted:");
    const victim = await begin(sessions);
    const late = await sessions.loadToken(victim);
    const used = /used_memory:(\d+)/.exec(String(await command(server.port, "INFO", "memory")));
    await set("maxmemory-policy", "allkeys-lru");
    await set("maxmemory", String(Number(used?.[1]) + 300_000));
    try {
      await until("the session is evicted", async () => {
        for (let i = 0; i < 20; i++) await begin(sessions);
        return (
          Number(
            await command(
              server.port,
              "EXISTS",
              `evicted:__Host-Http-session:${victim.slice(0, 24)}`,
            ),
          ) === 0
        );
      });
      // Nothing fails: a health check cannot see it.
      await sessions.check();
      assert.equal((await sessions.loadToken(victim)).isNew, true);
      late.set("n", 2);
      await assert.rejects(late.commit(), failsWith("gone", 409));
      assert.equal((await sessions.loadToken(victim)).isNew, true);
    } finally {
      await set("maxmemory", "0");
      await set("maxmemory-policy", "noeviction");
    }
  });

  it("a replica: it is read, no change is taken for stored, and check() says READONLY", async () => {
    const replica = await startRedis({
      own: true,
      args: ["--replicaof", server.host, String(server.port)],
    });
    const { host, port } = replica;
    const connected: Connected[] = [];
    try {
      const primary = managerOn((clients.get("redis") ?? assert.fail()).client, "replica:");
      const token = await begin(primary);
      const key = `replica:__Host-Http-session:${token.slice(0, 24)}`;
      await until("the replica has it", async () => {
        return (await command(port, "EXISTS", key)) === 1;
      });
      for (const [name, connect] of Object.entries(standalone)) {
        const wrong = await connect({ host, port });
        connected.push(wrong);
        const sessions = managerOn(wrong.client, "replica:");
        await assert.rejects(sessions.check(), because(/READONLY/), name);
        const session = await sessions.loadToken(token);
        assert.equal(session.get("n"), 1, name);
        session.set("n", 2);
        await assert.rejects(session.commit(), failsWith("commit-unknown", 503), name);
        const logout = await sessions.loadToken(token);
        logout.destroy();
        await assert.rejects(logout.commit(), failsWith("commit-unknown", 503), name);
        await assert.rejects(begin(sessions), failsWith("commit-unknown", 503), name);
      }
      assert.equal((await primary.loadToken(token)).get("n"), 1);
    } finally {
      for (const { end } of connected) end();
      await replica.stop();
    }
  });
});
