// Redis with failover: one primary, two replicas, three Sentinels (a quorum of two).
import { flags, redisKind, redisProgram, type RedisOptions } from "./redis.ts";
import { command, until } from "./resp.ts";
import { startServer, type Address, type Server } from "./server.ts";

export interface SentinelServers extends Address {
  /** What the Sentinels call the primary. */
  readonly name: string;
  readonly sentinels: readonly Server[];
  /** The first was the primary at the start. */
  readonly nodes: readonly Server[];
  /** The primary that the Sentinels name now; undefined while it is none of `nodes` that runs. */
  primary(): Promise<Server | undefined>;
  /**
   * Kills the primary and resolves with the new one, about 2 s later. The old one can be restarted;
   * the Sentinels take it back as a replica after about 10 s.
   */
  failOver(): Promise<Server>;
  stop(): Promise<void>;
}

const NAME = "scs";
/**
 * How long a server may be silent, in ms. Only while a test kills the primary they are to be quick: a busy
 * machine stalls for longer than half a second, and no test expects a failover of its own.
 */
const downAfter = { patient: 60_000, quick: 500 } as const;

/** `SCS_TEST_REDIS` does not count here: these servers are always the tests' own. */
export async function startSentinel(options: RedisOptions = {}): Promise<SentinelServers> {
  const servers: Server[] = [];
  const keep = (server: Server): Server => {
    servers.push(server);
    return server;
  };
  const stop = async (): Promise<void> => {
    await Promise.all(servers.map((server) => server.stop()));
  };
  try {
    const fast = { "repl-diskless-sync-delay": 0 };
    const first = keep(await startServer(await redisKind(options, () => fast)));
    // One argument per word: Redis joins what stands between two flags.
    const replicaof = ["--replicaof", first.host, String(first.port)];
    const args = [...replicaof, ...(options.args ?? [])];
    const replica = await redisKind({ ...options, args }, () => fast);
    const replicas = await together([replica, replica].map(startServer), keep);
    // A Sentinel asks for the replicas when it starts and then only every 10 s: they come first.
    await until("the replicas are connected", () => hasReplicas(first.port, 2));
    const kind = await sentinelKind(first.port);
    const sentinels = await together([kind, kind, kind].map(startServer), keep);
    for (const { port } of sentinels) await until("the Sentinels know all", () => knowsAll(port));
    return grouped(sentinels, [first, ...replicas], stop);
  } catch (error) {
    await stop();
    throw error;
  }
}

/** As Promise.all, but a server that has started is kept to be stopped when another fails. */
export async function together(
  starts: readonly Promise<Server>[],
  keep: (server: Server) => Server,
): Promise<Server[]> {
  const settled = await Promise.allSettled(starts.map(async (start) => keep(await start)));
  return settled.map((each) => {
    if (each.status === "rejected") throw each.reason;
    return each.value;
  });
}

async function sentinelKind(primaryPort: number): Promise<Parameters<typeof startServer>[0]> {
  return {
    ...(await redisProgram()),
    name: "sentinel",
    ready: /\+monitor master/,
    prepare: async ({ write }) => {
      write(
        "sentinel.conf",
        [
          "bind 127.0.0.1",
          `sentinel monitor ${NAME} 127.0.0.1 ${primaryPort} 2`,
          `sentinel down-after-milliseconds ${NAME} ${downAfter.patient}`,
          `sentinel failover-timeout ${NAME} 2000`,
          `sentinel parallel-syncs ${NAME} 2`,
          "",
        ].join("\n"),
      );
    },
    args: (port, folder) => [
      `${folder}/sentinel.conf`,
      "--sentinel",
      ...flags({ port, dir: folder }),
    ],
    url: (port) => `redis://127.0.0.1:${port}`,
  };
}

function grouped(
  sentinels: readonly Server[],
  nodes: readonly Server[],
  stop: () => Promise<void>,
): SentinelServers {
  const primary = async (): Promise<Server | undefined> => {
    const alive = sentinels.find((sentinel) => sentinel.pid !== undefined);
    if (alive === undefined) throw new Error("no Sentinel is running");
    const told = await command(alive.port, "SENTINEL", "get-master-addr-by-name", NAME);
    const port = Array.isArray(told) ? Number(told[1]) : 0;
    return nodes.find((node) => node.port === port && node.pid !== undefined);
  };
  const wait = async (how: keyof typeof downAfter): Promise<void> => {
    const option = ["down-after-milliseconds", String(downAfter[how])];
    const running = sentinels.filter((each) => each.pid !== undefined);
    await Promise.all(
      running.map((each) => command(each.port, "SENTINEL", "SET", NAME, ...option)),
    );
  };
  const { host, port } = sentinels[0] ?? { host: "", port: 0 };
  return {
    url: `redis+sentinel://${sentinels.map((each) => `${each.host}:${each.port}`).join(",")}/${NAME}`,
    host,
    port,
    name: NAME,
    sentinels,
    nodes,
    primary,
    failOver: async () => {
      const old = await primary();
      await wait("quick");
      await old?.kill();
      let next: Server | undefined;
      await until("a new primary", async () => {
        next = await primary();
        return next !== undefined && next !== old && (await role(next.port)) === "master";
      });
      await wait("patient");
      return next ?? Promise.reject(new Error("no new primary"));
    },
    stop,
  };
}

async function role(port: number): Promise<unknown> {
  const told = await command(port, "ROLE");
  return Array.isArray(told) ? told[0] : undefined;
}

async function hasReplicas(port: number, count: number): Promise<boolean> {
  const info = String(await command(port, "INFO", "replication"));
  return (info.match(/state=online/g) ?? []).length === count;
}

async function knowsAll(port: number): Promise<boolean> {
  const told = await command(port, "SENTINEL", "master", NAME);
  const fields = Array.isArray(told) ? told.map(String) : [];
  const field = (name: string): string | undefined => fields[fields.indexOf(name) + 1];
  const known = field("num-slaves") === "2" && field("num-other-sentinels") === "2";
  return known && field("flags") === "master";
}
