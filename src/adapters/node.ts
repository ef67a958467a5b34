/**
 * node:http, https, http2 (compatibility API), and Connect-style middleware for Connect, Polka and
 * Express.
 */
/// <reference types="node" preserve="true" />
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Carrier, Participant } from "../carrier.ts";
import type { SessionEvent } from "../events.ts";
import type { SessionManager } from "../manager.ts";
import { prepare } from "./node-early.ts";
import { headOf, knownHead, type Owner } from "./node-head.ts";

/** A request of node:http, of http2's compatibility API, or of a framework on top of them. */
export interface NodeRequest {
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
}

/** A response of the same. */
export interface NodeResponse {
  readonly headersSent: boolean;
  readonly writableEnded: boolean;
  destroy(error?: Error): unknown;
}

/** Continues with the next middleware; with an error, with the framework's error handling. */
export type NextFunction = (error?: unknown) => unknown;

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
      result = handler(request, response);
    } catch (error) {
      carrier.handlerFailed(error);
      return;
    }
    if (isThenable(result)) {
      result.then(undefined, (error: unknown) => carrier.handlerFailed(error));
    }
  };
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
    sessions.attach(request, new NodeCarrier(request, response, sessions, next));
    next();
  };
}

/** What a carrier uses of its manager, whatever its data type. */
interface Manager {
  readonly settings: { readonly onError?: Owner["onError"] };
  report(event: SessionEvent): void;
}

class NodeCarrier implements Carrier, Owner {
  readonly #request: NodeRequest;
  readonly #response: NodeResponse;
  readonly #manager: Manager;
  readonly next: NextFunction | undefined;

  constructor(
    request: NodeRequest,
    response: NodeResponse,
    manager: Manager,
    next: NextFunction | undefined,
  ) {
    this.#request = request;
    this.#response = response;
    this.#manager = manager;
    this.next = next;
    prepare(response);
  }

  get onError(): Owner["onError"] {
    return this.#manager.settings.onError;
  }

  header(name: string): string | undefined {
    const value = this.#request.headers[name];
    return Array.isArray(value) ? value.join(name === "cookie" ? "; " : ", ") : value;
  }

  attach(participant: Participant): void {
    headOf(this.#request, this.#response).attach(participant, this);
  }

  intercept(participant: Participant): void {
    headOf(this.#request, this.#response).intercept(participant);
  }

  get headSent(): boolean {
    return this.#response.headersSent;
  }

  report(event: SessionEvent): void {
    this.#manager.report(event);
  }

  /** The handler threw, and there is no framework to catch it. */
  handlerFailed(error: unknown): void {
    const response = this.#response;
    // Its response was replaced by an error page: the throw is only a consequence.
    if (knownHead(response)?.failed === true) return;
    this.report({
      type: "handler-failed",
      level: "error",
      message: response.headersSent
        ? "A request handler threw after the response head"
        : "A request handler threw; the client got an error",
      error,
    });
    if (!response.headersSent) headOf(this.#request, response).abandon(error, this);
    // A truncated body must not pass for a complete one; a complete one may pass.
    else if (!response.writableEnded) response.destroy();
  }
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof (value as PromiseLike<unknown> | undefined | null)?.then === "function";
}
