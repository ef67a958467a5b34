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

/** As whom the tests connect; else as the default user. */
export interface User {
  readonly username?: string | undefined;
  readonly password?: string | undefined;
}

/** What the tests connect to. */
export interface Target extends User {
  readonly host: string;
  readonly port: number;
  /** Connect with TLS; whose certificate to trust, as PEM. */
  readonly ca?: string | undefined;
}

/** As node-redis takes it, but for a cluster. */
function nodeOptions({ host, port, username, password, ca }: Target): object {
  const tls = ca === undefined ? {} : { tls: true, ca };
  return { socket: { host, port, ...tls }, ...given({ username, password }) };
}

/** As ioredis and iovalkey take it. */
function ioOptions({ ca, ...target }: Target): object {
  return { ...given(target), ...(ca === undefined ? {} : { tls: { ca } }) };
}

function given(options: object): object {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
}

/** The name of each kind of client, and how it connects to one server. */
export const standalone: Readonly<Record<string, (target: Target) => Promise<Connected>>> = {
  redis: async (target) => nodeRedis((await nodeRedisModule()).createClient(nodeOptions(target))),
  ioredis: async (target) => ioRedis(new (await ioModule("ioredis")).Redis(ioOptions(target))),
  iovalkey: async (target) => ioRedis(new (await ioModule("iovalkey")).Redis(ioOptions(target))),
  "redis pool": async (target) =>
    nodeRedis((await nodeRedisModule()).createClientPool(nodeOptions(target))),
};

/** To a cluster. */
export const clustered: Readonly<Record<string, (target: Target) => Promise<Connected>>> = {
  redis: async ({ host, port, ...user }) => {
    const rootNodes = [{ url: `redis://${host}:${port}` }];
    return nodeRedis((await nodeRedisModule()).createCluster({ rootNodes, defaults: given(user) }));
  },
  ioredis: async (target) => ioCluster("ioredis", target),
  iovalkey: async (target) => ioCluster("iovalkey", target),
};

/** To the primary that Sentinels name. */
export const guarded: Readonly<
  Record<string, (sentinels: readonly Target[], name: string, user?: User) => Promise<Connected>>
> = {
  redis: async (sentinels, name, user = {}) =>
    nodeRedis(
      (await nodeRedisModule()).createSentinel({
        name,
        sentinelRootNodes: sentinels.map(bare),
        nodeClientOptions: given(user),
      }),
    ),
  ioredis: async (sentinels, name, user = {}) =>
    ioRedis(
      new (await ioModule("ioredis")).Redis({ sentinels: sentinels.map(bare), name, ...user }),
    ),
  iovalkey: async (sentinels, name, user = {}) =>
    ioRedis(
      new (await ioModule("iovalkey")).Redis({ sentinels: sentinels.map(bare), name, ...user }),
    ),
};

async function ioCluster(module: "ioredis" | "iovalkey", target: Target): Promise<Connected> {
  const { host, port, ...user } = target;
  const { Cluster } = await ioModule(module);
  return ioRedis(new Cluster([{ host, port }], { redisOptions: given(user) }));
}

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
