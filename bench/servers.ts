// The database servers of a run, the tests' own: private, on free ports, stopped by their process ids.
import { readdirSync, readFileSync } from "node:fs";
import { shared } from "../test/servers/kinds.ts";

export interface Engine {
  readonly kind: "redis" | "postgres" | "mysql";
  /** Names it to the workers. */
  readonly variable: string;
  readonly url: string;
  /** CPU microseconds of all its processes so far; undefined where the system does not tell. */
  cpu(): number | undefined;
  stop(): Promise<void>;
}

const kinds = { redis: shared.redis, postgres: shared.postgres, mysql: shared.mariadb };

/** Starts what is asked for. What cannot be started is said and left out. */
export async function startEngines(wanted: ReadonlySet<string>): Promise<Engine[]> {
  const started: Engine[] = [];
  for (const [kind, { start }] of Object.entries(kinds)) {
    if (!wanted.has(kind)) continue;
    try {
      const server = await start();
      started.push({
        kind: kind as Engine["kind"],
        variable: `SCS_BENCH_${kind.toUpperCase()}`,
        url: server.url,
        cpu: () => (server.pid === undefined ? undefined : cpuOf(server.pid)),
        stop: () => server.stop(),
      });
    } catch (error) {
      console.log(`no ${kind} server: ${String(error)}`);
    }
  }
  return started;
}

/** A process and its children: PostgreSQL has one for each connection. Linux only. */
function cpuOf(pid: number): number | undefined {
  try {
    let spent = 0;
    for (const name of readdirSync("/proc")) {
      if (!/^\d+$/.test(name)) continue;
      if (Number(name) === pid || parentOf(name) === pid) spent += spentBy(name);
    }
    return spent;
  } catch {
    return undefined;
  }
}

/** 0 for one that has just ended. */
function parentOf(pid: string): number {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "utf8");
    // proc(5): the name in parentheses may hold spaces; behind it state and parent.
    return Number(text.slice(text.lastIndexOf(")") + 2).split(" ")[1]);
  } catch {
    return 0;
  }
}

/**
 * Microseconds on a processor, by the scheduler's nanoseconds: the ticks of /proc/<pid>/stat are ten milliseconds
 * long, 2.5 us of each of 4000 requests.
 */
function spentBy(pid: string): number {
  let nanoseconds = 0;
  for (const task of readdirSync(`/proc/${pid}/task`)) {
    const text = readFileSync(`/proc/${pid}/task/${task}/schedstat`, "utf8");
    nanoseconds += Number(text.slice(0, text.indexOf(" ")));
  }
  return nanoseconds / 1000;
}
