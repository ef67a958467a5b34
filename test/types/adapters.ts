// Compiled, never run: each adapter fits the framework's own types, without a cast.
import { createServer } from "node:http";
import { createServer as createHttp2Server } from "node:http2";
import { createServer as createHttpsServer } from "node:https";
import connect from "connect";
import express from "express";
import express4 from "express4";
import polka from "polka";
import { sessionMiddleware as expressMiddleware } from "../../src/adapters/express.ts";
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
