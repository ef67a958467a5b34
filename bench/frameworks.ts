// The two frameworks, with routes that are the same on both.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { Routes, Send } from "./cases.ts";

/** Connect-style middleware. */
export type Middleware = (
  request: IncomingMessage,
  response: ServerResponse,
  next: (error?: unknown) => void,
) => void;

export interface Framework {
  readonly title: string;
  readonly send: Send;
  serve(routes: Routes, middleware: Middleware | undefined): Promise<Server>;
}

/** The part of Express that is used. */
interface Application {
  use(middleware: Middleware): void;
  get(path: string, handler: Routes["/read"]): void;
}

/** A package of bench/node_modules, which is not installed when the sources are type-checked. */
export async function peer<T>(name: string): Promise<T> {
  const module = (await import(name)) as { readonly default: T };
  return module.default;
}

export const nodeHttp: Framework = {
  title: "node:http",
  send: (response, body) => {
    // Express does it too; without it express-session falls back to chunked encoding and costs more.
    response.setHeader("Content-Length", body.length);
    response.end(body);
  },
  serve(routes, middleware) {
    const answer = (request: IncomingMessage, response: ServerResponse): unknown =>
      routes[request.url as keyof Routes](request, response);
    if (middleware === undefined) return Promise.resolve(createServer(answer));
    return Promise.resolve(
      createServer((request, response) =>
        middleware(request, response, (error) => {
          if (error !== undefined) throw error as Error;
          answer(request, response);
        }),
      ),
    );
  },
};

export const express: Framework = {
  title: "Express",
  send: (response, body) => (response as unknown as { send(body: string): void }).send(body),
  async serve(routes, middleware) {
    const create = await peer<() => Application>("express");
    const app = create();
    if (middleware !== undefined) app.use(middleware);
    for (const [path, route] of Object.entries(routes)) app.get(path, route);
    return createServer(app as unknown as (req: IncomingMessage, res: ServerResponse) => void);
  },
};
