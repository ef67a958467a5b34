/** `(Request) => Response`: Bun.serve, Deno.serve, Workers, and every framework built on fetch types. */
import type { SessionManager } from "../manager.ts";
import { headOf, WebCarrier, WebHead } from "./web-head.ts";

/**
 * Wraps a fetch-style handler: `sessions.load(request)` works inside it. Further arguments (an
 * environment, a context) are passed on.
 *
 * Session changes are stored between the handler and the response. When that fails the handler's
 * response is dropped, and `onError` answers, or a plain 503 or 409. A handler that throws gets its
 * changes rolled back; the error goes on to the caller, except with `onError`, when it is the failure
 * of a `load` or `commit` (503 or 409), or when an explicit `commit` made a token that must reach the
 * client (a plain 500).
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
    const outer = headOf(request);
    const head = outer ?? new WebHead(request, request);
    const attached = sessions.attach(request, new WebCarrier(request, head, sessions));
    const work = (): Response | Promise<Response> => handler(request, ...rest);
    // With several managers the outermost handler commits for all: there is one head.
    if (!attached) return work();
    if (outer !== undefined) return sessions.enter(request, work);
    let response: Response;
    try {
      response = await sessions.enter(request, work);
    } catch (error) {
      return head.failed(error, sessions);
    }
    return head.send(response);
  };
}
