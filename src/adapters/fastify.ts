/** Fastify 5. Structural: nothing is imported from Fastify or its types. */
/// <reference types="node" preserve="true" />
import type { Carrier, Participant } from "../carrier.ts";
import { type Slot, slot } from "../slot.ts";
import { type Manager, NodeCarrier, type NodeRequest, type NodeResponse } from "./node-carrier.ts";
import { statusFor } from "./page.ts";

/** What is used of Fastify's request. */
export interface FastifyRequest {
  readonly raw: NodeRequest;
}

/** What is used of Fastify's reply. */
export interface FastifyReply {
  readonly raw: NodeResponse;
  statusCode: number;
  getHeaders(): Record<string, unknown>;
  header(name: string, value: unknown): unknown;
  removeHeader(name: string): unknown;
}

/** What is used of a Fastify instance. */
export interface FastifyInstance {
  // Never called with another kind of hook than the name wants; Fastify's overloads are not ours.
  addHook(name: "onRequest" | "onSend", hook: never): unknown;
}

/**
 * Any `SessionManager`. Not generic in its data: what `register` infers for a type parameter depends
 * on whose `register` it is, and NestJS's infers too little.
 */
export interface AnySessionManager extends Manager {
  attach(request: object, carrier: Carrier, ...aliases: readonly object[]): boolean;
  enter<R>(request: object, work: () => R): R;
}

/** Options of `sessionPlugin`. */
export interface SessionPluginOptions {
  readonly sessions: AnySessionManager;
}

type Done = (error?: Error | null, payload?: unknown) => void;

/**
 * A plugin for `app.register(sessionPlugin, { sessions })`, before all that uses the session;
 * handlers then call `sessions.load(request)`. It adds hooks to the instance that it is registered
 * on, and to those inside; register it in a plugin of yours to keep sessions to that part.
 *
 * Session changes are stored in `onSend`, before Fastify sends anything. When that fails, what the
 * handler did to the reply is undone, and Fastify's error handler (`setErrorHandler`) gets the
 * `SessionError`, with `statusCode`. With the manager's `onError`, that answers: `(error, request,
 * reply)`. A handler that answers on `reply.raw` itself, after `reply.hijack()` or not, is held back
 * in the same way; a failure there is answered with `onError` or a plain page.
 *
 * @example
 * ```ts
 * import Fastify from "fastify";
 * import { SessionManager } from "scs-session";
 * import { MemoryStore } from "scs-session/stores/memory";
 * import { sessionPlugin } from "scs-session/adapters/fastify";
 *
 * const sessions = new SessionManager<{ visits: number }>({ store: new MemoryStore() });
 * export const app = Fastify();
 * app.register(sessionPlugin, { sessions });
 * app.get("/", async (request) => {
 *   const session = await sessions.load(request);
 *   return `Visit ${session.update("visits", (visits) => (visits ?? 0) + 1)}`;
 * });
 * ```
 */
export function sessionPlugin(
  instance: FastifyInstance,
  options: SessionPluginOptions,
  done: (error?: Error) => void,
): void {
  const { sessions } = options;
  // Of requests that change their session: only they have anything to store.
  const changing = slot<FastifyCarrier>();

  const onRequest = (request: FastifyRequest, reply: FastifyReply, next: Done): void => {
    const carrier = new FastifyCarrier(request, reply, sessions, changing);
    if (sessions.attach(request, carrier, request.raw)) sessions.enter(request, next);
    else next();
  };

  const onSend = (
    request: FastifyRequest,
    reply: FastifyReply,
    payload: unknown,
    next: Done,
  ): void => {
    const carrier = changing.get(request);
    const waiting = carrier?.settle(statusOf(reply, payload));
    if (carrier === undefined || waiting === undefined) {
      next(null, payload);
      return;
    }
    waiting.then(
      () => next(null, payload),
      (error: Error) => {
        discard(payload);
        carrier.restore(statusFor(error));
        const { onError } = sessions.settings;
        if (onError === undefined) next(error);
        else {
          (async () => onError(error, request, reply))().catch((failure: Error) => {
            reply.statusCode = statusFor(failure);
            next(failure);
          });
        }
      },
    );
  };

  instance.addHook("onRequest", onRequest as never);
  instance.addHook("onSend", onSend as never);
  done();
}

// What fastify-plugin does: the hooks belong to the instance that registers, not to one inside it.
Object.assign(sessionPlugin, {
  [Symbol.for("skip-override")]: true,
  [Symbol.for("fastify.display-name")]: "scs-session",
  [Symbol.for("plugin-meta")]: { name: "scs-session", fastify: "5.x" },
});

class FastifyCarrier extends NodeCarrier {
  readonly #request: FastifyRequest;
  readonly #reply: FastifyReply;
  readonly #changing: Slot<FastifyCarrier>;
  #headers: Record<string, unknown> | undefined;

  constructor(
    request: FastifyRequest,
    reply: FastifyReply,
    manager: Manager,
    changing: Slot<FastifyCarrier>,
  ) {
    super(request.raw, reply.raw, manager, undefined);
    this.#request = request;
    this.#reply = reply;
    this.#changing = changing;
  }

  override intercept(participant: Participant): void {
    if (this.#headers === undefined) {
      this.#headers = this.#reply.getHeaders();
      this.#changing.set(this.#request, this);
    }
    super.intercept(participant);
  }

  /** Fastify keeps the headers to send beside those of the response: as they were before the change. */
  restore(status: number): void {
    const reply = this.#reply;
    for (const name of Object.keys(reply.getHeaders())) reply.removeHeader(name);
    for (const [name, value] of Object.entries(this.#headers ?? {})) reply.header(name, value);
    // Error handlers keep a status that was set, and those of users often rely on one.
    reply.statusCode = status;
  }
}

/** The status that will leave: a fetch `Response` as payload brings its own. */
function statusOf(reply: FastifyReply, payload: unknown): number {
  const given = payload instanceof Response ? payload.status : undefined;
  return given ?? reply.statusCode;
}

/** A stream that nobody reads may hold a connection or a file. */
function discard(payload: unknown): void {
  if (typeof payload !== "object" || payload === null) return;
  const body = payload instanceof Response ? payload.body : payload;
  const { destroy, cancel } = body as { destroy?: unknown; cancel?: unknown };
  if (typeof destroy === "function") Reflect.apply(destroy, body, []);
  else if (typeof cancel === "function") {
    (Reflect.apply(cancel, body, []) as Promise<unknown> | undefined)?.catch?.(() => {});
  }
}
