// The Redis clients of the tests: pinned in this folder.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import type { RedisClient } from "../../../src/stores/redis.ts";
import { install } from "../../support/install.ts";

const folder = new URL("./", import.meta.url);
const require = createRequire(new URL("package.json", folder));

/** Three drivers, all their forms. The types are the little that the tests use. */
export interface Connected {
  readonly client: RedisClient;
  /** Ends it. */
  end(): void;
}

interface NodeRedis extends Connectable {
  destroy(): unknown;
}

interface Connectable {
  on(event: "error", listener: (error: Error) => void): unknown;
  connect(): Promise<unknown>;
}

type IoRedis = RedisClient & {
  on(event: "error", listener: (error: Error) => void): unknown;
  once(event: "ready", listener: () => void): unknown;
  disconnect(): void;
};

interface NodeRedisModule {
  createClient(options: object): RedisClient & NodeRedis;
  createClientPool(options: object, pool?: object): RedisClient & NodeRedis;
  createCluster(options: object): RedisClient & NodeRedis;
  createSentinel(options: object): RedisClient & NodeRedis;
}

interface IoRedisModule {
  readonly Redis: new (...options: unknown[]) => IoRedis;
  readonly Cluster: new (...options: unknown[]) => IoRedis;
}

/** What the tests connect to. */
export interface Target {
  readonly host: string;
  readonly port: number;
}

/** The name of each kind of client, and how it connects to one server. */
export const standalone: Readonly<Record<string, (target: Target) => Promise<Connected>>> = {
  redis: async (target) => nodeRedis((await nodeRedisModule()).createClient({ socket: target })),
  ioredis: async (target) => ioRedis(new (await ioModule("ioredis")).Redis({ ...target })),
  iovalkey: async (target) => ioRedis(new (await ioModule("iovalkey")).Redis({ ...target })),
  "redis pool": async (target) =>
    nodeRedis((await nodeRedisModule()).createClientPool({ socket: target })),
};

/** To a cluster. */
export const clustered: Readonly<Record<string, (target: Target) => Promise<Connected>>> = {
  redis: async ({ host, port }) =>
    nodeRedis(
      (await nodeRedisModule()).createCluster({ rootNodes: [{ url: `redis://${host}:${port}` }] }),
    ),
  ioredis: async (target) => ioRedis(new (await ioModule("ioredis")).Cluster([{ ...target }])),
  iovalkey: async (target) => ioRedis(new (await ioModule("iovalkey")).Cluster([{ ...target }])),
};

/** To the primary that Sentinels name. */
export const guarded: Readonly<
  Record<string, (sentinels: readonly Target[], name: string) => Promise<Connected>>
> = {
  redis: async (sentinels, name) =>
    nodeRedis(
      (await nodeRedisModule()).createSentinel({
        name,
        sentinelRootNodes: sentinels.map(({ host, port }) => ({ host, port })),
      }),
    ),
  ioredis: async (sentinels, name) =>
    ioRedis(new (await ioModule("ioredis")).Redis({ sentinels: sentinels.map(bare), name })),
  iovalkey: async (sentinels, name) =>
    ioRedis(new (await ioModule("iovalkey")).Redis({ sentinels: sentinels.map(bare), name })),
};

/** A driver's version, for the names of tests. */
export function version(name: string): string {
  const { dependencies } = JSON.parse(readFileSync(new URL("package.json", folder), "utf8")) as {
    dependencies: Record<string, string>;
  };
  return `${name} ${dependencies[name.split(" ")[0] ?? ""]}`;
}

/** The classes and functions of the drivers. */
export async function nodeRedisModule(): Promise<NodeRedisModule> {
  await install(folder);
  return require("redis") as NodeRedisModule;
}

export async function ioModule(name: "ioredis" | "iovalkey"): Promise<IoRedisModule> {
  await install(folder);
  return require(name) as IoRedisModule;
}

function bare({ host, port }: Target): Target {
  return { host, port };
}

async function nodeRedis(client: RedisClient & NodeRedis): Promise<Connected> {
  // Both kinds report what they then mend by themselves; the tests look at the operations.
  client.on("error", () => {});
  await client.connect();
  return { client, end: () => void client.destroy() };
}

async function ioRedis(client: IoRedis): Promise<Connected> {
  client.on("error", () => {});
  await new Promise<void>((resolve) => client.once("ready", resolve));
  return { client, end: () => client.disconnect() };
}
