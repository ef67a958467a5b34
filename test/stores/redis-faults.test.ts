// Connections that break: a reply that was cut is never a success, and never another's.
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { SessionError } from "../../src/errors.ts";
import { SessionManager } from "../../src/manager.ts";
import { RedisStore } from "../../src/stores/redis.ts";
import { type Proxy, startProxy } from "../servers/proxy.ts";
import { startRedis } from "../servers/redis.ts";
import { releaseOf, until } from "../servers/resp.ts";
import type { Server } from "../servers/server.ts";
import { tested } from "../support/tested.ts";
import { standalone } from "./redis-drivers/clients.ts";

const digest = new Uint8Array(32).fill(1);
const rounds = process.env["SCS_FULL"] === undefined ? 25 : 150;

/** Loads until the client is connected again. */
async function reading<T>(load: () => Promise<T>): Promise<T> {
  let found: T | undefined;
  await until("it can be read", async () => (found = await load()) !== undefined);
  return found ?? assert.fail();
}

describe("RedisStore behind a bad network", () => {
  let server: Server;
  let proxy: Proxy;

  before(async () => {
    server = await startRedis({ own: true });
    proxy = await startProxy(server);
    const note = "replies that a proxy cuts and stalls";
    const version = await releaseOf(server.port);
    tested({ area: "engine", what: "RedisStore", with: "every client", version, note });
  });
  after(async () => {
    proxy.close();
    await server.stop();
  });

  for (const [name, connect] of Object.entries(standalone)) {
    it(`${name}: no change is lost or done twice when replies are cut`, async () => {
      const { client, end } = await connect({ host: proxy.host, port: proxy.port });
      const sessions = new SessionManager<{ count: number }>({
        store: new RedisStore(client, { prefix: `${name}:` }),
        onEvent: () => {},
      });
      try {
        const first = await sessions.loadToken(undefined);
        first.set("count", 0);
        await first.commit();
        const { token } = first;
        let acknowledged = 0;
        let unknown = 0;
        for (let round = 0; round < rounds; round++) {
          const session = await reading(() => sessions.loadToken(token));
          session.update("count", (count) => (count ?? 0) + 1);
          // Before the reply of the script, in the middle of it, or in that of the next load.
          proxy.cutAfterBytes((round * 3) % 40, "replies");
          try {
            await session.commit();
            acknowledged++;
          } catch (error) {
            assert.ok(error instanceof SessionError && error.status === 503, String(error));
            if (error.code === "commit-unknown") unknown++;
          }
        }
        await proxy.resume();
        const count = (await reading(() => sessions.loadToken(token))).get("count");
        assert.ok(proxy.cuts > 5, `${proxy.cuts} cuts`);
        assert.ok(acknowledged > rounds / 4, `${acknowledged} acknowledged`);
        assert.ok(
          Number(count) >= acknowledged && Number(count) <= acknowledged + unknown,
          `${count} counted, ${acknowledged} acknowledged, ${unknown} unknown`,
        );
      } finally {
        end();
        await sessions.close();
      }
    });

    it(`${name}: a reply never reaches another request`, async () => {
      const { client, end } = await connect({ host: proxy.host, port: proxy.port });
      const store = new RedisStore(client, { prefix: `${name}:own:` });
      try {
        const data = (index: number) => new Uint8Array(50 + index).fill(index);
        const keys = Array.from({ length: 40 }, (_, index) => `k${index}`);
        await Promise.all(
          keys.map((key, index) =>
            store.create(key, { digest, data: data(index), lifetime: 3_600_000, idle: undefined }),
          ),
        );
        let answered = 0;
        for (let round = 0; round < rounds; round++) {
          proxy.cutAfterBytes((round * 997) % 5000, "replies");
          const replies = await Promise.allSettled(keys.map((key) => store.load(key)));
          for (const [index, reply] of replies.entries()) {
            if (reply.status === "rejected") continue;
            assert.equal(reply.value?.key, keys[index]);
            assert.deepEqual(reply.value?.data, data(index));
            answered++;
          }
        }
        assert.ok(answered > rounds, `${answered} answered`);
      } finally {
        await proxy.resume();
        end();
      }
    });

    it(`${name}: a server that falls silent is a 503 in time, and then serves again`, async () => {
      const { client, end } = await connect({ host: proxy.host, port: proxy.port });
      const store = new RedisStore(client, { prefix: `${name}:silent:` });
      const options = { store, storeTimeout: 500, onEvent: () => {} };
      const sessions = new SessionManager<{ count: number }>(options);
      try {
        const first = await sessions.loadToken(undefined);
        first.set("count", 1);
        await first.commit();
        proxy.stall();
        const start = performance.now();
        await assert.rejects(
          sessions.loadToken(first.token),
          (error) => error instanceof SessionError && error.code === "store-timeout",
        );
        assert.ok(performance.now() - start < 2000);
        await proxy.resume();
        await until("it serves again", async () => {
          return (await sessions.loadToken(first.token)).get("count") === 1;
        });
      } finally {
        end();
        await sessions.close();
      }
    });
  }
});
