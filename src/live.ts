/**
 * A session of one request. Reads come from the loaded state (values.ts), changes are recorded as
 * intent; the commit turns intent into one store operation. No I/O happens here.
 */
import type { Codec } from "./codec.ts";
import { type Deadline, type Intent, isIdle, type Operation } from "./commit.ts";
import type { ReadonlyEntries } from "./entries.ts";
import { SessionError } from "./errors.ts";
import { type Times, timesAfter } from "./expiry.ts";
import { emptyState, type State } from "./state.ts";
import type { SealedRecord } from "./sealed.ts";
import type { Key, TokenSession, Value } from "./session.ts";
import { idOf, newToken } from "./token.ts";
import { isPrimitive, Values } from "./values.ts";

/** A record that was loaded and whose secret was verified. */
export interface Origin {
  readonly key: string;
  readonly id: string;
  /** Undefined for a session found by `iterate`. */
  readonly token: string | undefined;
  readonly digest: Uint8Array;
  readonly version: number;
  readonly state: State;
  readonly times: Times;
  /** The same in its engine's form, where sessions travel in cookies. */
  readonly sealed?: SealedRecord | undefined;
}

/** What a session asks of whoever loaded it. */
export interface Host {
  readonly codec: Codec;
  readonly maxSize: number;
  readonly lifetime: number;
  now(): number;
  /** False once the head is sent, and where there is no response at all. */
  readonly canSendToken: boolean;
  /** Every change needs the head: the session travels in a cookie. */
  readonly travels: boolean;
  /** Something was recorded. */
  changed(): void;
  commit(): Promise<void>;
  touch(): Promise<boolean>;
}

/** One transaction, taken out of the session to be committed. */
export interface Taken {
  readonly intent: Intent;
  /** Sessions to end once this transaction is committed: their data were merged into it. */
  readonly absorbed: readonly Origin[];
  /** The entries as the request sees them. */
  readonly view: ReadonlyEntries;
  /** The operations were recorded on the committed state, one by one, so `view` is their result. */
  readonly exact: boolean;
}

// Nothing is pushed onto these. Most sessions of a request need no arrays of their own, and `push` onto
// an empty one makes room for 17.
const noOperations: Operation[] = [];
const nobody: readonly Origin[] = [];

/** The implementation. Private fields, so that no logger ever prints a token or data. */
export class LiveSession<D extends object> implements TokenSession<D> {
  readonly #host: Host;
  #origin: Origin | undefined;
  #superseded: boolean;
  /** The token that a new session will get, made when first needed. */
  #fresh: string | undefined;
  readonly #loadedAt: number;

  readonly #values: Values;
  #operations = noOperations;
  #destroy = false;
  #renew = false;
  #deadline: Deadline | undefined;
  #remember: boolean | undefined;
  #ended = false;
  /** A commit was done after something had been recorded, which is shown on top of its outcome. */
  #replayed = false;
  /** Sessions to end once the commit that took over their data is done. */
  #absorbed = nobody;

  constructor(host: Host, origin: Origin | undefined, superseded: boolean) {
    this.#host = host;
    this.#origin = origin;
    this.#superseded = superseded;
    this.#loadedAt = origin?.times.readAt ?? host.now();
    const { entries } = origin?.state ?? emptyState;
    this.#values = new Values(host.codec, host.maxSize, entries);
  }

  get<K extends Key<D>>(key: K): Value<D, K> | undefined {
    return this.#values.read(key) as Value<D, K> | undefined;
  }

  has(key: Key<D>): boolean {
    return this.#values.entries.has(key);
  }

