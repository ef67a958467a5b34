// examples/frameworks/react-router/app/sessions.server.ts
import { createContext, type MiddlewareFunction, type SessionStorage } from "react-router";
import { type Session, SessionManager } from "scs-session";
import { sessionStorage } from "scs-session/adapters/react-router";
import { sessionHandler } from "scs-session/adapters/web";
import { MemoryStore } from "scs-session/stores/memory";

export type Data = { user: string; visits: number };

const sessions = new SessionManager<Data>({ store: new MemoryStore(), idleTimeout: "20m" });

/** In a loader or action: `const session = await context.get(currentSession)()`. */
export const currentSession = createContext<() => Promise<Session<Data>>>();

/** For the root route: commits when the response is made, errors and redirects included. */
export const sessionMiddleware: MiddlewareFunction<Response> = ({ request, context }, next) =>
  sessionHandler(sessions, (incoming) => {
    context.set(currentSession, () => sessions.load(incoming));
    return next();
  })(request);

/** For code written for React Router's own storages, which commits by itself. */
const storage: SessionStorage<Data> = sessionStorage(sessions);
export const { getSession, commitSession, destroySession } = storage;
