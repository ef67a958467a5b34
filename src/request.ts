/**
 * One manager's part in one request: it holds the session, commits what the session recorded, and
 * tells the adapter what the response head must carry.
 */
import type { Carrier, HeadEffects, Outcome, Participant } from "./carrier.ts";
import type { Codec } from "./codec.ts";
import {
  type Intent,
  isIdle,
  needsTimes,
  noIntent,
  type Plan,
  plan,
  type Situation,
} from "./commit.ts";
import { SessionError } from "./errors.ts";
import type { SessionEvent } from "./events.ts";
import type { Executor, Sink, Transaction } from "./engine.ts";
import { failedPlan } from "./failure.ts";
import { type Host, LiveSession, type Origin, type Taken } from "./live.ts";
import { isPromise } from "./reply.ts";
import type { Found, Shared } from "./shared.ts";
import type { Reply } from "./store.ts";

/** Where a session's token goes: on a response, to the caller, or nowhere. */
export type Destination = Carrier | "caller" | "nowhere";

/** The pipeline of one request, from intent to Set-Cookie. */
export class RequestSession<D extends object> implements Host, Participant, Sink {
  readonly #shared: Shared;
  readonly #destination: Destination;
  #session: LiveSession<D> | undefined;
  #executor: Executor | undefined;
  #presented = false;
  #found = false;
  /** The head is frozen: what is recorded from now on needs an explicit commit. */
  #frozen = false;
  /** What the adapter has been told before the head. */
  #told: "nothing" | "change" | "token" = "nothing";
  #running: Promise<void> | undefined;
  #token: HeadEffects["token"];
  #more: readonly string[] | undefined;

  constructor(shared: Shared, destination: Destination) {
    this.#shared = shared;
    this.#destination = destination;
  }

