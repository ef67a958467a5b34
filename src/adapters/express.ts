/** Express 4 and 5. Structural: nothing is imported from Express or its types. */
/// <reference types="node" preserve="true" />
import type { SessionManager } from "../manager.ts";
import {
  type NextFunction,
  type NodeRequest,
  type NodeResponse,
  sessionMiddleware as nodeMiddleware,
} from "./node.ts";

/**
 * Middleware for `app.use(sessionMiddleware(sessions))`; handlers then call `sessions.load(req)`.
 *
 * A failing commit goes to Express's error handlers as a `SessionError` with `status`, unless the
 * manager has `onError`.
 *
 * @example
 * ```ts
 * import express from "express";
 * import { SessionManager } from "scs-session";
 * import { MemoryStore } from "scs-session/stores/memory";
 * import { sessionMiddleware } from "scs-session/adapters/express";
 *
 * const sessions = new SessionManager<{ visits: number }>({ store: new MemoryStore() });
 * export const app = express();
 * app.use(sessionMiddleware(sessions));
 * app.get("/", async (req, res) => {
 *   const session = await sessions.load(req);
 *   res.send(`Visit ${session.update("visits", (visits) => (visits ?? 0) + 1)}`);
 * });
 * ```
 */
export function sessionMiddleware<
  D extends object,
  Request extends NodeRequest = NodeRequest,
  Response extends NodeResponse = NodeResponse,
>(sessions: SessionManager<D>): (request: Request, response: Response, next: NextFunction) => void {
  return nodeMiddleware(sessions);
}
