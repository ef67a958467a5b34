/**
 * The response head as a gate: nothing of a response leaves before its session changes are stored.
 * One `Head` per response, shared by all managers of the request.
 */
/// <reference types="node" preserve="true" />
import { applyEffects, type Participant } from "../carrier.ts";
import { SessionError } from "../errors.ts";
import type { SessionEvent } from "../events.ts";
import { answer, type Answerer, swallowing } from "./node-answer.ts";
import { type Guard, guards, type Laid } from "./node-early.ts";
import {
  checkHead,
  Headers,
  isClosed,
  mergeHead,
  type Response,
  restore,
  type Snapshot,
  snapshot,
  type StatusLine,
  streamOf,
} from "./node-headers.ts";
import { type Handler, Layer } from "./node-layer.ts";
import { isSimple, type Method, Queue } from "./node-queue.ts";

/** What the head needs to know of the manager and the framework behind a participant. */
export interface Owner extends Answerer {
  report(event: SessionEvent): void;
}

interface Entry {
  readonly participant: Participant;
  readonly owner: Owner;
  finished: boolean;
  watched: boolean;
}

interface Source {
  unpipe(destination: unknown): unknown;
  /** Of Node's streams: where they flow to. */
  readonly _readableState?: { readonly pipes?: unknown };
}

const none: readonly Entry[] = [];

/** The one `Head` of a response. */
export function headOf(req: object, res: object): Head {
  return knownHead(res) ?? new Head(req, res as Response);
}

/** The `Head` of a response whose session was asked for. */
export function knownHead(res: object): Head | undefined {
  const guard = guards.get(res);
  return guard instanceof Head ? guard : undefined;
}

export class Head implements Guard {
  readonly #req: object;
  readonly #res: Response;
  #entries: readonly Entry[] = none;
  /** What has been piped into the response while the gate was closed. */
  #sources: Source[] | undefined;
  #light: Layer | undefined;
  /** The light hook has not seen the head yet. */
  #lit = false;
  #gate: Layer | undefined;
  #before: Snapshot | undefined;
  #queue: Queue | undefined;
  /** A commit that began before the head: `settle`. */
  #settling: Promise<void> | undefined;
  #watching = false;
  /** A failure has been answered: what the handler still does is of no interest. */
  failed = false;
  top: Laid | undefined;

  constructor(req: object, res: Response) {
    this.#req = req;
    this.#res = res;
    guards.set(res, this);
  }

