/** The shared adapter suite over every adapter and framework. */
import connectFramework from "connect";
import express from "express";
import express4 from "express4";
import Fastify, { type FastifyReply, type FastifyRequest } from "fastify";
import { Hono, type Context as HonoContext } from "hono";
import { stream as honoStream } from "hono/streaming";
import { createAdaptorServer } from "@hono/node-server";
import Koa, { type Context as KoaContext } from "koa";
import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  type ServerResponse,
} from "node:http";
import { pipeline, Readable } from "node:stream";
import { describe, it } from "node:test";
import polka from "polka";
import { sessionMiddleware as expressMiddleware } from "../../src/adapters/express.ts";
import { sessionPlugin } from "../../src/adapters/fastify.ts";
import { sessionMiddleware as honoMiddleware } from "../../src/adapters/hono.ts";
import { sessionMiddleware as koaMiddleware } from "../../src/adapters/koa.ts";
import { sessionHandler, sessionMiddleware } from "../../src/adapters/node.ts";
import { sessionHandler as webHandler } from "../../src/adapters/web.ts";
import {
  type AdapterRequest,
  type AdapterResponse,
  type AdapterServer,
  adapterSuite,
  type AdapterSetup,
} from "../../src/testing/adapter.ts";
import { tested } from "../support/tested.ts";
import { CookieStore } from "../../src/stores/cookie.ts";
import { listen } from "./harness.ts";

type Start = (setup: AdapterSetup) => Promise<AdapterServer>;
type Style = (res: ServerResponse, response: AdapterResponse) => unknown;

/** `writeHead`, `write`, `end`. */
const explicit = async (
  res: ServerResponse,
  { status = 200, headers = {}, body = "" }: AdapterResponse,
): Promise<void> => {
  res.writeHead(status, headers);
  for await (const text of typeof body === "string" ? [body] : body) res.write(text);
  res.end();
};

/** `setHeader`, `pipe` and an implicit head. */
const implicit: Style = (res, { status = 200, headers = {}, body = "" }) => {
  res.statusCode = status;
  for (const [name, value] of Object.entries(headers)) res.setHeader(name, value);
  if (typeof body === "string") res.end(body);
  else pipeline(Readable.from(body), res, () => {});
};

async function read(req: AsyncIterable<Uint8Array>): Promise<string> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of req) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

function io(req: IncomingMessage, res: ServerResponse, style: Style): AdapterRequest {
  return {
    request: req,
    path: req.url ?? "/",
    text: () => read(req),
    respond: (response) => style(res, response),
  };
}

const serve = (listener: RequestListener): Promise<AdapterServer> => listen(createServer(listener));

function node(style: Style): Start {
  return ({ sessions, handle }) => {
    const innermost = (req: IncomingMessage, res: ServerResponse): unknown =>
      handle(io(req, res, style));
    return serve(sessions.reduceRight((inner, one) => sessionHandler(one, inner), innermost));
  };
}

type Use = (one: AdapterSetup["sessions"][number]) => never;

/** An application of a framework in Connect's style. */
function app(
  make: () => { use(...args: never[]): unknown },
  use: Use,
  style: Style,
  toListener: (made: never) => RequestListener = (made) => made,
): Start {
  return ({ sessions, handle }) => {
    const made = make();
    for (const one of sessions) made.use(use(one));
    const last = (
      req: IncomingMessage,
      res: ServerResponse,
      next: (error: unknown) => void,
    ): void => {
      handle(io(req, res, style)).catch(next);
    };
    made.use(last as never);
    return serve(toListener(made as never));
  };
}

