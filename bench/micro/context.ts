// What `context: new AsyncLocalStorage()` costs: `node bench/micro/context.ts`, nanoseconds of CPU per
// request of the fetch adapter on the memory engine, without any HTTP. Each round measures all lines
// one after the other; printed is the median of the differences to the line above.
import { AsyncLocalStorage } from "node:async_hooks";
import { sessionHandler } from "../../src/adapters/web.ts";
import { SessionManager } from "../../src/manager.ts";
import { MemoryStore } from "../../src/stores/memory.ts";
import { createSession } from "../../src/testing/index.ts";

type Data = { visits: number };

const store = new MemoryStore();
const plain = new SessionManager<Data>({ store });
const inside = new SessionManager<Data>({ store, context: new AsyncLocalStorage() });
const { cookie } = await createSession(plain, { visits: 1 });

/** Awaits as many times as a small handler does. */
async function think(): Promise<void> {
  for (let i = 0; i < 10; i++) await Promise.resolve();
}

const handlers: Record<string, (request: Request) => Promise<Response>> = {
  "load(request), no context": sessionHandler(plain, async (request) => {
    await think();
    return new Response(String((await plain.load(request)).get("visits")));
  }),
  "load(request), context": sessionHandler(inside, async (request) => {
    await think();
    return new Response(String((await inside.load(request)).get("visits")));
  }),
  "current(), context": sessionHandler(inside, async () => {
    await think();
    return new Response(String((await inside.current()).get("visits")));
  }),
};

const requests = 5000;
const rounds = 15;

async function measure(handler: (request: Request) => Promise<Response>): Promise<number> {
  const made = Array.from({ length: requests }, () => {
    return new Request("http://localhost/", { headers: { cookie } });
  });
  const before = process.cpuUsage();
  for (const request of made) await handler(request);
  const { user, system } = process.cpuUsage(before);
  return ((user + system) * 1000) / requests;
}

const median = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;

const figures = Object.keys(handlers).map((): number[] => []);
for (let round = 0; round < rounds; round++) {
  let at = 0;
  for (const handler of Object.values(handlers)) figures[at++]?.push(await measure(handler));
}
console.log(`Node ${process.version}, ${requests} requests in each of ${rounds} rounds`);
Object.keys(handlers).forEach((name, at) => {
  const mine = figures[at] ?? [];
  const above = figures[at - 1];
  const more = above === undefined ? [] : mine.map((value, round) => value - (above[round] ?? 0));
  const difference =
    above === undefined ? "" : `${median(more) < 0 ? "" : "+"}${median(more).toFixed(0)}`;
  console.log(name.padEnd(28), median(mine).toFixed(0).padStart(8), difference.padStart(8));
});
