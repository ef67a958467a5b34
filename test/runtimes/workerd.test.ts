// workerd, the runtime of Cloudflare's Workers: the suites inside it, and an application behind it that
// is driven over HTTP. Without any compatibility flag.
import assert from "node:assert/strict";
import { after, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { until } from "../servers/resp.ts";
import { tested } from "../support/tested.ts";
import { known } from "./known.ts";
import { startWorker } from "./workerd/miniflare.ts";
import type { Result } from "./workerd/runner.ts";

const { origin, version, stop } = await startWorker();
after(stop);

const engines = ["memory", "durable-object"];
const what: Readonly<Record<string, string>> = {
  adapter: "web adapter",
  memory: "MemoryStore",
  "durable-object": "DurableObjectStore",
  cookie: "CookieStore",
};
const full = process.env["SCS_FULL"] === "1";
const suites = ["adapter", "durable-object", "cookie", ...(full ? ["memory"] : [])];
if (!full) console.log("The engine suite on MemoryStore in workerd runs with SCS_FULL=1");

interface Stored {
  readonly result?: boolean;
  readonly size: number;
  readonly alarmIn: number | null;
}

async function ask(action: string, key: string): Promise<Stored> {
  return (await (await fetch(`${origin}/object/${action}/${key}`)).json()) as Stored;
}

/**
 * An idle session of one second, touched to three: its alarm, and that the touch keeps it. False when the
 * machine let the time pass before it was looked at.
 */
async function touches(key: string): Promise<boolean> {
  const start = performance.now();
  const over = (ms: number): boolean => performance.now() - start >= ms;
  const made = await ask("create", key);
  const touched = await ask("touch", key);
  if (over(1000)) return false;
  assert.equal(made.size, 1);
  assert.ok(made.alarmIn !== null && made.alarmIn > 0 && made.alarmIn <= 1000);
  // The alarm stays: moved with every touch, it would be a write more.
  assert.ok(touched.alarmIn !== null && touched.alarmIn <= 1000);
  await sleep(1700);
  const moved = await ask("load", key);
  if (over(3000)) return false;
  assert.deepEqual([moved.result, moved.size], [true, 1]);
  return true;
}

async function ends(): Promise<void> {
  let key = "ending";
  for (let tries = 1; !(await touches(key)); tries++) {
    assert.ok(tries < 10, "this machine is too slow to look in time");
    key = `ending${tries}`;
  }
  // Looks at what is stored only; a load would say that it has ended.
  await until("nothing is stored", async () => {
    const { size, alarmIn } = await ask("look", key);
    return size === 0 && alarmIn === null;
  });
}

// The suites run in the Worker; here each of their tests tells how it went.
const reports: (readonly [string, readonly Result[]])[] = [];
for (const suite of suites) {
  const response = await fetch(`${origin}/run/${suite}`);
  reports.push([suite, (await response.json()) as Result[]]);
}
for (const [suite, results] of reports) {
  const title = `workerd, ${suite}`;
  tested({ area: "runtime", what: what[suite] ?? suite, with: "workerd", version, suite: title });
  describe(title, () => {
    it("the suite ran", () => assert.ok(results.length >= (suite === "adapter" ? 20 : 80)));
    for (const { name, error } of results) {
      if (known.some((one) => one.runtime === "workerd" && name.endsWith(one.test))) {
        it(`${name}: a known limit`, () => assert.ok(error, "passes now, take it from known.ts"));
      } else it(name, () => assert.equal(error, undefined));
    }
  });
}

interface Seen {
  readonly keys: readonly string[];
  readonly visits: number;
}

/** One browser: it keeps its cookie. */
class Visitor {
  readonly #base: string;
  cookie = "";

  constructor(engine: string) {
    this.#base = `${origin}/app/${engine}`;
  }

  async ask(action: string, signal?: AbortSignal): Promise<{ status: number; seen: Seen }> {
    const response = await fetch(`${this.#base}/${action}`, {
      headers: this.cookie === "" ? {} : { cookie: this.cookie },
      ...(signal && { signal }),
    });
    const text = await response.text();
    const [set] = response.headers.getSetCookie();
    if (set !== undefined) this.cookie = set.split(";")[0] ?? "";
    const none = { keys: [], visits: 0 };
    return { status: response.status, seen: response.ok ? (JSON.parse(text) as Seen) : none };
  }
}

for (const engine of engines) {
  const title = `workerd, an application on ${engine}`;
  const row = { area: "runtime", with: "workerd", version, suite: title } as const;
  tested({ ...row, what: `core, ${what[engine]}`, note: "parallel requests over HTTP" });
  describe(title, () => {
    it("40 parallel requests of one session: none is lost, none hangs", async () => {
      const visitor = new Visitor(engine);
      await visitor.ask("put/first");
      const answers = await Promise.all(
        Array.from({ length: 40 }, (_, i) => visitor.ask(i % 2 === 0 ? `put/${i}` : "count")),
      );
      assert.deepEqual(
        answers.map(({ status }) => status),
        Array.from({ length: 40 }, () => 200),
      );
      const { seen } = await visitor.ask("read");
      const even = Array.from({ length: 20 }, (_, i) => `key${2 * i}`);
      assert.deepEqual([...seen.keys].sort(), ["keyfirst", "visits", ...even].sort());
      assert.equal(seen.visits, 20);
    });

    it("of parallel renewals one wins", async () => {
      const visitor = new Visitor(engine);
      await visitor.ask("put/first");
      const old = visitor.cookie;
      const answers = await Promise.all(
        Array.from({ length: 10 }, async () => {
          const one = new Visitor(engine);
          one.cookie = old;
          return { ...(await one.ask("renew")), cookie: one.cookie };
        }),
      );
      // Those that were loaded after the renewal have begun sessions of their own, which are empty.
      const lost = answers.filter(({ cookie }) => cookie === old);
      for (const { status } of lost) assert.equal(status, 409);
      const opened: string[] = [];
      for (const { cookie } of [...answers, { cookie: old }]) {
        visitor.cookie = cookie;
        opened.push(...(await visitor.ask("read")).seen.keys);
      }
      assert.deepEqual(opened, ["keyfirst"]);
    });

    it("requests that are aborted leave nothing behind that waits", async () => {
      const visitor = new Visitor(engine);
      await visitor.ask("put/first");
      for (let round = 0; round < 10; round++) {
        const aborter = new AbortController();
        const aborted = visitor.ask(`put/aborted${round}`, aborter.signal).catch(() => undefined);
        const others = [visitor.ask("count"), visitor.ask("count")];
        await sleep(round);
        aborter.abort();
        await aborted;
        for (const { status } of await Promise.all(others)) assert.equal(status, 200);
      }
      const { status, seen } = await visitor.ask("read");
      assert.deepEqual([status, seen.visits], [200, 20]);
    });

    it("a logout ends the session", async () => {
      const visitor = new Visitor(engine);
      await visitor.ask("put/first");
      const { cookie } = visitor;
      assert.equal((await visitor.ask("logout")).status, 200);
      visitor.cookie = cookie;
      assert.deepEqual((await visitor.ask("read")).seen.keys, []);
    });
  });
}

describe("workerd, an engine that stops to answer", () => {
  it("is a 503 within the store timeout, also after requests that have ended", async () => {
    const visitor = new Visitor("stalling");
    for (let round = 0; round < 3; round++) {
      assert.equal((await visitor.ask("put/first")).status, 200);
      assert.equal((await visitor.ask("read")).status, 200);
      assert.equal((await visitor.ask("stall")).status, 503);
    }
  });
});

describe("workerd, a session's object", () => {
  it("stores nothing for a key that it does not know", async () => {
    for (const action of ["load", "touch", "destroy"]) {
      const { result, size, alarmIn } = await ask(action, "unknown");
      assert.deepEqual([result ?? false, size, alarmIn], [false, 0, null], action);
    }
  });

  it("removes the session at its end by itself; a touch moves that end", ends);

  it("keeps nothing of a session that was destroyed", async () => {
    assert.equal((await ask("create", "destroyed")).size, 1);
    const { size, alarmIn } = await ask("destroy", "destroyed");
    assert.deepEqual([size, alarmIn], [0, null]);
  });
});
