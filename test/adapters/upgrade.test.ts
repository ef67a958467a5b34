// WebSockets: the upgrade reads the session, messages commit, and the socket ends with the session.
import assert from "node:assert/strict";
import { createServer } from "node:http";
import { describe, it } from "node:test";
import { sessionHandler } from "../../src/adapters/node.ts";
import { type SessionEvent, SessionManager } from "../../src/index.ts";
import { MemoryStore } from "../../src/stores/memory.ts";
import { createSession } from "../../src/testing/index.ts";
import { accept, open, type ServerSocket } from "../support/socket.ts";
import { serving } from "./harness.ts";
import type { Data } from "./kit.ts";

/** A server with a page that logs out, and sockets that live as long as their session. */
function site(store: MemoryStore, poll?: number) {
  const sockets = new Map<string, Set<ServerSocket>>();
  const close = (id: string): void => {
    for (const socket of sockets.get(id) ?? []) socket.close(4001, "session ended");
    sockets.delete(id);
  };
  const sessions = new SessionManager<Data>({
    store,
    development: true,
    onEvent: (event: SessionEvent) => {
      if (event.type === "destroyed") close(event.id);
    },
  });
  const server = createServer(
    sessionHandler(sessions, async (req, res) => {
      const session = await sessions.load(req);
      if (req.url === "/logout") session.destroy();
      if (req.url === "/renew") session.renewToken();
      res.end(session.get("text") ?? "");
    }),
  );
  const timers: NodeJS.Timeout[] = [];
  server.on("upgrade", (req, socket) => {
    void sessions.loadCookie(req.headers.cookie).then(async (session) => {
      const text = session.get("text");
      if (text === undefined) return socket.end("HTTP/1.1 401 Unauthorized\r\n\r\n");
      const mine = accept(req, socket);
      const all = sockets.get(session.id) ?? new Set();
      sockets.set(session.id, all.add(mine));
      assert.throws(() => session.destroy(), { code: "head-sent" });
      assert.throws(() => session.renewToken(), { code: "head-sent" });
      session.update("visits", (visits) => (visits ?? 0) + 1);
      await session.commit();
      mine.send(`${text} ${session.get("visits")}`);
      if (poll === undefined) return undefined;
      const look = (): void => {
        sessions.isAlive(session.id).then(
          (alive) => alive || close(session.id),
          () => {},
        );
      };
      return timers.push(setInterval(look, poll));
    });
  });
  return { sessions, server, stop: () => timers.forEach((timer) => clearInterval(timer)) };
}

describe("websocket", () => {
  it("reads and commits; a logout in the same process closes the sockets of that session only", async () => {
    const { sessions, server } = site(new MemoryStore());
    const [ada, bob] = [
      await createSession(sessions, { text: "ada" }),
      await createSession(sessions, { text: "bob" }),
    ];
    await serving(server, async ({ url }) => {
      await assert.rejects(open(url, {}), /status 401/);
      await assert.rejects(open(url, { cookie: `${ada.cookie}x` }), /status 401/);
      const one = await open(url, { cookie: ada.cookie });
      assert.equal(await one.next(), "ada 1");
      const two = await open(url, { cookie: ada.cookie });
      assert.equal(await two.next(), "ada 2");
      const other = await open(url, { cookie: bob.cookie });
      assert.equal(await other.next(), "bob 1");
      // A renewal, as at a login, is the same session.
      const renewed = await fetch(`${url}/renew`, { headers: { cookie: ada.cookie } });
      const [cookie = ""] = renewed.headers.getSetCookie();
      await fetch(`${url}/logout`, { headers: { cookie } });
      assert.equal(await one.next(), "closed 4001 session ended");
      assert.equal(await two.next(), "closed 4001 session ended");
      await assert.rejects(open(url, { cookie }), /status 401/);
      const still = await open(url, { cookie: bob.cookie });
      assert.equal(await still.next(), "bob 2");
      for (const socket of [one, two, other, still]) socket.end();
    });
  });

  it("a logout in another process is seen by asking isAlive", async () => {
    const store = new MemoryStore();
    const here = site(store, 50);
    const there = site(store);
    const { cookie } = await createSession(here.sessions, { text: "ada" });
    await serving(here.server, async ({ url }) => {
      const socket = await open(url, { cookie });
      assert.equal(await socket.next(), "ada 1");
      await serving(there.server, (other) =>
        fetch(`${other.url}/logout`, { headers: { cookie } }).then(() => {}),
      );
      assert.equal(await socket.next(), "closed 4001 session ended");
      socket.end();
    });
    here.stop();
  });
});
