// One library in a process of its own, as in an application: what one library does to Node's objects
// must not slow another one down. Started by requests.ts, which lets one worker run at a time.
//
// By hand it runs one case for three seconds, for a profile:
//
//     node --cpu-prof bench/worker.ts scs-session@node "change one key, 100 B"
import { cases, type Library } from "./cases.ts";
import { express, nodeHttp } from "./frameworks.ts";
import { ours } from "./ours.ts";
import { Pair, roundTrips, type Sample } from "./pair.ts";
import { expressSession } from "./peers.ts";

export const libraries = {
  "scs-session@node": ours(nodeHttp),
  "express-session@node": expressSession(nodeHttp),
  "scs-session@express": ours(express),
  "express-session@express": expressSession(express),
} satisfies Record<string, Library>;

export type LibraryName = keyof typeof libraries;

/** What a worker says: that it is ready, with its round trips; then one sample of each case per round. */
export type Report =
  | { readonly title: string; readonly roundTrips: Record<string, number> }
  | Record<string, Sample>;

async function work(library: Library, warmUp: number): Promise<void> {
  const trips: Record<string, number> = {};
  const pairs: Pair[] = [];
  for (const what of cases) {
    trips[what.name] = await roundTrips(library, what);
    pairs.push(await Pair.open(library, what, warmUp));
  }
  const [first] = cases;
  if (first !== undefined) pairs.push(await Pair.noise(library, first, warmUp));
  process.on("message", (message) => {
    if (message === "round") void round(pairs);
    else process.disconnect();
  });
  process.send?.({ title: library.title, roundTrips: trips } satisfies Report);
}

async function round(pairs: Pair[]): Promise<void> {
  pairs.sort(() => Math.random() - 0.5);
  const samples: Record<string, Sample> = {};
  for (const pair of pairs) samples[pair.name] = await pair.round();
  process.send?.(samples satisfies Report);
}

if (import.meta.main) {
  const [name = "", argument = ""] = process.argv.slice(2);
  const library = (libraries as Record<string, Library>)[name];
  if (library === undefined) throw new Error(`one of ${Object.keys(libraries).join(", ")}`);
  if (process.send === undefined) {
    const what = cases.find((one) => one.name === argument);
    if (what === undefined) throw new Error(`one of ${cases.map((one) => one.name).join("; ")}`);
    const pair = await Pair.open(library, what, 500_000);
    await pair.repeat(3);
  } else {
    await work(library, Number(argument));
  }
}
