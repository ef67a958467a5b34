/**
 * How long a command may wait to be sent. node-redis (6.1 and later) gives each command a timer, an
 * AbortSignal and a finalizer for that, a fifth of what a GET costs (bench/micro/drivers.ts).
 *
 * Here, a command on a connection that has just answered has no bound: it is sent at once. Where that is not
 * sure, many commands that begin at about the same time share one signal: each waits as long as the client's
 * settings say, and at most an eighth longer. A connection that has fallen silent fills its buffers, and
 * without a bound everything asked for until TCP gives up would pile up behind them.
 */

/** node-redis's options of one command. Without a `timeout`, the client makes no timer. */
export interface Bounded {
  readonly typeMapping: object;
  readonly timeout?: undefined;
  readonly abortSignal?: AbortSignal;
}

/** node:events, in the processes that have it; looked up, as in redis-record.ts. */
interface Runtime {
  readonly process?: {
    getBuiltinModule?(name: "node:events"): {
      setMaxListeners(count: number, signal: AbortSignal): void;
    };
  };
}

/** A signal serves so many commands: each must find its place among those that wait. */
const most = 256;
/** A connection that answered so many ms ago is taken to be well. */
const recent = 250;

/** The options of node-redis's commands. */
export class Patience {
  readonly #client: { readonly isReady?: unknown };
  readonly #limit: number | undefined;
  /** Without a bound, also where the client sets one. */
  readonly #plain: Bounded;
  readonly #typeMapping: object;
  #current: Bounded;
  #used = most;
  #until = 0;
  #heardAt = -Infinity;

  /** @param client one connection, or several: then it is not known which of them has answered */
  constructor(client: object, typeMapping: object) {
    const { _commandOptions: set } = client as {
      readonly _commandOptions?: { readonly timeout?: unknown };
    };
    const limit = set?.timeout;
    const sets = typeof limit === "number" && limit > 0 && limit < 2 ** 31;
    this.#client = client;
    this.#limit = sets ? limit : undefined;
    this.#typeMapping = typeMapping;
    this.#plain = sets ? { typeMapping, timeout: undefined } : { typeMapping };
    this.#current = this.#plain;
  }

  /** A reply has come. */
  heard(): void {
    this.#heardAt = performance.now();
  }

  /** For the next command. */
  next(): Bounded {
    const limit = this.#limit;
    if (limit === undefined) return this.#plain;
    const now = performance.now();
    if (now - this.#heardAt < recent && this.#client.isReady === true) return this.#plain;
    if (this.#used++ < most && now < this.#until) return this.#current;
    return this.#renew(now, limit);
  }

  #renew(now: number, limit: number): Bounded {
    const controller = new AbortController();
    // Before Node 22 or so, eleven listeners on a signal look like a leak to it.
    const events = (globalThis as Runtime).process?.getBuiltinModule?.("node:events");
    events?.setMaxListeners(0, controller.signal);
    const timer: unknown = setTimeout(() => controller.abort(), limit + limit / 8);
    (timer as { unref?: () => void }).unref?.();
    this.#used = 1;
    this.#until = now + limit / 8;
    const typeMapping = this.#typeMapping;
    return (this.#current = { typeMapping, timeout: undefined, abortSignal: controller.signal });
  }
}
