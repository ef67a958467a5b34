import assert from "node:assert/strict";
import Koa, { type Context, type Next } from "koa";
import { createServer } from "node:http";
import { Readable } from "node:stream";
import { describe, it } from "node:test";
import { sessionMiddleware } from "../../src/adapters/koa.ts";
import type { SessionError } from "../../src/errors.ts";
import { type Running, serving, soon } from "./harness.ts";
import { cookies, kit } from "./kit.ts";

function served(app: Koa, use: (running: Running) => Promise<void>): Promise<void> {
  app.silent = true;
  const callback = app.callback();
  return serving(
    createServer((req, res) => void callback(req, res)),
    use,
  );
}

describe("koa", () => {
  it("a failed commit goes to outer middleware, or to ctx.onerror and the error event", async () => {
    for (const outer of [true, false]) {
      const { sessions, store } = kit();
      store.always("create", "failed");
      const app = new Koa();
      const emitted: unknown[] = [];
      app.on("error", (error) => emitted.push((error as SessionError).code));
      if (outer) {
        app.use(async (ctx, next) => {
          try {
            await next();
          } catch (error) {
            ctx.status = (error as SessionError).status;
            ctx.body = { code: (error as SessionError).code };
          }
        });
      }
      app.use(async (ctx, next) => {
        ctx.set("X-Outer", "kept");
        await next();
      });
      app.use(sessionMiddleware(sessions));
      const source = new Readable({ read() {} });
      app.use(async (ctx) => {
        (await sessions.load(ctx)).set("text", "x");
        ctx.set("X-Handler", "1");
        ctx.set("Set-Cookie", "handler=1");
        ctx.status = 201;
        ctx.body = ctx.path === "/stream" ? source : "fine";
      });
      await served(app, async ({ url }) => {
        for (const path of ["/", "/stream"]) {
          const response = await fetch(url + path);
          const body = await response.text();
          assert.equal(response.status, 503);
          assert.equal(body, outer ? '{"code":"commit-unknown"}' : "Service Unavailable");
          assert.equal(response.headers.get("x-handler"), null);
          assert.deepEqual(cookies(response), []);
          // ctx.onerror removes every header, as for any error.
          assert.equal(response.headers.get("x-outer"), outer ? "kept" : null);
          assert.match(response.headers.get("vary") ?? "", /Cookie/);
        }
        assert.equal(source.destroyed, true);
        assert.deepEqual(emitted, outer ? [] : ["commit-unknown", "commit-unknown"]);
      });
    }
  });

  it("onError answers with ctx.response", async () => {
    const { sessions, store } = kit({
      onError: (error, _ctx, response) => {
        const answer = response as { status: number; body: unknown };
        answer.status = 418;
        answer.body = (error as SessionError).code;
      },
    });
    store.always("create", "failed");
    const app = new Koa();
    app.use(sessionMiddleware(sessions));
    app.use(async (ctx) => {
      (await sessions.load(ctx)).set("text", "x");
      ctx.body = "fine";
    });
    await served(app, async ({ url }) => {
      const response = await fetch(url);
      assert.deepEqual([response.status, await response.text()], [418, "commit-unknown"]);
    });
  });

  it("the status that ctx.throw leads to decides, as everywhere", async () => {
    const { sessions } = kit();
    const app = new Koa();
    app.use(sessionMiddleware(sessions));
    app.use(async (ctx) => {
      (await sessions.load(ctx)).set("text", "x");
      ctx.throw(Number(ctx.path.slice(1)));
    });
    await served(app, async ({ url }) => {
      const denied = await fetch(`${url}/401`);
      assert.deepEqual([denied.status, cookies(denied).length], [401, 1]);
      const broken = await fetch(`${url}/500`);
      assert.deepEqual([broken.status, cookies(broken).length], [500, 0]);
    });
  });

  it("ctx.respond = false: a failed commit is ctx.onerror's", async () => {
    const { sessions, store } = kit();
    store.always("create", "failed");
    const app = new Koa();
    const emitted: unknown[] = [];
    app.on("error", (error) => emitted.push((error as SessionError).code));
    app.use(sessionMiddleware(sessions));
    app.use(async (ctx) => {
      (await sessions.load(ctx)).set("text", "x");
      ctx.respond = false;
      ctx.res.writeHead(200, { "X-Handler": "1" });
      ctx.res.end("raw");
    });
    await served(app, async ({ url }) => {
      const response = await fetch(url);
      assert.deepEqual([response.status, response.headers.get("x-handler")], [503, null]);
      assert.equal(await response.text(), "Service Unavailable");
      assert.deepEqual(emitted, ["commit-unknown"]);
    });
  });

  it("an answer on ctx.res without respond = false is held back too", async () => {
    const { sessions, store } = kit();
    const app = new Koa();
    app.use(sessionMiddleware(sessions));
    app.use(async (ctx) => {
      (await sessions.load(ctx)).set("text", "x");
      ctx.res.statusCode = 200;
      ctx.res.end("raw");
    });
    await served(app, async ({ url }) => {
      const response = await fetch(url);
      assert.deepEqual([await response.text(), cookies(response).length], ["raw", 1]);
      store.always("create", "failed");
      const failed = await fetch(url);
      assert.equal(failed.status, 503);
      assert.ok(!(await failed.text()).includes("raw"));
    });
  });

  it("an answer on ctx.res while the commit is under way waits for it", async () => {
    const { sessions, store } = kit();
    const app = new Koa();
    app.use(sessionMiddleware(sessions));
    app.use(async (ctx) => {
      (await sessions.load(ctx)).set("text", "x");
      ctx.body = "koa";
      store.after("create", async () => {
        ctx.res.end("raw");
        await new Promise((resolve) => setTimeout(resolve, 100));
      });
    });
    await served(app, async ({ url }) => {
      const response = await fetch(url);
      assert.equal(await response.text(), "raw");
      assert.equal(cookies(response).length, 1);
    });
  });

  it("mounted twice, and in a sub-app, sends one cookie", async () => {
    const { sessions, store } = kit();
    const app = new Koa();
    app.use(sessionMiddleware(sessions));
    // What koa-mount does: the inner application's middleware, in the outer one's context.
    const inner = [
      sessionMiddleware(sessions),
      async (ctx: Context): Promise<void> => {
        (await sessions.load(ctx)).set("text", "x");
        ctx.body = "stored";
      },
    ];
    app.use((ctx, next: Next) => inner[0]?.(ctx, async () => inner[1]?.(ctx, next)));
    await served(app, async ({ url }) => {
      assert.equal(cookies(await fetch(url)).length, 1);
      assert.equal(store.calls.create, 1);
    });
  });

  it("a change made further out, after the commit, is reported when nobody commits it", async () => {
    const { sessions, events } = kit();
    const app = new Koa();
    app.use(async (ctx, next) => {
      await next();
      const session = await sessions.load(ctx);
      session.set("text", "late");
      if (ctx.path === "/commits") await session.commit();
    });
    app.use(sessionMiddleware(sessions));
    app.use(async (ctx) => {
      (await sessions.load(ctx)).update("visits", (visits) => (visits ?? 0) + 1);
      ctx.body = "stored";
    });
    await served(app, async ({ url }) => {
      const first = await fetch(`${url}/commits`);
      const [cookie = ""] = cookies(first);
      assert.equal((await sessions.loadCookie(cookie)).get("text"), "late");
      assert.equal(events.filter(({ type }) => type === "uncommitted").length, 0);
      await (await fetch(`${url}/leaves`, { headers: { cookie } })).text();
      const left = () => events.filter(({ type }) => type === "uncommitted").length;
      await soon(() => left() > 0);
      assert.equal(left(), 1);
    });
  });
});
