/** What each test of the adapter suite works with: a site behind the adapter, and its visitors. */
import type { SessionEvent } from "../events.ts";
import type { Options } from "../options.ts";
import { SessionManager } from "../manager.ts";
import type { SealedStore } from "../sealed.ts";
import type { Store } from "../store.ts";
import { MemoryStore } from "../stores/memory.ts";
import { equal, present } from "./expect.ts";
import { type FaultyOperation, FaultyStore } from "./faults.ts";

/** The data of the suite's sessions. */
export interface AdapterData {
  text: string;
  visits: number;
  [key: `key${number}`]: number;
}

export type AdapterSessions = SessionManager<AdapterData>;

/** One request, in no framework's terms. */
export interface AdapterRequest {
  /** What the adapter's users give to `sessions.load`. */
  readonly request: object;
  /** The path, with the leading slash, without the query. */
  readonly path: string;
  /** The request's body, in the way that users read it. Without it, uploads are not read. */
  text?(): Promise<string>;
  /** Answers, in the way that users of the framework do. Status 200 unless given. */
  respond(response: AdapterResponse): unknown;
}

export interface AdapterResponse {
  readonly status?: number | undefined;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  readonly body?: string | AsyncIterable<string> | undefined;
}

/** What `start` gets. */
export interface AdapterSetup {
  /** The managers to mount, in this order: one, or two. */
  readonly sessions: readonly AdapterSessions[];
  /** The handler for all requests. What it throws goes where a throw of a user's handler goes. */
  handle(io: AdapterRequest): Promise<unknown>;
}

/** A server under test. */
export interface AdapterServer {
  /** Without a trailing slash. */
  readonly url: string;
  close(): Promise<void>;
}

type Handle = (io: AdapterRequest, sessions: AdapterSessions) => unknown;

/** The handlers that the behaviours share. */
const routes: Readonly<Record<string, Handle>> = {
  "/untouched": ({ respond }) => respond({ body: "untouched" }),
  "/get": async ({ request, respond }, sessions) => {
    const session = await sessions.load(request);
    return respond({ body: session.get("text") ?? "nothing" });
  },
  "/put": async ({ request, respond }, sessions) => {
    (await sessions.load(request)).set("text", "hello");
    return respond({ body: "stored" });
  },
  "/logout": async ({ request, respond }, sessions) => {
    (await sessions.load(request)).destroy();
    return respond({ body: "bye" });
  },
};

/** One server with one manager (or two), and a browser's view of it. */
export class Site {
  readonly store: FaultyStore = new FaultyStore(new MemoryStore());
  readonly events: SessionEvent[] = [];
  readonly sessions: AdapterSessions;
  readonly second: AdapterSessions;
  /** Uses the first one's cookie, which is a mistake. */
  readonly twin: AdapterSessions;
  readonly own: Record<string, Handle> = {};
  #server: AdapterServer | undefined;

  constructor(
    options: Partial<Options<AdapterData>> = {},
    engine: (records: Store) => Store | SealedStore = (records) => records,
  ) {
    const common = { store: engine(this.store), development: true, storeTimeout: 1000 };
    const onEvent = (event: SessionEvent): void => void this.events.push(event);
    this.sessions = new SessionManager<AdapterData>({ ...common, onEvent, ...options });
    this.second = new SessionManager<AdapterData>({
      ...common,
      onEvent,
      cookie: { name: "second" },
    });
    this.twin = new SessionManager<AdapterData>({ ...common, onEvent, name: "twin" });
  }

  async start(
    start: (setup: AdapterSetup) => Promise<AdapterServer>,
    managers: readonly AdapterSessions[],
  ): Promise<void> {
    this.#server = await start({
      sessions: managers,
      handle: async (io) => {
        const handle = present(this.own[io.path] ?? routes[io.path], `a handler for ${io.path}`);
        return handle(io, this.sessions);
      },
    });
  }

  async close(): Promise<void> {
    await this.#server?.close();
    await this.sessions.close();
    await this.second.close();
    await this.twin.close();
  }

  /** One request; redirects are not followed. */
  ask(path: string, cookie?: string, method = "GET", more: RequestInit = {}): Promise<Response> {
    const url = present(this.#server, "a server").url + path;
    const headers: Record<string, string> = cookie === undefined ? {} : { cookie };
    // Bun's fetch names no type by itself, and frameworks refuse a body without one.
    if (more.body !== undefined) headers["content-type"] = "text/plain; charset=utf-8";
    return fetch(url, { method, headers, redirect: "manual", ...more });
  }

  /** A session with a text in it; its cookie. */
  async begin(): Promise<string> {
    const response = await this.ask("/put");
    equal(await response.text(), "stored", "the body");
    return cookieOf(response);
  }

  async text(cookie: string): Promise<string> {
    return (await this.ask("/get", cookie)).text();
  }

  /** From now on these operations of the store fail. */
  breaks(...operations: FaultyOperation[]): void {
    for (const operation of operations) this.store.always(operation, "failed");
  }
}

/** The `name=value` of the one cookie that a response sets. */
export function cookieOf(response: Response): string {
  const cookies = response.headers.getSetCookie();
  equal(cookies.length, 1, "the number of cookies");
  return (cookies[0] ?? "").split(";")[0] ?? "";
}

/** The response sets no cookie. */
export function noCookie(response: Response): void {
  equal(response.headers.getSetCookie().length, 0, "the number of cookies");
}