  holds(method: Method): boolean {
    if (this.#gate?.isOwn === true) return true;
    const isHead = method === "writeHead" || method === "writeHeader";
    return isHead && this.#lit && this.#light?.isOwn === true;
  }

  get sent(): boolean {
    return this.#res.headersSent;
  }

  attach(participant: Participant, owner: Owner): void {
    const { slot } = participant;
    if (this.#entries.some((entry) => entry.participant.slot === slot)) {
      throw new SessionError(
        "duplicate-manager",
        `Two session managers in one request both use the ${slot}: give one of them another cookie name (or token header)`,
      );
    }
    const entry = { participant, owner, finished: false, watched: false };
    // Nearly always the only one; `push` onto an empty array makes room for 17.
    this.#entries = this.#entries === none ? [entry] : [...this.#entries, entry];
    if (this.#light === undefined && !this.sent) this.#listen();
  }

  intercept(participant: Participant): void {
    const entry = this.#entries.find((one) => one.participant === participant);
    if (!this.sent && entry?.finished !== true) {
      if (this.#gate === undefined) this.#close();
      return;
    }
    // After the head: nothing can be held back, but the change must be committed before the end.
    if (entry !== undefined) entry.watched = true;
    this.#watch();
  }

  /**
   * Commits before the head, for a framework with a moment of its own between handler and head: a
   * failure is then the framework's to answer. Undefined when there is nothing to wait for. A
   * rejection comes after the headers have been put back.
   */
  settle(status: number): Promise<void> | undefined {
    if (this.sent || this.#queue !== undefined) return undefined;
    const finished = this.#finish({ status, message: undefined });
    if (finished === undefined) {
      this.#open();
      return undefined;
    }
    const settled: Promise<void> = finished.then(
      () => this.#settled(settled),
      (error: unknown) => {
        // Unless a head came by the back door meanwhile, and has been answered.
        if (this.#queue === undefined && !this.sent) this.#putBack();
        this.#settled(settled);
        throw error;
      },
    );
    return (this.#settling = settled);
  }

  #settled(settling: Promise<void>): void {
    if (this.#settling === settling) this.#settling = undefined;
    if (this.#queue === undefined) this.#open();
  }

  /** Rolls back and answers with an error page, for a handler that threw before its head. */
  abandon(error: unknown, owner: Owner): void {
    this.#culprit = owner;
    if (this.#gate === undefined) this.#close();
    const rolledBack = this.#finish({ status: 500, message: undefined });
    if (rolledBack === undefined) {
      this.#fail(error, owner);
      return;
    }
    this.#queue = new Queue(this.#req, this.#res, { status: 500, message: undefined });
    const go = (): void => this.#fail(error, owner);
    rolledBack.then(go, go);
  }

  /** The light hook of a session that was loaded: the head carries its effects. */
  #listen(): void {
    this.#light = new Layer(this, this.#res, Layer.heads, Head.#atHead);
    this.#lit = true;
  }

  static readonly #atHead: Handler = (guard, _method, args) => (guard as Head).#leave(args);

  #leave(args: readonly unknown[]): { readonly result: unknown } | undefined {
    const res = this.#res;
    const light = this.#light as Layer;
    this.#lit = false;
    if (res.headersSent) return undefined;
    const line = mergeHead(res, args);
    const view = new Headers(res);
    for (let i = 0; i < this.#entries.length; i++) {
      applyEffects(view, (this.#entries[i] as Entry).participant);
    }
    try {
      const result = light.pass("writeHead", statusArgs(line));
      light.remove();
      return { result };
    } catch (error) {
      view.undo();
      this.#lit = true;
      throw error;
    }
  }

  /** Closes the gate: the head waits for `finish`. */
  #close(): void {
    const res = this.#res;
    this.#before = snapshot(res);
    this.#gate = new Layer(this, res, Layer.all, Head.#atGate);
    // One function for all responses, and never taken off: that would cost more than it does.
    res.on("pipe", remember);
  }

  static readonly #atGate: Handler = (guard, method, args) => ({
    result: (guard as Head).#call(method, args),
  });

  piped(source: Source): void {
    if (this.#gate !== undefined) (this.#sources ??= []).push(source);
  }

  /** A call on the closed gate: the first freezes the head, later ones queue behind it. */
  #call(method: Method, args: readonly unknown[]): unknown {
    const res = this.#res;
    const isHead = method === "writeHead" || method === "writeHeader";
    if (this.#queue !== undefined) {
      if (!isHead) return this.#queue.add(method, args);
      // The head is queued: throws ERR_HTTP_HEADERS_SENT in the protocol's own words.
      res.setHeader("Date", "");
      return res;
    }
    const gate = this.#gate as Layer;
    if (res.headersSent) {
      // It left by a path that we do not know (`res._send`, a prototype's method).
      this.#open();
      return gate.pass(method, args);
    }
    const isHttp1 = streamOf(res) === undefined;
    const given = isHead ? mergeHead(res, args) : { status: res.statusCode, message: undefined };
    const message = isHttp1 ? res.statusMessage : undefined;
    const line = checkHead(this.#req, res, given);
    const call = isHead ? statusArgs({ ...line, message: given.message }) : args;
    // Before the commit, since it throws for a chunk that Node refuses.
    let queue: Queue | undefined;
    let result: unknown;
    if (!isSimple(this.#req, res, method, args)) {
      queue = new Queue(this.#req, res, line);
      try {
        result = queue.add(method, call);
      } catch (error) {
        queue.release();
        if (isHttp1) res.statusMessage = message as string;
        throw error;
      }
      this.#queue = queue;
    }
    this.#culprit = undefined;
    const finished = this.#settling ?? this.#finish(line);
    if (finished === undefined) {
      // Nothing to wait for: as if we had never been there.
      this.#queue = undefined;
      queue?.release();
      this.#open();
      return gate.pass(method, call);
    }
    if (queue === undefined) {
      this.#queue = queue = new Queue(this.#req, res, line);
      result = queue.add(method, call);
    }
    const queued = queue;
    finished.then(
      () => this.#flush(queued),
      (error: unknown) => this.#fail(error, this.#culprit),
    );
    return result;
  }

  #culprit: Owner | undefined;

  /** Lets every participant finish, one after the other; after a failure the others roll back. */
  #finish(line: StatusLine, from = 0, failure?: { error: unknown }): Promise<void> | undefined {
    const outcome = {
      status: failure === undefined ? line.status : 500,
      closed: isClosed(this.#req, this.#res),
    };
    for (let at = from; at < this.#entries.length; at++) {
      const entry = this.#entries[at] as Entry;
      if (entry.finished) continue;
      entry.finished = true;
      let waiting: Promise<void> | undefined;
      try {
        waiting = entry.participant.finish(outcome);
      } catch (error) {
        waiting = Promise.reject(error);
      }
      if (waiting === undefined) continue;
      return waiting.then(
        () => this.#finish(line, at + 1, failure),
        (error: unknown) => {
          this.#culprit ??= entry.owner;
          return this.#finish(line, at + 1, failure ?? { error });
        },
      );
    }
    return failure === undefined ? undefined : Promise.reject(failure.error);
  }

  #flush(queue: Queue): void {
    const gate = this.#gate as Layer;
    this.#queue = undefined;
    this.#open();
    try {
      queue.replay(gate);
    } catch (error) {
      this.#broken(error);
    }
  }

  #open(): void {
    this.#gate?.remove();
    this.#gate = undefined;
    this.#sources = undefined;
  }

  /** Nothing of the handler's response leaves; an error page does. */
  #fail(error: unknown, culprit: Owner | undefined): void {
    const res = this.#res;
    const owner = culprit ?? (this.#entries[0] as Entry).owner;
    const gate = this.#gate as Layer;
    const ended = this.#queue?.ended === true;
    const sources = this.#sources?.filter((source) => flowsTo(source, res)) ?? [];
    const piped = sources.length > 0;
    this.failed = true;
    try {
      for (const source of sources) source.unpipe(res);
      this.#queue?.drop(error);
      this.#queue = undefined;
      this.#gate = undefined;
      this.#sources = undefined;
      this.#putBack();
      const swallow = swallowing(res, error);
      gate.peel(swallow);
      // A handler that may still write must not write into the error page.
      const mayWrite = !ended && !piped;
      const closedTo = mayWrite ? new Layer(this, res, Layer.all, swallow) : undefined;
      answer(this.#req, res, error, owner, closedTo?.below, (failure) => this.#broken(failure));
    } catch (failure) {
      this.#broken(failure);
    }
  }

  #putBack(): void {
    if (this.#before !== undefined) restore(this.#res, this.#before);
  }

  #broken(error: unknown): void {
    const owner = this.#culprit ?? this.#entries[0]?.owner;
    owner?.report({
      type: "flush-failed",
      level: "error",
      message:
        "Sending a response failed after its session changes were decided; the connection was closed",
      error,
    });
    this.#res.destroy();
  }

  #watch(): void {
    if (this.#watching) return;
    this.#watching = true;
    this.#res.once("close", () => {
      for (const entry of this.#entries) if (entry.watched) entry.participant.ended();
    });
  }
}

function remember(this: object, source: Source): void {
  knownHead(this)?.piped(source);
}

/** Whether a source that was piped into the response still is. */
function flowsTo(source: Source, res: object): boolean {
  const pipes = source._readableState?.pipes;
  return Array.isArray(pipes) ? pipes.includes(res) : true;
}

function statusArgs(line: StatusLine): [number] | [number, string] {
  return line.message === undefined ? [line.status] : [line.status, line.message];
}
