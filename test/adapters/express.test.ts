import assert from "node:assert/strict";
import compression from "compression";
import connectFramework from "connect";
import express, { type NextFunction, type Request, type Response } from "express";
import express4 from "express4";
import { createServer, type RequestListener } from "node:http";
import { createServer as createServer2 } from "node:http2";
import polka from "polka";
import { describe, it } from "node:test";
import { sessionMiddleware } from "../../src/adapters/express.ts";
import { sessionHandler, sessionMiddleware as nodeMiddleware } from "../../src/adapters/node.ts";
import type { SessionError } from "../../src/errors.ts";
import { SessionManager } from "../../src/manager.ts";
import { MemoryStore } from "../../src/stores/memory.ts";
import { FaultyStore } from "../../src/testing/faults.ts";
import { serving } from "./harness.ts";

interface Data {
  text: string;
}

function manager(onError?: (error: unknown, req: unknown, res: unknown) => unknown) {
  const store = new FaultyStore(new MemoryStore());
  const sessions = new SessionManager<Data>({ store, development: true, onEvent() {}, onError });
  return { store, sessions };
}

const long = "compress me, ".repeat(500);
const gzip = { headers: { "accept-encoding": "gzip" }, redirect: "manual" } as const;

for (const [name, framework] of Object.entries({
  "express 4": express4 as unknown as typeof express,
  "express 5": express,
})) {
  describe(name, () => {
    // Where compression stands: before the session, between it and the change, after the change.
    const places: Record<
      string,
      (app: express.Express, session: express.Handler, change: express.Handler) => void
    > = {
      "compression before the session": (app, session, change) =>
        app.use(compression(), session, change),
      "compression after the session": (app, session, change) =>
        app.use(session, compression(), change),
      "compression after the change": (app, session, change) =>
        app.use(session, change, compression()),
    };
    for (const [place, mount] of Object.entries(places)) {
      const build = (store: ReturnType<typeof manager>): express.Express => {
        const app = framework();
        const change = (req: Request, _res: Response, next: NextFunction): void => {
          store.sessions
            .load(req)
            .then((session) => session.set("text", "x"))
            .then(() => next(), next);
        };
        mount(app, sessionMiddleware(store.sessions), change);
        app.get("/send", (_req, res) => void res.send(long));
        app.get("/json", (_req, res) => void res.json({ long }));
        app.get("/redirect", (_req, res) => res.redirect("/else"));
        app.get("/file", (_req, res) => res.sendFile(import.meta.filename));
        app.get("/writes", (_req, res) => {
          res.type("text");
          for (let i = 0; i < 50; i++) res.write(long);
          res.end();
        });
        return app;
      };

      it(`${place}: send, json, redirect, sendFile, write`, async () => {
        await serving(build(manager()), async ({ url }) => {
          for (const path of ["/send", "/json", "/redirect", "/file", "/writes"]) {
            const response = await fetch(url + path, gzip);
            const body = await response.text();
            assert.equal(response.status, path === "/redirect" ? 302 : 200, path);
            assert.equal(response.headers.getSetCookie().length, 1, path);
            assert.match(response.headers.get("vary") ?? "", /\bCookie\b/, path);
            const squeezed = response.headers.get("content-encoding");
            if (path === "/send") assert.deepEqual([squeezed, body === long], ["gzip", true]);
            if (path === "/json") assert.deepEqual(JSON.parse(body), { long });
            if (path === "/file") assert.match(body, /compression before the session/);
            if (path === "/writes") assert.equal(body.length, 50 * long.length);
          }
        });
      });

      it(`${place}: a failing commit reaches the error handler, or the built-in page`, async () => {
        const store = manager();
        store.store.always("create", "failed");
        const app = build(store);
        const handled: unknown[] = [];
        app.use((error: unknown, _req: Request, res: Response, next: NextFunction) => {
          handled.push((error as SessionError).code);
          if (res.headersSent) next(error);
          else
            res
              .status((error as SessionError).status)
              .type("text")
              .send(`sorry ${"s".repeat(3000)}`);
        });
        await serving(app, async ({ url }) => {
          for (const path of ["/send", "/json", "/redirect", "/file", "/writes"]) {
            const response = await fetch(url + path, gzip);
            const body = await response.text();
            assert.equal(response.status, 503, path);
            assert.match(body, /^(sorry s+|503 Service Unavailable\n)$/, path);
            assert.equal(response.headers.get("location"), null);
            assert.deepEqual(response.headers.getSetCookie(), []);
          }
        });
        assert.ok(handled.length >= 3);
        assert.ok(handled.every((code) => code === "commit-unknown"));
      });
    }

    it("a failing commit without an error handler is a 503", async () => {
      const store = manager();
      store.store.always("create", "failed");
      const app = framework();
      app.set("env", "test");
      app.use(sessionMiddleware(store.sessions));
      const router = framework.Router();
      router.get("/in/nested", (req, res, next) => {
        store.sessions
          .load(req)
          .then((session) => {
            session.set("text", "x");
            res.send("x");
          })
          .catch(next);
      });
      app.use("/mounted", router);
      await serving(app, async ({ url }) => {
        assert.equal((await fetch(`${url}/mounted/in/nested`)).status, 503);
      });
    });

    it("onError goes before the framework's error handlers", async () => {
      const store = manager((error, _req, res) => {
        (res as Response).status(418).send((error as SessionError).code);
      });
      store.store.always("create", "failed");
      const app = framework();
      app.use(sessionMiddleware(store.sessions));
      app.use((req, res, next) => {
        store.sessions
          .load(req)
          .then((session) => session.set("text", "x"))
          .then(() => res.send("x"), next);
      });
      await serving(app, async ({ url }) => {
        const response = await fetch(url);
        assert.deepEqual([response.status, await response.text()], [418, "commit-unknown"]);
      });
    });
  });
}

describe("types", () => {
  it("of listeners and applications fit without a cast", async () => {
    const { sessions } = manager();
    const http = createServer(
      sessionHandler(sessions, async (req, res) => {
        const session = await sessions.load(req);
        res.end(`${req.method} ${session.get("text") ?? "nothing"}`);
      }),
    );
    const h2 = createServer2(
      sessionHandler(sessions, async (req, res) => {
        await sessions.load(req);
        res.stream.respond({ ":status": 200 });
        res.end(req.httpVersion);
      }),
    );
    h2.close();
    const nested: RequestListener = sessionHandler(
      sessions,
      sessionHandler(sessions, (_req, res) => res.end()),
    );
    assert.equal(typeof nested, "function");
    express().use(sessionMiddleware(sessions)).use(nodeMiddleware(sessions));
    express4().use(sessionMiddleware(sessions)).use(nodeMiddleware(sessions));
    connectFramework().use(nodeMiddleware(sessions));
    polka().use(nodeMiddleware(sessions));
    await serving(http, async ({ url }) => {
      assert.equal(await (await fetch(url)).text(), "GET nothing");
    });
  });
});
