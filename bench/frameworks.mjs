// The frameworks, each with the same routes and nothing else. `routes` maps a path to a function of
// the framework's own context that returns the body; `install` puts a session library in front.
import { createServer } from "node:http";

const then = (body, send) => (typeof body === "string" ? send(body) : body.then(send));

export const frameworks = {
  /** `install(listener)` returns the listener to serve. */
  async "node:http"(routes, install = (listener) => listener) {
    const listener = (req, res) =>
      then(routes[req.url](req, res), (body) => {
        // Frameworks do it too; without it express-session falls back to chunked encoding.
        res.setHeader("Content-Length", body.length);
        res.end(body);
      });
    return createServer(install(listener));
  },

  async Express(routes, install) {
    const { default: express } = await import("express");
    const app = express();
    install?.(app);
    for (const [path, route] of Object.entries(routes)) {
      app.get(path, (req, res) => then(route(req, res), (body) => res.send(body)));
    }
    return createServer(app);
  },

  async Fastify(routes, install) {
    const { default: fastify } = await import("fastify");
    const app = fastify();
    await install?.(app);
    for (const [path, route] of Object.entries(routes)) {
      app.get(path, (request, reply) => {
        const body = route(request, reply);
        if (typeof body !== "string") return body;
        reply.send(body);
      });
    }
    await app.ready();
    return app.server;
  },

  async Koa(routes, install) {
    const { default: Koa } = await import("koa");
    const app = new Koa();
    install?.(app);
    app.use((ctx) => then(routes[ctx.url](ctx, ctx.res), (body) => void (ctx.body = body)));
    const callback = app.callback();
    return createServer((req, res) => void callback(req, res));
  },

  async Hono(routes, install) {
    const [{ Hono }, { getRequestListener }] = await Promise.all([
      import("hono"),
      import("@hono/node-server"),
    ]);
    const app = new Hono();
    install?.(app);
    for (const [path, route] of Object.entries(routes)) {
      app.get(path, (c) => then(route(c), (body) => c.text(body)));
    }
    const listener = getRequestListener(app.fetch);
    return createServer((req, res) => void listener(req, res));
  },

  async h3(routes) {
    const [{ H3 }, { toNodeHandler }] = await Promise.all([import("h3"), import("h3/node")]);
    const app = new H3();
    for (const [path, route] of Object.entries(routes)) app.get(path, (event) => route(event));
    return createServer(toNodeHandler(app));
  },
};
