// Redis Cluster: three primaries with a third of the slots each, one replica each.
import { freePort } from "./port.ts";
import { redisKind, type RedisOptions } from "./redis.ts";
import { command, until } from "./resp.ts";
import { together } from "./sentinel.ts";
import { startServer, type Address, type Server } from "./server.ts";

export interface ClusterServers extends Address {
  /** The first three were primaries at the start; number n + 3 was the replica of n. */
  readonly nodes: readonly Server[];
  /** The primary that holds this slot (0 to 16383), as the other running nodes see it. */
  primary(slot: number): Promise<Server>;
  /** Kills the primary of this slot; resolves with its successor once the cluster is whole again. */
  failOver(slot: number): Promise<Server>;
  /**
   * Starts to move a slot: resolves when its keys are with `to` while it still belongs to its old
   * primary, which answers ASK for them. `finish` gives it to `to`: MOVED from then on.
   */
  moveSlot(slot: number, to: Server): Promise<{ finish(): Promise<void> }>;
  stop(): Promise<void>;
}

const SLOTS = 16_384;
const PRIMARIES = 3;
const NODES = 6;
/**
 * How long a node may be silent, in ms. They are quick while the cluster forms and while a test kills a
 * primary: a busy machine stalls for longer than that, and no test expects a failover of its own.
 */
const nodeTimeout = { patient: 60_000, quick: 1000 } as const;

/** `SCS_TEST_REDIS` does not count here: these servers are always the tests' own. */
export async function startCluster(options: RedisOptions = {}): Promise<ClusterServers> {
  const servers: Server[] = [];
  const stop = async (): Promise<void> => {
    await Promise.all(servers.map((server) => server.stop()));
  };
  try {
    const starts = Array.from({ length: NODES }, () => startNode(options));
    const nodes = await together(starts, (server) => {
      servers.push(server);
      return server;
    });
    await form(nodes.map((node) => node.port));
    await wait(nodes, "patient");
    return grouped(nodes, stop);
  } catch (error) {
    await stop();
    throw error;
  }
}

async function startNode(options: RedisOptions): Promise<Server> {
  // By default the bus is at port + 10000, which may be taken. Another one for each try of the start,
  // the same again after a restart.
  let bus = 0;
  let started = false;
  const kind = await redisKind(options, async () => {
    if (!started) bus = await freePort();
    return {
      "cluster-enabled": "yes",
      "cluster-port": bus,
      "cluster-node-timeout": nodeTimeout.quick,
      "repl-diskless-sync-delay": 0,
    };
  });
  const server = await startServer(kind);
  started = true;
  return server;
}

/** A node that is started anew has the quick one. */
async function wait(nodes: readonly Server[], how: keyof typeof nodeTimeout): Promise<void> {
  const option = ["cluster-node-timeout", String(nodeTimeout[how])];
  const running = nodes.filter((node) => node.pid !== undefined);
  await Promise.all(running.map((node) => command(node.port, "CONFIG", "SET", ...option)));
}

async function form(ports: readonly number[]): Promise<void> {
  const [first = 0, ...others] = ports;
  const share = Math.ceil(SLOTS / PRIMARIES);
  await Promise.all(
    ports.map(async (port, index) => {
      // Different epochs from the start: else the nodes settle collisions first.
      await command(port, "CLUSTER", "SET-CONFIG-EPOCH", String(index + 1));
      if (index >= PRIMARIES) return;
      const last = Math.min((index + 1) * share, SLOTS) - 1;
      await command(port, "CLUSTER", "ADDSLOTSRANGE", String(index * share), String(last));
    }),
  );
  const busOf = new Map<number, string>();
  for (const port of others) {
    const told = await command(port, "CONFIG", "GET", "cluster-port");
    busOf.set(port, Array.isArray(told) ? String(told[1]) : "");
  }
  for (const [port, bus] of busOf) {
    await command(first, "CLUSTER", "MEET", "127.0.0.1", String(port), bus);
  }
  const everywhere = async (what: string, done: (port: number) => Promise<boolean>) => {
    await Promise.all(ports.map((port) => until(what, () => done(port))));
  };
  await everywhere("all nodes know each other", async (port) => (await known(port)) === NODES);
  await Promise.all(
    ports.slice(PRIMARIES).map(async (port, index) => {
      const primary = String(await command(ports[index] ?? 0, "CLUSTER", "MYID"));
      await until("its primary is known", async () => {
        return (await command(port, "CLUSTER", "REPLICATE", primary)) === "OK";
      });
    }),
  );
  await everywhere("the cluster is whole", isWhole);
}