  /** Starts the session, once loading is done. */
  start(found: Found, executor: Executor): LiveSession<D> {
    this.#executor = executor;
    this.#presented = found.presented;
    this.#found = found.origin !== undefined;
    return (this.#session = new LiveSession<D>(this, found.origin, found.superseded));
  }

  // Host: what the session asks for.

  get codec(): Codec {
    return this.#shared.settings.codec;
  }

  get maxSize(): number {
    return this.#shared.settings.maxSize;
  }

  get lifetime(): number {
    return this.#shared.settings.lifetime;
  }

  now(): number {
    return this.#shared.settings.clock();
  }

  get canSendToken(): boolean {
    if (this.#destination === "caller") return true;
    return this.#destination !== "nowhere" && !this.#frozen && !this.#destination.headSent;
  }

  get travels(): boolean {
    return this.#executor?.travels === true;
  }

  changed(): void {
    const destination = this.#destination;
    if (typeof destination === "string") return;
    // Before the head once is enough, and once for a token; after it every change is watched, that it
    // be committed.
    if (!this.#frozen && !destination.headSent) {
      const news = this.makesToken ? "token" : "change";
      if (this.#told === "token" || this.#told === news) return;
      this.#told = news;
    }
    destination.intercept(this);
  }

  commit(): Promise<void> {
    const session = this.#session;
    if (session === undefined || !session.hasChanges) return this.#running ?? Promise.resolve();
    try {
      return this.#enqueue(session.takeIntent(), this.canSendToken) ?? Promise.resolve();
    } catch (error) {
      return Promise.reject(error);
    }
  }

  touch(): Promise<boolean> {
    const session = this.#session;
    if (session === undefined) return Promise.resolve(false);
    return (this.#executor as Executor).touch(session, this);
  }

  // Participant: what the adapter asks for.

  get slot(): string {
    return this.#shared.slot;
  }

  get pending(): boolean {
    return this.#running !== undefined || this.#session?.hasChanges === true;
  }

  get makesToken(): boolean {
    return this.#session?.makesToken === true;
  }

  effects(): HeadEffects {
    const { vary } = this.#shared;
    return { vary, private: this.#found, token: this.#token, more: this.#more };
  }

  report(event: SessionEvent): void {
    this.#shared.report(event);
  }

  finish(outcome: Outcome): Promise<void> | undefined {
    if (this.#frozen) return undefined;
    this.#frozen = true;
    const session = this.#session;
    if (session === undefined || !session.hasChanges) {
      // The outcome of an explicit commit belongs to the handler; the head only waits for it.
      return this.#running?.catch(() => {});
    }
    const taken = session.takeIntent();
    let intent = taken.intent;
    const reason = this.#rollbackReason(intent, session, outcome);
    if (reason !== undefined) {
      intent = { ...noIntent, destroy: intent.destroy && reason === "status" };
      this.#reportRollback(taken.intent, reason);
    }
    if (isIdle(intent) && this.#running === undefined) {
      session.settle(session.origin, false);
      return undefined;
    }
    const decided = reason === undefined ? taken : { ...taken, intent };
    try {
      return this.#enqueue(decided, true)?.catch((error: unknown) => {
        throw this.#failed(error);
      });
    } catch (error) {
      return Promise.reject(this.#failed(error));
    }
  }

  #failed(error: unknown): unknown {
    this.report({
      type: "commit-failed",
      level: "error",
      message: "A request's session changes could not be stored; the client got an error",
      id: this.#session?.origin?.id,
      error,
    });
    return error;
  }

  ended(): void {
    const destination = this.#destination;
    if (typeof destination === "string" || !(this.#frozen || destination.headSent)) return;
    if (this.#session?.hasChanges !== true) return;
    this.report({
      type: "uncommitted",
      level: "error",
      message:
        "Session changes made after the response head were lost: after the head, call await session.commit()",
      id: this.#session.origin?.id,
    });
  }

  // Sink: what the execution has to say.

  get toCaller(): boolean {
    return this.#destination === "caller";
  }

  send(token: HeadEffects["token"], more?: readonly string[]): void {
    this.#token = token;
    this.#more = more;
  }

  announce(type: "created" | "renewed" | "destroyed", id: string): void {
    this.report({ type, level: "debug", message: `Session ${id} was ${type}`, id });
  }

  // The pipeline.
  #rollbackReason(
    intent: Intent,
    session: LiveSession<D>,
    outcome: Outcome,
  ): "status" | "closed" | undefined {
    if (outcome.status >= 500) return "status";
    if (!outcome.closed) return undefined;
    // Nobody would receive the token: a session that cannot be used, or a browser logged out.
    const decision = plan(intent, this.#situation(intent, session, session.hasData));
    if (decision.fail !== undefined) return undefined;
    const makesToken =
      decision.write === "create" || decision.renew || (this.travels && decision.write !== "none");
    return makesToken ? "closed" : undefined;
  }

  #reportRollback(intent: Intent, reason: "status" | "closed"): void {
    if (isIdle({ ...intent, destroy: false })) return;
    this.report({
      type: "rolled-back",
      level: "warn",
      message:
        reason === "status"
          ? "A response with status 500 or above dropped its session changes; commit() before it keeps them"
          : "The client left before its new session token could be sent; the changes were dropped",
      reason,
      id: this.#session?.origin?.id,
    });
  }

  /**
   * Commits one after another, so that each builds on the outcome of the one before. Undefined when
   * it is done already; then a failure is thrown.
   */
  #enqueue(taken: Taken, canSend: boolean): Promise<void> | undefined {
    const before = this.#running;
    const { intent, absorbed } = taken;
    const view = before === undefined && taken.exact ? taken.view : undefined;
    const transaction = { intent, view, hasData: taken.view.size > 0 };
    const work =
      before === undefined
        ? this.#commit(transaction, absorbed, canSend)
        : this.#commitAfter(before, transaction, absorbed, canSend);
    return isPromise(work) ? this.#track(work) : undefined;
  }

  #commitAfter(
    before: Promise<void>,
    transaction: Transaction,
    absorbed: readonly Origin[],
    canSend: boolean,
  ): Promise<void> {
    const run = (): Reply<void> => this.#commit(transaction, absorbed, canSend);
    return before.then(run, run);
  }

  #track(work: Promise<void>): Promise<void> {
    this.#running = work;
    const done = (): void => {
      if (this.#running === work) this.#running = undefined;
    };
    work.then(done, done);
    return work;
  }

  #commit(taken: Transaction, absorbed: readonly Origin[], canSend: boolean): Reply<void> {
    const session = this.#session as LiveSession<D>;
    const executor = this.#executor as Executor;
    const { intent } = taken;
    const decision = plan(intent, this.#situation(intent, session, taken.hasData));
    let running: Reply<void>;
    try {
      if (decision.fail !== undefined) throw failedPlan(decision.fail);
      const sends =
        decision.token !== "none" ||
        (executor.travels && (decision.write !== "none" || decision.destroy));
      if (sends && !canSend) throw failedPlan("head-sent");
      running = executor.run(session, taken, decision, this);
    } catch (error) {
      return this.#notCommitted(error);
    }
    return isPromise(running)
      ? this.#committing(running, decision, absorbed)
      : this.#committed(decision, absorbed);
  }

  #committing(running: Promise<void>, decision: Plan, absorbed: readonly Origin[]): Promise<void> {
    return running.then(
      () => this.#committed(decision, absorbed),
      (error: unknown) => this.#notCommitted(error),
    );
  }

  #committed(decision: Plan, absorbed: readonly Origin[]): Reply<void> {
    if (decision.fail === undefined && decision.write === "create") this.#presented = true;
    return absorbed.length === 0 ? undefined : this.#endAll(absorbed);
  }

  #notCommitted(error: unknown): never {
    // What was recorded is dropped; what has been executed (a destroy) stands. A session that may
    // have been created is not created again under its id.
    const session = this.#session as LiveSession<D>;
    session.dropFreshToken();
    session.settle(session.origin, false);
    const destination = this.#destination;
    if (typeof destination !== "string" && error instanceof SessionError) {
      destination.failed?.(error);
    }
    throw error;
  }

  async #endAll(absorbed: readonly Origin[]): Promise<void> {
    for (const merged of absorbed) await this.#executor?.end(merged, this);
  }

  #situation(intent: Intent, session: LiveSession<D>, hasData: boolean): Situation {
    const { origin } = session;
    const times = needsTimes(intent) ? origin?.times : undefined;
    const now = needsTimes(intent) ? this.now() : 0;
    return {
      exists: origin !== undefined,
      superseded: session.superseded,
      presented: this.#presented,
      hasData,
      now,
      deadlineIn: times === undefined ? 0 : times.deadlineIn - (now - times.readAt),
      fixedDeadline: origin?.state.fixedDeadline === true,
      lifetime: this.lifetime,
    };
  }
}
