/** For application developers' tests. The conformance suites have subpaths of their own. */
import { SessionError } from "../errors.ts";
import type { SessionManager } from "../manager.ts";
import { isSealed } from "../sealed.ts";
import type { Key, Value } from "../session.ts";

export { ManualClock } from "./clock.ts";

/** A session made by `createSession`. */
export interface CreatedSession {
  /** The `name=value` pair for a `Cookie` header, or several where sessions travel in cookies. */
  readonly cookie: string;
  /** The token alone: for `loadToken`, or the token's header. */
  readonly token: string;
}

/**
 * Stores a session with this data, as if a browser had made it, so that a test starts logged in.
 *
 * @throws {SessionError} `unencodable`, `too-large`; status 503 when the store fails.
 *
 * @example
 * ```ts
 * import { SessionManager } from "scs-session";
 * import { MemoryStore } from "scs-session/stores/memory";
 * import { createSession } from "scs-session/testing";
 *
 * const sessions = new SessionManager<{ user: string }>({ store: new MemoryStore() });
 * const { cookie } = await createSession(sessions, { user: "ada" });
 * export const request = new Request("http://localhost:4000/", { headers: { cookie } });
 * ```
 */
export async function createSession<D extends object>(
  sessions: SessionManager<D>,
  data: Partial<D>,
): Promise<CreatedSession> {
  const session = await sessions.loadToken(undefined);
  for (const key of Object.keys(data) as Key<D>[]) {
    session.set(key, data[key] as Value<D, Key<D>>);
  }
  // Without data nothing would be stored; a renewal starts a session all the same.
  if (session.status === "unmodified") session.renewToken();
  await session.commit();
  const { token } = session;
  if (token === undefined) {
    throw new SessionError("store-failed", "The session was committed and has no token");
  }
  const { cookie, store } = sessions.settings;
  return { cookie: isSealed(store) ? token : `${cookie.name}=${token}`, token };
}
