/** A clock that stands still until it is moved, for tests that must not wait. */
export class ManualClock {
  #time: number;

  /** @param start The first reading, in ms; by default 2030-01-01, which nothing confuses with now. */
  constructor(start: number = Date.UTC(2030, 0, 1)) {
    this.#time = start;
  }

  /** The time in ms. Needs no `this`: pass `clock.now` where a function is wanted. */
  readonly now = (): number => this.#time;

  /** Moves the clock by `ms`, backwards when negative. */
  advance(ms: number): void {
    this.#time += ms;
  }
}
