// The Worker under test. Asked for `/run/<suite>` it runs a suite inside workerd and answers with the
// results; `/site/<n>/...` are the requests that the adapter suite makes to itself, over the socket;
// `/app/...` is a small application, which the test drives from outside, and `/object/...` shows what a
// session's object has stored.
import { SessionManager } from "../../../src/index.ts";
import { sessionHandler } from "../../../src/adapters/web.ts";
import { CookieStore } from "../../../src/stores/cookie.ts";
import {
  DurableObjectStore,
  type ObjectState,
  type ObjectStorage,
  SessionObject,
} from "../../../src/stores/durable-object.ts";
import { MemoryStore } from "../../../src/stores/memory.ts";
import {
  type AdapterResponse,
  type AdapterServer,
  adapterSuite,
  type AdapterSetup,
} from "../../../src/testing/adapter.ts";
import { ManualClock } from "../../../src/testing/clock.ts";
import { storeSuite, type StoreSuite } from "../../../src/testing/store.ts";
import { env } from "cloudflare:workers";
import { Tests } from "./runner.ts";

interface State extends ObjectState {
  readonly storage: ObjectStorage & {
    list(): Promise<{ readonly size: number }>;
    getAlarm(): Promise<number | null>;
  };
}

/** By how much the objects' clock is ahead, in ms. */
let ahead = 0;

/** The object under test, with a clock that can be moved; it also tells what it has stored. */
export class WatchedObject extends SessionObject {
  readonly #state: State;

  protected override now(): number {
    return super.now() + ahead;
  }

  constructor(state: State) {
    super(state);
    this.#state = state;
  }

  override async fetch(request: Request): Promise<Response> {
    if (request.method !== "GET") return super.fetch(request);
    const { storage } = this.#state;
    const [{ size }, alarm] = [await storage.list(), await storage.getAlarm()];
    return Response.json({ size, alarmIn: alarm === null ? null : alarm - this.now() });
  }
}

/** `/object/<action>/<key>`: one operation on the engine, and what its object then has stored. */
async function object(action: string, key: string): Promise<Response> {
  const store = new DurableObjectStore(env.SESSIONS);
  const digest = new Uint8Array(32);
  const made = { digest, data: new Uint8Array(10), lifetime: 60_000, idle: 1000 };
  let result: unknown;
  if (action === "create") result = await store.create(key, made);
  if (action === "touch") result = await store.touch(key, digest, 3000);
  if (action === "destroy") await store.destroy(key);
  if (action === "load") result = (await store.load(key)) !== undefined;
  const { SESSIONS } = env;
  const answer = await SESSIONS.get(SESSIONS.idFromName(key)).fetch("https://session/");
  return Response.json({ result, ...((await answer.json()) as object) });
}

type Fetch = (request: Request) => Promise<Response>;

/** The engines, by the name of their suite. */
const engines: Readonly<Record<string, StoreSuite["create"]>> = {
  memory: async () => {
    const clock = new ManualClock();
    const store = new MemoryStore({ clock: clock.now });
    return { store, advance: (ms) => clock.advance(ms) };
  },
  "durable-object": async () => ({
    store: new DurableObjectStore(env.SESSIONS),
    // Of all objects: the tests run one after the other.
    advance: (ms) => void (ahead += ms),
  }),
  cookie: async () => {
    const clock = new ManualClock();
    // Made here: a Worker may have no random values at the top of its module.
    const keys = [{ id: "k1", key: crypto.getRandomValues(new Uint8Array(32)) }];
    const store = new CookieStore({ keys, revocations: false, clock: clock.now });
    return { store, advance: (ms) => clock.advance(ms) };
  },
};

const sites = new Map<string, Fetch>();

async function start(origin: string, { sessions, handle }: AdapterSetup): Promise<AdapterServer> {
  const innermost = async (request: Request): Promise<Response> => {
    let answer: Response | undefined;
    const respond = ({ status = 200, headers = {}, body }: AdapterResponse): void => {
      const content = typeof body === "object" ? streamed(body) : (body ?? null);
      answer = new Response([204, 304].includes(status) ? null : content, { status, headers });
    };
    const path = new URL(request.url).pathname.replace(/^\/site\/\d+/, "");
    await handle({ request, path, text: () => request.text(), respond });
    return answer as unknown as Response;
  };
  const handler = sessions.reduceRight((inner, one) => sessionHandler(one, inner), innermost);
  const id = String(sites.size);
  sites.set(id, handler);
  return { url: `${origin}/site/${id}`, close: async () => {} };
}

function streamed(body: AsyncIterable<string>): ReadableStream<Uint8Array> {
  const texts = body[Symbol.asyncIterator]();
  const encoder = new TextEncoder();
  return new ReadableStream({
    async pull(controller) {
      const next = await texts.next();
      if (next.done === true) controller.close();
      else controller.enqueue(encoder.encode(next.value));
    },
  });
}

async function run(suite: string, url: URL): Promise<Response> {
  const tests = new Tests();
  const { describe, it } = tests;
  const create = engines[suite];
  if (create !== undefined) storeSuite({ describe, it, create, name: suite });
  else adapterSuite({ describe, it, start: (setup) => start(url.origin, setup), name: suite });
  const results = await tests.run();
  ahead = 0;
  return Response.json(results);
}

type Data = { [key: `key${string}`]: string; visits: number };

/** An engine that stops to answer. */
class StallingStore extends MemoryStore {
  stalls = false;

  override load(key: string): ReturnType<MemoryStore["load"]> {
    return this.stalls ? new Promise(() => {}) : super.load(key);
  }
}

const stalling = new StallingStore();

/** One manager for all requests of the isolate, as an application has it. */
const managers: Readonly<Record<string, SessionManager<Data>>> = {
  memory: new SessionManager<Data>({
    store: new MemoryStore(),
    storeTimeout: "30s",
    onEvent: () => {},
  }),
  "durable-object": new SessionManager<Data>({
    store: new DurableObjectStore(env.SESSIONS),
    idleTimeout: "20m",
    // The test asks for what is stored, however busy the machine.
    storeTimeout: "30s",
    onEvent: () => {},
  }),
  stalling: new SessionManager<Data>({
    store: stalling,
    storeTimeout: 500,
    onEvent: () => {},
  }),
};
function app(engine: string, action: string, key: string, request: Request): Promise<Response> {
  const sessions = managers[engine] as SessionManager<Data>;
  stalling.stalls = action === "stall";
  const handler = sessionHandler(sessions, async (given: Request) => {
    const session = await sessions.load(given);
    if (action === "put") session.set(`key${key}`, key);
    if (action === "count") session.update("visits", (visits) => (visits ?? 0) + 1);
    if (action === "renew") session.renewToken();
    if (action === "logout") session.destroy();
    return Response.json({ keys: session.keys(), visits: session.get("visits") ?? 0 });
  });
  return handler(request);
}

// eslint-disable-next-line import/no-default-export -- what workerd asks for
export default {
  async fetch(request: Request): Promise<Response> {
    const url = new URL(request.url);
    const [, part = "", name = "", action = "", key = ""] = url.pathname.split("/");
    if (part === "run") return run(name, url);
    if (part === "object") return object(name, action);
    if (part === "app") return app(name, action, key, request);
    // A handler that throws: the runtime's own answer is 500 as well, but it also prints.
    return (sites.get(name) as Fetch)(request).catch(() => new Response(null, { status: 500 }));
  },
};
