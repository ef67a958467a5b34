// Compiled, never run: each adapter fits the framework's own types, without a cast.
import { createServer } from "node:http";
import { createServer as createHttp2Server } from "node:http2";
import { createServer as createHttpsServer } from "node:https";
import connect from "connect";
import express from "express";
import express4 from "express4";
import Fastify from "fastify";
import { Hono } from "hono";
import Koa from "koa";
import polka from "polka";
import { sessionMiddleware as expressMiddleware } from "../../src/adapters/express.ts";
import { sessionPlugin } from "../../src/adapters/fastify.ts";
import { sessionMiddleware as honoMiddleware } from "../../src/adapters/hono.ts";
import { sessionMiddleware as koaMiddleware } from "../../src/adapters/koa.ts";
import { sessionHandler, sessionMiddleware } from "../../src/adapters/node.ts";
import { sessionHandler as webHandler } from "../../src/adapters/web.ts";
import { SessionManager } from "../../src/index.ts";
import { MemoryStore } from "../../src/stores/memory.ts";

type Data = { message: string };
const sessions = new SessionManager<Data>({ store: new MemoryStore() });

export function frameworks(): void {
  express().use(expressMiddleware(sessions));
  express4().use(expressMiddleware(sessions));
  express().use("/app", expressMiddleware(sessions), (req, res, next) => {
    sessions.load(req).then((session) => res.send(session.get("message")), next);
  });
  connect().use(sessionMiddleware(sessions));
  polka().use(sessionMiddleware(sessions));
}

export function servers(): void {
  createServer(
    sessionHandler(sessions, async (req, res) => {
      const session = await sessions.load(req);
      res.end(session.get("message") ?? req.url);
    }),
  );
  createHttpsServer(sessionHandler(sessions, (_req, res) => res.end()));
  createHttp2Server(sessionHandler(sessions, (_req, res) => res.end()));
}

export function fetchStyle(request: Request): Response | Promise<Response> {
  const handler = webHandler(sessions, async (incoming) => {
    const session = await sessions.load(incoming);
    return new Response(session.get("message"));
  });
  return handler(request);
}

export function koa(): void {
  const app = new Koa();
  app.use(koaMiddleware(sessions));
  app.use(async (ctx) => {
    const session = await sessions.load(ctx);
    const message: string | undefined = session.get("message");
    ctx.body = message;
  });
}

export async function fastify(): Promise<void> {
  const app = Fastify();
  await app.register(sessionPlugin, { sessions });
  void app.register(sessionPlugin, { sessions, prefix: "/app" });
  // @ts-expect-error sessions are missing
  void app.register(sessionPlugin, {});
  // @ts-expect-error no manager
  void app.register(sessionPlugin, { sessions: {} });
  app.get("/", async (request) => {
    const session = await sessions.load(request);
    const message: string | undefined = session.get("message");
    return message;
  });
}

export function hono(): void {
  type Env = { Bindings: { ORIGIN: string }; Variables: { user: string } };
  const app = new Hono<Env>();
  app.use(honoMiddleware(sessions));
  app.use("/app/*", honoMiddleware(sessions));
  app.get("/", async (c) => {
    const session = await sessions.load(c);
    const message: string | undefined = session.get("message");
    return c.text(message ?? c.env.ORIGIN);
  });
  new Hono().get("/", honoMiddleware(sessions), (c) => c.text("x"));
}
