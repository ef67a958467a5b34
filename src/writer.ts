/**
 * Writes of existing sessions. A commit is compare-and-swap on the record's version; a loser applies
 * its operations to the newest record, which came with the conflict, and tries again at once.
 *
 * Commits on one session that come while one is under way queue up and share the next write, each
 * applied alone: 64 overlapping changes cost two writes, not 64 with conflicts among themselves. The
 * bound is time, not a count of attempts: under continuous load from several processes some loser
 * exhausts any count, although each of its attempts helped another request.
 */
import {
  type Base,
  Batch,
  type Job,
  type Queue,
  type Waiting,
  type WriterOptions,
} from "./batch.ts";
import { retryOrThrow } from "./failure.ts";
import type { CreateRecord } from "./store.ts";
import { sleep } from "./timeouts.ts";
import { sameDigest } from "./token.ts";

export class Writer {
  readonly #options: WriterOptions;
  readonly #queues = new Map<string, Queue>();
  readonly #running = new Set<Promise<unknown>>();

  constructor(options: WriterOptions) {
    this.#options = options;
  }

  /** Commits one job, alone or together with others on the same record. Resolves to the new record. */
  commit(key: string, id: string, job: Job): Promise<Base> {
    const until = performance.now() + this.#options.storeTimeout;
    return new Promise<Base>((resolve, reject) => {
      const queue = this.#queues.get(key);
      // In another commit's write `apply` must still run in this request's async context.
      const apply = job.runsUserCode ? inContext(job.apply) : job.apply;
      if (queue !== undefined) {
        queue.waiting.push({ job, until, apply, resolve, reject });
        return;
      }
      const fresh: Queue = { waiting: [], newest: undefined };
      this.#queues.set(key, fresh);
      this.#track(this.#run(key, id, fresh, { job, until, apply, resolve, reject }));
    });
  }

  /** Resolves when no write is under way. */
  async drain(): Promise<void> {
    while (this.#running.size > 0) await Promise.allSettled(this.#running);
  }

  #track(work: Promise<unknown>): void {
    this.#running.add(work);
    const done = (): void => void this.#running.delete(work);
    work.then(done, done);
  }

  async #run(key: string, id: string, queue: Queue, first: Waiting): Promise<void> {
    let batch = [first];
    // The first commit is applied here and now, in its own request; later ones by their contexts.
    let inline = true;
    for (;;) {
      const started = performance.now();
      const contended = await new Batch(this.#options, key, id, batch).write(queue, inline);
      batch = queue.waiting;
      queue.waiting = [];
      if (batch.length === 0) break;
      inline = false;
      if (contended) {
        // Another process writes this session too: whoever has just won lets it have a turn.
        await sleep(Math.random() * Math.min(50, 2 * (performance.now() - started)));
        batch.push(...queue.waiting);
        queue.waiting = [];
      }
    }
    this.#queues.delete(key);
  }

  /**
   * Inserts a new record. False when its id is taken.
   *
   * @throws {SessionError} `commit-unknown`, `store-full`.
   */
  create(key: string, record: CreateRecord): Promise<boolean> {
    const work = this.#create(key, record);
    this.#track(work);
    return work;
  }

  async #create(key: string, record: CreateRecord): Promise<boolean> {
    const { store, timeouts, storeTimeout } = this.#options;
    const until = performance.now() + storeTimeout;
    for (let failures = 0; ;) {
      try {
        if (await timeouts.run("create a session", () => store.create(key, record))) return true;
        // Taken, or taken by ourselves: an earlier reply was lost, or the driver sent it twice. Nobody
        // else knows the secret behind this digest.
        const found = await timeouts.run("load a session", () => store.load(key));
        return found !== undefined && sameDigest(found.digest, record.digest);
      } catch (error) {
        await retryOrThrow(this.#options, "create", error, ++failures, until);
      }
    }
  }

  /** Deletes a record. @throws {SessionError} `commit-unknown` */
  destroy(key: string): Promise<void> {
    const work = this.#destroy(key);
    this.#track(work);
    return work;
  }

  async #destroy(key: string): Promise<void> {
    const { store, timeouts, storeTimeout } = this.#options;
    const until = performance.now() + storeTimeout;
    for (let failures = 0; ;) {
      try {
        return await timeouts.run("destroy a session", () => store.destroy(key));
      } catch (error) {
        await retryOrThrow(this.#options, "destroy", error, ++failures, until);
      }
    }
  }
}

/**
 * A function that runs, whoever calls it, in the async context (AsyncLocalStorage) of this moment: a
 * promise reaction keeps the context in which it was registered, on every runtime and without
 * importing anything.
 */
function inContext<A, R>(fn: (argument: A) => R): (argument: A) => Promise<R> {
  interface Turn {
    readonly argument: A;
    readonly resolve: (result: R) => void;
    readonly reject: (error: unknown) => void;
  }
  let wake: (turn: Turn) => void = () => {};
  const arm = (): void => {
    void new Promise<Turn>((resolve) => {
      wake = resolve;
    }).then((turn) => {
      arm();
      try {
        turn.resolve(fn(turn.argument));
      } catch (error) {
        turn.reject(error);
      }
    });
  };
  arm();
  return (argument) =>
    new Promise<R>((resolve, reject) => {
      wake({ argument, resolve, reject });
    });
}
