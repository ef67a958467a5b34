/**
 * Bounds every engine operation in time. One timer serves all operations of a manager: arming and
 * disarming one for each costs a third of an operation on the memory engine (0.5 us,
 * bench/micro/primitives.ts). It fires eight
 * times per timeout while operations are pending, and gives up on each in its last eighth. Where a timer
 * belongs to one request, each operation has its own.
 */
import { SessionError } from "./errors.ts";
import { perRequest } from "./isolate.ts";
import { isPromise } from "./reply.ts";
import type { Reply } from "./store.ts";

interface Pending {
  readonly since: number;
  readonly operation: string;
  readonly reject: (error: SessionError) => void;
  before: Pending | undefined;
  next: Pending | undefined;
}

export class Timeouts {
  readonly #limit: number;
  readonly #tick: number;
  // In the order of their start; linked, and no Set, for the reason that lines.ts gives.
  #first: Pending | undefined;
  #last: Pending | undefined;
  #timer: unknown;

  /** @param limit milliseconds an operation may take */
  constructor(limit: number) {
    this.#limit = limit;
    this.#tick = Math.max(1, limit / 8);
  }

  /**
   * Runs one operation, `start` with these arguments: the result where the engine has it at once, or a
   * promise, which rejects with a SessionError: `store-timeout`, or `store-failed` with the engine's error
   * as `cause`; an engine's own passes. Throws nothing.
   */
  run<T, A extends readonly unknown[]>(
    operation: string,
    start: (...args: A) => Reply<T>,
    ...args: A
  ): Reply<T> {
    let reply: Reply<T>;
    try {
      reply = start(...args);
    } catch (cause) {
      return Promise.reject(failed(operation, cause));
    }
    return isPromise(reply) ? this.#watch(operation, reply) : reply;
  }

  #watch<T>(operation: string, reply: Promise<T>): Promise<T> {
    if (perRequest) return this.#watchAlone(operation, reply);
    return new Promise<T>((resolve, reject) => {
      const since = performance.now();
      const pending: Pending = { since, operation, reject, before: undefined, next: undefined };
      this.#add(pending);
      this.#arm();
      reply.then(
        (value) => {
          this.#remove(pending);
          resolve(value);
        },
        (cause: unknown) => {
          this.#remove(pending);
          reject(failed(operation, cause));
        },
      );
    });
  }

  async #watchAlone<T>(operation: string, reply: Promise<T>): Promise<T> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(() => reject(this.#late(operation)), this.#limit);
    });
    try {
      return await Promise.race([reply, late]);
    } catch (cause) {
      throw failed(operation, cause);
    } finally {
      clearTimeout(timer);
    }
  }

  #arm(): void {
    if (this.#timer !== undefined) return;
    this.#timer = setTimeout(() => this.#check(), this.#tick);
    // A number in some runtimes, an object in others.
    (this.#timer as { unref?: () => void }).unref?.();
  }

  #check(): void {
    this.#timer = undefined;
    const now = performance.now();
    for (let pending = this.#first; pending !== undefined; pending = this.#first) {
      if (now - pending.since < this.#limit - this.#tick) break;
      this.#remove(pending);
      pending.reject(this.#late(pending.operation));
    }
    if (this.#first !== undefined) this.#arm();
  }

  #add(pending: Pending): void {
    pending.before = this.#last;
    if (this.#last === undefined) this.#first = pending;
    else this.#last.next = pending;
    this.#last = pending;
  }

  /** Also one that has been removed. */
  #remove(pending: Pending): void {
    const { before, next } = pending;
    if (before === undefined && next === undefined && this.#first !== pending) return;
    if (before === undefined) this.#first = next;
    else before.next = next;
    if (next === undefined) this.#last = before;
    else next.before = before;
    // What has left must not keep what comes after it.
    pending.before = pending.next = undefined;
  }

  #late(operation: string): SessionError {
    return new SessionError(
      "store-timeout",
      `The session store did not ${operation} within ${this.#limit} ms`,
    );
  }
}

function failed(operation: string, cause: unknown): SessionError {
  if (cause instanceof SessionError) return cause;
  return new SessionError("store-failed", `The session store failed to ${operation}`, { cause });
}

/** Resolves after `ms` milliseconds. */
export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
}
