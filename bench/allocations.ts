// What a request allocates: `node bench/allocations.ts [column] [case;case]`. Bytes of V8's heap per
// request over the floor's (the median of 15 rounds), and which functions allocate them, as V8 samples
// them. Unlike times, these hardly depend on what else the machine does.
import { spawnSync } from "node:child_process";
import { Session } from "node:inspector/promises";
import { fileURLToPath } from "node:url";
import { type Case, cases } from "./cases.ts";
import { type Column, columns } from "./columns.ts";
import { Pair } from "./pair.ts";
import { quantile, table } from "./statistics.ts";

// Room enough for a round without a collection.
const flags = ["--expose-gc", "--min-semi-space-size=64", "--max-semi-space-size=64"];
const requests = 2000;
const rounds = 15;

interface Frame {
  readonly callFrame: {
    readonly functionName: string;
    readonly url: string;
    readonly lineNumber: number;
  };
  readonly selfSize: number;
  readonly children: readonly Frame[];
}

type Burst = (count: number) => Promise<unknown>;

function collect(): void {
  (globalThis as { readonly gc?: () => void }).gc?.();
}

async function bytesOf(burst: Burst): Promise<number> {
  collect();
  const before = process.memoryUsage().heapUsed;
  await burst(requests);
  return (process.memoryUsage().heapUsed - before) / requests;
}

/** Bytes per request by function. */
async function sample(burst: Burst): Promise<Map<string, number>> {
  const session = new Session();
  session.connect();
  collect();
  await session.post("HeapProfiler.startSampling", {
    samplingInterval: 64,
    includeObjectsCollectedByMajorGC: true,
    includeObjectsCollectedByMinorGC: true,
  });
  await burst(requests);
  const { profile } = (await session.post("HeapProfiler.stopSampling")) as unknown as {
    profile: { head: Frame };
  };
  session.disconnect();
  const bytes = new Map<string, number>();
  const add = ({ callFrame, selfSize, children }: Frame): void => {
    const { functionName, url, lineNumber } = callFrame;
    const at = `${functionName} ${url.replace(/.*\/(?=[^/]*\/)/, "")}:${lineNumber + 1}`;
    bytes.set(at, (bytes.get(at) ?? 0) + selfSize / requests);
    children.forEach(add);
  };
  add(profile.head);
  return bytes;
}

async function measure(column: Column, what: Case): Promise<void> {
  const pair = await Pair.open(column, what, { batch: 15_000, warmUp: 600_000 });
  const floor: Burst = (count) => pair.burst(count, "floor");
  const measured: Burst = (count) => pair.burst(count, "measured");
  const own: number[] = [];
  const over: number[] = [];
  for (let i = 0; i < rounds; i++) {
    own.push(await bytesOf(floor));
    over.push((await bytesOf(measured)) - (own.at(-1) ?? 0));
  }
  const median = (values: number[]): string => quantile(values, 0.5).toFixed(0);
  console.log(`\n${what.name}: ${median(over)} bytes over the floor's ${median(own)}\n`);
  const bare = await sample(floor);
  const all = [...(await sample(measured))]
    .map(([at, bytes]) => [at, bytes - (bare.get(at) ?? 0)] as const)
    .filter(([, bytes]) => bytes >= 40)
    .sort(([, a], [, b]) => b - a);
  console.log(table(all.slice(0, 40).map(([at, bytes]) => [at, bytes.toFixed(0)])));
}

const [id = "scs-session@node:http", names = "read, 100 B;change, 100 B"] = process.argv.slice(2);
if (process.execArgv.includes("--expose-gc")) {
  const column = columns.find((one) => one.id === id);
  if (column === undefined) throw new Error(`one of ${columns.map((one) => one.id).join("; ")}`);
  console.log(`${id}, bytes of V8's heap per request, Node ${process.version}`);
  for (const name of names.split(";")) {
    const what = cases.find((one) => one.name === name);
    if (what === undefined) throw new Error(`one of ${cases.map((one) => one.name).join("; ")}`);
    await measure(column, what);
  }
  process.exit(0);
}
const args = [...process.execArgv, ...flags, fileURLToPath(import.meta.url), id, names];
process.exitCode = spawnSync(process.execPath, args, { stdio: "inherit" }).status ?? 1;
