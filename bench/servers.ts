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
    let ticks = 0;
    for (const name of readdirSync("/proc")) {
      if (!/^\d+$/.test(name)) continue;
      const { parent, spent, ended } = read(name) ?? { parent: 0, spent: 0, ended: 0 };
      if (Number(name) === pid) ticks += spent + ended;
      else if (parent === pid) ticks += spent;
    }
    return ticks * 10_000; // the kernel's clock tick is 1/100 s for user space
  } catch {
    return undefined;
  }
}

/** Parent, own ticks, and those of the children that have ended. */
function read(pid: string): { parent: number; spent: number; ended: number } | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "utf8");
    // proc(5): the name in parentheses may hold spaces; behind it state, parent, and so on.
    const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
    const field = (at: number): number => Number(fields[at]);
    return { parent: field(1), spent: field(11) + field(12), ended: field(13) + field(14) };
  } catch {
    return undefined; // it has just ended
  }
}
