/**
 * node:http, https, http2 (compatibility API), and Connect-style middleware for Connect, Polka and
 * Express.
 */
/// <reference types="node" preserve="true" />
import type { IncomingMessage, ServerResponse } from "node:http";
import type { SessionManager } from "../manager.ts";
import {
  NodeCarrier,
  type NextFunction,
  type NodeRequest,
  type NodeResponse,
} from "./node-carrier.ts";

export type { NextFunction, NodeRequest, NodeResponse } from "./node-carrier.ts";

/**
 * Wraps a request listener: `sessions.load(req)` works inside it.
 *
 * A session change is stored before the response head leaves. When that fails, nothing of the
 * handler's response leaves: `onError` answers, or a plain 503 or 409. A handler that throws, or
 * whose promise rejects, before the head has left gets its changes rolled back and the client a
 * plain 500 (or `onError`'s answer).
 *
 * @example
 * ```ts
 * import { createServer } from "node:http";
 * import { SessionManager } from "scs-session";
 * import { MemoryStore } from "scs-session/stores/memory";
 * import { sessionHandler } from "scs-session/adapters/node";
 *
 * const sessions = new SessionManager<{ visits: number }>({ store: new MemoryStore() });
 * export const server = createServer(
 *   sessionHandler(sessions, async (req, res) => {
 *     const session = await sessions.load(req);
 *     res.end(`Visit ${session.update("visits", (visits) => (visits ?? 0) + 1)}`);
 *   }),
 * );
 * ```
 */
export function sessionHandler<
  D extends object,
  Request extends NodeRequest = IncomingMessage,
  Response extends NodeResponse = ServerResponse,
>(
  sessions: SessionManager<D>,
  handler: (request: Request, response: Response) => unknown,
): (request: Request, response: Response) => void {
  return (request, response) => {
    const carrier = new NodeCarrier(request, response, sessions, undefined);
    if (!sessions.attach(request, carrier)) {
      return handler(request, response) as void;
    }
    let result: unknown;
    try {
      result = sessions.enter(request, handler, request, response);
    } catch (error) {
      carrier.handlerFailed(error);
      return;
    }
    if (isThenable(result)) watch(result, carrier);
  };
}

function watch(result: PromiseLike<unknown>, carrier: NodeCarrier): void {
  result.then(undefined, (error: unknown) => carrier.handlerFailed(error));
}

/**
 * Middleware in Connect's style: `app.use(sessionMiddleware(sessions))`, before all that uses the
 * session. A failing commit goes to the framework's error handling as a `SessionError` with
 * `status`, unless the manager has `onError`.
 */
export function sessionMiddleware<D extends object>(
  sessions: SessionManager<D>,
): (request: NodeRequest, response: NodeResponse, next: NextFunction) => void {
  return (request, response, next) => {
    const attached = sessions.attach(request, new NodeCarrier(request, response, sessions, next));
    if (attached) sessions.enter(request, next);
    else next();
  };
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof (value as PromiseLike<unknown> | undefined | null)?.then === "function";
}
