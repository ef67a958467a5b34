// CPU microseconds per request over the floor, requests per second, latencies, round trips, and bytes
// per session, of each column (columns.ts).
//
// Each column has a worker process. In every round each worker has one turn, while the others wait,
// and in its turn each case runs next to its floor: so all are measured at the same time, and what
// the machine does meanwhile falls on all alike. `--quick`: fewer rounds and cases. `--columns text`:
// only those whose name contains one of these, separated by commas; `--engines`
// those of some engines. `--rounds number`.
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { type Column, columns, missing } from "./columns.ts";
import type { Sample, Side } from "./pair.ts";
import { circumstances, keep, kept } from "./results.ts";
import { type Engine, startEngines } from "./servers.ts";
import { middle, quantile, round } from "./statistics.ts";
import { type Cost, print, type Result } from "./tables.ts";
import { casesOf, type Order, type Report } from "./worker.ts";

const quick = process.argv.includes("--quick");
const given = process.argv.indexOf("--rounds");
const rounds = given === -1 ? (quick ? 6 : 30) : Number(process.argv[given + 1]);
/** CPU time of one side of one case in one round, and before it counts, in us. */
const batch = quick ? 10_000 : 25_000;
// Less than this, and what is measured is code that V8 has not compiled yet (with 150 000, the larger library pays twice).
const warmUp = quick ? 300_000 : 400_000;
const only = process.argv.indexOf("--columns");
const wanted = only === -1 ? [""] : (process.argv[only + 1] ?? "").split(",");
const some = process.argv.indexOf("--engines");
const kinds = some === -1 ? undefined : (process.argv[some + 1] ?? "").split(",");

interface Worker {
  readonly column: Column;
  readonly process: ChildProcess;
  roundTrips: Record<string, number>;
  bytes: number | undefined;
  readonly samples: Map<string, Sample[]>;
  /** Server CPU in us per request, by case. */
  readonly serverCpu: Record<string, number>;
}

async function tell(worker: Worker, order: Order): Promise<Report> {
  const end = new AbortController();
  const { signal } = end;
  const message = once(worker.process, "message", { signal }) as Promise<[Report]>;
  const exit = once(worker.process, "exit", { signal }).then(([code]): never => {
    throw new Error(`the worker of ${worker.column.id} ended with ${String(code)}`);
  });
  try {
    worker.process.send(order);
    const [report] = await Promise.race([message, exit]);
    if (report.error !== undefined) throw new Error(`${worker.column.id}: ${report.error}`);
    return report;
  } finally {
    message.catch(() => {});
    exit.catch(() => {});
    end.abort();
  }
}

function start(column: Column, env: NodeJS.ProcessEnv): Worker {
  // While a worker waits for its turn, V8 would tidy up as in an idle process, and throw code away.
  const execArgv = [...process.execArgv, "--no-memory-reducer"];
  const path = fileURLToPath(new URL("worker.ts", import.meta.url));
  const child = fork(path, [column.id], { env, execArgv });
  const samples = new Map<string, Sample[]>();
  return { column, process: child, roundTrips: {}, bytes: undefined, samples, serverCpu: {} };
}

async function turn(worker: Worker): Promise<void> {
  const { samples = {} } = await tell(worker, { do: "round" });
  for (const [name, sample] of Object.entries(samples)) {
    const list = worker.samples.get(name);
    if (list === undefined) worker.samples.set(name, [sample]);
    else list.push(sample);
  }
}

/** What the engine's own processes spend on one request. */
async function serverCost(worker: Worker, engine: Engine): Promise<void> {
  const count = quick ? 800 : 4000;
  for (const what of casesOf(worker.column, quick)) {
    const before = engine.cpu();
    await tell(worker, { do: "burst", name: what.name, count });
    const after = engine.cpu();
    if (before !== undefined && after !== undefined) {
      worker.serverCpu[what.name] = round((after - before) / count);
    }
  }
}

function costs(worker: Worker): Record<string, Cost> {
  const entries = [...worker.samples].map(([name, samples]): [string, Cost] => {
    const of = (side: keyof Side): number =>
      round(
        quantile(
          samples.map(({ measured }) => measured[side]),
          0.5,
        ),
      );
    return [
      name,
      {
        over: middle(samples.map(({ measured, floor }) => measured.cpu - floor.cpu)),
        floor: middle(samples.map(({ floor }) => floor.cpu)),
        ratio: round(
          quantile(
            samples.map(({ measured, floor }) => measured.cpu / floor.cpu),
            0.5,
          ),
        ),
        requestsPerSecond: Math.round(of("rate")),
        p50: of("p50"),
        p99: of("p99"),
        roundTrips: worker.roundTrips[name],
        serverCpu: worker.serverCpu[name],
      },
    ];
  });
  return Object.fromEntries(entries);
}

const began = performance.now();
const chosen = columns.filter(
  ({ id, engine, quick: inQuick }) =>
    wanted.some((text) => id.includes(text)) &&
    (kinds === undefined ? !quick || only !== -1 || inQuick : kinds.includes(engine)),
);
const engines = await startEngines(new Set(chosen.map(({ engine }) => engine)));
const workers: Worker[] = [];
try {
  const env: NodeJS.ProcessEnv = { ...process.env };
  for (const engine of engines) env[engine.variable] = engine.url;
  for (const column of chosen) {
    const absent = missing(column);
    const network = column.engine !== "memory" && column.engine !== "cookie";
    const served = !network || engines.some(({ kind }) => kind === column.engine);
    if (absent !== undefined) console.log(`not measured: ${column.id}: ${absent}`);
    else if (!served) console.log(`not measured: ${column.id}: no ${column.engine} server`);
    else {
      const worker = start(column, env);
      try {
        const opened = await tell(worker, { do: "open", batch, warmUp, quick });
        worker.roundTrips = opened.roundTrips ?? {};
        workers.push(worker);
      } catch (error) {
        worker.process.kill();
        process.exitCode = 1;
        console.log(`not measured: ${column.id}: ${String(error)}`);
      }
    }
  }
  const order = workers.slice();
  for (let n = 0; n < rounds; n++) {
    order.sort(() => Math.random() - 0.5);
    for (const worker of order) if (worker.column.slow !== true || n % 3 === 0) await turn(worker);
  }
  for (const worker of workers) {
    const engine = engines.find(({ kind }) => kind === worker.column.engine);
    if (engine !== undefined) await serverCost(worker, engine);
    worker.process.kill();
    if (worker.column.library === "the raw driver") continue;
    // In a process of its own: beside sixty servers' garbage a session's bytes are not seen.
    const fresh = start(worker.column, env);
    const count = quick || engine !== undefined ? 20_000 : 100_000;
    const { bytes } = await tell(fresh, { do: "bytes", count });
    fresh.process.kill();
    worker.bytes = bytes === undefined ? undefined : Math.round(bytes);
  }
} finally {
  for (const worker of workers) worker.process.kill();
  await Promise.all(engines.map((engine) => engine.stop()));
}

const results = workers.map((worker) => ({
  column: worker.column,
  bytesPerSession: worker.bytes,
  cases: costs(worker),
}));
const seconds = Math.round((performance.now() - began) / 1000);
print(results, `${rounds} rounds, ${seconds} s`);
// Columns that were not asked for stay as they were, each with its own date.
const before = (kept()["requests"] as { results?: readonly Result[] } | undefined)?.results ?? [];
const others = before.filter(({ column }) => !results.some((one) => one.column.id === column.id));
const { date } = circumstances();
const now = results.map((result) => ({ ...result, date, rounds, quick }));
keep("requests", { results: [...others, ...now] });
