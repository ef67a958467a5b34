// One column in a process of its own, as in an application: what one library does to Node's objects
// must not slow another one down. Started by requests.ts, which lets one worker run at a time.
//
// By hand it runs one case for three seconds, for a profile:
//
//     node --cpu-prof bench/worker.ts scs-session@node:http "change, 100 B"
import { type Case, cases } from "./cases.ts";
import { type Column, columns } from "./columns.ts";
import { bytesPerSession, Pair, roundTrips, type Sample } from "./pair.ts";

/** What a worker is told. */
export type Order =
  | {
      readonly do: "open";
      readonly batch: number;
      readonly warmUp: number;
      readonly quick: boolean;
    }
  | { readonly do: "round" }
  | { readonly do: "burst"; readonly name: string; readonly count: number }
  | { readonly do: "bytes"; readonly count: number }
  | { readonly do: "end" };

/** What it says when it is done. */
export interface Report {
  readonly roundTrips?: Record<string, number>;
  readonly samples?: Record<string, Sample>;
  readonly bytes?: number | undefined;
  readonly error?: string;
}

/** The cases of one column. */
export function casesOf(column: Column, quick: boolean): Case[] {
  const network = column.engine !== "memory" && column.engine !== "cookie";
  const raw = column.library === "the raw driver";
  // cookie-session has no token to renew, and sends nothing when the values stay the same.
  const logsIn = !raw && column.library !== "cookie-session";
  return cases.filter(
    (one) =>
      (!quick || one.quick === true) &&
      (!network || one.network === true) &&
      (logsIn || one.act !== "login") &&
      (!raw || one.idle !== true) &&
      (column.slow !== true || one.quick === true),
  );
}

const pairs = new Map<string, Pair>();

async function obey(column: Column, order: Order): Promise<Report> {
  switch (order.do) {
    case "open": {
      const trips: Record<string, number> = {};
      const mine = casesOf(column, order.quick);
      for (const what of mine) {
        trips[what.name] = await roundTrips(column, what);
        pairs.set(what.name, await Pair.open(column, what, order));
      }
      const [first] = mine;
      if (first !== undefined && column.engine === "memory") {
        const noise = await Pair.noise(column, first, order);
        pairs.set(noise.name, noise);
      }
      return { roundTrips: trips };
    }
    case "round": {
      const samples: Record<string, Sample> = {};
      const order = [...pairs.values()].sort(() => Math.random() - 0.5);
      // What a turn finds after its wait is not what a busy server finds: code and heap have to be
      // brought back, which took up to a quarter of a second here.
      await order[0]?.wake(4);
      for (const pair of order) {
        await pair.wake(1 / 4);
        samples[pair.name] = await pair.round();
      }
      return { samples };
    }
    case "burst":
      await pairs.get(order.name)?.burst(order.count);
      return {};
    case "bytes":
      return { bytes: await bytesPerSession(column, order.count) };
    case "end":
      process.exit(0);
  }
}

if (import.meta.main) {
  const [id = "", name = ""] = process.argv.slice(2);
  const column = columns.find((one) => one.id === id);
  if (column === undefined) throw new Error(`one of ${columns.map((one) => one.id).join("; ")}`);
  if (process.send === undefined) {
    const what = cases.find((one) => one.name === name);
    if (what === undefined) throw new Error(`one of ${cases.map((one) => one.name).join("; ")}`);
    const pair = await Pair.open(column, what, { batch: 30_000, warmUp: 500_000 });
    await pair.repeat(3);
    process.exit(0);
  }
  process.on("message", (order) => {
    obey(column, order as Order).then(
      (report) => process.send?.(report),
      (error: unknown) =>
        process.send?.({ error: error instanceof Error ? (error.stack ?? "") : String(error) }),
    );
  });
  process.on("disconnect", () => process.exit(0));
}
