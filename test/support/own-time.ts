// The time that this process had: on a machine that stalls, less than what a clock says.

/** How often it looks, in ms. */
const turn = 50;

/**
 * A clock of which a stall of this process, however long, takes two turns at most. For upper bounds on
 * time: they are about what is waited for, not about the machine.
 */
export class OwnTime {
  #passed = 0;
  #last: number = performance.now();
  readonly #timer: NodeJS.Timeout = setInterval(() => this.now(), turn).unref();

  /** In ms since its beginning. */
  now(): number {
    const now = performance.now();
    this.#passed += Math.min(now - this.#last, 2 * turn);
    this.#last = now;
    return this.#passed;
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}
