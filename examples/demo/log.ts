/**
 * What the server did for its last requests: which calls of the engine, which cookie. In memory and
 * bounded. It holds no token and no data, so it may show everybody's requests to everybody here.
 */
import { AsyncLocalStorage } from "node:async_hooks";
import type { IncomingMessage, RequestListener, ServerResponse } from "node:http";

/** The engine's methods; each is one round trip. */
export type Call = "load" | "create" | "update" | "touch" | "destroy";

export interface Entry {
  /** 1 for the first request of this process. */
  readonly number: number;
  readonly at: Date;
  readonly method: string;
  /** Without the query, cut to 60 characters. */
  readonly path: string;
  /** In order. A write that several requests share stands with the one that sent it. */
  readonly calls: readonly Call[];
  /** Public id of the session that was looked for; undefined when none was. */
  readonly session: string | undefined;
  /** Undefined while the request is being answered. */
  readonly status: number | "aborted" | undefined;
  readonly cookie: "none" | "set" | "cleared";
}

type Writable = { -readonly [K in keyof Entry]: Entry[K] } & { calls: Call[] };

const kept = 50;
const methods = new Set<unknown>(["load", "create", "update", "touch", "destroy"]);

export class RequestLog {
  readonly #entries: Writable[] = [];
  readonly #current: AsyncLocalStorage<Writable> = new AsyncLocalStorage();
  #number = 0;
  #version = 0;

  /** Goes up whenever an entry changes. */
  get version(): number {
    return this.#version;
  }

  /** The request that is being handled, where there is one. */
  get current(): Entry | undefined {
    return this.#current.getStore();
  }

  /** The newest first, at most `count`. */
  newest(count: number): readonly Entry[] {
    return this.#entries.slice(-count).reverse();
  }

  /** Around the listener: every request becomes an entry, except those for `quiet` paths. */
  listener(next: RequestListener, quiet: ReadonlySet<string>): RequestListener {
    return (request, response) => {
      const path = request.url?.split("?", 1)[0] ?? "/";
      if (quiet.has(path)) return next(request, response);
      const entry = this.#begin(request, path);
      response.once("close", () => this.#end(entry, response));
      return this.#current.run(entry, () => next(request, response));
    };
  }

  /**
   * Around the engine: every call is noted with the request that it is made for. One that seals
   * sessions into cookies has none of these methods, and makes no round trip.
   */
  watch<Engine extends object>(store: Engine): Engine {
    return new Proxy(store, {
      get: (target, name) => {
        const member: unknown = Reflect.get(target, name, target);
        if (typeof member !== "function") return member;
        return (...args: unknown[]): unknown => {
          if (methods.has(name)) this.#called(name as Call, String(args[0]));
          return Reflect.apply(member, target, args);
        };
      },
    });
  }

  #begin(request: IncomingMessage, path: string): Writable {
    const entry: Writable = {
      number: ++this.#number,
      at: new Date(),
      method: request.method ?? "GET",
      path: path.length > 60 ? `${path.slice(0, 59)}…` : path,
      calls: [],
      session: undefined,
      status: undefined,
      cookie: "none",
    };
    this.#entries.push(entry);
    if (this.#entries.length > kept) this.#entries.shift();
    this.#version++;
    return entry;
  }

  #called(name: Call, key: string): void {
    const entry = this.#current.getStore();
    if (entry === undefined) return;
    entry.calls.push(name);
    entry.session = key.slice(key.lastIndexOf(":") + 1); // after the manager's name
    this.#version++;
  }

  #end(entry: Writable, response: ServerResponse): void {
    entry.status = response.writableFinished ? response.statusCode : "aborted";
    const cookies = [response.getHeader("set-cookie") ?? []].flat().map(String);
    const cleared = cookies.every((cookie) => /; Max-Age=0(;|$)/.test(cookie));
    if (cookies.length > 0) entry.cookie = cleared ? "cleared" : "set";
    this.#version++;
  }
}
