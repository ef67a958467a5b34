// What MemoryStore costs with many sessions: `node bench/micro/memory.ts [sessions]`, a million when
// not said. The heap that a session takes, insertion, look-up, and the longest pause of the event
// loop while all of them expire and the sweeper removes them.
import { PerformanceObserver } from "node:perf_hooks";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { SessionManager } from "../../src/manager.ts";
import type { CreateRecord } from "../../src/store.ts";
import { MemoryStore } from "../../src/stores/memory.ts";
import { digestOf, idOf, newToken } from "../../src/token.ts";
import { keep } from "../results.ts";
import { quantile, round, table } from "../statistics.ts";

const hour = 3_600_000;
const count = Number(process.argv[2] ?? 1_000_000);
/** The number of sessions for the heap figure. */
const small = Math.min(100_000, count);

type Data = { userId: string; name: string; roles: string[]; since: number };

setFlagsFromString("--expose-gc");
const gc = runInNewContext("gc") as () => void;

function heap(): number {
  gc();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

/** As an application makes them, each with values of its own. */
async function create(sessions: SessionManager<Data>, i: number): Promise<void> {
  const session = await sessions.loadToken(undefined);
  session.set("userId", `u_${i.toString(16).padStart(16, "0")}`);
  session.set("name", `Zoe Miller the ${i}th`);
  session.set("roles", ["customer"]);
  session.set("since", 1_763_904_935 + i);
  await session.commit();
}

async function heapPerSession(): Promise<{ bytes: number; record: number }> {
  const store = new MemoryStore();
  const sessions = new SessionManager<Data>({ store, idleTimeout: "20m" });
  for (let i = 0; i < 1000; i++) await create(sessions, i); // what is made once: code, scratch memory
  const before = heap();
  for (let i = 1000; i < small + 1000; i++) await create(sessions, i);
  const bytes = (heap() - before) / small;
  let record = 0;
  for await (const { data } of store.iterate("")) {
    record = data.length;
    break;
  }
  await sessions.close();
  return { bytes: Math.round(bytes), record };
}

interface Span {
  readonly start: number;
  readonly end: number;
}

/**
 * How long the event loop is held up: how late a timer of 1 ms fires, with and without what the
 * garbage collector took of that. A heap of a million sessions has long collections, whoever deletes.
 */
class Watch {
  readonly #pauses: Span[] = [];
  readonly #collections: Span[] = [];
  readonly #observer = new PerformanceObserver((list) => {
    for (const { startTime, duration } of list.getEntries()) {
      this.#collections.push({ start: startTime, end: startTime + duration });
    }
  });
  #timer: NodeJS.Timeout | undefined;
  #due = 0;

  constructor() {
    this.#observer.observe({ entryTypes: ["gc"] });
    this.#arm();
  }

  #arm(): void {
    this.#due = performance.now() + 1;
    this.#timer = setTimeout(() => {
      this.#pauses.push({ start: this.#due, end: performance.now() });
      this.#arm();
    }, 1);
  }

  /** In ms. */
  async stop(): Promise<Pauses> {
    clearTimeout(this.#timer);
    await sleep(10); // the observer hears of the last collections a little later
    this.#observer.disconnect();
    const own = this.#pauses.map((pause) => length(pause) - this.#collected(pause));
    return {
      longest: round(Math.max(...this.#pauses.map(length))),
      withoutCollections: round(Math.max(...own)),
      "p99.9": round(quantile(own, 0.999)),
      longestCollection: round(Math.max(0, ...this.#collections.map(length))),
    };
  }

  #collected(pause: Span): number {
    let total = 0;
    for (const { start, end } of this.#collections) {
      total += Math.max(0, Math.min(end, pause.end) - Math.max(start, pause.start));
    }
    return total;
  }
}

type Pauses = Record<"longest" | "withoutCollections" | "p99.9" | "longestCollection", number>;

function length({ start, end }: Span): number {
  return Math.max(0, end - start);
}

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

const { bytes, record } = await heapPerSession();

let now = Date.now();
const store = new MemoryStore({ maxSessions: count, clock: () => now });
const keys: string[] = [];
const records: CreateRecord[] = [];
for (let i = 0; i < count; i++) {
  const token = newToken();
  keys.push(`session:${idOf(token)}`);
  const digest = await digestOf("session", token);
  records.push({ digest, data: new Uint8Array(record).fill(i), lifetime: hour, idle: undefined });
}
gc();

// Only promises are awaited in this loop, so that no timer fires and the sweeper starts after it.
const beforeInsertion = process.cpuUsage();
let longestInsertion = 0;
for (let i = 0; i < count; i++) {
  const began = performance.now();
  await store.create(keys[i] ?? "", records[i] as CreateRecord);
  longestInsertion = Math.max(longestInsertion, performance.now() - began);
}
const insertion = cpu(beforeInsertion) / count;
if (store.size !== count) throw new Error(`${store.size} sessions in place of ${count}`);

const finds = Math.min(300_000, count);
const beforeFinds = process.cpuUsage();
for (let i = 0; i < finds; i++) {
  const found = await store.load(keys[(i * 7919) % count] ?? "");
  if (found === undefined) throw new Error("a session is missing");
}
const find = cpu(beforeFinds) / finds;

// The inputs are this script's: a collection must not find them during the measurement.
keys.length = 0;
records.length = 0;
gc();
const busy = new Watch();
const sizeBefore = store.size;
now += 2 * hour;
const began = performance.now();
// The first tick of the sweeper comes when this promise lets go of the event loop.
while (store.size > 0) {
  await sleep(50);
  if (performance.now() - began > 180_000)
    throw new Error(`${store.size} of ${sizeBefore} are left`);
}
const sweep = await busy.stop();
const seconds = round((performance.now() - began) / 1000);
store.close();

// The same clock with nothing to do: what the machine itself adds.
gc();
const baseline = new Watch();
await sleep(Math.min(5000, seconds * 1000));
const quiet = await baseline.stop();

function cpu(since: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(since);
  return user + system;
}

console.log(`MemoryStore, Node ${process.version}\n`);
console.log(
  table([
    [`heap per session, at ${small} sessions with a record of ${record} bytes`, `${bytes} bytes`],
    [`create, ${count} sessions`, `${round(insertion)} us`],
    ["longest single create", `${round(longestInsertion)} ms`],
    [`load, among ${count}`, `${round(find)} us`],
    [`removing ${count} expired sessions took`, `${seconds} s`],
    ["longest pause of the event loop meanwhile", `${sweep.longest} ms`],
    ["  without garbage collection", `${sweep.withoutCollections} ms`],
    ["  999 of 1000 turns, without it, at most", `${sweep["p99.9"]} ms`],
    ["  longest garbage collection", `${sweep.longestCollection} ms`],
    ["longest pause of an idle event loop", `${quiet.longest} ms`],
  ]),
);
keep("memory", {
  sessions: count,
  heapPerSession: bytes,
  record,
  createMicroseconds: round(insertion),
  longestCreateMilliseconds: round(longestInsertion),
  loadMicroseconds: round(find),
  sweepSeconds: seconds,
  sweepMilliseconds: sweep,
  idleMilliseconds: quiet,
});
