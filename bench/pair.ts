// One case and its floor, side by side in this process.
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { type Case, checker, pathOf, type Size } from "./cases.ts";
import { type App, type Column, floor, open, sizeFor } from "./columns.ts";
import { quantile } from "./statistics.ts";
import { Connection } from "./wire.ts";

/** Each with a session of its own, so that changes do not meet each other. */
const connections = 8;

setFlagsFromString("--expose-gc");
const gc = runInNewContext("gc") as (options?: { type: "minor" }) => void;

/** One side of one round. */
export interface Side {
  /** CPU microseconds per request. */
  readonly cpu: number;
  /** Requests per second, one process, the clients in it. */
  readonly rate: number;
  /** Microseconds from the first byte of a request to the last of its answer, eight at a time. */
  readonly p50: number;
  readonly p99: number;
}

export interface Sample {
  readonly floor: Side;
  readonly measured: Side;
}

type Kind = keyof Sample;
type Cookies = ReadonlyMap<string, string>;

export class Pair {
  readonly name: string;
  readonly #app: App | undefined;
  readonly #sides: Record<Kind, readonly Connection[]>;
  /** CPU time of one batch, in us: some hundred to some thousand requests. */
  readonly #batchTime: number;
  #batch = connections;

  /** `app` is cleared after each round, where there is one. */
  private constructor(
    name: string,
    app: App | undefined,
    sides: Record<Kind, readonly Connection[]>,
    batchTime: number,
  ) {
    this.name = name;
    this.#app = app;
    this.#sides = sides;
    this.#batchTime = batchTime;
  }

  /** Opens a server of its own, with its sessions, and one for the floor; and warms both up. */
  static async open(
    column: Column,
    what: Case,
    times: { readonly batch: number; readonly warmUp: number },
  ): Promise<Pair> {
    const sized = { ...what, size: sizeFor(column, what.size) };
    const app = await open({ column, idle: what.idle === true, count: undefined });
    const cookies = await seed(app, sized);
    const bare = await floor(column, sized.size);
    const connect = (server: App["server"], kind: Kind): Connection[] =>
      cookies.map((own) => client(server, sized, own, kind));
    const pair = new Pair(
      what.name,
      // The sessions that a batch makes must not weigh on the next.
      what.act === "new" ? app : undefined,
      { floor: connect(bare, "floor"), measured: connect(app.server, "measured") },
      times.batch,
    );
    await pair.#warm(times.warmUp);
    return pair;
  }

  /** The floor against another floor: what it shows is noise. */
  static async noise(
    column: Column,
    what: Case,
    times: { readonly batch: number; readonly warmUp: number },
  ): Promise<Pair> {
    const side = async (): Promise<Connection[]> => {
      const server = await floor(column, what.size);
      return Array.from({ length: connections }, () => client(server, what, undefined, "floor"));
    };
    const sides = { floor: await side(), measured: await side() };
    const pair = new Pair("floor against floor", undefined, sides, times.batch);
    await pair.#warm(times.warmUp);
    return pair;
  }

  async #warm(cpuTime: number): Promise<void> {
    for (let spent = 0; spent < cpuTime;) {
      const { floor: bare, measured } = await this.round();
      const both = bare.cpu + measured.cpu;
      spent += both * this.#batch;
      const wanted = Math.ceil((this.#batchTime * 2) / both / connections) * connections;
      // Cold code is slow: not more than twice as many at a time.
      this.#batch = Math.max(connections, Math.min(wanted, this.#batch * 2));
    }
  }

  async round(): Promise<Sample> {
    const sample: Partial<Record<Kind, Side>> = {};
    const order: Kind[] = Math.random() < 0.5 ? ["floor", "measured"] : ["measured", "floor"];
    for (const kind of order) sample[kind] = await this.#run(kind);
    await this.#app?.clear?.();
    return sample as Sample;
  }

  /** Some batches, or a part of one, that do not count. */
  async wake(batches: number): Promise<void> {
    for (const kind of ["floor", "measured"] as const) {
      await this.#requests(kind, this.#batch * batches);
    }
    await this.#app?.clear?.();
  }

  async #run(kind: Kind): Promise<Side> {
    const before = process.cpuUsage();
    const began = performance.now();
    await this.#requests(kind, this.#batch);
    const seconds = (performance.now() - began) / 1000;
    // Each side pays for its own garbage; left to itself the collector may come in the other's turn.
    gc({ type: "minor" });
    const { user, system } = process.cpuUsage(before);
    const times = this.#sides[kind].flatMap((one) => one.times);
    return {
      cpu: (user + system) / this.#batch,
      rate: this.#batch / seconds,
      p50: quantile(times, 0.5) * 1000,
      p99: quantile(times, 0.99) * 1000,
    };
  }

