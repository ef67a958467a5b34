/** Koa 3. Structural: nothing is imported from Koa or its types. */
/// <reference types="node" preserve="true" />
import type { SessionManager } from "../manager.ts";
import { NodeCarrier, type NodeRequest, type NodeResponse } from "./node-carrier.ts";

/** What is used of Koa's context. */
export interface KoaContext {
  readonly req: NodeRequest;
  readonly res: NodeResponse;
  readonly status: number;
  readonly response: object;
  /** False: the handler answers on `ctx.res` by itself. */
  readonly respond?: boolean | undefined;
  onerror(error: Error): void;
}

/**
 * Middleware for `app.use(sessionMiddleware(sessions))`, before all that uses the session; handlers
 * then call `sessions.load(ctx)`.
 *
 * Session changes are stored after `next()`, before Koa sends anything. When that fails, the
 * middleware throws the `SessionError` (with `status`): it goes to middleware mounted further out,
 * to `ctx.onerror` and to the application's `error` event, as a throw of a handler does. With the
 * manager's `onError`, that answers: `(error, ctx, ctx.response)`. A handler that answers on
 * `ctx.res` itself, with `ctx.respond = false` or not, is held back in the same way.
 *
 * @example
 * ```ts
 * import Koa from "koa";
 * import { SessionManager } from "scs-session";
 * import { MemoryStore } from "scs-session/stores/memory";
 * import { sessionMiddleware } from "scs-session/adapters/koa";
 *
 * const sessions = new SessionManager<{ visits: number }>({ store: new MemoryStore() });
 * export const app = new Koa();
 * app.use(sessionMiddleware(sessions));
 * app.use(async (ctx) => {
 *   const session = await sessions.load(ctx);
 *   ctx.body = `Visit ${session.update("visits", (visits) => (visits ?? 0) + 1)}`;
 * });
 * ```
 */
export function sessionMiddleware<D extends object>(
  sessions: SessionManager<D>,
): (ctx: KoaContext, next: () => Promise<unknown>) => Promise<void> {
  return async (ctx, next) => {
    const { req, res } = ctx;
    const carrier = new NodeCarrier(req, res, sessions, (error) => ctx.onerror(error as Error));
    if (!sessions.attach(ctx, carrier, req)) {
      await next();
      return;
    }
    // What next() throws gets its answer further out; that answer's status decides at its head.
    await sessions.enter(ctx, next);
    if (ctx.respond === false) return;
    try {
      const waiting = carrier.settle(ctx.status);
      if (waiting !== undefined) await waiting;
    } catch (error) {
      const { onError } = sessions.settings;
      if (onError === undefined) throw error;
      await onError(error, ctx, ctx.response);
    }
  };
}
