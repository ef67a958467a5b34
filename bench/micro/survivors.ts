// What is still alive when a young collection comes, per request, on an engine that answers later (a
// MemoryStore behind `setImmediate`); and the collector's time for it: `node bench/micro/survivors.ts`.
// Each line in a process of its own. See docs/decisions/0024-what-is-under-way.md.
import { spawnSync } from "node:child_process";
import { createServer } from "node:http";
import { Session as Inspector } from "node:inspector/promises";
import { PerformanceObserver } from "node:perf_hooks";
import { fileURLToPath } from "node:url";
import { sessionHandler } from "../../src/adapters/node.ts";
import { SessionManager } from "../../src/manager.ts";
import type { Store } from "../../src/store.ts";
import { MemoryStore } from "../../src/stores/memory.ts";
import { Connection } from "../wire.ts";

const whats = ["read", "change", "commit"] as const;
type What = (typeof whats)[number];

const connections = 8;
const each = 3000;
const requests = connections * each;

function later(memory: MemoryStore): Store {
  const after = <A extends unknown[], R>(method: (...args: A) => R) => {
    return async (...args: A): Promise<Awaited<R>> => {
      await new Promise((resolve) => setImmediate(resolve));
      return await method.apply(memory, args);
    };
  };
  return {
    abilities: memory.abilities,
    load: after(memory.load),
    create: after(memory.create),
    update: after(memory.update),
    touch: after(memory.touch),
    destroy: after(memory.destroy),
  };
}

interface Node {
  readonly selfSize: number;
  readonly children: readonly Node[];
}
const sizeOf = (node: Node): number =>
  node.children.reduce((sum, child) => sum + sizeOf(child), node.selfSize);

async function measure(what: What): Promise<string> {
  const sessions = new SessionManager<{ visits: number }>({
    store: later(new MemoryStore()),
    idleTimeout: "20m",
    onEvent: () => {},
  });
  const server = createServer(
    sessionHandler(sessions, async (req, res) => {
      const session = await sessions.load(req);
      if (req.url === "/seed") session.set("visits", 1);
      else if (what === "read") session.get("visits");
      else session.update("visits", (visits = 0) => visits + 1);
      if (what === "commit") await session.commit();
      res.end("ok");
    }),
  );
  const clients: Connection[] = [];
  for (let i = 0; i < connections; i++) {
    const first = new Connection(server, "/seed", undefined, true, () => {});
    await first.run(1);
    const check = ({ head }: { readonly head: string }): void => {
      if (!head.startsWith("HTTP/1.1 200 ")) throw new Error(head);
    };
    clients.push(new Connection(server, "/", first.cookies, false, check));
  }
  const run = (): Promise<unknown> => Promise.all(clients.map((one) => one.run(each)));
  await run();
  await run();

  let collecting = 0;
  const observer = new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) collecting += entry.duration;
  });
  observer.observe({ entryTypes: ["gc"] });
  await run();
  await new Promise((resolve) => setTimeout(resolve, 50));
  observer.disconnect();

  const inspector = new Inspector();
  inspector.connect();
  await inspector.post("HeapProfiler.startSampling", {
    samplingInterval: 4096,
    includeObjectsCollectedByMajorGC: true,
    includeObjectsCollectedByMinorGC: false,
  });
  await run();
  const { profile } = await inspector.post("HeapProfiler.stopSampling");
  const bytes = Math.round(sizeOf(profile.head) / requests);
  const time = ((collecting * 1000) / requests).toFixed(1);
  return `${what.padEnd(6)} ${String(bytes).padStart(6)} bytes survive, ${time.padStart(5)} us in the collector`;
}

const [given] = process.argv.slice(2);
if (given === undefined) {
  for (const what of whats) {
    for (let n = 0; n < 4; n++) {
      spawnSync(process.execPath, [fileURLToPath(import.meta.url), what], { stdio: "inherit" });
    }
  }
} else {
  console.log(await measure(given as What));
}
process.exit(0);
