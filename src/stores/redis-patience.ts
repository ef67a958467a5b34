/**
 * How long a command may wait to be sent. node-redis (6.1 and later) gives each command a timer, an
 * AbortSignal and a finalizer for that, a fifth of what a GET costs (bench/micro/drivers.ts). Many
 * commands that begin at about the same time share one signal here: each waits as long as the
 * client's settings say, and at most an eighth longer.
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

/** The options for the next command: always the same ones where the client sets no bound. */
export function patience(client: object, typeMapping: object): () => Bounded {
  const { _commandOptions: set } = client as {
    readonly _commandOptions?: { readonly timeout?: unknown };
  };
  const limit = set?.timeout;
  const events = (globalThis as Runtime).process?.getBuiltinModule?.("node:events");
  const plain: Bounded = { typeMapping };
  if (typeof limit !== "number" || !(limit > 0 && limit < 2 ** 31)) return () => plain;
  let current = plain;
  let used = most;
  let until = 0;
  return () => {
    const now = performance.now();
    if (used++ < most && now < until) return current;
    const controller = new AbortController();
    // Before Node 22 or so, eleven listeners on a signal look like a leak to it.
    events?.setMaxListeners(0, controller.signal);
    const timer: unknown = setTimeout(() => controller.abort(), limit + limit / 8);
    (timer as { unref?: () => void }).unref?.();
    used = 1;
    until = now + limit / 8;
    return (current = { typeMapping, timeout: undefined, abortSignal: controller.signal });
  };
}
