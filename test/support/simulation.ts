/**
 * Runs concurrent code in an order that a list of numbers decides: every store operation, reply,
 * timer and step of a request waits for its turn. Time and chance are simulated too, so the same
 * numbers give the same run.
 */

interface Timer {
  readonly due: number;
  readonly run: () => void;
}

const realImmediate = setImmediate;

/** After so many turns a run counts as endless. */
const maxTurns = 20_000;

export class Simulation {
  readonly #choices: readonly number[];
  #at = 0;
  #waiting: { readonly label: string; readonly go: () => void }[] = [];
  readonly #timers = new Map<number, Timer>();
  #lastTimer = 0;
  #time = 0;
  /** What happened, for people who look into a failure. */
  readonly log: string[] = [];

  constructor(choices: readonly number[]) {
    this.#choices = choices;
  }

  /** Waits for its turn. */
  turn(label: string): Promise<void> {
    return new Promise((go) => {
      this.#waiting.push({ label, go });
    });
  }

  /**
   * Runs `body` to its end under simulated time. `inspect` is called after every turn, and ends the
   * run by throwing.
   */
  async run(body: () => Promise<void>, inspect: () => void): Promise<void> {
    const restore = this.#install();
    try {
      let ended = false;
      let failure: { readonly error: unknown } | undefined;
      body().then(
        () => (ended = true),
        (error: unknown) => {
          ended = true;
          failure = { error };
        },
      );
      for (let turns = 0; ; turns++) {
        await new Promise((resolve) => realImmediate(resolve));
        inspect();
        if (failure !== undefined) throw failure.error;
        if (ended) return;
        if (turns > maxTurns) throw new Error("the run does not end");
        this.#step();
      }
    } finally {
      restore();
    }
  }

  #step(): void {
    const choice = this.#choices[this.#at++] ?? 0;
    // Timers seldom overtake what is ready: a store timeout is rare.
    if (this.#waiting.length === 0 || choice % 32 === 31) {
      if (this.#fire()) return;
      if (this.#waiting.length === 0) throw new Error("everything waits for something else");
    }
    const [next] = this.#waiting.splice(choice % this.#waiting.length, 1);
    this.log.push(next?.label ?? "");
    next?.go();
  }

  #fire(): boolean {
    let first: [number, Timer] | undefined;
    for (const entry of this.#timers) {
      if (first === undefined || entry[1].due < first[1].due) first = entry;
    }
    if (first === undefined) return false;
    const [id, timer] = first;
    this.#timers.delete(id);
    this.#time = Math.max(this.#time, timer.due);
    this.log.push(`timer, ${Math.round(timer.due)} ms`);
    timer.run();
    return true;
  }

  #install(): () => void {
    const real = { setTimeout, clearTimeout, random: Math.random };
    let seed = 1;
    Object.assign(globalThis, {
      setTimeout: (run: () => void, ms = 0): number => {
        this.#timers.set(++this.#lastTimer, { due: this.#time + ms, run });
        return this.#lastTimer;
      },
      clearTimeout: (id: number): void => void this.#timers.delete(id),
    });
    performance.now = () => this.#time;
    Math.random = () => {
      seed = (Math.imul(seed, 1_103_515_245) + 12_345) & 0x7fffffff;
      return seed / 0x80000000;
    };
    return () => {
      Object.assign(globalThis, { setTimeout: real.setTimeout, clearTimeout: real.clearTimeout });
      // The instance's own property hides the real one.
      Reflect.deleteProperty(performance, "now");
      Math.random = real.random;
    };
  }
}