  #requests(kind: Kind, count: number): Promise<unknown> {
    const each = Math.ceil(count / connections);
    return Promise.all(this.#sides[kind].map((one) => one.run(each)));
  }

  /** Runs one side alone: `count` requests. */
  async burst(count: number, kind: Kind = "measured"): Promise<void> {
    await this.#requests(kind, count);
  }

  /** The measured side alone, for profiles. */
  async repeat(seconds: number): Promise<void> {
    const end = performance.now() + seconds * 1000;
    while (performance.now() < end) {
      await this.#requests("measured", this.#batch);
      await this.#app?.clear?.();
    }
  }
}

function client(
  server: App["server"],
  what: Case,
  cookies: Cookies | undefined,
  kind: Kind,
): Connection {
  // As browsers do, also after a read: it may bring the stamp of an idle timeout, and whoever does
  // not send that back gets another with each answer. Both sides look for it.
  const own = what.cookie ? cookies : undefined;
  return new Connection(server, pathOf(what), own, what.cookie, checker(what, kind));
}

/** A session for each connection: its cookies. */
async function seed(app: App, what: Case): Promise<(Cookies | undefined)[]> {
  if (!what.cookie) return Array.from({ length: connections }, () => undefined);
  return sessionsOf(app, what.size, connections);
}

async function sessionsOf(app: App, size: Size, count: number): Promise<(Cookies | undefined)[]> {
  const all: (Cookies | undefined)[] = [];
  for (let i = 0; i < count; i++) {
    const connection = new Connection(app.server, `/seed-${size}`, undefined, true, ({ head }) => {
      if (!head.startsWith("HTTP/1.1 200 ")) throw new Error(`no session:\n${head}`);
    });
    await connection.run(1);
    if (connection.cookies === undefined) throw new Error("no cookie came back");
    all.push(connection.cookies);
  }
  return all;
}

/** Calls of the store per request. */
export async function roundTrips(column: Column, what: Case): Promise<number> {
  let calls = 0;
  const sized = { ...what, size: sizeFor(column, what.size) };
  const app = await open({ column, idle: what.idle === true, count: () => calls++ });
  const cookies = await seed(app, sized);
  const before = calls;
  const each = 5;
  await Promise.all(cookies.map((own) => client(app.server, sized, own, "measured").run(each)));
  return (calls - before) / (connections * each);
}

/** Bytes per small session: heap for engines in this process, the engine's own where it can tell. */
export async function bytesPerSession(column: Column, count: number): Promise<number | undefined> {
  const app = await open({ column, idle: false, count: undefined });
  if (column.engine === "cookie") {
    const [cookies] = await sessionsOf(app, "small", 1);
    return [...(cookies ?? [])].reduce(
      (sum, [name, value]) => sum + name.length + value.length + 1,
      0,
    );
  }
  const measure = async (): Promise<number> => {
    if (app.bytes !== undefined) return app.bytes();
    for (let i = 0; i < 3; i++) {
      await new Promise((resolve) => setTimeout(resolve, 20));
      gc();
    }
    const { heapUsed, external } = process.memoryUsage();
    return heapUsed + external;
  };
  if (app.clear === undefined && app.bytes === undefined) return undefined;
  const makers = Array.from(
    { length: connections },
    () => new Connection(app.server, "/new", undefined, false, () => {}),
  );
  const make = (each: number): Promise<unknown> => Promise.all(makers.map((one) => one.run(each)));
  await make(200); // code, pools and buffers
  for (const one of makers) one.times.length = 0;
  const before = await measure();
  const each = Math.ceil(count / connections);
  await make(each);
  for (const one of makers) one.times.length = 0;
  return ((await measure()) - before) / (each * connections);
}
