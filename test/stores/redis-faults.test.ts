// RedisStore behind a bad network.
import { after, before, describe } from "node:test";
import { RedisStore } from "../../src/stores/redis.ts";
import { type Proxy, startProxy } from "../servers/proxy.ts";
import { startRedis } from "../servers/redis.ts";
import { releaseOf } from "../servers/resp.ts";
import type { Server } from "../servers/server.ts";
import { tested } from "../support/tested.ts";
import { networkTests } from "./faults.ts";
import { standalone } from "./redis-drivers/clients.ts";

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
    const open = async ({ host, port }: Proxy) => {
      const { client, end } = await connect({ host, port });
      return { store: new RedisStore(client, { prefix: `${name}:` }), end };
    };
    networkTests({ name, open, replyBytes: 40 }, () => proxy);
  }
});
