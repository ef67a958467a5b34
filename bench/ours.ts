// scs-session, as its README says, on every framework and engine.
import { randomBytes } from "node:crypto";
import type { RequestListener } from "node:http";
import { SessionManager } from "../src/manager.ts";
import type { Store } from "../src/store.ts";
import { data, type Data, type Route, type Routes, type Size, sizes, summary } from "./cases.ts";
import type { App, Column, Setting } from "./columns.ts";

/** Any framework's request or context: `load` takes them all. */
type On = (context: object) => Promise<string>;

function routes(sessions: SessionManager<Data>): Routes {
  const seed =
    (size: Size): On =>
    async (context) => {
      const session = await sessions.load(context);
      const { userId, name, roles, visits, cart } = data(size);
      session.set("userId", userId);
      session.set("name", name);
      session.set("roles", roles);
      session.set("visits", visits);
      session.set("cart", cart);
      return "ok";
    };
  const table: Record<string, On | (() => string)> = {
    "/untouched": () => "ok",
    "/read": async (context) => {
      const session = await sessions.load(context);
      return session.get("userId") ?? "";
    },
    "/read-all": async (context) => {
      const session = await sessions.load(context);
      return summary({
        userId: session.get("userId") ?? "",
        name: session.get("name") ?? "",
        roles: session.get("roles") ?? [],
        cart: session.get("cart") ?? [],
      });
    },
    "/change": async (context) => {
      const session = await sessions.load(context);
      return String(session.update("visits", (visits = 0) => visits + 1));
    },
    "/change-all": async (context) => {
      const session = await sessions.load(context);
      const cart = session.update("cart", (now = []) => {
        const [first, ...rest] = now;
        return first === undefined ? now : [{ ...first, quantity: first.quantity + 1 }, ...rest];
      });
      return String(cart[0]?.quantity);
    },
    "/new": seed("small"),
    "/login": async (context) => {
      const session = await sessions.load(context);
      session.renewToken();
      session.set("userId", "u_8f14e45fceea167a");
      return "ok";
    },
  };
  for (const size of sizes) table[`/seed-${size}`] = seed(size);
  return table as Record<string, Route>;
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

interface Made {
  readonly store: Store;
  readonly clear?: App["clear"];
  readonly bytes?: App["bytes"];
}

/** Code of this tree or a module in JavaScript, by path: some of it may not exist (columns.ts). */
async function load<T>(path: string): Promise<T> {
  return (await import(new URL(path, import.meta.url).href)) as T;
}

type Make = new (client?: unknown, options?: object) => Store & { setUp?(): Promise<void> };

async function engine(kind: Column["engine"]): Promise<Made> {
  const module = await load<Record<string, unknown>>(`../src/stores/${kind}.ts`);
  if (kind === "memory") {
    const { MemoryStore } = await import("../src/stores/memory.ts");
    const store = new MemoryStore();
    const clear = async (): Promise<void> => {
      for await (const { key } of store.iterate("")) await store.destroy(key);
    };
    return { store, clear };
  }
  if (kind === "cookie") {
    const Store = module["CookieStore"] as Make;
    return { store: new Store({ keys: [{ id: "1", key: new Uint8Array(randomBytes(32)) }] }) };
  }
  const { connect } = await load<{ connect: Record<string, () => Promise<unknown>> }>(
    "./engines.mjs",
  );
  const client = await connect[kind]?.();
  const name = { redis: "RedisStore", postgres: "PostgresStore", mysql: "MySQLStore" }[kind];
  const store = new (module[name] as Make)(client);
  await store.setUp?.();
  const { bytes } = await load<{
    bytes: Record<string, (client: unknown, table: string) => () => Promise<number>>;
  }>("./peers/bytes.mjs");
  return { store, bytes: bytes[kind]?.(client, "scs_sessions") };
}

export async function open({ column, count }: Setting): Promise<App> {
  const { store, clear, bytes } = await engine(column.engine);
  const sessions = new SessionManager<Data>({
    // The cookie engine makes no round trips, and is known to the manager by its class.
    store: count === undefined || column.engine === "cookie" ? store : counting(store, count),
    idleTimeout: "20m",
    onEvent: () => {},
  });
  const { frameworks } = await load<{
    frameworks: Record<string, (routes: Routes, install: unknown) => Promise<App["server"]>>;
  }>("./frameworks.mjs");
  const serve = frameworks[column.framework];
  if (serve === undefined) throw new Error(`no framework ${column.framework}`);
  const server = await serve(routes(sessions), await install(column, sessions));
  return { server, ...(clear && { clear }), ...(bytes && { bytes }) };
}

type Adapter = (sessions: SessionManager<Data>, ...rest: unknown[]) => unknown;

async function install(column: Column, sessions: SessionManager<Data>): Promise<unknown> {
  const { framework } = column;
  if (framework === "node:http") {
    const { sessionHandler } = await import("../src/adapters/node.ts");
    return (listener: RequestListener) => sessionHandler(sessions, listener);
  }
  const adapter = await load<Record<string, Adapter>>(
    `../src/adapters/${framework.toLowerCase()}.ts`,
  );
  if (framework === "Fastify") {
    return (app: { register(plugin: unknown, options: object): unknown }) =>
      app.register(adapter["sessionPlugin"], { sessions });
  }
  return (app: { use(middleware: unknown): void }) =>
    app.use(adapter["sessionMiddleware"]?.(sessions));
}