/** The fetch-style handler behind a small bridge to node:http, which answers a throw with 500. */
const web: Start = ({ sessions, handle }) => {
  const innermost = async (request: Request): Promise<Response> => {
    let answer: Response | undefined;
    const respond = ({ status = 200, headers = {}, body }: AdapterResponse): void => {
      const stream =
        typeof body === "object" ? (Readable.toWeb(Readable.from(body)) as never) : body;
      const empty = [204, 304].includes(status);
      answer = new Response(empty ? null : (stream ?? null), { status, headers });
    };
    const text = (): Promise<string> => request.text();
    await handle({ request, path: new URL(request.url).pathname, text, respond });
    return answer as unknown as Response;
  };
  const fetchStyle = sessions.reduceRight((inner, one) => webHandler(one, inner), innermost);
  return serve((req, res) => {
    const { method = "GET" } = req;
    const headers = Object.entries(req.headers) as [string, string][];
    const left = new AbortController();
    res.once("close", () => left.abort());
    const upload = method === "POST" && { body: Readable.toWeb(req), duplex: "half" };
    const init = { method, headers, signal: left.signal, ...upload } as RequestInit;
    fetchStyle(new Request(`http://localhost${req.url}`, init)).then(
      async (response) => {
        for (const [name, value] of response.headers) {
          if (name !== "set-cookie") res.setHeader(name, value);
        }
        const cookies = response.headers.getSetCookie();
        if (cookies.length > 0) res.setHeader("Set-Cookie", cookies);
        res.writeHead(response.status);
        if (response.body === null) res.end();
        else
          Readable.fromWeb(response.body as never)
            .on("error", () => res.destroy())
            .pipe(res);
      },
      () => res.writeHead(500).end(),
    );
  });
};

/** A response by `ctx.body`. */
const koaBody = (ctx: KoaContext, { status = 200, headers = {}, body = "" }: AdapterResponse) => {
  ctx.status = status;
  ctx.set(headers);
  ctx.body = typeof body === "string" ? body : Readable.from(body);
};

/** A response past Koa. */
const koaRaw = (ctx: KoaContext, response: AdapterResponse): unknown => {
  ctx.respond = false;
  return explicit(ctx.res, response).catch(() => ctx.res.destroy());
};

function koa(answer: (ctx: KoaContext, response: AdapterResponse) => unknown): Start {
  return ({ sessions, handle }) => {
    const made = new Koa();
    made.silent = true;
    for (const one of sessions) made.use(koaMiddleware(one));
    made.use((ctx) =>
      handle({
        request: ctx,
        path: ctx.path,
        text: () => read(ctx.req),
        respond: (response) => answer(ctx, response),
      }),
    );
    const callback = made.callback();
    return serve((req, res) => void callback(req, res));
  };
}

type FastifyAnswer = (reply: FastifyReply, response: AdapterResponse) => unknown;

const fastifySend: FastifyAnswer = (reply, { status = 200, headers = {}, body = "" }) =>
  reply
    .code(status)
    .headers(headers)
    .send(typeof body === "string" ? body : Readable.from(body));

/** A fetch-style response as payload. */
const fastifyResponse: FastifyAnswer = (reply, { status = 200, headers = {}, body = "" }) => {
  const stream = typeof body === "string" ? body : (Readable.toWeb(Readable.from(body)) as never);
  return reply.send(new Response([204, 304].includes(status) ? null : stream, { status, headers }));
};

/** A response past Fastify. */
const fastifyRaw: FastifyAnswer = (reply, response) => {
  reply.hijack();
  return explicit(reply.raw, response).catch(() => reply.raw.destroy());
};

function fastify(answer: FastifyAnswer): Start {
  return async ({ sessions, handle }) => {
    const made = Fastify({ bodyLimit: 10_000_000 });
    for (const one of sessions) await made.register(sessionPlugin, { sessions: one });
    made.all("/*", async (request: FastifyRequest, reply) => {
      const path = request.url;
      const text = async (): Promise<string> => String(request.body);
      await handle({ request, path, text, respond: (response) => answer(reply, response) });
      return reply;
    });
    const url = await made.listen({ port: 0, host: "127.0.0.1" });
    return {
      url,
      close: async () => {
        made.server.closeAllConnections();
        await made.close();
      },
    };
  };
}

type HonoAnswer = (c: HonoContext, response: AdapterResponse) => Response;

