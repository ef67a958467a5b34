/** What a manager asks of its engine, whether that keeps the records or seals them into cookies. */
import type { HeadEffects } from "./carrier.ts";
import type { Intent, Steps } from "./commit.ts";
import type { ReadonlyEntries } from "./entries.ts";
import type { Origin } from "./live.ts";
import type { Found } from "./shared.ts";
import type { Reply } from "./store.ts";

/** What one commit has to do. */
export interface Transaction {
  readonly intent: Intent;
  /**
   * The result, if no other request was faster. Undefined when another commit of this request was
   * under way as this one was taken: the view then shows changes that may fail, or lacks others'.
   */
  readonly view: ReadonlyEntries | undefined;
  readonly hasData: boolean;
}

/** The session that a plan is about. */
export interface Target {
  readonly origin: Origin | undefined;
  freshToken(): string;
  dropFreshToken(): void;
  settle(origin: Origin | undefined, ended: boolean): void;
  touched(now: number, idle: number, token?: string): void;
}

/** Where the token of a session goes. */
export interface Sink {
  /** False once the head is sent, and where there is no response at all. */
  readonly canSendToken: boolean;
  /** There is no response: the caller wants the token as text. */
  readonly toCaller: boolean;
  send(token: HeadEffects["token"], more?: readonly string[]): void;
  announce(type: "created" | "renewed" | "destroyed", id: string): void;
}

/** Carries out what one request wants. */
export interface Executor {
  /** Every change needs a Set-Cookie. */
  readonly travels: boolean;
  /**
   * One plan; no promise when it is done at once. What has been done when it fails stands: a destroy,
   * and the token it cleared.
   *
   * @throws {SessionError} status 409 or 503; also by the promise.
   */
  run(target: Target, taken: Transaction, steps: Steps, sink: Sink): Reply<void>;
  /** Records a use, if one is due. False when there is no session, or it has ended. */
  touch(target: Target, sink: Sink): Promise<boolean>;
  /** Ends a session whose data were taken over. Never rejects. */
  end(merged: Origin, sink: Sink): Promise<void>;
}

/** Finds sessions, and commits them. Failures are `SessionError`s with status 503. */
export interface Engine {
  /** By the value of the header that carries the token. */
  find(header: string | undefined): Reply<Found>;
  /** By the token itself. */
  findToken(token: string | undefined): Reply<Found>;
  /** Whether there is a session with this public id. @throws {SessionError} `unsupported` */
  exists(id: string): Promise<boolean>;
  /** Every live session of the manager. @throws {SessionError} `unsupported` */
  list(): AsyncIterable<Found>;
  /** For one request. */
  executor(found: Found): Executor;
  check(): Promise<void>;
  /** Waits for what is under way. */
  close(): Promise<void>;
}
