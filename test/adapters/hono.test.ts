import assert from "node:assert/strict";
import { type Context, Hono } from "hono";
import { cors } from "hono/cors";
import { setCookie } from "hono/cookie";
import { HTTPException } from "hono/http-exception";
import { stream as honoStream, streamSSE } from "hono/streaming";
import { describe, it, mock } from "node:test";
import { sessionMiddleware } from "../../src/adapters/hono.ts";
import type { SessionError } from "../../src/errors.ts";
import { cookies, kit } from "./kit.ts";

describe("hono", () => {
  it("Hono's own error handler answers a failed load and both kinds of commit with 503", async () => {
    const { sessions, store } = kit();
    const app = new Hono();
    app.use(sessionMiddleware(sessions));
    app.get("/:how", async (c) => {
      const session = await sessions.load(c);
      session.set("text", "x");
      if (c.req.param("how") === "explicit") await session.commit();
      return c.text("fine");
    });
    const [cookie = ""] = cookies(await app.request("/implicit"));
    const printed = mock.method(console, "error", () => {});
    store.always("create", "failed");
    for (const how of ["implicit", "explicit"]) {
      const response = await app.request(`/${how}`);
      assert.deepEqual(
        [response.status, await response.text()],
        [503, "503 Service Unavailable\n"],
      );
      assert.deepEqual(cookies(response), []);
      assert.match(response.headers.get("vary") ?? "", /Cookie/);
      assert.equal(response.headers.get("retry-after"), "1");
    }
    store.always("load", "failed");
    assert.equal((await app.request("/implicit", { headers: { cookie } })).status, 503);
    assert.equal(printed.mock.callCount(), 0);
    printed.mock.restore();
  });

  it("app.onError gets a failed commit once, without the handler's headers", async () => {
    const { sessions, store } = kit();
    store.always("create", "failed");
    for (const style of ["own response", "context"]) {
      const app = new Hono();
      const handled: string[] = [];
      app.onError((error, c) => {
        handled.push((error as SessionError).code);
        const status = (error as SessionError).status;
        return style === "context"
          ? c.json({ sorry: true }, status as 503)
          : Response.json({ sorry: true }, { status });
      });
      app.use(cors({ origin: "https://shop.example", credentials: true }));
      app.use(sessionMiddleware(sessions));
      let cancelled = false;
      app.get("/", async (c) => {
        (await sessions.load(c)).set("text", "x");
        c.header("X-Handler", "1");
        c.header("ETag", '"1"');
        setCookie(c, "handler", "1");
        c.status(201);
        return c.body(new ReadableStream({ cancel: () => void (cancelled = true) }));
      });
      const response = await app.request("/", { headers: { origin: "https://shop.example" } });
      assert.equal(response.status, 503);
      assert.deepEqual(await response.json(), { sorry: true });
      assert.deepEqual(cookies(response), [], style);
      assert.deepEqual(handled, ["commit-unknown"]);
      assert.equal(response.headers.get("x-handler"), null);
      assert.equal(response.headers.get("etag"), null);
      assert.equal(response.headers.get("access-control-allow-origin"), "https://shop.example");
      assert.match(response.headers.get("vary") ?? "", /Cookie/);
      assert.equal(cancelled, true);
    }
  });

  it("the error page of a request that committed explicitly carries the cookie", async () => {
    const { sessions, store } = kit();
    const app = new Hono();
    app.onError((error) => new Response("sorry", { status: (error as SessionError).status }));
    app.use(sessionMiddleware(sessions));
    app.get("/", async (c) => {
      const session = await sessions.load(c);
      session.set("text", "kept");
      await session.commit();
      store.always("update", "failed");
      session.set("text", "lost");
      return c.text("fine");
    });
    const response = await app.request("/");
    assert.equal(response.status, 503);
    const [cookie = ""] = cookies(response);
    assert.equal((await sessions.loadCookie(cookie)).get("text"), "kept");
    assert.equal(response.headers.get("cache-control"), "no-store");
  });

  it("the manager's onError answers with a Response", async () => {
    const { sessions, store } = kit({
      onError: (error) => new Response((error as SessionError).code, { status: 418 }),
    });
    store.always("create", "failed");
    const app = new Hono();
    app.use(sessionMiddleware(sessions));
    app.get("/", async (c) => {
      (await sessions.load(c)).set("text", "x");
      c.header("X-Handler", "1");
      return c.text("fine");
    });
    const response = await app.request("/");
    assert.deepEqual([response.status, await response.text()], [418, "commit-unknown"]);
    assert.equal(response.headers.get("x-handler"), null);
  });

  it("responses with immutable headers, and one that is shared between requests", async () => {
    const { sessions } = kit();
    const shared = new Response(null, { status: 204 });
    const app = new Hono();
    app.use(sessionMiddleware(sessions));
    app.use(async (c, next) => {
      (await sessions.load(c)).set("text", "x");
      await next();
    });
    app.get("/redirect", () => Response.redirect("https://shop.example/"));
    app.get("/fetched", () => fetch("data:text/plain,fetched"));
    app.get("/shared", () => shared);
    for (const path of ["/redirect", "/fetched", "/shared", "/shared"]) {
      assert.equal(cookies(await app.request(path)).length, 1, path);
    }
    assert.deepEqual(cookies(shared), []);
  });

  it("the status that a throw leads to decides; what is no Error rolls back", async () => {
    const { sessions, store } = kit();
    const app = new Hono();
    app.use(sessionMiddleware(sessions));
    app.get("/:status", async (c) => {
      (await sessions.load(c)).set("text", "x");
      if (c.req.param("status") === "none") throw "text" as unknown as Error;
      throw new HTTPException(Number(c.req.param("status")) as 401);
    });
    const denied = await app.request("/401");
    assert.deepEqual([denied.status, cookies(denied).length], [401, 1]);
    const broken = await app.request("/500");
    assert.deepEqual([broken.status, cookies(broken).length], [500, 0]);
    await assert.rejects(async () => app.request("/none"));
    assert.equal(store.calls.create, 1);
  });

  it("mounted twice, and in a sub-app, sends one cookie and keeps the handler's", async () => {
    const { sessions, store } = kit();
    const inner = new Hono();
    inner.use(sessionMiddleware(sessions));
    inner.onError((_error, c) => c.text("inner", 500));
    inner.get("/", async (c) => {
      (await sessions.load(c)).set("text", "x");
      setCookie(c, "handler", "1");
      return c.text("stored");
    });
    const app = new Hono();
    app.use(sessionMiddleware(sessions));
    app.route("/inner", inner);
    assert.equal(cookies(await app.request("/inner")).length, 2);
    assert.equal(store.calls.create, 1);
  });

  it("a response that Hono's context makes is not copied, unless it needs a token", async () => {
    const { sessions } = kit();
    const app = new Hono();
    let inner: Response | undefined;
    let outer: Response | undefined;
    app.use(async (c, next) => {
      await next();
      outer = c.res;
    });
    app.use(sessionMiddleware(sessions));
    const made: Record<string, (c: Context) => Response | Promise<Response>> = {
      text: (c) => c.text("made"),
      json: (c) => c.json("made"),
      html: (c) => c.html("made"),
      promise: (c) => c.html(Promise.resolve("made")),
      body: (c) => c.body("made"),
      none: (c) => c.body(null, 204),
      redirect: (c) => c.redirect("/else"),
      stream: (c) => honoStream(c, async (writer) => void (await writer.write("made"))),
      "not found": async (c) => c.notFound(),
      render: async (c) => c.render("made"),
    };
    app.get("/:how/:change?", async (c) => {
      const session = await sessions.load(c);
      const change = c.req.param("change");
      if (change !== undefined) session.set("text", change);
      return (inner = (await made[c.req.param("how")]?.(c)) as Response);
    });
    for (const how of Object.keys(made)) {
      const anonymous = await app.request(`/${how}`);
      assert.equal(outer, inner, how);
      assert.equal(anonymous.headers.get("vary"), "Cookie");
      assert.equal(anonymous.headers.get("cache-control"), null);
      const [cookie = "", ...more] = cookies(await app.request(`/${how}/begin`));
      assert.notEqual(outer, inner, how);
      assert.deepEqual([more, inner?.headers.getSetCookie()], [[], []]);
      for (const path of [`/${how}`, `/${how}/change`]) {
        const known = await app.request(path, { headers: { cookie } });
        assert.equal(outer, inner, path);
        assert.equal(known.headers.get("vary"), "Cookie");
        assert.equal(known.headers.get("cache-control"), "private");
      }
      assert.equal((await sessions.loadCookie(cookie)).get("text"), "change");
    }
  });

  it("methods of the context that middleware has replaced keep their say, with a token too", async () => {
    const elsewhere = Response.redirect("https://shop.example/");
    const kept = new Response(null, { status: 204 });
    const shorten = (text: unknown): string => String(text).replaceAll(" ", "");
    for (const when of ["before", "between"]) {
      const { sessions } = kit();
      const app = new Hono();
      const replaceIn = (c: Context, now: string): void => {
        if (now !== when) return;
        const { text, html, body, newResponse } = c;
        Object.assign(c, {
          text: (given: string, ...rest: []) => text(shorten(given), ...rest),
          html: (given: string, ...rest: []) => html(shorten(given), ...rest),
          body: (given: string, ...rest: []) => body(shorten(given), ...rest),
          newResponse: (given: string, ...rest: []) => newResponse(shorten(given), ...rest),
          json: (given: string) => (given === "kept" ? kept : elsewhere),
        });
      };
      app.use(async (c, next) => {
        replaceIn(c, "before");
        await next();
      });
      app.use(sessionMiddleware(sessions));
      app.use(async (c, next) => {
        (await sessions.load(c)).set("text", "x");
        replaceIn(c, "between");
        await next();
      });
      const page = "a page";
      app.get("/moved", (c) => c.json(page));
      app.get("/kept", (c) => c.json("kept"));
      app.get("/text", (c) => c.text(page));
      app.get("/html", (c) => c.html(page));
      app.get("/body", (c) => c.body(page));
      app.get("/newResponse", (c) => c.newResponse(page));
      for (const path of ["/text", "/html", "/body", "/newResponse"]) {
        const response = await app.request(path);
        assert.deepEqual([await response.text(), cookies(response).length], ["apage", 1], path);
      }
      assert.equal(cookies(await app.request("/kept")).length, 1);
      if (when === "before") assert.deepEqual([...kept.headers], []);
      const moved = await app.request("/moved");
      assert.deepEqual([moved.status, cookies(moved).length], [302, 1]);
      assert.equal(moved.headers.get("vary"), "Cookie");
    }
  });

  it("a handler's Cache-Control and Vary hold, wherever it sets them", async () => {
    const own = { "Cache-Control": "max-age=60", Vary: "Accept" };
    const set = (headers: Headers): void => {
      for (const [name, value] of Object.entries(own)) headers.set(name, value);
    };
    const ways: Record<string, (c: Context) => Response> = {
      "c.header": (c) => {
        for (const [name, value] of Object.entries(own)) c.header(name, value);
        return c.text("x");
      },
      argument: (c) => c.text("x", 200, own),
      "argument of json": (c) => c.json("x", { headers: own }),
      "a Response": () => new Response("x", { headers: own }),
      "on the response": (c) => {
        const response = c.html("x") as Response;
        set(response.headers);
        return response;
      },
      "on the context's response": (c) => {
        c.res = c.text("x");
        set(c.res.headers);
        return c.res;
      },
    };
    for (const touched of ["never", "before", "between"]) {
      for (const [way, respond] of Object.entries(ways)) {
        const { sessions } = kit();
        const app = new Hono();
        const touch = (c: Context, when: string): void => {
          if (touched === when) c.res.headers.set("X-Touched", "1");
        };
        app.use(async (c, next) => {
          touch(c, "before");
          await next();
        });
        app.use(sessionMiddleware(sessions));
        app.use(async (c, next) => {
          const session = await sessions.load(c);
          if (c.req.path === "/begin") session.set("text", "x");
          touch(c, "between");
          await next();
        });
        app.get("/begin", (c) => c.text("begun"));
        app.get("/", (c) => respond(c));
        const [cookie = ""] = cookies(await app.request("/begin"));
        const response = await app.request("/", { headers: { cookie } });
        const { headers } = response;
        const what = `${way}, ${touched}`;
        assert.equal(headers.get("cache-control"), "max-age=60", what);
        assert.deepEqual(headers.get("vary")?.split(", ").sort(), ["Accept", "Cookie"], what);
        assert.equal(headers.get("x-touched"), touched === "never" ? null : "1");
      }
    }
  });

  it("server-sent events: changes during the stream need a commit", async () => {
    const { sessions, events } = kit();
    const app = new Hono();
    app.use(sessionMiddleware(sessions));
    app.get("/", async (c) => {
      const session = await sessions.load(c);
      session.set("text", "before");
      // Hono calls the stream's function at once, at the same time as what follows the handler.
      await session.commit();
      return streamSSE(c, async (stream) => {
        await stream.writeSSE({ data: "one" });
        assert.throws(() => session.destroy(), { code: "head-sent" });
        session.set("text", "during");
        await session.commit();
        await stream.writeSSE({ data: "two" });
      });
    });
    const response = await app.request("/");
    const [cookie = ""] = cookies(response);
    assert.equal(await response.text(), "data: one\n\ndata: two\n\n");
    assert.equal((await sessions.loadCookie(cookie)).get("text"), "during");
    assert.ok(events.every(({ type }) => type !== "uncommitted"));
  });
});
