// The Worker under test. Asked for `/run/<suite>` it runs a suite inside workerd and answers with the
// results; `/site/<n>/...` are the requests that the adapter suite makes to itself, over the socket;
// `/app/...` is a small application, which the test drives from outside.
import { SessionManager } from "../../../src/index.ts";
import { sessionHandler } from "../../../src/adapters/web.ts";
import { DurableObjectStore } from "../../../src/stores/durable-object.ts";
import { MemoryStore } from "../../../src/stores/memory.ts";
import {
  type AdapterResponse,
  type AdapterServer,
  adapterSuite,
  type AdapterSetup,
} from "../../../src/testing/adapter.ts";
import { storeSuite, type StoreSuite } from "../../../src/testing/store.ts";
import { env } from "cloudflare:workers";
import { Tests } from "./runner.ts";

export { SessionObject } from "../../../src/stores/durable-object.ts";

type Fetch = (request: Request) => Promise<Response>;

/** The engines, by the name of their suite. */
const engines: Readonly<Record<string, StoreSuite["create"]>> = {
  memory: async () => ({ store: new MemoryStore() }),
  "durable-object": async () => ({ store: new DurableObjectStore(env.SESSIONS) }),
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
    await handle({ request, path, respond });
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
  return Response.json(await tests.run(Number(url.searchParams.get("atOnce"))));
}

type Data = { [key: `key${string}`]: string; visits: number };

/** One manager for all requests of the isolate, as an application has it. */
const managers: Readonly<Record<string, SessionManager<Data>>> = {
  memory: new SessionManager<Data>({ store: new MemoryStore(), onEvent: note }),
  "durable-object": new SessionManager<Data>({
    store: new DurableObjectStore(env.SESSIONS),
    idleTimeout: "20m",
    onEvent: note,
  }),
};
const events: string[] = [];

function note({ level, message }: { level: string; message: string }): void {
  if (level !== "debug") events.push(message);
}

function app(engine: string, action: string, key: string, request: Request): Promise<Response> {
  const sessions = managers[engine] as SessionManager<Data>;
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
    if (part === "events") return Response.json(events.splice(0));
    if (part === "app") return app(name, action, key, request);
    // A handler that throws: the runtime's own answer is 500 as well, but it also prints.
    return (sites.get(name) as Fetch)(request).catch(() => new Response(null, { status: 500 }));
  },
};
