/**
 * One manager's part in one request: it holds the session, commits what the session recorded, and
 * tells the adapter what the response head must carry.
 */
import type { Carrier, HeadEffects, Outcome, Participant } from "./carrier.ts";
import type { Codec } from "./codec.ts";
import {
  applyIntent,
  type Intent,
  isIdle,
  noIntent,
  plan,
  type Situation,
  type Steps,
  withEntries,
} from "./commit.ts";
import { type CookieWriter, cookieWriter } from "./cookie.ts";
import { SessionError, type SessionErrorCode } from "./errors.ts";
import type { SessionEvent } from "./events.ts";
import { touchDue } from "./expiry.ts";
import type { Settings } from "./options.ts";
import { emptyState } from "./record.ts";
import { seal } from "./sealing.ts";
import { type Host, LiveSession, type Origin, type Taken } from "./live.ts";
import type { Timeouts } from "./timeouts.ts";
import { digestOf, idOf, newCommitId, renewedToken } from "./token.ts";
import type { Applied, Base } from "./batch.ts";
import type { Writer } from "./writer.ts";

/** What all requests of a manager share. */
export class Shared {
  readonly settings: Settings;
  readonly timeouts: Timeouts;
  readonly writer: Writer;
  readonly report: (event: SessionEvent) => void;
  readonly cookies: CookieWriter;
  /** The request header that responses depend on. */
  readonly vary: string;
  readonly slot: string;
  readonly prefix: string;

  constructor(
    settings: Settings,
    timeouts: Timeouts,
    writer: Writer,
    report: (event: SessionEvent) => void,
  ) {
    const { transport, cookie } = settings;
    this.settings = settings;
    this.timeouts = timeouts;
    this.writer = writer;
    this.report = report;
    this.cookies = cookieWriter(cookie);
    this.vary = transport.kind === "cookie" ? "Cookie" : transport.name;
    this.slot = transport.kind === "cookie" ? `cookie ${cookie.name}` : `header ${transport.name}`;
    this.prefix = `${settings.name}:`;
  }
}

/** What loading found. */
export interface Found {
  readonly origin: Origin | undefined;
  readonly superseded: boolean;
  /** The request carried a token of any kind. */
  readonly presented: boolean;
}

/** Where a session's token goes: on a response, to the caller, or nowhere. */
export type Destination = Carrier | "caller" | "nowhere";

const maxIdCollisions = 3;

/** What one commit has to do. */
interface Transaction {
  readonly intent: Intent;
  readonly absorbed: readonly string[];
  /**
   * The result, if no other request was faster. Undefined when another commit of this request was
   * under way as this one was taken: the view then shows changes that may fail, or lacks others'.
   */
  readonly view: ReadonlyMap<string, Uint8Array> | undefined;
  readonly hasData: boolean;
}

/** The pipeline of one request, from intent to Set-Cookie. */
export class RequestSession<D extends object> implements Host, Participant {
  readonly #shared: Shared;
  readonly #destination: Destination;
  #session: LiveSession<D> | undefined;
  #presented = false;
  #found = false;
  /** The head is frozen: what is recorded from now on needs an explicit commit. */
  #frozen = false;
  #intercepted = false;
  #running: Promise<void> | undefined;
  #token: HeadEffects["token"];

  constructor(shared: Shared, destination: Destination) {
    this.#shared = shared;
    this.#destination = destination;
  }

