// scs-session, as its README says: `sessionHandler` on node:http, `sessionMiddleware` on Express.
import { createServer } from "node:http";
import { sessionMiddleware } from "../src/adapters/express.ts";
import { sessionHandler } from "../src/adapters/node.ts";
import { SessionManager } from "../src/manager.ts";
import type { Store } from "../src/store.ts";
import { MemoryStore } from "../src/stores/memory.ts";
import {
  data,
  type Data,
  floorRoutes,
  type Library,
  type Routes,
  type Send,
  summary,
} from "./cases.ts";
import type { Framework } from "./frameworks.ts";

function routes(sessions: SessionManager<Data>, send: Send): Routes {
  const seed =
    (size: "small" | "large"): Routes["/read"] =>
    async (request, response) => {
      const session = await sessions.load(request);
      const { userId, name, roles, visits, cart } = data(size);
      session.set("userId", userId);
      session.set("name", name);
      session.set("roles", roles);
      session.set("visits", visits);
      session.set("cart", cart);
      send(response, "ok");
    };
  return {
    "/untouched": (_request, response) => send(response, "ok"),
    "/read": async (request, response) => {
      const session = await sessions.load(request);
      send(response, session.get("userId") ?? "");
    },
    "/read-all": async (request, response) => {
      const session = await sessions.load(request);
      const read = {
        userId: session.get("userId") ?? "",
        name: session.get("name") ?? "",
        roles: session.get("roles") ?? [],
        cart: session.get("cart") ?? [],
      };
      send(response, summary(read));
    },
    "/change": async (request, response) => {
      const session = await sessions.load(request);
      send(response, String(session.update("visits", (visits = 0) => visits + 1)));
    },
    "/change-all": async (request, response) => {
      const session = await sessions.load(request);
      const cart = session.update("cart", (now = []) => {
        const [first, ...rest] = now;
        return first === undefined ? now : [{ ...first, quantity: first.quantity + 1 }, ...rest];
      });
      send(response, String(cart[0]?.quantity));
    },
    "/new": seed("small"),
    "/seed-small": seed("small"),
    "/seed-large": seed("large"),
  };
}

/** The store's methods that a request can cause, each counted as one round trip. */
function counting(store: Store, count: () => void): Store {
  const counted = <A extends readonly unknown[], R>(method: (...args: A) => R) => {
    return (...args: A): R => {
      count();
      return method.apply(store, args as never);
    };
  };
  return {
    abilities: store.abilities,
    load: counted(store.load),
    create: counted(store.create),
    update: counted(store.update),
    touch: counted(store.touch),
    destroy: counted(store.destroy),
  };
}

export function ours(framework: Framework): Library {
  return {
    title: `scs-session on ${framework.title}`,
    floor: () => framework.serve(floorRoutes(framework.send), undefined),
    async open(counted) {
      let calls = 0;
      const memory = new MemoryStore();
      const sessions = new SessionManager<Data>({
        store: counted ? counting(memory, () => calls++) : memory,
        idleTimeout: "20m",
      });
      const table = routes(sessions, framework.send);
      const server =
        framework.title === "Express"
          ? await framework.serve(table, sessionMiddleware(sessions))
          : createServer(
              sessionHandler(sessions, (request, response) =>
                table[request.url as keyof Routes](request, response),
              ),
            );
      return {
        server,
        calls: () => calls,
        async clear() {
          for await (const { key } of memory.iterate("")) await memory.destroy(key);
        },
      };
    },
  };
}
