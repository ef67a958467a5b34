/**
 * One way to talk to every client: node-redis (client, pool, sentinel, cluster), ioredis and
 * iovalkey (Redis, Cluster). No driver is imported: what a client is follows from its methods.
 *
 * Replies hold bytes as Buffer, never as text: node-redis by a type mapping, the others by their
 * `Buffer` methods.
 */
import { SessionError } from "../errors.ts";
import { lossesOf } from "./redis-losses.ts";
import { type Bounded, Patience } from "./redis-patience.ts";
import { bufferClass } from "./redis-record.ts";

/** A client of the `redis` package (5 or later): createClient, -Pool, -Sentinel or -Cluster. */
export interface NodeRedisClient {
  sendCommand(...args: never[]): Promise<unknown>;
  withTypeMapping(...args: never[]): unknown;
}

/** A client of `ioredis` or `iovalkey`: Redis or Cluster. */
export interface IoRedisClient {
  callBuffer(...args: never[]): unknown;
  pipeline(...args: never[]): unknown;
}

/** The clients that `RedisStore` takes. Connect and end them yourself. */
export type RedisClient = NodeRedisClient | IoRedisClient;

/** A command or part of one. Bytes must be Buffers. */
type Arguments = readonly (string | Uint8Array)[];
type Send = (args: Arguments) => Promise<unknown>;

/** What the store needs of a client. */
export interface Wire {
  /** Connections lost after which the client may have sent commands again by itself. */
  losses(): number;
  /** To be called when a reply has come. */
  heard(): void;
  /** The bytes under `key`, or null; on the primary. */
  get(key: string): Promise<unknown>;
  /** One command about `key`, on the primary that holds it. */
  send(key: string, args: Arguments): Promise<unknown>;
  /** The same, and `wait` directly behind it on the same connection: both replies. */
  sendBoth(key: string, args: Arguments, wait: Arguments): Promise<readonly unknown[]>;
  /** One `Send` per primary. */
  primaries(): Promise<readonly Send[]>;
}

interface NodeRedis {
  sendCommand(args: Arguments, options: object): Promise<unknown>;
}

interface NodeRedisPool extends NodeRedis {
  execute<T>(use: (client: NodeRedis) => Promise<T>): Promise<T>;
}

interface NodeRedisSentinel {
  sendCommand(isReadonly: boolean, args: Arguments, options: object): Promise<unknown>;
  multi(): {
    addCommand(isReadonly: boolean, args: Arguments): unknown;
    execAsPipeline(): Promise<readonly unknown[]>;
  };
}

interface NodeRedisCluster {
  readonly _options?: { readonly useReplicas?: boolean };
  readonly masters: readonly object[];
  sendCommand(key: string, isReadonly: boolean, args: Arguments, options: object): Promise<unknown>;
  nodeClient(node: object): Promise<NodeRedis> | NodeRedis;
  /** Since version 6. */
  getNodeClientForKey?(key: string): Promise<NodeRedis> | NodeRedis;
}

interface IoRedis {
  readonly options?: {
    readonly keyPrefix?: unknown;
    readonly readOnly?: unknown;
    readonly role?: unknown;
    readonly scaleReads?: unknown;
  };
  callBuffer(...args: Arguments): Promise<unknown>;
  getBuffer(key: string): Promise<unknown>;
  pipeline(): IoPipeline;
}

interface IoPipeline {
  callBuffer(...args: Arguments): IoPipeline;
  exec(): Promise<readonly (readonly [Error | null, unknown])[] | null>;
}

interface IoRedisCluster extends IoRedis {
  nodes(role: "master"): readonly IoRedis[];
}

/** @throws {SessionError} `invalid-option` for anything else than the clients above. */
export function wireOf(client: unknown): Wire {
  if (has(client, "withTypeMapping") && has(client, "sendCommand")) return nodeRedisWire(client);
  if (has(client, "callBuffer") && has(client, "pipeline")) {
    return ioRedisWire(client as unknown as IoRedis);
  }
  throw new SessionError(
    "invalid-option",
    "RedisStore takes a client of redis (5 or later), ioredis or iovalkey; the given one is none of these",
  );
}

function nodeRedisWire(client: object): Wire {
  // 36 is RESP_TYPES.BLOB_STRING, the "$" of the protocol.
  const patience = new Patience(client, { 36: bufferClass() });
  const options = (): Bounded => patience.next();
  if (has(client, "nodeClient"))
    return nodeRedisCluster(client as unknown as NodeRedisCluster, options);
  if (has(client, "getSentinelNode")) {
    const sentinel = client as unknown as NodeRedisSentinel;
    const losses = lossesOf(client);
    // Declared a write, so that it goes to the primary whatever the pools are.
    const send: Send = (args) => sentinel.sendCommand(false, args, options());
    return {
      losses: () => losses.count,
      heard: nothing,
      get: (key) => send(["get", key]),
      send: (_key, args) => send(args),
      sendBoth: (_key, args, wait) => {
        const pipeline = sentinel.multi();
        pipeline.addCommand(false, args);
        pipeline.addCommand(false, wait);
        return pipeline.execAsPipeline();
      },
      primaries: async () => [send],
    };
  }
  const single = client as NodeRedis;
  const send: Send = (args) => single.sendCommand(args, options());
  const both = (on: NodeRedis, args: Arguments, wait: Arguments) =>
    Promise.all([on.sendCommand(args, options()), on.sendCommand(wait, options())]);
  return {
    losses: never,
    // Of a pool's connections, one may have answered and another be lost.
    heard: has(client, "execute") ? nothing : () => patience.heard(),
    get: (key) => single.sendCommand(["get", key], options()),
    send: (_key, args) => send(args),
    sendBoth: (_key, args, wait) =>
      has(client, "execute")
        ? (client as unknown as NodeRedisPool).execute((on) => both(on, args, wait))
        : both(single, args, wait),
    primaries: async () => [send],
  };
}