  /** Starts the session, once loading is done. */
  start(found: Found): LiveSession<D> {
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

  changed(): void {
    const destination = this.#destination;
    if (typeof destination === "string") return;
    // Before the head once is enough; after it every change is watched, that it be committed.
    if (!this.#frozen && !destination.headSent) {
      if (this.#intercepted) return;
      this.#intercepted = true;
    }
    destination.intercept(this);
  }

  commit(): Promise<void> {
    const session = this.#session;
    if (session === undefined || !session.hasChanges) return this.#running ?? Promise.resolve();
    return this.#enqueue(session.takeIntent(), this.canSendToken);
  }

  async touch(): Promise<boolean> {
    const origin = this.#session?.origin;
    if (origin === undefined) return false;
    const { idleTimeout, touchInterval, store } = this.#shared.settings;
    if (
      idleTimeout === undefined ||
      !touchDue(origin.times, this.now(), idleTimeout, touchInterval)
    ) {
      return true;
    }
    const alive = await this.#shared.timeouts.run("touch a session", () =>
      store.touch(origin.key, origin.digest, idleTimeout),
    );
    if (alive) this.#session?.touched(this.now(), idleTimeout);
    return alive;
  }

  // Participant: what the adapter asks for.

  get slot(): string {
    return this.#shared.slot;
  }

  get pending(): boolean {
    return this.#running !== undefined || this.#session?.hasChanges === true;
  }

  effects(): HeadEffects {
    return { vary: this.#shared.vary, private: this.#found, token: this.#token };
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
    return this.#enqueue({ ...taken, intent }, true).catch((error: unknown) => {
      this.report({
        type: "commit-failed",
        level: "error",
        message: "A request's session changes could not be stored; the client got an error",
        id: session.origin?.id,
        error,
      });
      throw error;
    });
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

  // The pipeline.

  #rollbackReason(
    intent: Intent,
    session: LiveSession<D>,
    outcome: Outcome,
  ): "status" | "closed" | undefined {
    if (outcome.status >= 500) return "status";
    if (!outcome.closed) return undefined;
    // Nobody would receive the token: a session that cannot be used, or a browser logged out.
    const decision = plan(intent, this.#situation(session, session.origin, session.hasData));
    const makesToken =
      decision.fail === undefined && (decision.write === "create" || decision.renew);
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

  /** Commits one after another, so that each builds on the outcome of the one before. */
  #enqueue(taken: Taken, canSend: boolean): Promise<void> {
    const before = this.#running;
    const { intent, absorbed } = taken;
    const view = before === undefined && taken.exact ? taken.view : undefined;
    const transaction = { intent, absorbed, view, hasData: taken.view.size > 0 };
    const run = (): Promise<void> => this.#commit(transaction, canSend);
    const work = before === undefined ? run() : before.then(run, run);
    this.#running = work;
    const done = (): void => {
      if (this.#running === work) this.#running = undefined;
    };
    work.then(done, done);
    return work;
  }

  async #commit(taken: Transaction, canSend: boolean): Promise<void> {
    const session = this.#session as LiveSession<D>;
    const { origin } = session;
    const decision = plan(taken.intent, this.#situation(session, origin, taken.hasData));
    try {
      if (decision.fail !== undefined) throw failure(decision.fail);
      if (decision.token !== "none" && !canSend) throw failure("head-sent");
      await this.#execute(session, origin, taken, decision);
    } catch (error) {
      // What was recorded is dropped; what has been executed (a destroy) stands. A session that may
      // have been created is not created again under its id.
      session.dropFreshToken();
      session.settle(session.origin, false);
      const destination = this.#destination;
      if (typeof destination !== "string" && error instanceof SessionError) {
        destination.failed?.(error);
      }
      throw error;
    }
    for (const key of taken.absorbed) await this.#destroyMerged(key);
  }

  #situation(session: LiveSession<D>, origin: Origin | undefined, hasData: boolean): Situation {
    const now = this.now();
    return {
      exists: origin !== undefined,
      superseded: session.superseded,
      presented: this.#presented,
      hasData,
      now,
      deadlineIn: origin === undefined ? 0 : origin.times.deadlineIn - (now - origin.times.readAt),
      fixedDeadline: origin?.state.fixedDeadline === true,
      lifetime: this.lifetime,
    };
  }

  async #execute(
    session: LiveSession<D>,
    origin: Origin | undefined,
    taken: Transaction,
    decision: Steps,
  ): Promise<void> {
    if (decision.destroy && origin !== undefined) {
      await this.#shared.writer.destroy(origin.key);
      this.#announce("destroyed", origin.id);
      session.settle(undefined, true);
    }
    if (decision.token === "clear") this.#sendToken(undefined, undefined);
    if (decision.write === "create") {
      const created = await this.#create(session, taken, decision.lifetime ?? this.lifetime);
      session.settle(created, false);
      session.dropFreshToken();
      this.#presented = true;
      this.#sendToken(created.token, created);
      this.#announce("created", created.id);
    } else if (decision.write === "update" && origin !== undefined) {
      const updated = await this.#update(origin, taken, decision.renew);
      session.settle(updated, false);
      if (decision.token === "set") this.#sendToken(updated.token, updated);
      if (decision.renew) this.#announce("renewed", updated.id);
    } else if (!decision.destroy) {
      session.settle(origin, taken.intent.destroy);
    }
  }

