import assert from "node:assert/strict";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import {
  createServer as createServer2,
  connect,
  type Http2ServerRequest,
  type Http2ServerResponse,
} from "node:http2";
import { describe, it } from "node:test";
import compression from "compression";
import { sessionHandler } from "../../src/adapters/node.ts";
import { SessionManager } from "../../src/index.ts";
import { MemoryStore } from "../../src/stores/memory.ts";
import { CountingStore } from "../support/counting.ts";
import { listen, serving, wait } from "./harness.ts";

type Data = { visits: number };

/** A manager whose commits take their time, so that what leaves early is seen. */
function slow(): { sessions: SessionManager<Data>; store: CountingStore } {
  const store = new CountingStore(new MemoryStore());
  const delay = async (): Promise<void> => {
    await wait(30);
    Object.assign(store.before, { create: delay, update: delay });
  };
  Object.assign(store.before, { create: delay, update: delay });
  return {
    sessions: new SessionManager<Data>({ store, development: true, onEvent: () => {} }),
    store,
  };
}

/** Both change the session within the arguments of a call on the response. */
async function visit(sessions: SessionManager<Data>, request: object): Promise<number> {
  const session = await sessions.load(request);
  return session.update("visits", (visits = 0) => visits + 1);
}

type Write = (
  sessions: SessionManager<Data>,
  req: IncomingMessage,
  res: ServerResponse,
) => Promise<unknown>;

const body = async (sessions: SessionManager<Data>, req: object): Promise<string> =>
  `visit ${await visit(sessions, req)}`;

const ways: Record<string, Write> = {
  "res.end(await ...)": async (sessions, req, res) => res.end(await body(sessions, req)),
  "res.write(await ...), then end": async (sessions, req, res) => {
    res.write(await body(sessions, req));
    res.end();
  },
  "res.writeHead(await ...)": async (sessions, req, res) => {
    res.writeHead((await visit(sessions, req)) > 0 ? 200 : 404, { "X-Test": "1" });
    res.end((await sessions.load(req)).get("visits") === 1 ? "visit 1" : "visit 2");
  },
  "a method kept from before": async (sessions, req, res) => {
    const end = res.end as (this: ServerResponse, text: string) => unknown;
    const text = await body(sessions, req);
    end.call(res, text);
  },
};

describe("methods taken off the response before the session was asked for", () => {
  for (const [name, write] of Object.entries(ways)) {
    it(`node:http: ${name}`, async () => {
      const { sessions } = slow();
      await serving(
        sessionHandler(sessions, (req, res) => write(sessions, req, res)),
        async ({ url }) => {
          const first = await fetch(url);
          assert.equal(await first.text(), "visit 1");
          const [cookie = ""] = first.headers.getSetCookie();
          assert.match(cookie, /^session=[\w-]{64};/);
          const second = await fetch(url, { headers: { cookie: cookie.split(";", 1).join() } });
          assert.equal(await second.text(), "visit 2");
          assert.deepEqual(second.headers.getSetCookie(), []);
          assert.equal(second.headers.get("vary"), "Cookie");
        },
      );
    });
  }

  it("behind compression, with a body worth compressing", async () => {
    const { sessions } = slow();
    const compress = compression({ threshold: 0 });
    const handler = sessionHandler(sessions, async (req, res) => {
      res.setHeader("Content-Type", "text/plain");
      res.end((await body(sessions, req)).repeat(200));
    });
    const server = createServer((req, res) => {
      compress(req as never, res as never, () => handler(req, res));
    });
    await serving(server, async ({ url }) => {
      const response = await fetch(url);
      assert.equal(await response.text(), "visit 1".repeat(200));
      assert.equal(response.headers.get("content-encoding") !== null, true);
      assert.equal(response.headers.getSetCookie().length, 1);
    });
  });

  it("a failing commit: nothing of the response leaves", async () => {
    const { sessions, store } = slow();
    store.faults.create = ["fail", "fail", "fail"];
    await serving(
      sessionHandler(sessions, async (req, res) => res.end(await body(sessions, req))),
      async ({ url }) => {
        const response = await fetch(url);
        assert.equal(response.status, 503);
        assert.equal(await response.text(), "503 Service Unavailable\n");
      },
    );
  });

  it("http2: res.end(await ...)", async () => {
    const { sessions } = slow();
    const running = await listen(
      createServer2(
        sessionHandler(sessions, async (req: Http2ServerRequest, res: Http2ServerResponse) =>
          res.end(await body(sessions, req)),
        ),
      ),
    );
    const client = connect(running.url);
    try {
      const stream = client.request({ ":path": "/" });
      stream.setEncoding("utf8");
      let text = "";
      let cookies: string[] | undefined;
      stream.on("response", (headers) => (cookies = headers["set-cookie"]));
      stream.on("data", (chunk: string) => (text += chunk));
      await new Promise((resolve) => stream.on("close", resolve));
      assert.equal(text, "visit 1");
      assert.equal(cookies?.length, 1);
    } finally {
      client.destroy();
      await running.close();
    }
  });

  it("responses and client requests of others are as before", async () => {
    const { sessions } = slow();
    await serving(
      sessionHandler(sessions, (_req, res) => {
        assert.deepEqual(
          Object.getOwnPropertySymbols(res).filter((s) => /scs/.test(String(s))),
          [],
        );
        res.end("plain");
      }),
      async ({ url }) => {
        assert.equal(await (await fetch(url)).text(), "plain");
        const {
          ClientRequest,
          OutgoingMessage,
          ServerResponse: Native,
        } = await import("node:http");
        assert.equal(ClientRequest.prototype.end.name, "end");
        assert.equal(Object.hasOwn(OutgoingMessage.prototype, "end"), true);
        assert.equal(Native.prototype.end.length, OutgoingMessage.prototype.end.length);
      },
    );
  });
});
