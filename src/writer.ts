/**
 * Writes of existing sessions. A commit is compare-and-swap on the record's version; a loser applies
 * its operations to the newest record, which came with the conflict, and tries again at once.
 *
 * Commits on one session that come while one is under way queue up and share the next write, each
 * applied alone: 64 overlapping changes cost two writes, not 64 with conflicts among themselves. The
 * bound is time, not a count of attempts: with several processes under continuous load a count of
 * five fails a third of the changes.
 */
import { SessionError } from "./errors.ts";
import type { SessionEvent } from "./events.ts";
import { type Times, timesAfter, timesOf } from "./expiry.ts";
import type { Sealer } from "./options.ts";
import { hasCommit, rememberedCommits, type State } from "./record.ts";
import { open, seal } from "./sealing.ts";
import type { CreateRecord, Store, StoreRecord, UpdateResult } from "./store.ts";
import { sleep, type Timeouts } from "./timeouts.ts";
import { newCommitId, sameDigest } from "./token.ts";

/** A record as last known. */
export interface Base {
  readonly version: number;
  readonly digest: Uint8Array;
  readonly state: State;
  readonly times: Times;
}

/** What a commit makes of a base. */
export interface Applied {
  readonly state: State;
  readonly newDigest: Uint8Array | undefined;
  readonly lifetime: number | undefined;
  readonly idle: number | undefined;
}

/** One commit. */
export interface Job {
  /** The record as this request loaded it; its digest is the one the request authenticated with. */
  readonly base: Base;
  /** Synchronous. @throws {SessionError} when this commit cannot be applied; it then fails alone. */
  readonly apply: (base: Base) => Applied;
  /** `apply` runs the application's functions, which expect their own request's async context. */
  readonly runsUserCode: boolean;
}

/** What the writer needs of the manager. */
export interface WriterOptions {
  readonly store: Store;
  readonly timeouts: Timeouts;
  readonly storeTimeout: number;
  readonly sealer: Sealer | undefined;
  readonly now: () => number;
  readonly report: (event: SessionEvent) => void;
}

interface Waiting {
  readonly job: Job;
  readonly until: number;
  readonly apply: (base: Base) => Applied | Promise<Applied>;
  readonly resolve: (base: Base) => void;
  readonly reject: (error: unknown) => void;
}

interface Queue {
  waiting: Waiting[];
  newest: Base | undefined;
}