  keys(): Key<D>[] {
    return [...this.#values.entries.keys()].sort() as Key<D>[];
  }

  set<K extends Key<D>>(key: K, value: Value<D, K>): void {
    const bytes = this.#values.encode(key, value);
    this.#record({ kind: "set", key, bytes }, bytes);
  }

  delete(key: Key<D>): void {
    if (this.#values.entries.has(key)) this.#record({ kind: "delete", key });
  }

  clear(): void {
    if (this.#values.entries.size > 0) this.#record({ kind: "clear" });
  }

  pop<K extends Key<D>>(key: K): Value<D, K> | undefined {
    return this.#remove("pop", key) as Value<D, K> | undefined;
  }

  take<K extends Key<D>>(key: K): Value<D, K> | undefined {
    return this.#remove("take", key) as Value<D, K> | undefined;
  }

  #remove(kind: "pop" | "take", key: string): unknown {
    const seen = this.#values.entries.get(key);
    if (seen === undefined) return undefined;
    const value = this.#values.read(key);
    this.#record({ kind, key, seen });
    return value;
  }

  update<K extends Key<D>>(key: K, fn: (now: Value<D, K> | undefined) => Value<D, K>): Value<D, K> {
    const next = fn(this.get(key));
    const bytes = this.#encodeUpdate(key, next);
    const run = (now: Uint8Array | undefined): Uint8Array => {
      const value = now === undefined ? undefined : this.#values.decode(key, now);
      return this.#encodeUpdate(key, fn(value as Value<D, K> | undefined));
    };
    this.#record({ kind: "update", key, run }, bytes);
    return (isPrimitive(next) ? next : this.#values.read(key)) as Value<D, K>;
  }

  #encodeUpdate(key: string, value: unknown): Uint8Array {
    if (typeof (value as { then?: unknown } | null | undefined)?.then === "function") {
      throw new SessionError(
        "unencodable",
        `The function given to update(${JSON.stringify(key)}, ...) must be synchronous; it returned a promise`,
      );
    }
    return this.#values.encode(key, value);
  }

  renewToken(): void {
    this.#requireHead("renew the token");
    this.#renew = true;
    this.#host.changed();
  }

  destroy(): void {
    this.#requireHead("destroy the session");
    this.#operations = noOperations;
    this.#replayed = false;
    this.#absorbed = nobody;
    this.#destroy = true;
    this.#renew = false;
    this.#deadline = undefined;
    this.#remember = undefined;
    this.#values.show(emptyState.entries);
    this.#host.changed();
  }

  rememberMe(yes: boolean): void {
    if (typeof yes !== "boolean") {
      throw new SessionError("invalid-argument", "rememberMe takes true or false");
    }
    this.#requireHead("change how long the cookie stays");
    this.#remember = yes;
    this.#host.changed();
  }

  get deadline(): Date {
    return new Date(this.#deadline?.at ?? this.#currentDeadline());
  }

  set deadline(at: Date | number) {
    const time = Number(at);
    if (!(at instanceof Date || typeof at === "number") || Number.isNaN(new Date(time).getTime())) {
      throw new SessionError(
        "invalid-argument",
        "deadline takes a valid Date or milliseconds since 1970",
      );
    }
    this.#setDeadline({ at: time, fixed: true });
  }

  #setDeadline(deadline: Deadline): void {
    this.#requireHead("move the deadline");
    this.#deadline = deadline;
    this.#host.changed();
  }

  #currentDeadline(): number {
    const origin = this.#destroy ? undefined : this.#origin;
    if (origin === undefined) return this.#loadedAt + this.#host.lifetime;
    const current = origin.times.readAt + origin.times.deadlineIn;
    if (!this.#renew) return current;
    const renewed = this.#host.now() + this.#host.lifetime;
    return origin.state.fixedDeadline ? Math.min(current, renewed) : renewed;
  }

  get createdAt(): Date {
    const times = this.#destroy ? undefined : this.#origin?.times;
    return new Date(times === undefined ? this.#loadedAt : times.readAt - times.age);
  }

  get id(): string {
    const origin = this.#origin;
    if (origin !== undefined && !(this.#destroy && this.#buildsNew())) return origin.id;
    return idOf(this.freshToken());
  }

  get isNew(): boolean {
    return this.#origin === undefined || this.#destroy;
  }

  get status(): "unmodified" | "modified" | "destroyed" {
    if (this.#destroy || this.#ended) return this.#buildsNew() ? "modified" : "destroyed";
    return this.hasChanges ? "modified" : "unmodified";
  }

  #buildsNew(): boolean {
    return this.#operations.length > 0 || this.#renew;
  }

  get token(): string | undefined {
    return this.#origin?.token;
  }

  get expires(): Date | undefined {
    const times = this.#origin?.times;
    if (times === undefined) return undefined;
    return new Date(times.readAt + Math.min(times.deadlineIn, times.idleIn ?? Infinity));
  }

  commit(): Promise<void> {
    return this.#host.commit();
  }

  touch(): Promise<boolean> {
    return this.#host.touch();
  }

  #requireHead(purpose: string): void {
    if (this.#host.canSendToken) return;
    throw new SessionError(
      "head-sent",
      `Cannot ${purpose}: the client must get a Set-Cookie, and the response head has been sent (or there is none). Do it before the first byte of the response.`,
    );
  }

  /** Records a change and shows it; `bytes` is the new value, where it has been encoded already. */
  #record(operation: Operation, bytes?: Uint8Array): void {
    if (!this.#superseded) {
      if (this.isNew) this.#requireHead("start a session");
      else if (this.#host.travels) this.#requireHead("change a session that travels in the cookie");
    }
    this.#values.change(operation, bytes);
    if (this.#operations === noOperations) this.#operations = [operation];
    else this.#operations.push(operation);
    this.#host.changed();
  }

  // What follows is for the manager.

  /** The verified record, and whether it is still the one to write to. */
  get origin(): Origin | undefined {
    return this.#origin;
  }

  get superseded(): boolean {
    return this.#superseded;
  }

  get hasChanges(): boolean {
    return !isIdle(this.#intent());
  }

  /** What was recorded may make a token, as far as can be told before the plan. */
  get makesToken(): boolean {
    return this.isNew || this.#renew || this.#host.travels;
  }

  get hasData(): boolean {
    return this.#values.entries.size > 0;
  }

  /** The token that a new session gets. */
  freshToken(): string {
    return (this.#fresh ??= newToken());
  }

  /** Forgets the new token: its id was taken, or the session it was for exists now. */
  dropFreshToken(): void {
    this.#fresh = undefined;
  }

  #intent(): Intent {
    return {
      destroy: this.#destroy,
      operations: this.#operations,
      renew: this.#renew,
      deadline: this.#deadline,
      remember: this.#remember,
    };
  }

  /** Hands over what was recorded; what comes later belongs to the next transaction. */
  takeIntent(): Taken {
    const taken = {
      intent: this.#intent(),
      absorbed: this.#absorbed,
      view: this.#values.handOver(),
      exact: !this.#replayed,
    };
    this.#replayed = false;
    this.#operations = noOperations;
    this.#absorbed = nobody;
    this.#destroy = false;
    this.#renew = false;
    this.#deadline = undefined;
    this.#remember = undefined;
    return taken;
  }

  /** The outcome of a commit: reads show `origin`, with what was recorded meanwhile on top. */
  settle(origin: Origin | undefined, ended: boolean): void {
    this.#origin = origin;
    this.#ended = ended;
    this.#superseded = this.#superseded && origin === undefined;
    // What follows a destroy belongs to a new session, and shows nothing of the old.
    const entries = this.#destroy ? undefined : origin?.state.entries;
    this.#values.show(entries ?? emptyState.entries);
    this.#replayed = this.#operations.length > 0;
    for (const operation of this.#operations) this.#values.replay(operation);
  }

  /** A touch was written at `now`; another token is one that carries it. */
  touched(now: number, idle: number, token?: string): void {
    if (this.#origin === undefined) return;
    const times = timesAfter(this.#origin.times, now, { idle });
    this.#origin = { ...this.#origin, times, token: token ?? this.#origin.token };
  }

  /** Takes over another session's data, and its deadline if that is later. */
  absorb(other: Origin): void {
    this.#values.requireRoom(other.state.entries);
    for (const [key, bytes] of other.state.entries)
      this.#record({ kind: "set", key, bytes }, bytes);
    const deadline = other.times.readAt + other.times.deadlineIn;
    if (deadline > this.deadline.getTime()) {
      this.#setDeadline({ at: deadline, fixed: other.state.fixedDeadline });
    }
    this.#absorbed = [...this.#absorbed, other];
    this.#host.changed();
  }
}
