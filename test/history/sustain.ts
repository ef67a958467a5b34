// Continuous load on one session from several processes: as many requests as it takes, without pause.
import type { Counts, Fleet } from "./fleet.ts";
import type { Change, Exchange } from "./history.ts";
import { randomFrom } from "./plan.ts";

export interface Sustained {
  readonly history: readonly Exchange[];
  /** What the processes asked of their engine meanwhile. */
  readonly counts: Counts;
  readonly seconds: number;
  /** In milliseconds. */
  readonly slowest: number;
}

export interface Load {
  readonly seed: number;
  /** To each process. */
  readonly connections: number;
  readonly milliseconds: number;
  /** Goes on for longer until so many requests were answered, however slow the machine is. */
  readonly least: number;
}

/** Each connection sends its next request when the one before is answered. */
export async function sustain(fleet: Fleet, load: Load): Promise<Sustained> {
  const first = await fleet.send(0, { changes: [{ do: "add" }] }, undefined);
  const token = first.cookie;
  await fleet.counts();
  const history = [first];
  const start = performance.now();
  const client = async (number: number): Promise<void> => {
    const random = randomFrom(load.seed + number);
    const process = number % fleet.processes;
    const goesOn = (): boolean =>
      performance.now() - start < load.milliseconds || history.length < load.least;
    for (let sent = 0; goesOn(); sent++) {
      const changes = changesOf(random(), `c${number}`, `${load.seed}-${number}-${sent}`);
      // A use that is due for a touch would be a write more, which nobody asked to be stored.
      history.push(await fleet.send(process, { changes, touch: false }, token));
    }
  };
  const connections = load.connections * fleet.processes;
  await Promise.all(Array.from({ length: connections }, (_, i) => client(i)));
  const seconds = (performance.now() - start) / 1000;
  const counts = await fleet.counts();
  history.push(await fleet.send(0, { changes: [] }, token, { probe: true }));
  const slowest = Math.max(...history.map((exchange) => exchange.end - exchange.start));
  return { history, counts, seconds, slowest };
}

/** A key of its own, a counter that all share, a value that all pop; now and then only a look. */
function changesOf(drawn: number, own: string, value: string): Change[] {
  if (drawn < 0.1) return [];
  if (drawn < 0.5) return [{ do: "add" }];
  if (drawn < 0.8) return [{ do: "set", key: own, value }, { do: "add" }];
  if (drawn < 0.9) return [{ do: "set", key: "flash", value }];
  return [{ do: "pop", key: "flash" }];
}