  async #create(session: LiveSession<D>, taken: Transaction, lifetime: number): Promise<Origin> {
    const { settings, writer, prefix } = this.#shared;
    const { intent } = taken;
    const state =
      taken.view !== undefined
        ? withEntries(emptyState, taken.view, intent, undefined)
        : applyIntent(emptyState, intent, settings.maxSize, undefined);
    for (let collisions = 0; collisions < maxIdCollisions; collisions++) {
      const token = session.freshToken();
      const id = idOf(token);
      const key = prefix + id;
      const digest = await digestOf(settings.name, token);
      const data = await seal(settings.sealer, state, newCommitId(), id);
      const idle = settings.idleTimeout;
      if (await writer.create(key, { digest, data, lifetime, idle })) {
        const times = {
          readAt: this.now(),
          age: 0,
          deadlineIn: lifetime,
          idleIn: idle === undefined ? undefined : Math.min(idle, lifetime),
        };
        return { key, id, token, digest, version: 1, state, times };
      }
      session.dropFreshToken();
    }
    // 144 random bits collided three times: the random source or the store is broken.
    throw new SessionError("store-failed", "The session store says that every new id is taken");
  }

  async #update(origin: Origin, taken: Transaction, renew: boolean): Promise<Origin> {
    const { settings, writer } = this.#shared;
    const token = renew ? renewedToken(origin.id) : origin.token;
    let newDigest: Uint8Array | undefined;
    if (renew && token !== undefined) {
      const digest = digestOf(settings.name, token);
      newDigest = digest instanceof Uint8Array ? digest : await digest;
    }
    const updated = await writer.commit(origin.key, origin.id, {
      base: origin,
      apply: (newest) => this.#apply(newest, origin, taken, newDigest),
      runsUserCode: taken.intent.operations.some((operation) => operation.kind === "update"),
    });
    // Another commit of the same batch may have renewed the token; this request still has the old.
    return { ...origin, ...updated, token, digest: newDigest ?? origin.digest };
  }

  /** The changes on top of `newest`; nothing is applied again if that is what they were made on. */
  #apply(
    newest: Base,
    loaded: Base,
    taken: Transaction,
    newDigest: Uint8Array | undefined,
  ): Applied {
    const { settings } = this.#shared;
    const { intent } = taken;
    const now = this.now();
    const passed = now - newest.times.readAt;
    const age = newDigest === undefined ? undefined : newest.times.age + passed;
    const decision = plan(intent, {
      exists: true,
      superseded: false,
      presented: true,
      hasData: true,
      now,
      deadlineIn: newest.times.deadlineIn - passed,
      fixedDeadline: newest.state.fixedDeadline,
      lifetime: settings.lifetime,
    });
    // A deadline that passed while the commit waited: the shortest life ends it at once.
    const lifetime =
      decision.fail === undefined && decision.write === "update" ? decision.lifetime : 1;
    const state =
      taken.view !== undefined && newest.state === loaded.state
        ? withEntries(newest.state, taken.view, intent, age)
        : applyIntent(newest.state, intent, settings.maxSize, age);
    return { state, newDigest, lifetime, idle: settings.idleTimeout };
  }

  async #destroyMerged(key: string): Promise<void> {
    try {
      await this.#shared.writer.destroy(key);
      this.#announce("destroyed", key.slice(this.#shared.prefix.length));
    } catch {
      // Reported by the writer. The data have been taken over; the other record ends by its timeout.
    }
  }

  #sendToken(token: string | undefined, origin: Origin | undefined): void {
    const { settings, cookies } = this.#shared;
    if (settings.transport.kind === "header") {
      this.#token = { name: settings.transport.name, value: token ?? "" };
    } else if (token === undefined || origin === undefined) {
      this.#token = { name: "Set-Cookie", value: cookies.clear() };
    } else {
      const persist = origin.state.remember ?? settings.persist;
      const age = persist ? origin.times.deadlineIn / 1000 : undefined;
      this.#token = { name: "Set-Cookie", value: cookies.set(token, age) };
    }
  }

  #announce(type: "created" | "renewed" | "destroyed", id: string): void {
    this.report({ type, level: "debug", message: `Session ${id} was ${type}`, id });
  }
}

function failure(code: SessionErrorCode): SessionError {
  if (code === "superseded") {
    return new SessionError(
      "superseded",
      "The request came with a token that has been renewed meanwhile; its changes were not stored",
    );
  }
  return new SessionError(
    "head-sent",
    "The commit needs a Set-Cookie, and the response head has been sent",
  );
}
