// Many changes of one session at once: `node bench/contention.ts`. How many writes of the store they
// take in one process, and what happens when four processes make them: each `update` adds one, so the
// sum says whether any was lost. Private servers, as in requests.ts.
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { SessionManager } from "../src/manager.ts";
import { RedisStore, type RedisClient } from "../src/stores/redis.ts";
import { type PostgresClient, PostgresStore } from "../src/stores/postgres.ts";
import { type MySQLClient, MySQLStore } from "../src/stores/mysql.ts";
import type { Store } from "../src/store.ts";
import { keep } from "./results.ts";
import { startEngines } from "./servers.ts";
import { round, table } from "./statistics.ts";

type Data = { visits: number };
const kinds = ["redis", "postgres", "mysql"] as const;
type Kind = (typeof kinds)[number];

const overlaps = [1, 4, 16, 64, 256];
const processes = 4;
/** Changes of each process, and how many of them at once. */
const each = 400;
const atOnce = 16;

interface Opened {
  readonly sessions: SessionManager<Data>;
  writes: number;
}

const clients = async (): Promise<Clients> => import(new URL("engines.mjs", import.meta.url).href);

interface Clients {
  readonly connect: Record<Kind, () => Promise<unknown>>;
  end(): Promise<void>;
}

async function open(kind: Kind): Promise<Opened> {
  const { connect } = await clients();
  const client = await connect[kind]();
  const make: Record<Kind, () => Store & { setUp?(): Promise<void> }> = {
    redis: () => new RedisStore(client as RedisClient),
    postgres: () => new PostgresStore(client as PostgresClient),
    mysql: () => new MySQLStore(client as MySQLClient),
  };
  const store = make[kind]();
  await store.setUp?.();
  const counted: Opened = {
    writes: 0,
    sessions: new SessionManager<Data>({
      store: {
        abilities: store.abilities,
        load: (key) => store.load(key),
        create: (key, record) => store.create(key, record),
        update: (key, change) => {
          counted.writes++;
          return store.update(key, change);
        },
        touch: (key, digest, idle) => store.touch(key, digest, idle),
        destroy: (key) => store.destroy(key),
      },
      idleTimeout: "20m",
      onEvent: () => {},
    }),
  };
  return counted;
}

/** As a request does it. */
async function change(sessions: SessionManager<Data>, token: string): Promise<void> {
  const session = await sessions.loadToken(token);
  session.update("visits", (visits = 0) => visits + 1);
  await session.commit();
}

async function begin(sessions: SessionManager<Data>): Promise<string> {
  const session = await sessions.loadToken(undefined);
  session.set("visits", 0);
  await session.commit();
  return session.token as string;
}

const visitsOf = async (sessions: SessionManager<Data>, token: string): Promise<number> =>
  (await sessions.loadToken(token)).get("visits") ?? 0;

/** Some at once in one process: writes of the store for all of them, milliseconds, and CPU. */
async function overlapping(kind: Kind): Promise<Record<string, number>[]> {
  const opened = await open(kind);
  const { sessions } = opened;
  const results: Record<string, number>[] = [];
  for (const count of [16, ...overlaps]) {
    const token = await begin(sessions);
    opened.writes = 0;
    const repeats = 20;
    const cpu = process.cpuUsage();
    const began = performance.now();
    for (let i = 0; i < repeats; i++) {
      await Promise.all(Array.from({ length: count }, () => change(sessions, token)));
    }
    const took = (performance.now() - began) / repeats;
    const { user, system } = process.cpuUsage(cpu);
    const kept = await visitsOf(sessions, token);
    results.push({
      overlapping: count,
      writes: opened.writes / repeats,
      lost: count * repeats - kept,
      milliseconds: round(took),
      cpuPerChange: round((user + system) / (count * repeats)),
    });
  }
  return results.slice(1); // the first one warmed it up
}

interface Told {
  readonly failed: number;
  readonly writes: number;
  readonly slowest: number;
}

/** One of four processes. */
async function work(kind: Kind, token: string): Promise<Told> {
  const opened = await open(kind);
  let failed = 0;
  let slowest = 0;
  let left = each;
  const worker = async (): Promise<void> => {
    while (left-- > 0) {
      const began = performance.now();
      await change(opened.sessions, token).catch(() => failed++);
      slowest = Math.max(slowest, performance.now() - began);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
  return { failed, writes: opened.writes, slowest };
}

async function several(kind: Kind): Promise<Record<string, number>> {
  const { sessions } = await open(kind);
  const token = await begin(sessions);
  const began = performance.now();
  const children = Array.from({ length: processes }, () =>
    fork(fileURLToPath(import.meta.url), [kind, token]),
  );
  const told = await Promise.all(
    children.map(async (child: ChildProcess) => ((await once(child, "message")) as [Told])[0]),
  );
  const took = performance.now() - began;
  const sum = (of: (one: Told) => number): number => told.reduce((all, one) => all + of(one), 0);
  const changes = processes * each;
  const failed = sum((one) => one.failed);
  return {
    changes,
    failed,
    lost: changes - failed - (await visitsOf(sessions, token)),
    writesPerChange: round(sum((one) => one.writes) / changes),
    slowestMilliseconds: Math.round(Math.max(...told.map(({ slowest }) => slowest))),
    seconds: round(took / 1000),
  };
}

const [kind, token] = process.argv.slice(2);
if (kind !== undefined && token !== undefined) {
  const told = await work(kind as Kind, token);
  process.send?.(told, () => process.exit(0));
} else {
  const engines = await startEngines(new Set(kinds));
  for (const { variable, url } of engines) process.env[variable] = url;
  const one: Record<string, unknown> = {};
  const four: Record<string, unknown> = {};
  try {
    for (const { kind: name } of engines) {
      const found = await overlapping(name);
      one[name] = found;
      const heads = Object.keys(found[0] ?? {});
      console.log(`${name}, one process:\n`);
      console.log(table([heads, ...found.map((row) => heads.map((head) => String(row[head])))]));
      const result = await several(name);
      four[name] = result;
      console.log(`\n${name}, ${processes} processes, ${atOnce} at once in each:\n`);
      console.log(table([Object.keys(result), Object.values(result).map(String)]), "\n");
    }
    keep("contention", { one, four });
  } finally {
    await (await clients()).end();
    await Promise.all(engines.map((engine) => engine.stop()));
  }
  process.exit(0);
}
