// Not a library: a middleware that does nothing but call the next, in each framework's own way. What it costs,
// every library costs at least; without one, a framework takes a shorter way. For `node bench/column.ts`.
import { frameworks } from "../frameworks.mjs";

const installs = {
  "node:http": (listener) => (req, res) => listener(req, res),
  Express: (app) => app.use((_req, _res, next) => next()),
  Fastify: (app) => app.addHook("onRequest", (_request, _reply, next) => next()),
  Koa: (app) => app.use(async (_ctx, next) => next()),
  Hono: (app) => app.use(async (_c, next) => next()),
};

export async function open({ column }) {
  const { framework } = column;
  // The benchmark's clients want a cookie to send.
  const seed = (context, res) => {
    const cookie = "sid=1; Path=/";
    if (framework === "Hono") context.header("Set-Cookie", cookie);
    else if (framework === "Fastify") res.header("Set-Cookie", cookie);
    else res.setHeader("Set-Cookie", cookie);
    return "ok";
  };
  const routes = { "/untouched": () => "ok", "/seed-small": seed };
  return { server: await frameworks[framework](routes, installs[framework]) };
}
