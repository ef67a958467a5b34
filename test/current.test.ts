// `sessions.current()`: the session of the request at hand, found without the request.
import assert from "node:assert/strict";
import express from "express";
import Fastify from "fastify";
import { Hono } from "hono";
import Koa from "koa";
import { AsyncLocalStorage } from "node:async_hooks";
import { createServer } from "node:http";
import { describe, it } from "node:test";
import { createAdaptorServer } from "@hono/node-server";
import { sessionMiddleware as expressMiddleware } from "../src/adapters/express.ts";
import { sessionPlugin } from "../src/adapters/fastify.ts";
import { sessionMiddleware as honoMiddleware } from "../src/adapters/hono.ts";
import { sessionMiddleware as koaMiddleware } from "../src/adapters/koa.ts";
import { sessionHandler } from "../src/adapters/node.ts";
import { sessionHandler as webHandler } from "../src/adapters/web.ts";
import { cookies, kit, type Data, type Kit } from "./adapters/kit.ts";
import { listen, type Running, serving } from "./adapters/harness.ts";
import type { SessionManager } from "../src/manager.ts";

const withContext = (): Kit => kit({ context: new AsyncLocalStorage() });

/** Code that knows nothing of requests. */
async function count(sessions: SessionManager<Data>): Promise<string> {
  await new Promise((resolve) => setImmediate(resolve));
  const session = await sessions.current();
  return `visit ${session.update("visits", (visits) => (visits ?? 0) + 1)}`;
}

/** A body that arrives after the handlers have begun to wait for it. */
function slowly(text: string): ReadableStream {
  return new ReadableStream({
    async pull(controller) {
      await new Promise((resolve) => setTimeout(resolve, 50));
      controller.enqueue(new TextEncoder().encode(text));
      controller.close();
    },
  });
}

type Serve = (sessions: SessionManager<Data>) => Running | Promise<Running>;

/** Each handler reads the request's body before it counts. */
const servers: Record<string, Serve> = {
  "node, handler": (sessions) =>
    listen(
      createServer(
        sessionHandler(sessions, async (req, res) => {
          for await (const chunk of req) void chunk;
          res.end(await count(sessions));
        }),
      ),
    ),
  express: (sessions) => {
    const app = express();
    app.use(expressMiddleware(sessions), express.json());
    app.use((_req, res, next) => {
      count(sessions).then((text) => res.send(text), next);
    });
    return listen(createServer(app));
  },
  koa: (sessions) => {
    const app = new Koa();
    app.use(koaMiddleware(sessions));
    app.use(async (ctx) => {
      for await (const chunk of ctx.req) void chunk;
      ctx.body = await count(sessions);
    });
    const callback = app.callback();
    return listen(createServer((req, res) => void callback(req, res)));
  },
  fastify: async (sessions) => {
    const app = Fastify();
    void app.register(sessionPlugin, { sessions });
    app.addHook("preHandler", async (request) => assert.notEqual(request.body, undefined));
    app.post("/", async () => count(sessions));
    const url = await app.listen({ port: 0, host: "127.0.0.1" });
    return { url, port: 0, close: () => app.close().then(() => {}) };
  },
  hono: (sessions) => {
    const app = new Hono();
    app.use(honoMiddleware(sessions));
    app.post("/", async (c) => {
      await c.req.json();
      return c.text(await count(sessions));
    });
    return listen(createAdaptorServer({ fetch: app.fetch }) as never);
  },
};

describe("current", () => {
  for (const [name, serve] of Object.entries(servers)) {
    it(`finds the request's own session among many: ${name}`, async () => {
      const { sessions } = withContext();
      const running = await serve(sessions);
      try {
        const post = async (cookie?: string): Promise<Response> =>
          fetch(running.url, {
            method: "POST",
            body: slowly(JSON.stringify({ filler: "x" })),
            duplex: "half",
            headers: { "content-type": "application/json", ...(cookie && { cookie }) },
          } as RequestInit);
        const visitors = await Promise.all(
          Array.from({ length: 8 }, async () => {
            const first = await post();
            assert.equal(await first.text(), "visit 1");
            return cookies(first)[0] ?? "";
          }),
        );
        assert.equal(new Set(visitors).size, 8);
        const texts = visitors.map(async (cookie) => (await post(cookie)).text());
        assert.deepEqual(await Promise.all(texts), Array(8).fill("visit 2"));
      } finally {
        await running.close();
      }
    });
  }

  it("is the session that load gives, in the fetch adapter, and in the stream after it", async () => {
    const { sessions } = withContext();
    let streamed: unknown;
    const handler = webHandler(sessions, async (request) => {
      const session = await sessions.load(request);
      assert.equal(await sessions.current(), session);
      const body = new ReadableStream({
        async pull(controller) {
          streamed = await sessions.current();
          controller.close();
        },
      });
      setTimeout(() => {
        void sessions.current().then((later) => assert.equal(later, session));
      }, 1);
      void new Response(body).text();
      await new Promise((resolve) => setTimeout(resolve, 20));
      assert.equal(streamed, session);
      return new Response("x");
    });
    assert.equal((await handler(new Request("http://localhost/"))).status, 200);
  });

  it("two managers share one context, or have one each", async () => {
    for (const shared of [true, false]) {
      const context = new AsyncLocalStorage<object>();
      const first = kit({ context });
      const second = kit({
        context: shared ? context : new AsyncLocalStorage(),
        cookie: { name: "second" },
      });
      const inner = sessionHandler(second.sessions, async (_req, res) => {
        (await first.sessions.current()).set("text", "first");
        (await second.sessions.current()).set("text", "second");
        res.end();
      });
      await serving(createServer(sessionHandler(first.sessions, inner)), async ({ url }) => {
        assert.equal(cookies(await fetch(url)).length, 2);
      });
    }
  });

  it("outside a request, and without the option, fails with an error that says so", async () => {
    await assert.rejects(withContext().sessions.current(), {
      code: "no-adapter",
      message: /outside a request/,
    });
    await assert.rejects(kit().sessions.current(), {
      code: "invalid-option",
      message: /context: new AsyncLocalStorage\(\)/,
    });
  });
});
