import assert from "node:assert/strict";
import Fastify, { type FastifyInstance } from "fastify";
import { connect } from "node:http2";
import { Readable } from "node:stream";
import { describe, it } from "node:test";
import { sessionPlugin } from "../../src/adapters/fastify.ts";
import type { SessionError } from "../../src/errors.ts";
import { cookies, kit } from "./kit.ts";

/** Listens, uses, closes. */
async function serving(app: FastifyInstance, use: (url: string) => Promise<void>): Promise<void> {
  try {
    await use(await app.listen({ port: 0, host: "127.0.0.1" }));
  } finally {
    app.server.closeAllConnections?.();
    await app.close();
  }
}

describe("fastify", () => {
  it("covers routes declared later, plugins inside and the 404 handler", async () => {
    const { sessions } = kit();
    const app = Fastify();
    void app.register(sessionPlugin, { sessions });
    const set = async (request: object): Promise<string> => {
      (await sessions.load(request)).set("text", "x");
      return "stored";
    };
    app.get("/root", set);
    void app.register(async (inner) => void inner.get("/inner", set));
    app.setNotFoundHandler(async (request, reply) => {
      await set(request);
      return reply.code(404).send("lost");
    });
    await serving(app, async (url) => {
      for (const path of ["/root", "/inner", "/nowhere"]) {
        const response = await fetch(url + path);
        assert.equal(response.status, path === "/nowhere" ? 404 : 200);
        assert.equal(cookies(response).length, 1, path);
      }
    });
  });

  it("registered in a plugin, keeps to that plugin", async () => {
    const { sessions } = kit();
    const app = Fastify();
    void app.register(async (inner) => {
      await inner.register(sessionPlugin, { sessions });
      inner.get("/inside", async (request) => {
        (await sessions.load(request)).set("text", "x");
        return "stored";
      });
    });
    app.get("/outside", async (request) => sessions.load(request));
    await serving(app, async (url) => {
      assert.equal(cookies(await fetch(`${url}/inside`)).length, 1);
      const outside = await fetch(`${url}/outside`);
      assert.equal(outside.status, 500);
      assert.equal(((await outside.json()) as { code: string }).code, "no-adapter");
    });
  });

  it("registered twice, sends one cookie", async () => {
    const { sessions, store } = kit();
    const app = Fastify();
    void app.register(sessionPlugin, { sessions });
    void app.register(async (inner) => {
      await inner.register(sessionPlugin, { sessions });
      inner.get("/", async (request) => {
        (await sessions.load(request)).set("text", "x");
        return "stored";
      });
    });
    await serving(app, async (url) => {
      assert.equal(cookies(await fetch(url)).length, 1);
      assert.equal(store.calls.create, 1);
    });
  });

  it("stores what a later onSend hook changes, whatever the handler did", async () => {
    const { sessions } = kit();
    const app = Fastify();
    void app.register(sessionPlugin, { sessions });
    app.addHook("onSend", async (request) => {
      (await sessions.load(request)).set("text", "from the hook");
    });
    app.get("/:what", async (request) => {
      const session = await sessions.load(request);
      if (request.url === "/read") session.get("text");
      return "fine";
    });
    await serving(app, async (url) => {
      for (const path of ["/read", "/load"]) {
        const response = await fetch(url + path);
        assert.equal(await response.text(), "fine");
        const [cookie = ""] = cookies(response);
        const stored = await sessions.loadCookie(cookie.split(";")[0]);
        assert.equal(stored.get("text"), "from the hook", path);
      }
    });
  });

  it("after the handler's changes have been stored, a later onSend hook commits its own", async () => {
    const { sessions } = kit();
    const app = Fastify();
    void app.register(sessionPlugin, { sessions });
    const late: unknown[] = [];
    app.addHook("onSend", async (request) => {
      const session = await sessions.load(request);
      assert.throws(() => session.renewToken(), { code: "head-sent" });
      late.push(session.get("text"));
      session.set("text", "from the hook");
      await session.commit();
    });
    app.get("/", async (request) => {
      (await sessions.load(request)).set("text", "from the handler");
      return "fine";
    });
    await serving(app, async (url) => {
      const response = await fetch(url);
      assert.equal(await response.text(), "fine");
      assert.deepEqual(late, ["from the handler"]);
      const [cookie = ""] = cookies(response);
      const stored = await sessions.loadCookie(cookie.split(";")[0]);
      assert.equal(stored.get("text"), "from the hook");
    });
  });

  it("a failed commit goes to the error handler, and undoes what the handler did", async () => {
    const { sessions, store } = kit();
    store.always("create", "failed");
    const app = Fastify();
    const handled: unknown[] = [];
    app.setErrorHandler((error, _request, reply) => {
      handled.push((error as SessionError).code);
      void reply.send({ sorry: true });
      return reply;
    });
    app.addHook("onRequest", async (_request, reply) => {
      void reply.header("X-Outer", "kept").header("Set-Cookie", "outer=1");
    });
    void app.register(sessionPlugin, { sessions });
    const source = new Readable({ read() {} });
    app.get("/:kind", async (request, reply) => {
      const { kind } = request.params as { kind: string };
      (await sessions.load(request)).set("text", "x");
      void reply.code(201).header("X-Handler", "1").header("Set-Cookie", "handler=1");
      reply.raw.setHeader("X-Raw", "1");
      if (kind === "stream") return reply.send(source);
      if (kind === "web") {
        return reply.send(new Response("x", { status: 201, headers: { ETag: '"1"' } }));
      }
      return reply.send("fine");
    });
    await serving(app, async (url) => {
      for (const path of ["/text", "/stream", "/web"]) {
        const response = await fetch(url + path);
        assert.equal(response.status, 503, path);
        assert.deepEqual(await response.json(), { sorry: true });
        assert.deepEqual(cookies(response), ["outer=1"], path);
        assert.equal(response.headers.get("x-outer"), "kept");
        for (const name of ["x-handler", "x-raw", "etag"]) {
          assert.equal(response.headers.get(name), null, `${path} ${name}`);
        }
      }
      assert.equal(source.destroyed, true);
      assert.deepEqual(handled, ["commit-unknown", "commit-unknown", "commit-unknown"]);
    });
  });

  it("Fastify's own error handler answers with the status and without detail of ours", async () => {
    const { sessions, store } = kit();
    store.always("create", "failed");
    const app = Fastify();
    void app.register(sessionPlugin, { sessions });
    app.get("/", async (request) => {
      (await sessions.load(request)).set("text", "x");
      return "stored";
    });
    await serving(app, async (url) => {
      const response = await fetch(url);
      const body = (await response.json()) as { statusCode: number; code: string };
      assert.deepEqual([response.status, body.statusCode, body.code], [503, 503, "commit-unknown"]);
    });
  });

  it("onError answers with the reply; when it throws, the error handler does", async () => {
    for (const throws of [false, true]) {
      const { sessions, store } = kit({
        onError: (error, _request, reply) => {
          if (throws) throw new Error("no page");
          const answer = reply as { code(status: number): { send(body: string): void } };
          answer.code(418).send((error as SessionError).code);
        },
      });
      store.always("create", "failed");
      const app = Fastify();
      void app.register(sessionPlugin, { sessions });
      app.get("/", async (request) => {
        (await sessions.load(request)).set("text", "x");
        return "stored";
      });
      await serving(app, async (url) => {
        const response = await fetch(url);
        assert.equal(response.status, throws ? 500 : 418);
        if (!throws) assert.equal(await response.text(), "commit-unknown");
      });
    }
  });

  it("a reply sent on reply.raw is held back too", async () => {
    const { sessions, store } = kit();
    const app = Fastify();
    void app.register(sessionPlugin, { sessions });
    app.get("/", async (request, reply) => {
      (await sessions.load(request)).set("text", "x");
      reply.hijack();
      reply.raw.writeHead(200, { "X-Handler": "1" });
      reply.raw.end("raw");
    });
    await serving(app, async (url) => {
      const good = await fetch(url);
      assert.deepEqual([await good.text(), cookies(good).length], ["raw", 1]);
      store.always("create", "failed");
      const bad = await fetch(url);
      assert.deepEqual([bad.status, bad.headers.get("x-handler")], [503, null]);
    });
  });

  it("works over HTTP/2, with trailers and early hints, and under inject()", async () => {
    const { sessions } = kit();
    const app = Fastify({ http2: true });
    void app.register(sessionPlugin, { sessions });
    app.get("/", async (request, reply) => {
      (await sessions.load(request)).set("text", "x");
      reply.writeEarlyHints({ link: "</a.css>; rel=preload" });
      reply.trailer("x-sum", (_reply, _payload, done) => done(null, "42"));
      return reply.send("second");
    });
    try {
      const url = await app.listen({ port: 0, host: "127.0.0.1" });
      const client = connect(url);
      const stream = client.request({ ":path": "/" });
      const seen: Record<string, unknown> = {};
      stream.on("headers", (headers) => (seen["early"] = headers[":status"]));
      stream.on("response", (headers) => (seen["cookies"] = headers["set-cookie"]?.length));
      stream.on("trailers", (trailers) => (seen["sum"] = trailers["x-sum"]));
      let body = "";
      for await (const chunk of stream.setEncoding("utf8")) body += String(chunk);
      client.close();
      assert.deepEqual([seen, body], [{ early: 103, cookies: 1, sum: "42" }, "second"]);
    } finally {
      await app.close();
    }
    const plain = Fastify();
    void plain.register(sessionPlugin, { sessions });
    plain.get("/", async (request) => {
      (await sessions.load(request)).set("text", "injected");
      return "stored";
    });
    const response = await plain.inject("/");
    assert.equal(response.cookies.length, 1);
    assert.equal(response.headers["cache-control"], "no-store");
    await plain.close();
  });

  it("two managers: a failure of one rolls the other back", async () => {
    const first = kit();
    const second = kit({ cookie: { name: "second" } });
    const app = Fastify();
    void app.register(sessionPlugin, { sessions: first.sessions });
    void app.register(sessionPlugin, { sessions: second.sessions });
    app.get("/", async (request) => {
      (await first.sessions.load(request)).set("text", "first");
      (await second.sessions.load(request)).set("text", "second");
      return "stored";
    });
    await serving(app, async (url) => {
      assert.equal(cookies(await fetch(url)).length, 2);
      first.store.always("create", "failed");
      const response = await fetch(url);
      assert.deepEqual([response.status, cookies(response)], [503, []]);
      assert.equal(second.store.calls.create, 1);
    });
  });
});