async function lines(port: number): Promise<string[]> {
  return String(await command(port, "CLUSTER", "NODES"))
    .trim()
    .split("\n");
}

async function known(port: number): Promise<number> {
  return (await lines(port)).filter((line) => !/handshake|noaddr/.test(line)).length;
}

/** This node sees every slot served, and if it is a replica, it has its primary's data. */
async function isWhole(port: number): Promise<boolean> {
  const info = String(await command(port, "CLUSTER", "INFO"));
  const replication = String(await command(port, "INFO", "replication"));
  const seen = (await lines(port)).filter((line) => /\bslave\b/.test(line)).length;
  return (
    info.includes("cluster_state:ok") &&
    !replication.includes("master_link_status:down") &&
    seen === NODES - PRIMARIES
  );
}

function grouped(nodes: readonly Server[], stop: () => Promise<void>): ClusterServers {
  const primary = async (slot: number, except?: Server): Promise<Server> => {
    const asked = nodes.find((node) => node !== except && node.pid !== undefined);
    const ranges = await command(asked?.port ?? 0, "CLUSTER", "SLOTS");
    for (const range of Array.isArray(ranges) ? ranges : []) {
      const [from, to, [, port]] = range as [number, number, [string, number]];
      const holder = nodes.find((node) => node.port === port);
      if (from <= slot && slot <= to && holder !== undefined) return holder;
    }
    throw new Error(`nobody holds slot ${slot}`);
  };
  const { host, port } = nodes[0] ?? { host: "", port: 0 };
  return {
    url: `redis+cluster://${nodes.map((node) => `${node.host}:${node.port}`).join(",")}`,
    host,
    port,
    nodes,
    primary: (slot) => primary(slot),
    failOver: async (slot) => {
      const old = await primary(slot);
      await wait(nodes, "quick");
      await old.kill();
      const alive = nodes.filter((node) => node.pid !== undefined);
      let next = old;
      await until("every node sees the successor", async () => {
        const infos = alive.map(async (node) =>
          String(await command(node.port, "CLUSTER", "INFO")),
        );
        const whole = (await Promise.all(infos)).every((info) => info.includes("cluster_state:ok"));
        next = await primary(slot, old);
        return whole && next !== old;
      });
      await wait(nodes, "patient");
      return next;
    },
    moveSlot: async (slot, to) => moveSlot(slot, await primary(slot), to, nodes),
    stop,
  };
}

/** https://redis.io/docs/latest/commands/cluster-setslot/, "live resharding explained" */
async function moveSlot(
  slot: number,
  from: Server,
  to: Server,
  nodes: readonly Server[],
): Promise<{ finish(): Promise<void> }> {
  const number = String(slot);
  const ids = await Promise.all([from, to].map(({ port }) => command(port, "CLUSTER", "MYID")));
  const [oldId = "", newId = ""] = ids.map(String);
  await command(to.port, "CLUSTER", "SETSLOT", number, "IMPORTING", oldId);
  await command(from.port, "CLUSTER", "SETSLOT", number, "MIGRATING", newId);
  for (;;) {
    const keys = await command(from.port, "CLUSTER", "GETKEYSINSLOT", number, "100");
    if (!Array.isArray(keys) || keys.length === 0) break;
    const target = ["127.0.0.1", String(to.port), "", "0", "1000", "KEYS", ...keys.map(String)];
    await command(from.port, "MIGRATE", ...target);
  }
  const finish = async (): Promise<void> => {
    // The new owner first: nobody must be sent to a node that does not own the slot yet.
    await command(to.port, "CLUSTER", "SETSLOT", number, "NODE", newId);
    await command(from.port, "CLUSTER", "SETSLOT", number, "NODE", newId);
    for (const { port, pid } of nodes) {
      if (pid === undefined) continue;
      await until("every node knows the new owner", async () => {
        const told = JSON.stringify(await command(port, "CLUSTER", "SLOTS"));
        return told.includes(`[${number},${number},["127.0.0.1",${to.port},`);
      });
    }
  };
  return { finish };
}
