/**
 * Removes expired records of a SQL table, a bounded step at a time.
 *
 * A step looks at the next `stepSize` records in the order of the primary key and removes those that
 * have ended. There is no index on an expiry: one on `idle` would be moved by every touch (in
 * PostgreSQL that also rules out HOT updates, so each touch would write every index), and one on
 * `deadline` finds an idle session only at the end of its lifetime, which is most of them. A walk
 * needs no index, costs a create and a touch nothing, and finds both. Measured on PostgreSQL 15 with a
 * million sessions (bench/micro/expiry-index.ts): a touch writes 220 bytes of log, with an index on
 * `idle` 382, and none is HOT; a step's walk takes 4 ms.
 */
import { SessionError } from "../errors.ts";

/** Options of the sweeper. */
export interface SweepOptions {
  /**
   * The mean pause between two steps of removing expired records, in ms; each pause is random,
   * between half and one and a half times this, so that processes spread. A step looks at 500
   * records; as long as many of them have ended, the next one follows 50 times sooner. `false`
   * never removes any: for processes beside one that does. Default 10 000.
   */
  readonly sweepInterval?: number | false | undefined;
}

/** How many records a step looks at: few milliseconds of one connection. */
export const stepSize = 500;
/** With more than this share of a step ended, the table is behind. */
const busyShare = 0.1;
const busyFactor = 50;

/** What one step did. */
export interface Step {
  /** How many records it looked at; fewer than `stepSize` at the end of the table. */
  readonly seen: number;
  readonly removed: number;
  /** The key of the last one it looked at. */
  readonly last: string;
}

export class Sweeper {
  readonly #step: (after: string) => Promise<Step>;
  readonly #interval: number | undefined;
  #after = "";
  #closed = false;
  #running = false;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** When the timer fires, by `Date.now`. */
  #due = 0;

  /** @throws {SessionError} `invalid-option` */
  constructor(options: SweepOptions, step: (after: string) => Promise<Step>) {
    const { sweepInterval = 10_000 } = options;
    // Longer timers fire at once (a signed 32-bit number of milliseconds, less the jitter).
    const fits = typeof sweepInterval === "number" && sweepInterval >= 1 && sweepInterval <= 1e9;
    if (sweepInterval !== false && !fits) {
      throw new SessionError(
        "invalid-option",
        `sweepInterval is ${String(sweepInterval)}; give milliseconds from 1 to 1e9, or false`,
      );
    }
    this.#interval = sweepInterval === false ? undefined : sweepInterval;
    this.#step = step;
  }

  /** Starts the timer with the first use: a Worker may start none before its first request. */
  wake(): void {
    if (this.#interval === undefined || this.#closed || this.#running) return;
    if (this.#timer !== undefined) {
      // workerd drops the timers of a request that has ended; one that is long overdue is replaced.
      if (Date.now() < this.#due + 60_000) return;
      clearTimeout(this.#timer);
    }
    this.#schedule(this.#interval);
  }

  /** Stops the timer. A step under way ends by itself. */
  close(): void {
    this.#closed = true;
    if (this.#timer !== undefined) clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #schedule(mean: number): void {
    const pause = Math.max(1, Math.round(mean * (0.5 + Math.random())));
    this.#due = Date.now() + pause;
    const timer: unknown = setTimeout(() => void this.#tick(), pause);
    this.#timer = timer as ReturnType<typeof setTimeout>;
    unref(timer);
  }

  async #tick(): Promise<void> {
    this.#timer = undefined;
    this.#running = true;
    let mean = this.#interval ?? 0;
    try {
      const { seen, removed, last } = await this.#step(this.#after);
      this.#after = seen < stepSize ? "" : last;
      if (removed > seen * busyShare) mean /= busyFactor;
    } catch {
      // The requests report that the engine is down; the next step tries again.
    }
    this.#running = false;
    if (!this.#closed) this.#schedule(mean);
  }
}

/** Lets the process exit while the timer waits: Node and Bun return an object, Deno has a function. */
function unref(timer: unknown): void {
  if (typeof timer === "object" && timer !== null && "unref" in timer) {
    (timer as { unref(): void }).unref();
    return;
  }
  const { Deno } = globalThis as { readonly Deno?: { unrefTimer?(id: unknown): void } };
  Deno?.unrefTimer?.(timer);
}