/** After how many failed sends of one batch its outcome is given up as unknown. */
const maxFailures = 2;

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
    const { store, timeouts } = this.#options;
    for (let failures = 0; ;) {
      try {
        if (await timeouts.run("create a session", () => store.create(key, record))) return true;
        // Taken, or taken by ourselves: an earlier reply was lost, or the driver sent it twice. Nobody
        // else knows the secret behind this digest.
        const found = await timeouts.run("load a session", () => store.load(key));
        return found !== undefined && sameDigest(found.digest, record.digest);
      } catch (error) {
        await retryOrThrow(this.#options, "create", error, ++failures);
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
    const { store, timeouts } = this.#options;
    for (let failures = 0; ;) {
      try {
        return await timeouts.run("destroy a session", () => store.destroy(key));
      } catch (error) {
        await retryOrThrow(this.#options, "destroy", error, ++failures);
      }
    }
  }
}

/** Commits that share one write: its members are fixed once it has been sent. */
class Batch {
  readonly #options: WriterOptions;
  readonly #key: string;
  readonly #id: string;
  #members: readonly Waiting[];
  readonly #commitId: Uint8Array = newCommitId();
  /** A send was lost, so the record may hold this batch's changes already. */
  #unsure = false;

  constructor(options: WriterOptions, key: string, id: string, members: readonly Waiting[]) {
    this.#options = options;
    this.#key = key;
    this.#id = id;
    this.#members = members;
  }

  /** Settles every member, and never rejects. True when another process was met. */
  async write(queue: Queue, inline: boolean): Promise<boolean> {
    let attempts = 1;
    try {
      let base = newestBase(queue.newest, this.#members);
      for (let failures = 0; ; attempts++) {
        const next = await this.#apply(base, inline && attempts === 1);
        if (next === undefined) return attempts > 1;
        const sent = await this.#send(base, next);
        if (sent.done === true) {
          this.#succeed(queue, this.#after(base, next), attempts);
          return attempts > 1;
        }
        if (sent.done === undefined && ++failures > maxFailures) throw this.#unknown(sent.error);
        const record = sent.done === undefined ? await this.#reload(sent.error) : sent.record;
        const found = record && (await this.#open(record));
        if (found === undefined) throw this.#gone();
        // Also after an answer "not done": some drivers send a command again when its reply is lost,
        // and the second one meets the write of the first.
        if (this.#isOurs(found, next)) {
          this.#succeed(queue, found, attempts);
          return attempts > 1;
        }
        // Too many commits since: ours may have been among them and forgotten.
        if (this.#unsure && found.version - base.version > rememberedCommits) {
          throw this.#unknown(undefined);
        }
        base = found;
      }
    } catch (error) {
      for (const member of this.#members) member.reject(error);
      return attempts > 1;
    }
  }

  /** The members' changes on top of `base`; members that cannot be applied fail and leave. */
  async #apply(base: Base, inline: boolean): Promise<Applied | undefined> {
    const { now } = this.#options;
    const kept: Waiting[] = [];
    let current = base;
    let result: Applied | undefined;
    for (const member of this.#members) {
      try {
        if (performance.now() > member.until) throw this.#late();
        if (!sameDigest(member.job.base.digest, current.digest)) throw renewed();
        const applied = inline ? member.job.apply(current) : await member.apply(current);
        const lifetime = applied.lifetime ?? result?.lifetime;
        const idle = applied.idle ?? result?.idle;
        result = { state: applied.state, newDigest: applied.newDigest, lifetime, idle };
        current = {
          version: base.version,
          digest: applied.newDigest ?? current.digest,
          state: applied.state,
          times: timesAfter(base.times, now(), { lifetime, idle }),
        };
        kept.push(member);
      } catch (error) {
        member.reject(error);
      }
    }
    this.#members = kept;
    if (result === undefined) return undefined;
    // A renewal refuses every later member, so the last digest is the batch's.
    return { ...result, newDigest: current.digest === base.digest ? undefined : current.digest };
  }

  async #send(
    base: Base,
    next: Applied,
  ): Promise<UpdateResult | { readonly done: undefined; readonly error: unknown }> {
    const { store, timeouts, sealer } = this.#options;
    const data = await seal(sealer, next.state, this.#commitId, this.#id);
    try {
      return await timeouts.run("update a session", () =>
        store.update(this.#key, {
          version: base.version,
          digest: base.digest,
          data,
          newDigest: next.newDigest,
          lifetime: next.lifetime,
          idle: next.idle,
        }),
      );
    } catch (error) {
      reportFailure(this.#options, "update", error);
      if (isDefinite(error)) throw error;
      this.#unsure = true;
      return { done: undefined, error };
    }
  }

  async #reload(error: unknown): Promise<StoreRecord | undefined> {
    if (isTimeout(error)) throw this.#unknown(error);
    await sleep(20 + Math.random() * 30);
    const { store, timeouts } = this.#options;
    try {
      return await timeouts.run("load a session", () => store.load(this.#key));
    } catch (again) {
      throw this.#unknown(again);
    }
  }

  async #open(record: StoreRecord): Promise<Base | undefined> {
    const state = await open(this.#options.sealer, record.data, this.#id);
    if ("damaged" in state) {
      this.#options.report(damagedEvent(this.#id, state.damaged));
      return undefined;
    }
    const times = timesOf(record, this.#options.now());
    return { version: record.version, digest: record.digest, state, times };
  }

  #isOurs(found: Base, next: Applied): boolean {
    return (
      hasCommit(found.state, this.#commitId) ||
      (next.newDigest !== undefined && sameDigest(found.digest, next.newDigest))
    );
  }

  #after(base: Base, next: Applied): Base {
    const commits = new Uint8Array(Math.min(rememberedCommits * 8, base.state.commits.length + 8));
    commits.set(this.#commitId);
    commits.set(base.state.commits.subarray(0, commits.length - 8), 8);
    return {
      version: base.version + 1,
      digest: next.newDigest ?? base.digest,
      state: { ...next.state, commits },
      times: timesAfter(base.times, this.#options.now(), next),
    };
  }

  #succeed(queue: Queue, base: Base, attempts: number): void {
    queue.newest = base;
    if (attempts > 1) {
      this.#options.report({
        type: "conflict",
        level: "debug",
        message: `Session ${this.#id} was changed by several requests at once; ${attempts} attempts`,
        id: this.#id,
        attempts,
      });
    }
    for (const member of this.#members) member.resolve(base);
  }

  #gone(): SessionError {
    return new SessionError(
      "gone",
      "The session ended while the request ran; its changes were not stored",
    );
  }

  #late(): SessionError {
    if (this.#unsure) return this.#unknown(undefined);
    return new SessionError(
      "store-timeout",
      `The change could not be stored within ${this.#options.storeTimeout} ms`,
    );
  }

  #unknown(cause: unknown): SessionError {
    return new SessionError(
      "commit-unknown",
      "The session store did not confirm the change; it may or may not be stored",
      { cause },
    );
  }
}

function renewed(): SessionError {
  return new SessionError(
    "renewed",
    "The session's token was renewed while the request ran; its changes were not stored",
  );
}

function newestBase(known: Base | undefined, members: readonly Waiting[]): Base {
  let newest = known;
  for (const { job } of members) {
    if (newest === undefined || job.base.version > newest.version) newest = job.base;
  }
  return newest as Base;
}

/** The event for a record that cannot be read. */
export function damagedEvent(id: string, reason: string): SessionEvent {
  return {
    type: "damaged-record",
    level: "error",
    message: `The record of session ${id} is damaged (${reason}); it was treated as no session`,
    id,
    reason,
  };
}

/** Tells the application that the engine failed. */
export function reportFailure(
  options: Pick<WriterOptions, "report">,
  operation: string,
  error: unknown,
): void {
  options.report({
    type: "store-failed",
    level: "error",
    message: `The session store failed (${operation})`,
    operation,
    error,
  });
}

function isTimeout(error: unknown): boolean {
  return error instanceof SessionError && error.code === "store-timeout";
}

/** An engine that throws a SessionError of its own says that nothing was written. */
function isDefinite(error: unknown): boolean {
  return (
    error instanceof SessionError && error.code !== "store-timeout" && error.code !== "store-failed"
  );
}

async function retryOrThrow(
  options: WriterOptions,
  operation: string,
  error: unknown,
  failures: number,
): Promise<void> {
  reportFailure(options, operation, error);
  if (isDefinite(error)) throw error;
  if (isTimeout(error) || failures > maxFailures) {
    throw new SessionError(
      "commit-unknown",
      `The session store did not confirm to ${operation} the session`,
      { cause: error },
    );
  }
  await sleep(20 + Math.random() * 30);
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
