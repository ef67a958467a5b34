/** The head of a fetch-style response: commits between the handler and the response. */
import { applyEarly, applyEffects, type Carrier, type Participant } from "../carrier.ts";
import { SessionError } from "../errors.ts";
import type { SessionEvent } from "../events.ts";
import { slot } from "../slot.ts";
import { reasonOf, statusFor } from "./page.ts";
import { Copied, copyOf, Owned } from "./web-headers.ts";

/** What the adapter uses of a manager, whatever its data type. */
export interface Manager {
  readonly settings: {
    readonly onError?:
      | ((error: unknown, request: unknown, response: unknown) => unknown)
      | undefined;
  };
  report(event: SessionEvent): void;
}

/** A commit that failed, and the manager whose it was. */
export interface Failure {
  readonly error: unknown;
  readonly manager: Manager;
}

interface Entry {
  readonly participant: Participant;
  readonly manager: Manager;
  timer?: unknown;
}

/** Nothing tells when a streamed body ends: changes made during it have this long to be committed. */
const uncommittedAfter = 5000;

const heads = slot<WebHead>();

/** The head of a request, under the object that its framework hands around. */
export function headOf(request: object): WebHead | undefined {
  return heads.get(request);
}

export class WebCarrier implements Carrier {
  readonly #request: Request;
  readonly #head: WebHead;
  readonly #manager: Manager;

  constructor(request: Request, head: WebHead, manager: Manager) {
    this.#request = request;
    this.#head = head;
    this.#manager = manager;
  }

  get headSent(): boolean {
    return this.#head.sent;
  }

  header(name: string): string | undefined {
    return this.#request.headers.get(name) ?? undefined;
  }

  attach(participant: Participant): void {
    this.#head.attach(participant, this.#manager);
  }

  intercept(participant: Participant): void {
    this.#head.intercept(participant);
  }
}

/** The one response of a request, for all managers. */
export class WebHead {
  readonly #request: Request;
  readonly #given: object;
  readonly #copyOf: (response: Response) => Response;
  readonly #entries: Entry[] = [];
  #signal: AbortSignal | undefined;
  sent = false;

  /**
   * `given` is what handlers and `onError` know the request by; `copy` is for an adapter that knows
   * more of some responses.
   */
  constructor(request: Request, given: object, copy: typeof copyOf = copyOf) {
    this.#request = request;
    this.#given = given;
    this.#copyOf = copy;
    heads.set(given, this);
  }

  /** Some session was asked for. */
  get used(): boolean {
    return this.#entries.length > 0;
  }

  attach(participant: Participant, manager: Manager): void {
    const { slot } = participant;
    if (this.#entries.some((entry) => entry.participant.slot === slot)) {
      throw new SessionError(
        "duplicate-manager",
        `Two session managers in one request both use the ${slot}: give one of them another cookie name (or token header)`,
      );
    }
    this.#entries.push({ participant, manager });
  }

  /** Every loaded session is asked to finish anyway; only a change after the head needs watching. */
  intercept(participant: Participant): void {
    // Asked for now: some servers notice that a client has left only for those who asked before. And
    // only where it matters: the light request of Hono's Node server makes its signal when it is asked.
    if (participant.makesToken) this.#signal ??= this.#request.signal;
    if (!this.sent) return;
    const entry = this.#entries.find((one) => one.participant === participant);
    if (entry === undefined || entry.timer !== undefined) return;
    const timer: unknown = setTimeout(() => {
      if (participant.pending) participant.ended();
      else entry.timer = undefined;
    }, uncommittedAfter);
    entry.timer = timer;
    (timer as { unref?: () => void }).unref?.();
  }

  /** Commits, and gives the response its headers. */
  async send(response: Response): Promise<Response> {
    const failure = await this.finish(response);
    if (failure !== undefined) return this.answer(failure.error, failure.manager);
    return response.status === 101 ? response : this.dress(response);
  }

  /** The handler threw. */
  async failed(error: unknown, manager: Manager): Promise<Response> {
    await this.rollBack();
    const expected = error instanceof SessionError && error.status !== 500;
    // A token that an explicit commit made must reach the client, on whatever head leaves.
    const ours = expected || manager.settings.onError !== undefined || this.#hasToken;
    if (!ours) throw error;
    manager.report({
      type: "handler-failed",
      level: "error",
      message: "A request handler threw; the client got an error",
      error,
    });
    return this.answer(error, manager);
  }

  /** Commits for this response, or says what failed; then the response is of no use any more. */
  async finish(response: Response): Promise<Failure | undefined> {
    const { status } = response;
    // Headers of an upgrade cannot be changed: what would need a new token rolls back.
    const failure = await this.#finish(status, status === 101);
    // Without this, a body that nobody reads may hold a connection or a file.
    if (failure !== undefined) response.body?.cancel().catch(() => {});
    return failure;
  }

  /** The handler threw: only a destroy stands. */
  async rollBack(): Promise<void> {
    await this.#finish(500, false);
  }

  /** Some session has a token for the client. */
  get #hasToken(): boolean {
    return this.#entries.some(({ participant }) => participant.effects().token !== undefined);
  }

  /** Lets every participant finish, one after the other; after a failure the others roll back. */
  async #finish(status: number, upgraded: boolean): Promise<Failure | undefined> {
    this.sent = true;
    if (this.#entries.length === 0) return undefined;
    if (this.#entries.some(({ participant }) => participant.makesToken)) {
      this.#signal ??= this.#request.signal;
    }
    const closed = upgraded || this.#signal?.aborted === true;
    let failure: Failure | undefined;
    for (const { participant, manager } of this.#entries) {
      try {
        await participant.finish({ status: failure === undefined ? status : 500, closed });
      } catch (error) {
        failure ??= { error, manager };
      }
    }
    return failure;
  }

  /** The page in place of the handler's response. */
  async answer(error: unknown, manager: Manager): Promise<Response> {
    let page: Response | undefined;
    try {
      const given = await manager.settings.onError?.(error, this.#given, undefined);
      if (given instanceof Response) page = given;
    } catch {
      page = errorPage(500);
    }
    return this.dress(page ?? errorPage(statusFor(error), error));
  }

  /**
   * The response with our headers: itself where they are there already, and else a copy. Headers may be
   * immutable (`Response.redirect()`, `fetch()`), and a response may be shared between requests,
   * which would hand one visitor's cookie to another.
   */
  dress(response: Response): Response {
    if (this.#entries.length === 0) return response;
    const view = new Copied(response, this.#copyOf);
    for (const { participant } of this.#entries) applyEffects(view, participant);
    return view.response;
  }

  /**
   * Gives a response that has just been made, and that nobody else has seen yet, the headers that are
   * known already: then `dress` need not copy it.
   */
  dressEarly(response: Response): void {
    if (this.sent) return;
    const view = new Owned(response);
    for (const { participant } of this.#entries) applyEarly(view, participant);
  }
}

/** Says what, not why: the error's message stays with us. */
export function errorPage(status: number, error?: unknown): Response {
  const reason = reasonOf(status);
  const headers = new Headers({
    "Content-Type": "text/plain; charset=utf-8",
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
  });
  if (status === 503 && error instanceof SessionError) headers.set("Retry-After", "1");
  return new Response(`${status} ${reason}\n`, { status, statusText: reason, headers });
}
