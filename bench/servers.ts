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

/**
 * A process and its children: PostgreSQL has one for each connection, and pools close those that are idle, so
 * what has ended counts. Linux only.
 */
function cpuOf(pid: number): number | undefined {
  try {
    let spent = 0;
    for (const name of readdirSync("/proc")) {
      if (!/^\d+$/.test(name)) continue;
      const { parent, ended } = stat(name) ?? { parent: 0, ended: 0 };
      if (Number(name) === pid) spent += ended + spentBy(name);
      else if (parent === pid) spent += spentBy(name);
    }
    return spent;
  } catch {
    return undefined;
  }
}

/** The parent, and the microseconds of children that have ended, in ticks of ten milliseconds. */
function stat(pid: string): { parent: number; ended: number } | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "utf8");
    // proc(5): the name in parentheses may hold spaces; behind it state, parent, and so on.
    const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
    return { parent: Number(fields[1]), ended: (Number(fields[13]) + Number(fields[14])) * 10_000 };
  } catch {
    return undefined; // it has just ended
  }
}

/**
 * Microseconds on a processor, by the scheduler's nanoseconds: a tick is ten milliseconds, 2.5 us of each of 4000
 * requests.
 */
function spentBy(pid: string): number {
  let nanoseconds = 0;
  for (const task of readdirSync(`/proc/${pid}/task`)) {
    const text = readFileSync(`/proc/${pid}/task/${task}/schedstat`, "utf8");
    nanoseconds += Number(text.slice(0, text.indexOf(" ")));
  }
  return nanoseconds / 1000;
}
