/** `(Request) => Response`: Bun.serve, Deno.serve, Workers, and every framework built on fetch types. */
import { applyEffects, type Carrier, type HeadView, type Participant } from "../carrier.ts";
import { SessionError } from "../errors.ts";
import type { SessionEvent } from "../events.ts";
import type { SessionManager } from "../manager.ts";
import { slot } from "../slot.ts";
import { reasonOf, statusFor } from "./page.ts";

/** What the adapter uses of a manager, whatever its data type. */
interface Manager {
  readonly settings: {
    readonly onError?:
      | ((error: unknown, request: unknown, response: unknown) => unknown)
      | undefined;
  };
  report(event: SessionEvent): void;
}

interface Entry {
  readonly participant: Participant;
  readonly manager: Manager;
  timer?: unknown;
}

/** Nothing tells when a streamed body ends: changes made during it have this long to be committed. */
const uncommittedAfter = 5000;

const heads = slot<WebHead>();

/**
 * Wraps a fetch-style handler: `sessions.load(request)` works inside it. Further arguments (an
 * environment, a context) are passed on.
 *
 * Session changes are stored between the handler and the response. When that fails the handler's
 * response is dropped, and `onError` answers, or a plain 503 or 409. A handler that throws gets its
 * changes rolled back; the error goes on to the caller, except with `onError`, or when it is the
 * failure of a `load` (503 or 409).
 *
 * @example
 * ```ts
 * import { SessionManager } from "scs-session";
 * import { MemoryStore } from "scs-session/stores/memory";
 * import { sessionHandler } from "scs-session/adapters/web";
 *
 * const sessions = new SessionManager<{ visits: number }>({ store: new MemoryStore() });
 * export const fetch = sessionHandler(sessions, async (request) => {
 *   const session = await sessions.load(request);
 *   return new Response(`Visit ${session.update("visits", (visits) => (visits ?? 0) + 1)}`);
 * });
 * ```
 */
export function sessionHandler<D extends object, Rest extends readonly unknown[] = []>(
  sessions: SessionManager<D>,
  handler: (request: Request, ...rest: Rest) => Response | Promise<Response>,
): (request: Request, ...rest: Rest) => Promise<Response> {
  return async (request, ...rest) => {
    const outer = heads.get(request);
    const head = outer ?? new WebHead(request);
    const attached = sessions.attach(request, new WebCarrier(request, head, sessions));
    // With several managers the outermost handler commits for all: there is one head.
    if (!attached || outer !== undefined) return handler(request, ...rest);
    heads.set(request, head);
    let response: Response;
    try {
      response = await handler(request, ...rest);
    } catch (error) {
      return head.failed(error, sessions);
    }
    return head.send(response);
  };
}

class WebCarrier implements Carrier {
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
class WebHead {
  readonly #request: Request;
  readonly #entries: Entry[] = [];
  sent = false;

  constructor(request: Request) {
    this.#request = request;
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
    const entry = this.#entries.find((one) => one.participant === participant);
    if (!this.sent || entry === undefined || entry.timer !== undefined) return;
    const timer: unknown = setTimeout(() => {
      if (participant.pending) participant.ended();
      else entry.timer = undefined;
    }, uncommittedAfter);
    entry.timer = timer;
    (timer as { unref?: () => void }).unref?.();
  }

  /** Commits, and gives the response its headers. */
  async send(response: Response): Promise<Response> {
    const { status } = response;
    // Headers of an upgrade cannot be changed: what would need a new token rolls back.
    const failure = await this.#finish(status, this.#request.signal?.aborted || status === 101);
    if (failure !== undefined) {
      // Without this, a body that nobody reads may hold a connection or a file.
      response.body?.cancel().catch(() => {});
      return this.#answer(failure.error, failure.manager);
    }
    return status === 101 ? response : this.#dress(response);
  }

  /** The handler threw. */
  async failed(error: unknown, manager: Manager): Promise<Response> {
    await this.#finish(500, this.#request.signal?.aborted);
    const expected = error instanceof SessionError && error.status !== 500;
    if (!expected && manager.settings.onError === undefined) throw error;
    manager.report({
      type: "handler-failed",
      level: "error",
      message: "A request handler threw; the client got an error",
      error,
    });
    return this.#answer(error, manager);
  }

  /** Lets every participant finish, one after the other; after a failure the others roll back. */
  async #finish(
    status: number,
    closed: boolean,
  ): Promise<{ readonly error: unknown; readonly manager: Manager } | undefined> {
    this.sent = true;
    let failure: { error: unknown; manager: Manager } | undefined;
    for (const { participant, manager } of this.#entries) {
      try {
        await participant.finish({ status: failure === undefined ? status : 500, closed });
      } catch (error) {
        failure ??= { error, manager };
      }
    }
    return failure;
  }

  async #answer(error: unknown, manager: Manager): Promise<Response> {
    let page: Response | undefined;
    try {
      const given = await manager.settings.onError?.(error, this.#request, undefined);
      if (given instanceof Response) page = given;
    } catch {
      page = errorPage(500);
    }
    return this.#dress(page ?? errorPage(statusFor(error), error));
  }

  /**
   * The response with our headers. Always a new one once a session was loaded: headers may be
   * immutable (`Response.redirect()`, `fetch()`), and a response without a body may be shared between
   * requests, which would hand one visitor's cookie to another.
   */
  #dress(response: Response): Response {
    if (this.#entries.length === 0) return response;
    const dressed = new Response(response.body, response);
    const { headers } = dressed;
    const view: HeadView = {
      get: (name) => headers.get(name) ?? undefined,
      set: (name, value) => headers.set(name, value),
      append: (name, value) => headers.append(name, value),
    };
    for (const { participant } of this.#entries) applyEffects(view, participant);
    return dressed;
  }
}

/** Says what, not why: the error's message stays with us. */
function errorPage(status: number, error?: unknown): Response {
  const reason = reasonOf(status);
  const headers = new Headers({
    "Content-Type": "text/plain; charset=utf-8",
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
  });
  if (status === 503 && error instanceof SessionError) headers.set("Retry-After", "1");
  return new Response(`${status} ${reason}\n`, { status, statusText: reason, headers });
}
