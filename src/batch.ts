/**
 * Commits that share one write: applied one by one to the newest record, sent together, applied again
 * when another process was faster, and recognised when the reply was lost.
 */
import { hasCommit, mostCommits, withCommit } from "./commits.ts";
import { SessionError } from "./errors.ts";
import { timesAfter, timesOf } from "./expiry.ts";
import {
  damagedEvent,
  gone,
  isDefinite,
  isTimeout,
  maxFailures,
  renewed,
  reportFailure,
} from "./failure.ts";
import type { Applied, Base, First, Job, Queue, Sent, Waiting, WriterOptions } from "./job.ts";
import { open, seal } from "./sealing.ts";
import { isPromise } from "./reply.ts";
import type { Reply, Store, StoreRecord, UpdateRecord, UpdateResult } from "./store.ts";
import { sleep } from "./timeouts.ts";
import { newCommitId, sameDigest } from "./token.ts";

/** Commits that share one write: its members are fixed once it has been sent. */
export class Batch {
  readonly #options: WriterOptions;
  readonly #key: string;
  readonly #id: string;
  #members: readonly Waiting[] = [];
  readonly #commitId: Uint8Array = newCommitId();
  /**
   * Members that cannot be applied behind another's change, which is not stored yet: they have lost
   * only once it is. When it fails in turn (the session has ended, a `take` lost against another
   * process), they are tried again without it.
   */
  #overtaken: { readonly member: Waiting; readonly error: unknown }[] = [];
  /** A send was lost, so the record may hold this batch's changes already. */
  #unsure = false;

  constructor(options: WriterOptions, key: string, id: string) {
    this.#options = options;
    this.#key = key;
    this.#id = id;
  }

  /** Applies a job that is alone to what it was made on, and sends it. @throws what `apply` throws */
  start(job: Job): First {
    const { base } = job;
    const next = job.apply(base);
    return { base, next, sent: this.#send(base, next) };
  }

  /** The record after a first send that was done at once. */
  done({ base, next }: First): Base {
    return this.#after(base, next);
  }

  /** Settles every member, and never rejects. True when another process was met. */
  async write(members: readonly Waiting[], queue: Queue, first?: First): Promise<boolean> {
    this.#members = members;
    let attempts = 1;
    let started = first;
    try {
      let base = first?.base ?? newestBase(queue.newest, members);
      for (let failures = 0; ; attempts++) {
        const next = started?.next ?? (await this.#apply(base));
        if (next === undefined) {
          for (const { member, error } of this.#overtaken) member.reject(error);
          return attempts > 1;
        }
        const sent = await (started?.sent ?? this.#send(base, next));
        started = undefined;
        if (sent.done === true) {
          this.#succeed(queue, this.#after(base, next), attempts);
          return attempts > 1;
        }
        if (sent.done === undefined && ++failures > maxFailures) throw this.#unknown(sent.error);
        const record = sent.done === undefined ? await this.#reload(sent.error) : sent.record;
        const found = record && (await this.#open(record));
        if (found === undefined) throw gone();
        // Also after an answer "not done": some drivers send a command again when its reply is lost,
        // and the second one meets the write of the first.
        if (this.#isOurs(found, next)) {
          this.#succeed(queue, found, attempts);
          return attempts > 1;
        }
        // Too many commits since: ours may have been among them and forgotten.
        if (this.#unsure && found.version - base.version > mostCommits) {
          throw this.#unknown(undefined);
        }
        base = found;
      }
    } catch (error) {
      for (const member of this.#members) member.reject(error);
      for (const { member } of this.#overtaken) member.reject(error);
      return attempts > 1;
    }
  }

  /** The members' changes on top of `base`; members that cannot be applied fail and leave. */
  async #apply(base: Base): Promise<Applied | undefined> {
    const { now } = this.#options;
    const kept: Waiting[] = [];
    let current = base;
    let result: Applied | undefined;
    // What may be stored already must stay what it is: nobody joins it.
    const tried = this.#unsure ? [] : this.#overtaken.map(({ member }) => member);
    if (!this.#unsure) this.#overtaken = [];
    for (const member of [...this.#members, ...tried]) {
      try {
        if (performance.now() > member.until) throw this.#late();
        if (!sameDigest(member.job.base.digest, current.digest)) throw renewed();
        const applied = await member.apply(current);
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
        if (kept.length === 0) member.reject(error);
        else this.#overtaken.push({ member, error });
      }
    }
    this.#members = kept;
    if (result === undefined) return undefined;
    // A renewal refuses every later member, so the last digest is the batch's.
    return { ...result, newDigest: current.digest === base.digest ? undefined : current.digest };
  }

  #send(base: Base, next: Applied): Reply<Sent> {
    const sealed = seal(this.#options.sealer, next.state, this.#commitId, this.#id);
    return isPromise(sealed)
      ? this.#sendSealed(base, next, sealed)
      : this.#update(base, next, sealed);
  }

  async #sendSealed(base: Base, next: Applied, sealed: Promise<Uint8Array>): Promise<Sent> {
    return this.#update(base, next, await sealed);
  }

  #update(base: Base, next: Applied, data: Uint8Array): Reply<Sent> {
    const { store, timeouts } = this.#options;
    const reply = timeouts.run("update a session", updateIn, store, this.#key, {
      version: base.version,
      digest: base.digest,
      data,
      newDigest: next.newDigest,
      lifetime: next.lifetime,
      idle: next.idle,
    });
    return isPromise(reply) ? reply.catch((error: unknown) => this.#lost(error)) : reply;
  }

  /** The send failed. Throws when it wrote nothing; an earlier one may have, all the same. */
  #lost(error: unknown): Sent {
    reportFailure(this.#options, "update", error);
    if (isDefinite(error)) throw this.#unsure ? this.#unknown(error) : error;
    this.#unsure = true;
    return { done: undefined, error };
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
    const moved = next.lifetime !== undefined || next.idle !== undefined;
    return {
      version: base.version + 1,
      digest: next.newDigest ?? base.digest,
      state: withCommit(next.state, this.#commitId),
      times: moved ? timesAfter(base.times, this.#options.now(), next) : base.times,
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
    for (const { member, error } of this.#overtaken) member.reject(error);
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

function updateIn(store: Store, key: string, change: UpdateRecord): Reply<UpdateResult> {
  return store.update(key, change);
}

function newestBase(known: Base | undefined, members: readonly Waiting[]): Base {
  let newest = known;
  for (const { job } of members) {
    if (newest === undefined || job.base.version > newest.version) newest = job.base;
  }
  return newest as Base;
}
