// The tables that a run prints, from the same results that go into bench/results/latest.json.
import { cases } from "./cases.ts";
import { type Column, us } from "./columns.ts";
import { circumstances } from "./results.ts";
import { type Middle, table } from "./statistics.ts";

/** One case of one column. */
export interface Cost {
  /** CPU microseconds per request over the floor. */
  readonly over: Middle;
  readonly floor: Middle;
  /** All of it over the floor's. */
  readonly ratio: number;
  readonly requestsPerSecond: number;
  /** Microseconds. */
  readonly p50: number;
  readonly p99: number;
  readonly roundTrips: number | undefined;
  /** CPU microseconds of the database server per request. */
  readonly serverCpu: number | undefined;
}

export interface Result {
  readonly column: Column;
  readonly bytesPerSession: number | undefined;
  readonly cases: Record<string, Cost>;
}

const text = (value: number | undefined, digits = 1): string =>
  value === undefined ? "" : value.toFixed(digits);

/** Columns of one engine, those of one framework next to each other. */
function groups(results: readonly Result[]): [string, Result[]][] {
  const found = new Map<string, Result[]>();
  for (const result of results) {
    const { engine } = result.column;
    const list = found.get(engine);
    if (list === undefined) found.set(engine, [result]);
    else list.push(result);
  }
  return [...found];
}

/**
 * Our CPU over the floor as a part of a peer's on the same framework and engine, in the same run. None
 * where the peer's is not to be told from noise.
 */
function share(ours: Cost | undefined, theirs: Cost | undefined): string {
  if (ours === undefined || theirs === undefined) return "";
  if (theirs.over.median < Math.max(1, theirs.over.spread)) return "";
  return text(Math.max(0, ours.over.median) / theirs.over.median, 2);
}

export function print(results: readonly Result[], run: string): void {
  const { node, cpu, date } = circumstances();
  console.log(`Node ${node}, ${cpu}, ${String(date).slice(0, 16)}, ${run}`);
  for (const [engine, columns] of groups(results)) {
    const present = new Set(columns.flatMap((one) => Object.keys(one.cases)));
    const names = [...cases.map(({ name }) => name), "floor against floor"].filter((name) =>
      present.has(name),
    );
    const lines = (cell: (cost: Cost) => string, only = names): string[][] =>
      only.map((name) => [
        name,
        ...columns.map((one) => (one.cases[name] === undefined ? "" : cell(one.cases[name]))),
      ]);
    const show = (title: string, rows: string[][], of: readonly Result[] = columns): void => {
      if (rows.every((row) => row.slice(1).every((cell) => cell === ""))) return;
      console.log(`\n${engine}: ${title}\n`);
      console.log(table([["", ...of.map(({ column }) => column.id)], ...rows]));
    };
    show("CPU us per request over the floor, and half the distance between the quartiles", [
      ...lines(({ over }) => `${text(over.median)} ±${text(over.spread)}`),
      ["(the floor)", ...columns.map((one) => text(Object.values(one.cases)[0]?.floor.median))],
    ]);
    show(
      "all CPU of a request, over the floor's",
      lines(({ ratio }) => text(ratio, 2)),
    );
    const peers = columns.filter(({ column }) => column.library !== us);
    const own = (peer: Result): Result | undefined =>
      columns.find(
        ({ column }) => column.library === us && column.framework === peer.column.framework,
      );
    show(
      "ours over the floor, as a part of each other's on the same framework",
      names.map((name) => [
        name,
        ...peers.map((peer) => share(own(peer)?.cases[name], peer.cases[name])),
      ]),
      peers,
    );
    show(
      "calls of the store per request",
      lines(({ roundTrips }) => text(roundTrips)),
    );
    show(
      "CPU us of the server per request",
      lines(({ serverCpu }) => text(serverCpu, 1)),
    );
    show(
      "requests per second in one process, its clients included",
      lines(({ requestsPerSecond }) => text(requestsPerSecond, 0)),
    );
    show(
      "p50 and p99 in us, eight at a time",
      lines(({ p50, p99 }) => `${text(p50, 0)} ${text(p99, 0)}`),
    );
    show(engine === "cookie" ? "bytes of the cookies" : "bytes per session, 100 B", [
      ["bytes", ...columns.map(({ bytesPerSession }) => text(bytesPerSession, 0))],
    ]);
  }
}
