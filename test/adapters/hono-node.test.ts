/** Hono on its Node server, whose responses are not fetch's own, and can be sent more than once. */
import assert from "node:assert/strict";
import { createAdaptorServer } from "@hono/node-server";
import { type Context, Hono } from "hono";
import type { Server } from "node:http";
import { describe, it, mock } from "node:test";
import { sessionMiddleware } from "../../src/adapters/hono.ts";
import { serving } from "./harness.ts";
import { cookies, kit } from "./kit.ts";

describe("hono on Node", () => {
  it("a response that is kept between requests gets nobody's cookie", async () => {
    const { sessions } = kit();
    const app = new Hono();
    app.use(sessionMiddleware(sessions));
    const kept = new Map<string, Response>();
    const make: Record<string, (c: Context) => Response> = {
      "/none": (c) => c.body(null, 204),
      "/text": (c) => c.text("kept"),
      "/own": () => new Response("kept"),
    };
    for (const path of Object.keys(make)) {
      app.get(path, async (c) => {
        const session = await sessions.load(c);
        const name = c.req.query("name");
        if (name !== undefined) session.set("text", name);
        const response = kept.get(path) ?? (make[path] as (c: Context) => Response)(c);
        kept.set(path, response);
        return response;
      });
    }
    await serving(createAdaptorServer({ fetch: app.fetch }) as Server, async ({ url }) => {
      const visitors: string[] = [];
      for (const name of ["ada", "bob"]) {
        const response = await fetch(`${url}/none?name=${name}`);
        assert.equal(response.headers.get("cache-control"), "no-store");
        visitors.push(...cookies(response));
      }
      assert.equal(new Set(visitors).size, 2);
      for (const [at, name] of ["ada", "bob"].entries()) {
        assert.equal((await sessions.loadCookie(visitors[at])).get("text"), name);
      }
      for (const cookie of [...visitors, ...visitors]) {
        const response = await fetch(`${url}/text`, { headers: { cookie } });
        assert.deepEqual([response.status, await response.text()], [200, "kept"]);
        assert.deepEqual(cookies(response), []);
        assert.equal(response.headers.get("vary"), "Cookie");
        assert.equal(response.headers.get("cache-control"), "private");
      }
      const anonymous = await fetch(`${url}/text`);
      assert.deepEqual([anonymous.status, cookies(anonymous)], [200, []]);
      for (const name of ["eve", "mallory"]) {
        const response = await fetch(`${url}/text?name=${name}`);
        assert.deepEqual([response.status, await response.text()], [200, "kept"]);
        const [cookie = ""] = cookies(response);
        assert.equal((await sessions.loadCookie(cookie)).get("text"), name);
        assert.equal(response.headers.get("cache-control"), "no-store");
        assert.equal(response.headers.get("content-type"), "text/plain; charset=UTF-8");
        assert.equal(response.headers.get("content-length"), "4");
        const later = await fetch(`${url}/text`);
        assert.deepEqual([later.status, await later.text(), cookies(later)], [200, "kept", []]);
      }
      const first = await fetch(`${url}/own?name=eve`);
      assert.equal(cookies(first).length, 1);
      assert.equal(first.headers.get("cache-control"), "no-store");
      // The body of the kept one has been used up: whatever comes, it holds no cookie of Eve's.
      const printed = mock.method(console, "error", () => {});
      assert.deepEqual(cookies(await fetch(`${url}/own`)), []);
      printed.mock.restore();
    });
    for (const [path, response] of kept) {
      assert.deepEqual(response.headers.getSetCookie(), [], path);
      assert.notEqual(response.headers.get("cache-control"), "no-store");
    }
    assert.equal(kept.get("/own")?.headers.get("vary"), null);
  });
});
