/**
 * React Router's `SessionStorage`, for code that was written for `createCookieSessionStorage` and its
 * siblings. Structural: nothing is imported from React Router. New code has an easier time with
 * `sessionHandler` of the `web` adapter as middleware, where nobody has to commit.
 */
import { SessionError } from "../errors.ts";
import type { SessionManager } from "../manager.ts";
import type { Key, Session, Value } from "../session.ts";
import { DetachedCarrier } from "./detached.ts";

/** A session as React Router's loaders and actions know it. */
export interface RouterSession<D extends object> {
  /** The public id; empty for a session that has not been stored yet. */
  readonly id: string;
  /** A copy of all values. */
  readonly data: Partial<D>;
  has(name: keyof D & string): boolean;
  /** The value; one given to `flash` is removed by it. (React Router's own words for `D[K]`.) */
  get<K extends keyof D & string>(name: K): (K extends keyof D ? D[K] : undefined) | undefined;
  set<K extends keyof D & string>(name: K, value: D[K]): void;
  /** Sets a value that the next `get` removes. */
  flash<K extends keyof D & string>(name: K, value: D[K]): void;
  unset(name: keyof D & string): void;
}

/** What `sessionStorage` gives: React Router's `SessionStorage<D>`. */
export interface RouterSessionStorage<D extends object> {
  /** @throws {SessionError} status 503 when the store fails. */
  getSession(cookieHeader?: string | null): Promise<RouterSession<D>>;
  /**
   * Stores the changes. The value of a `Set-Cookie` header, or `""` when the browser has its cookie
   * already: sending that again could undo a login that was answered in between. Browsers ignore an
   * empty one.
   *
   * @throws {SessionError} status 409 or 503; nothing is stored then. `unsupported` on an engine whose
   *   session takes several cookies (a large one in a `CookieStore`).
   */
  commitSession(session: RouterSession<D>): Promise<string>;
  /** Ends the session; the value of a `Set-Cookie` header that clears its cookie. */
  destroySession(session: RouterSession<D>): Promise<string>;
  /**
   * Gives the session a new token, keeping its data: call it on login, before `commitSession`.
   * React Router's own storages have nothing like it.
   */
  renewSession(session: RouterSession<D>): void;
}

/**
 * A drop-in for React Router's session storages.
 *
 * @example
 * ```ts
 * import { SessionManager } from "scs-session";
 * import { sessionStorage } from "scs-session/adapters/react-router";
 * import { MemoryStore } from "scs-session/stores/memory";
 *
 * const sessions = new SessionManager<{ visits: number }>({ store: new MemoryStore() });
 * export const { getSession, commitSession, destroySession } = sessionStorage(sessions);
 *
 * export async function loader({ request }: { request: Request }): Promise<Response> {
 *   const session = await getSession(request.headers.get("Cookie"));
 *   session.set("visits", (session.get("visits") ?? 0) + 1);
 *   const headers = { "Set-Cookie": await commitSession(session) };
 *   return new Response(String(session.get("visits")), { headers });
 * }
 * ```
 */
export function sessionStorage<D extends object>(
  sessions: SessionManager<D>,
): RouterSessionStorage<D> {
  const known = new WeakMap<object, Known<D>>();
  const lookUp = (session: RouterSession<D>): Known<D> => {
    const found = known.get(session);
    if (found !== undefined) return found;
    throw new SessionError("invalid-argument", "This session did not come from getSession()");
  };
  const commit = async ({ live, carrier }: Known<D>): Promise<string> => {
    await live.commit();
    const [line = "", ...more] = carrier.headers().getSetCookie();
    if (more.length === 0) return line;
    throw new SessionError(
      "unsupported",
      "This engine keeps a session in several cookies, and React Router's SessionStorage has room for one: use sessionHandler of adapters/web as middleware",
    );
  };
  return {
    async getSession(cookieHeader) {
      const header = (name: string): string | undefined =>
        name === "cookie" ? (cookieHeader ?? undefined) : undefined;
      const carrier = new DetachedCarrier(header, false);
      const request = {};
      sessions.attach(request, carrier);
      const live = await sessions.load(request);
      const session = facade(live);
      known.set(session, { live, carrier });
      return session;
    },
    commitSession: async (session) => commit(lookUp(session)),
    async destroySession(session) {
      const found = lookUp(session);
      found.live.destroy();
      return commit(found);
    },
    renewSession: (session) => lookUp(session).live.renewToken(),
  };
}

interface Known<D extends object> {
  readonly live: Session<D>;
  readonly carrier: DetachedCarrier;
}

function facade<D extends object>(live: Session<D>): RouterSession<D> {
  // React Router's own name for the key of a flashed value.
  const flashed = (name: string): Key<D> => `__flash_${name}__` as Key<D>;
  return {
    get id() {
      return live.isNew ? "" : live.id;
    },
    get data() {
      return Object.fromEntries(live.keys().map((key) => [key, live.get(key)])) as Partial<D>;
    },
    has: (name) => live.has(name) || live.has(flashed(name)),
    get<K extends keyof D & string>(name: K) {
      const value = live.has(name) ? live.get(name) : live.pop(flashed(name));
      return value as (K extends keyof D ? D[K] : undefined) | undefined;
    },
    set: (name, value) => live.set(name, value as Value<D, typeof name>),
    flash: (name, value) => live.set(flashed(name), value as unknown as Value<D, Key<D>>),
    unset: (name) => live.delete(name),
  };
}
