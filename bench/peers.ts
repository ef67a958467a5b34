// express-session with its MemoryStore, in its cheapest settings: `resave: false` and
// `saveUninitialized: false`, as its documentation recommends, and no `cookie.maxAge`, which would
// give it the idle timeout that ours has here, and a Set-Cookie with every change.
import type { IncomingMessage } from "node:http";
import {
  data,
  type Data,
  floorRoutes,
  type Library,
  type Routes,
  type Send,
  summary,
} from "./cases.ts";
import { type Framework, type Middleware, peer } from "./frameworks.ts";

type Method = (...args: unknown[]) => unknown;
/** The store's methods that a request can cause, each counted as one round trip. */
const methods = ["get", "set", "touch", "destroy"] as const;
type Store = Record<(typeof methods)[number], Method> & { clear(done: () => void): void };

interface ExpressSession {
  (options: object): Middleware;
  readonly MemoryStore: new () => Store;
}

function sessionOf(request: IncomingMessage): Data {
  return (request as unknown as { readonly session: Data }).session;
}

function routes(send: Send): Routes {
  const seed =
    (size: "small" | "large"): Routes["/read"] =>
    (request, response) => {
      Object.assign(sessionOf(request), data(size));
      send(response, "ok");
    };
  return {
    "/untouched": (_request, response) => send(response, "ok"),
    "/read": (request, response) => send(response, sessionOf(request).userId),
    "/read-all": (request, response) => send(response, summary(sessionOf(request))),
    "/change": (request, response) => send(response, String(++sessionOf(request).visits)),
    "/change-all": (request, response) => {
      const first = sessionOf(request).cart[0];
      if (first !== undefined) first.quantity++;
      send(response, String(first?.quantity));
    },
    "/new": seed("small"),
    "/seed-small": seed("small"),
    "/seed-large": seed("large"),
  };
}

export function expressSession(framework: Framework): Library {
  return {
    title: `express-session on ${framework.title}`,
    floor: () => framework.serve(floorRoutes(framework.send), undefined),
    async open(counted) {
      const session = await peer<ExpressSession>("express-session");
      const store = new session.MemoryStore();
      let calls = 0;
      if (counted) {
        for (const name of methods) {
          const method = store[name];
          store[name] = (...args) => {
            calls++;
            return method.apply(store, args);
          };
        }
      }
      const middleware = session({
        store,
        secret: "a secret of thirty-two characters",
        resave: false,
        saveUninitialized: false,
      });
      return {
        server: await framework.serve(routes(framework.send), middleware),
        calls: () => calls,
        clear: () => new Promise<void>((resolve) => store.clear(resolve)),
      };
    },
  };
}
