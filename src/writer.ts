/**
 * Writes of existing sessions. A commit is compare-and-swap on the record's version; a loser applies
 * its operations to the newest record, which came with the conflict, and tries again at once.
 *
 * Commits on one session that come while one is under way queue up and share the next write, each
 * applied alone: 64 overlapping changes cost two writes, not 64 with conflicts among themselves. The
 * bound is time, not a count of attempts: under continuous load from several processes some loser
 * exhausts any count, although each of its attempts helped another request.
 *
 * Where input and output belong to one request, nothing queues: each commit writes alone, in its own
 * request, and meets the others as it meets those of other processes.
 */
import { Batch } from "./batch.ts";
import type { Base, First, Job, Sent, Waiting, WriterOptions } from "./job.ts";
import { retryOrThrow } from "./failure.ts";
import { perRequest } from "./isolate.ts";
import { type Line, Lines } from "./lines.ts";
import { isPromise } from "./reply.ts";
import type { CreateRecord, Reply } from "./store.ts";
import { sleep } from "./timeouts.ts";
import { sameDigest } from "./token.ts";

export class Writer {
  readonly #options: WriterOptions;
  readonly #lines = new Lines();
  readonly #running = new Set<Promise<unknown>>();

  constructor(options: WriterOptions) {
    this.#options = options;
  }

  /**
   * Commits one job, alone or together with others on the same record, and gives the new record.
   *
   * @throws {SessionError} what a promise from here rejects with, too.
   */
  commit(key: string, id: string, job: Job): Reply<Base> {
    const line = this.#lines.find(key);
    if (line !== undefined) return this.#queue(line, job);
    // Applied here and now, in its own request; and done, if the engine answers at once.
    const batch = new Batch(this.#options, key, id);
    const first = batch.start(job);
    const { sent } = first;
    if (!isPromise(sent)) {
      if (sent.done === true) return batch.done(first);
      const own = newLine(key);
      if (!perRequest) this.#lines.add(own);
      return this.#write(own, id, job, batch, first, performance.now());
    }
    return this.#answered(key, id, job, batch, first, sent);
  }

  /** Nearly always the first send is all, and nobody has queued up: it costs this one promise. */
  #answered(
    key: string,
    id: string,
    job: Job,
    batch: Batch,
    first: First,
    sent: Promise<Sent>,
  ): Promise<Base> {
    const since = performance.now();
    const fresh = newLine(key);
    if (!perRequest) this.#lines.add(fresh);
    const work = sent.then(
      (answer) => {
        if (answer.done !== true) {
          return this.#write(fresh, id, job, batch, { ...first, sent: answer }, since);
        }
        const base = batch.done(first);
        fresh.newest = base;
        this.#next(fresh, id);
        return base;
      },
      (error: unknown) => {
        this.#next(fresh, id);
        throw error;
      },
    );
    fresh.work = work;
    return work;
  }

  #queue(line: Line, job: Job): Promise<Base> {
    return new Promise((resolve, reject) => {
      line.waiting.push(this.#waiting(job, resolve, reject));
    });
  }

  /** The whole way, for a commit whose first send was not all. */
  #write(
    line: Line,
    id: string,
    job: Job,
    batch: Batch,
    first: First,
    since: number,
  ): Promise<Base> {
    return new Promise((resolve, reject) => {
      const members = [this.#waiting(job, resolve, reject, since)];
      const writing = batch.write(members, line, first);
      if (!perRequest) line.work = this.#run(line, id, writing);
    });
  }

  /** Goes on with what has queued up meanwhile. */
  #next(line: Line, id: string): void {
    if (perRequest) return;
    if (line.waiting.length === 0) this.#lines.delete(line);
    else line.work = this.#run(line, id, Promise.resolve(false));
  }

  /** Resolves when no write is under way. */
  async drain(): Promise<void> {
    while (this.#running.size + this.#lines.size > 0) {
      const works = this.#lines.all().map(({ work }) => work);
      await Promise.allSettled([...this.#running, ...works]);
    }
  }

  #waiting(
    job: Job,
    resolve: Waiting["resolve"],
    reject: Waiting["reject"],
    since: number = performance.now(),
  ): Waiting {
    const until = since + this.#options.storeTimeout;
    // In another commit's write `apply` must still run in this request's async context.
    const apply = job.runsUserCode ? inContext(job.apply) : job.apply;
    return { job, until, apply, resolve, reject };
  }

  #track<T>(work: Promise<T>): Promise<T> {
    if (perRequest) return work; // that of an aborted request never settles
    this.#running.add(work);
    const done = (): void => void this.#running.delete(work);
    work.then(done, done);
    return work;
  }

  /** Writes what has queued up behind `writing`, and what queues up behind that. */
  async #run(line: Line, id: string, writing: Promise<boolean>): Promise<void> {
    let write = writing;
    for (;;) {
      const started = performance.now();
      const contended = await write;
      const batch = line.waiting;
      line.waiting = [];
      if (batch.length === 0) break;
      if (contended) {
        // Another process writes this session too: whoever has just won lets it have a turn.
        await sleep(Math.random() * Math.min(50, 2 * (performance.now() - started)));
        batch.push(...line.waiting);
        line.waiting = [];
      }
      write = new Batch(this.#options, line.key, id).write(batch, line);
    }
    this.#lines.delete(line);
  }

  /**
   * Inserts a new record. False when its id is taken.
   *
   * @throws {SessionError} `commit-unknown`, `store-full`.
   */
  create(key: string, record: CreateRecord): Reply<boolean> {
    const reply = this.#insert(key, record);
    return reply === true || this.#track(this.#create(key, record, reply));
  }

  #insert(key: string, record: CreateRecord): Reply<boolean> {
    const { store, timeouts } = this.#options;
    return timeouts.run("create a session", () => store.create(key, record));
  }

  async #create(key: string, record: CreateRecord, first: Reply<boolean>): Promise<boolean> {
    const { store, timeouts, storeTimeout } = this.#options;
    const until = performance.now() + storeTimeout;
    let reply = first;
    for (let failures = 0; ; reply = this.#insert(key, record)) {
      try {
        if (await reply) return true;
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
  destroy(key: string): Reply<void> {
    const reply = this.#delete(key);
    return isPromise(reply) ? this.#track(this.#destroy(key, reply)) : reply;
  }

  #delete(key: string): Reply<void> {
    const { store, timeouts } = this.#options;
    return timeouts.run("destroy a session", () => store.destroy(key));
  }

  async #destroy(key: string, first: Reply<void>): Promise<void> {
    const until = performance.now() + this.#options.storeTimeout;
    let reply = first;
    for (let failures = 0; ; reply = this.#delete(key)) {
      try {
        return await reply;
      } catch (error) {
        await retryOrThrow(this.#options, "destroy", error, ++failures, until);
      }
    }
  }
}

function newLine(key: string): Line {
  return { key, waiting: [], newest: undefined, work: undefined };
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
