/** Hono 4, on every runtime that it runs on. Structural: nothing is imported from Hono or its types. */
import type { SessionError } from "../errors.ts";
import type { SessionManager } from "../manager.ts";
import type { Participant } from "../carrier.ts";
import { copyOfMade, watch } from "./hono-early.ts";
import { statusFor } from "./page.ts";
import { errorPage, type Failure, headOf, type Manager, WebCarrier, WebHead } from "./web-head.ts";

/** What is used of Hono's context. */
export interface HonoContext {
  readonly req: { readonly raw: Request };
  get res(): Response;
  set res(response: Response | undefined);
}

/**
 * Middleware for `app.use(sessionMiddleware(sessions))`, before all that uses the session; handlers
 * then call `sessions.load(c)`.
 *
 * Session changes are stored after `next()`. When that fails, the handler's response and the headers
 * that it set are dropped, and the `SessionError` is thrown: it goes to `app.onError`. Hono's own
 * error handler answers it with its status. With the manager's `onError`, that answers instead:
 * `(error, c)`, and it returns a `Response`.
 *
 * @example
 * ```ts
 * import { Hono } from "hono";
 * import { SessionManager } from "scs-session";
 * import { MemoryStore } from "scs-session/stores/memory";
 * import { sessionMiddleware } from "scs-session/adapters/hono";
 *
 * const sessions = new SessionManager<{ visits: number }>({ store: new MemoryStore() });
 * export const app = new Hono();
 * app.use(sessionMiddleware(sessions));
 * app.get("/", async (c) => {
 *   const session = await sessions.load(c);
 *   return c.text(`Visit ${session.update("visits", (visits) => (visits ?? 0) + 1)}`);
 * });
 * ```
 */
export function sessionMiddleware<D extends object>(
  sessions: SessionManager<D>,
): (c: HonoContext, next: () => Promise<void>) => Promise<void> {
  return async (c, next) => {
    const { raw } = c.req;
    const outer = headOf(c);
    const head = outer ?? new WebHead(raw, c, copyOfMade);
    if (!sessions.attach(c, new HonoCarrier(c, head, sessions), raw)) return next();
    // With several managers the outermost middleware commits for all: there is one head.
    if (outer !== undefined) return sessions.enter(c, next);
    try {
      await sessions.enter(c, next);
    } catch (error) {
      // Hono catches errors further in; what comes through is no Error, and no response comes of it.
      await head.rollBack();
      throw error;
    }
    if (!head.used) {
      head.sent = true;
      return;
    }
    const response = c.res;
    const failure = await head.finish(response);
    if (failure !== undefined) await answer(c, head, response, failure);
    else if (response.status !== 101) {
      const dressed = head.dress(response);
      if (dressed !== response) replace(c, dressed);
    }
  };
}

class HonoCarrier extends WebCarrier {
  readonly #c: HonoContext;
  readonly #head: WebHead;

  constructor(c: HonoContext, head: WebHead, manager: Manager) {
    super(c.req.raw, head, manager);
    this.#c = c;
    this.#head = head;
  }

  override attach(participant: Participant): void {
    const isFirst = !this.#head.used;
    super.attach(participant);
    if (isFirst) watch(this.#c, this.#head);
  }

  /** Hono's own error handler asks an error for its response; without, everything is a 500. */
  failed(error: SessionError): void {
    if ("getResponse" in error) return;
    const getResponse = (): Response => errorPage(statusFor(error), error);
    Object.defineProperty(error, "getResponse", { configurable: true, value: getResponse });
  }
}

/** Assigning to `c.res` merges what was there into it, unless nothing was. */
function replace(c: HonoContext, response: Response): void {
  c.res = undefined;
  c.res = response;
}

async function answer(
  c: HonoContext,
  head: WebHead,
  response: Response,
  failure: Failure,
): Promise<void> {
  const manager: Manager = failure.manager;
  if (manager.settings.onError !== undefined) {
    replace(c, await head.answer(failure.error, manager));
    return;
  }
  // The error handler's response is merged into this one, and into nothing that the handler set.
  const kept = [...response.headers].filter(([name]) => fromOutside(name));
  replace(c, head.dress(new Response(null, { headers: kept })));
  throw failure.error;
}

/** Without CORS headers the page that sent the request would not get to see the error's status. */
function fromOutside(name: string): boolean {
  return name.startsWith("access-control-");
}
