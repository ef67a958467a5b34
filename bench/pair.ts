// One case and its floor, side by side in this process.
import type { Server } from "node:http";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { type App, type Case, checker, type Library, type SeedPath } from "./cases.ts";
import { type Answer, Connection, get } from "./wire.ts";

/** Each with a session of its own, so that changes do not meet each other. */
const connections = 8;
/** CPU time of one batch, in us: some hundred to some thousand requests. */
const batchTime = 30_000;

setFlagsFromString("--expose-gc");
const gc = runInNewContext("gc") as (options: { type: "minor" }) => void;

/** One round: CPU microseconds per request. */
export interface Sample {
  readonly floor: number;
  readonly measured: number;
}

type Kind = keyof Sample;

export class Pair {
  readonly name: string;
  readonly #app: App | undefined;
  readonly #sides: Record<Kind, readonly Connection[]>;
  #batch = 96;

  /** `app` is cleared after each round, where there is one. */
  private constructor(
    name: string,
    app: App | undefined,
    sides: Record<Kind, readonly Connection[]>,
  ) {
    this.name = name;
    this.#app = app;
    this.#sides = sides;
  }

  /** Opens a server of its own, with its sessions, and one for the floor; and warms both up. */
  static async open(library: Library, what: Case, warmUp: number): Promise<Pair> {
    const app = await library.open(false);
    const cookies = await seed(app.server, what);
    const floor = await library.floor();
    // The sessions that a batch makes must not weigh on the next.
    const pair = new Pair(what.name, what.path === "/new" ? app : undefined, {
      floor: cookies.map((cookie) => connect(floor, what, cookie, "floor")),
      measured: cookies.map((cookie) => connect(app.server, what, cookie, "measured")),
    });
    await pair.#warm(warmUp);
    return pair;
  }

  /** The floor against another floor: what it shows is noise. */
  static async noise(library: Library, what: Case, warmUp: number): Promise<Pair> {
    const [floor, measured] = [await library.floor(), await library.floor()];
    const open = (server: Server): Connection[] =>
      Array.from({ length: connections }, () => connect(server, what, undefined, "floor"));
    const pair = new Pair("floor against floor", undefined, {
      floor: open(floor),
      measured: open(measured),
    });
    await pair.#warm(warmUp);
    return pair;
  }

  async #warm(cpuTime: number): Promise<void> {
    for (let spent = 0; spent < cpuTime;) {
      const { floor, measured } = await this.round();
      const both = floor + measured;
      spent += both * this.#batch;
      this.#batch = Math.ceil((batchTime * 2) / both / connections) * connections;
    }
  }

  async round(): Promise<Sample> {
    const sample = { floor: 0, measured: 0 };
    const order: Kind[] = Math.random() < 0.5 ? ["floor", "measured"] : ["measured", "floor"];
    for (const kind of order) sample[kind] = await this.#run(kind);
    await this.#app?.clear();
    return sample;
  }

  async #run(kind: Kind): Promise<number> {
    const before = process.cpuUsage();
    await this.#batchOf(kind);
    // Each side pays for its own garbage; left to itself the collector may come in the other's turn.
    gc({ type: "minor" });
    const { user, system } = process.cpuUsage(before);
    return (user + system) / this.#batch;
  }

  #batchOf(kind: Kind): Promise<unknown> {
    return Promise.all(this.#sides[kind].map((one) => one.run(this.#batch / connections)));
  }

  /** Runs the measured side alone: for profiles. */
  async repeat(seconds: number): Promise<void> {
    const end = performance.now() + seconds * 1000;
    while (performance.now() < end) {
      await this.#batchOf("measured");
      await this.#app?.clear();
    }
  }
}

function connect(
  server: Server,
  what: Case,
  cookie: string | undefined,
  kind: "floor" | "measured",
): Connection {
  const request = get(what.path, what.cookie ? cookie : undefined);
  return new Connection(server, request, checker(what.path, kind));
}

/** A session for each connection: its cookies. */
async function seed(server: Server, what: Case): Promise<(string | undefined)[]> {
  if (!what.cookie) return Array.from({ length: connections }, () => undefined);
  const path: SeedPath = `/seed-${what.size}`;
  const cookies: string[] = [];
  const keep = ({ head }: Answer): void => {
    const cookie = /\r\nset-cookie: ([^;]+)/i.exec(head)?.[1];
    if (!head.startsWith("HTTP/1.1 200 ") || cookie === undefined)
      throw new Error(`no cookie:\n${head}`);
    cookies.push(cookie);
  };
  for (let i = 0; i < connections; i++) {
    await new Connection(server, get(path, undefined), keep).run(1);
  }
  return cookies;
}

/** Calls of the store per request. */
export async function roundTrips(library: Library, what: Case): Promise<number> {
  const app = await library.open(true);
  const cookies = await seed(app.server, what);
  const before = app.calls();
  const each = 5;
  const all = cookies.map((cookie) => connect(app.server, what, cookie, "measured").run(each));
  await Promise.all(all);
  return (app.calls() - before) / (connections * each);
}
