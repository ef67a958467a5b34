import { createServer } from "node:http";
import { sessionHandler } from "../../../src/adapters/node.ts";
import { SessionManager } from "../../../src/index.ts";
import { MemoryStore } from "../../../src/stores/memory.ts";
import { answer } from "../app.mjs";

export const peer = {
  title: "scs-session",
  setup: "MemoryStore, defaults, node adapter, this checkout",
  // Without this secret half of the token, the public id before it opens nothing.
  idOf: (cookies) => cookies.values().next().value.slice(24),

  async serve(watch, gates) {
    const store = watch.over(new MemoryStore(), ["load"], ["create", "update", "touch", "destroy"]);
    const sessions = new SessionManager({ store, onEvent: () => {} });
    const server = createServer(
      sessionHandler(sessions, async (req, res) => {
        const open = async () => facade(await sessions.load(req));
        const body = JSON.stringify(await answer(req.url, gates, open));
        res.setHeader("Content-Type", "application/json");
        res.end(body);
      }),
    );
    server.on("close", () => void sessions.close());
    return server;
  },
};

function facade(session) {
  return {
    get: (key) => session.get(key),
    set: (key, value) => session.set(key, value),
    destroy: () => session.destroy(),
    renew: () => session.renewToken(),
    async increment(key, pause) {
      await pause();
      session.update(key, (n) => (n ?? 0) + 1);
    },
  };
}