/** Headers by `c.header`, a body by `c.body`. */
const honoBody: HonoAnswer = (c, { status = 200, headers = {}, body = "" }) => {
  for (const [name, value] of Object.entries(headers)) c.header(name, value);
  c.status(status as 200);
  if (typeof body === "string") return [204, 304].includes(status) ? c.body(null) : c.body(body);
  return honoStream(c, async (writer) => {
    for await (const text of body) await writer.write(text);
  });
};

/** A response of the user's own, with immutable headers, as `fetch` gives them. */
const honoImmutable: HonoAnswer = (_c, { status = 200, headers = {}, body = "" }) => {
  const stream = typeof body === "string" ? body : (Readable.toWeb(Readable.from(body)) as never);
  const made = new Response([204, 304].includes(status) ? null : stream, { status, headers });
  Object.defineProperty(made.headers, "append", { value: refuse });
  Object.defineProperty(made.headers, "set", { value: refuse });
  return made;
};

function refuse(): never {
  throw new TypeError("immutable");
}

function hono(answer: HonoAnswer): Start {
  return ({ sessions, handle }) => {
    const made = new Hono();
    for (const one of sessions) made.use(honoMiddleware(one));
    made.all("/*", async (c) => {
      let answered: Response | undefined;
      const respond = (response: AdapterResponse): void => {
        answered = answer(c, response);
      };
      await handle({ request: c, path: c.req.path, text: () => c.req.text(), respond });
      return answered as unknown as Response;
    });
    return listen(createAdaptorServer({ fetch: made.fetch }) as never);
  };
}

const connectStyle = (one: AdapterSetup["sessions"][number]): never =>
  sessionMiddleware(one) as never;
const expressStyle = (one: AdapterSetup["sessions"][number]): never =>
  expressMiddleware(one) as never;

const send: Style = (res, { status = 200, headers = {}, body = "" }) => {
  const response = res as unknown as express.Response;
  response.status(status).set(headers);
  if (typeof body === "string") response.send(body);
  else pipeline(Readable.from(body), response, () => {});
};

const polkaError = (error: unknown, _req: unknown, res: ServerResponse): void => {
  res.statusCode = (error as { status?: number }).status ?? 500;
  res.end();
};

const suites: Record<string, Start> = {
  "node, writeHead": node(explicit),
  "node, implicit head": node(implicit),
  web,
  "express 5": app(express as never, expressStyle, send),
  "express 4": app(express4 as never, expressStyle, send),
  "express 5, node adapter": app(express as never, connectStyle, explicit),
  connect: app(connectFramework as never, connectStyle, implicit),
  // Polka 0.5 takes `error.code` for the status, so it needs an `onError` of its own.
  polka: app(
    () => polka({ onError: polkaError }) as never,
    connectStyle,
    explicit,
    (made) => (made as { handler: RequestListener }).handler,
  ),
  "koa, ctx.body": koa(koaBody),
  "koa, ctx.respond = false": koa(koaRaw),
  "fastify, send": fastify(fastifySend),
  "fastify, a Response": fastify(fastifyResponse),
  "fastify, hijack": fastify(fastifyRaw),
  "hono, c.body": hono(honoBody),
  "hono, a Response": hono(honoImmutable),
};

const keys = [{ id: "k1", key: crypto.getRandomValues(new Uint8Array(32)) }];

tested({
  area: "adapter",
  what: "node, web, express, fastify, koa, hono",
  with: "node:http, Connect, Polka, Express 4 and 5, Fastify 5, Koa 3, Hono 4",
  note: "the shared suite on real sockets; on four of them over sessions in cookies too",
});

// Side by side, since many of the tests wait for a client that leaves.
describe("adapters", { concurrency: 4 }, () => {
  for (const [name, start] of Object.entries(suites)) adapterSuite({ describe, it, start, name });
  for (const name of ["node, writeHead", "node, implicit head", "web", "express 5"]) {
    adapterSuite({
      describe,
      it,
      start: suites[name] as Start,
      name: `${name}, sessions in cookies`,
      store: (records) => new CookieStore({ keys, revocations: records, chunks: 3 }),
    });
  }
});