function nodeRedisCluster(cluster: NodeRedisCluster, options: () => Bounded): Wire {
  if (cluster._options?.useReplicas === true) {
    throw new SessionError(
      "invalid-option",
      "The cluster client has useReplicas: a replica may not know yet what was acknowledged; leave it out",
    );
  }
  const primaries = () =>
    Promise.all(
      cluster.masters.map(async (master): Promise<Send> => {
        const node = await cluster.nodeClient(master);
        return (args) => node.sendCommand(args, options());
      }),
    );
  const send: Wire["send"] = (key, args) => cluster.sendCommand(key, false, args, options());
  return {
    losses: never,
    heard: nothing,
    get: (key) => send(key, ["get", key]),
    send,
    primaries,
    sendBoth: (key, args, wait) =>
      redirected(key, args, wait, send, primaries, async () => {
        // Version 6 sends a WAIT to every shard, so it must go to the node itself; 5 has no
        // such method and sends it where the key is.
        if (cluster.getNodeClientForKey === undefined) {
          return await Promise.all([send(key, args), send(key, wait)]);
        }
        const node = await cluster.getNodeClientForKey(key);
        return await Promise.all([
          node.sendCommand(args, options()),
          node.sendCommand(wait, options()),
        ]);
      }),
  };
}

function ioRedisWire(client: IoRedis): Wire {
  const { options = {} } = client;
  const refuse = (what: string) => new SessionError("invalid-option", what);
  if (options.keyPrefix !== undefined && options.keyPrefix !== "") {
    throw refuse(
      "The client has a keyPrefix, which SCAN does not honour: give prefix to RedisStore instead",
    );
  }
  const stale = "a replica may not know yet what was acknowledged";
  if (options.scaleReads !== undefined && options.scaleReads !== "master") {
    throw refuse(`The cluster client has scaleReads, and ${stale}; set it to "master"`);
  }
  if (options.role === "slave" || options.readOnly === true) {
    throw refuse(`The client is connected to a replica, and ${stale}; connect to the primary`);
  }
  const send: Wire["send"] = (_key, args) => client.callBuffer(...args);
  const get: Wire["get"] = (key) => client.getBuffer(key);
  const lost = lossesOf(client);
  const losses = (): number => lost.count;
  const both = async (args: Arguments, wait: Arguments) => {
    const replies = await client
      .pipeline()
      .callBuffer(...args)
      .callBuffer(...wait)
      .exec();
    return (replies ?? []).map(([error, reply]) => {
      if (error) throw error;
      return reply;
    });
  };
  if (!has(client, "nodes")) {
    return {
      losses,
      heard: nothing,
      get,
      send,
      sendBoth: (_key, args, wait) => both(args, wait),
      primaries: async () => [(args) => client.callBuffer(...args)],
    };
  }
  const primaries = async () =>
    (client as IoRedisCluster).nodes("master").map(
      (node): Send =>
        (args) =>
          node.callBuffer(...args),
    );
  return {
    losses,
    heard: nothing,
    get,
    send,
    primaries,
    sendBoth: (key, args, wait) =>
      redirected(key, args, wait, send, primaries, () => both(args, wait)),
  };
}

/**
 * A pipeline to one node follows no redirection while slots move. Then the command goes alone, which
 * the client redirects, and WAIT follows on every primary's connection: the fewest replicas count.
 */
async function redirected(
  key: string,
  args: Arguments,
  wait: Arguments,
  send: Wire["send"],
  primaries: Wire["primaries"],
  direct: () => Promise<readonly unknown[]>,
): Promise<readonly unknown[]> {
  try {
    return await direct();
  } catch (error) {
    if (!isReply(error, "MOVED") && !isReply(error, "ASK")) throw error;
  }
  const reply = await send(key, args);
  const counts = await Promise.all((await primaries()).map((primary) => primary(wait)));
  return [reply, Math.min(...counts.map(Number))];
}

/** node-redis rejects what was under way when a connection broke: it sends nothing twice. */
function never(): number {
  return 0;
}

function nothing(): void {}

/** Whether the server answered with this error. */
export function isReply(error: unknown, code: string): boolean {
  return error instanceof Error && error.message.startsWith(`${code} `);
}

function has<K extends string>(value: unknown, method: K): value is Record<K, () => unknown> {
  return (
    typeof value === "object" &&
    value !== null &&
    typeof (value as Record<string, unknown>)[method] === "function"
  );
}
