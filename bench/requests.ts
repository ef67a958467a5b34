// CPU microseconds per request over the floor, and round trips to the store, of each library.
//
// Each library has a worker process. In every round each worker has one turn, while the others wait,
// and in its turn each case runs next to its floor: so all are measured at the same time, and what
// the machine does meanwhile falls on all alike. `--quick`: fewer rounds.
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { cases } from "./cases.ts";
import type { Sample } from "./pair.ts";
import { circumstances, keep } from "./results.ts";
import { type Middle, middle, table } from "./statistics.ts";
import { libraries, type Report } from "./worker.ts";

const quick = process.argv.includes("--quick");
const rounds = quick ? 12 : 60;
/** CPU time of each case before it counts, in us. */
const warmUp = quick ? 200_000 : 400_000;

interface Worker {
  readonly title: string;
  readonly process: ChildProcess;
  readonly roundTrips: Record<string, number>;
  readonly samples: Map<string, Sample[]>;
}

async function start(name: string): Promise<Worker> {
  const child = fork(fileURLToPath(new URL("worker.ts", import.meta.url)), [name, String(warmUp)]);
  const first = await next(child);
  if (!("roundTrips" in first)) throw new Error("a sample before the first round");
  const { title, roundTrips } = first as Extract<Report, { title: string }>;
  return { title, process: child, roundTrips, samples: new Map() };
}

async function next(child: ChildProcess): Promise<Report> {
  const end = new AbortController();
  const { signal } = end;
  const message = once(child, "message", { signal }) as Promise<[Report]>;
  const exit = once(child, "exit", { signal }).then(([code]) => {
    throw new Error(`a worker ended with ${String(code)}`);
  });
  try {
    const [report] = await Promise.race([message, exit]);
    return report;
  } finally {
    message.catch(() => {});
    exit.catch(() => {});
    end.abort();
  }
}

async function turn(worker: Worker): Promise<void> {
  worker.process.send("round");
  const report = (await next(worker.process)) as Record<string, Sample>;
  for (const [name, sample] of Object.entries(report)) {
    const list = worker.samples.get(name);
    if (list === undefined) worker.samples.set(name, [sample]);
    else list.push(sample);
  }
}

/** CPU microseconds over the floor, and the floor itself. */
interface Cost {
  readonly over: Middle;
  readonly mean: number;
  readonly floor: Middle;
  readonly roundTrips: number | undefined;
}

function costs(worker: Worker): Record<string, Cost> {
  const names = [...cases.map((one) => one.name), "floor against floor"];
  const entries = names.map((name): [string, Cost] => {
    const samples = worker.samples.get(name) ?? [];
    const over = samples.map(({ measured, floor }) => measured - floor);
    const mean = over.reduce((sum, value) => sum + value, 0) / over.length;
    return [
      name,
      {
        over: middle(over),
        mean: Number(mean.toFixed(1)),
        floor: middle(samples.map((sample) => sample.floor)),
        roundTrips: worker.roundTrips[name],
      },
    ];
  });
  return Object.fromEntries(entries);
}

const began = performance.now();
const workers: Worker[] = [];
for (const name of Object.keys(libraries)) workers.push(await start(name));
for (let round = 0; round < rounds; round++) {
  workers.sort(() => Math.random() - 0.5);
  for (const worker of workers) await turn(worker);
}
for (const worker of workers) worker.process.send("end");

const titles = Object.values(libraries).map((library) => library.title);
const results = titles.map((title): [string, Record<string, Cost>] => {
  const worker = workers.find((one) => one.title === title);
  return [title, worker === undefined ? {} : costs(worker)];
});
const names = Object.keys(results[0]?.[1] ?? {});
const number = (value: number): string => value.toFixed(1);
const cells = (name: string, cell: (cost: Cost) => string): string[] => [
  name,
  ...results.map(([, all]) => {
    const cost = all[name];
    return cost === undefined ? "" : cell(cost);
  }),
];
const { node, cpu } = circumstances();
console.log(
  `CPU us per request over the floor: the median of ${rounds} rounds, and half the distance between
the quartiles. Node ${node}, ${cpu}, ${Math.round((performance.now() - began) / 1000)} s\n`,
);
console.log(
  table([
    ["", ...titles],
    ...names.map((name) =>
      cells(name, ({ over }) => `${number(over.median)} ±${number(over.spread)}`),
    ),
    cells("untouched", ({ floor }) => number(floor.median)).with(0, "(the floor itself)"),
  ]),
);
console.log("\nRound trips: calls of the store per request\n");
console.log(
  table([
    ["", ...titles],
    ...cases.map(({ name }) => cells(name, ({ roundTrips }) => String(roundTrips))),
  ]),
);
keep("requests", { rounds, results: Object.fromEntries(results) });
