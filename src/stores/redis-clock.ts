/**
 * The server's clock, as far as it can be known here.
 *
 * Whether a session lives is decided by the server alone, by its own clock. What this estimate is
 * for is how long a record that the server returned has left: asking for the time with every GET
 * would cost a second command or a script (measured, see docs/stores/redis.md). Every script's reply
 * and now and then a TIME beside a GET set it, against the monotonic clock of the process, so
 * a process whose wall clock is wrong or is set does not matter (G5).
 */

/** How long a sample serves, in ms. Quartz drifts by less than 5 ms in that time. */
const fresh = 30_000;
/** A reply that took longer, in ms, says too little. Half of it is the greatest error. */
const wide = 100;
/** How far the process's two clocks may part, in ms, before the estimate is dropped. */
const jump = 100;
/** They are compared this often, in ms: each look at a clock costs a twentieth of a microsecond. */
const often = 100;

export class ServerClock {
  #offset = 0;
  #width = Infinity;
  #at = -Infinity;
  #gap = 0;
  /** When the two clocks of the process were last compared. */
  #compared = -Infinity;

  /** Whether `now` can be relied on. */
  isFresh(): boolean {
    const here = performance.now();
    if (here - this.#at >= fresh || this.#width > wide) return false;
    if (here - this.#compared < often) return true;
    this.#compared = here;
    // A machine that slept: the monotonic clock may have stood still meanwhile.
    if (Math.abs(Date.now() - here - this.#gap) < jump) return true;
    this.#width = Infinity;
    return false;
  }

  /** Milliseconds since 1970 on the server. */
  now(): number {
    return performance.now() + this.#offset;
  }

  /** Takes in what the server said, in ms, to a command sent at `sent` by `performance.now`. */
  learn(server: number, sent: number): void {
    if (!Number.isFinite(server)) return;
    const here = performance.now();
    const width = here - sent;
    if (width > Math.max(this.#width, 5) && this.isFresh()) return;
    // The server's number is rounded down, and was read somewhere between sending and receiving.
    this.#offset = server + 0.5 - (sent + here) / 2;
    this.#width = width;
    this.#at = here;
    this.#gap = Date.now() - here;
  }
}
