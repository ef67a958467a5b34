/**
 * Next.js 16, where there is no request at hand: server components and server actions. Structural:
 * nothing is imported from Next. Route handlers are fetch-style: use `sessionHandler` of the `web`
 * adapter for them.
 */
import { SessionError } from "../errors.ts";
import type { LoadOptions, SessionManager } from "../manager.ts";
import type { Session } from "../session.ts";
import { DetachedCarrier } from "./detached.ts";

/** Attributes as `cookies().set` takes them. */
export interface NextCookie {
  name: string;
  value: string;
  path?: string;
  domain?: string;
  maxAge?: number;
  httpOnly?: boolean;
  secure?: boolean;
  sameSite?: "lax" | "strict" | "none";
  partitioned?: boolean;
}

/** `cookies` and `headers` of `next/headers`. */
export interface NextRequest {
  headers(): Promise<{ get(name: string): string | null }>;
  cookies(): Promise<{ set(cookie: NextCookie): unknown }>;
}

/** What `nextSessions` gives. */
export interface NextSessions<D extends object> {
  /**
   * The session for reading: in server components, layouts, `generateMetadata`. Loaded once for each
   * call: wrap it in React's `cache` to share it within a render. A session that exists can be changed
   * with an explicit `commit()`; whatever needs a cookie throws `head-sent`, since a component cannot
   * set one.
   *
   * @throws {SessionError} status 503 when the store fails.
   */
  load(options?: LoadOptions): Promise<Session<D>>;
  /**
   * Makes a server action of a function that takes the session first. Changes are stored when it
   * returns, or leaves by `redirect()` or `notFound()`; when it throws anything else they are dropped.
   * A commit that fails rejects with its `SessionError`, and sets no cookie.
   */
  action<Args extends readonly unknown[], Result>(
    work: (session: Session<D>, ...args: Args) => Result | Promise<Result>,
  ): (...args: Args) => Promise<Result>;
}

/**
 * Sessions for server components and server actions.
 *
 * @example
 * ```ts
 * import { SessionManager } from "scs-session";
 * import { type NextRequest, nextSessions } from "scs-session/adapters/next";
 * import { MemoryStore } from "scs-session/stores/memory";
 *
 * const sessions = new SessionManager<{ visits: number }>({ store: new MemoryStore() });
 *
 * // With `import { cookies, headers } from "next/headers"`: make(cookies, headers).
 * export function make(cookies: NextRequest["cookies"], headers: NextRequest["headers"]) {
 *   const { load, action } = nextSessions(sessions, { cookies, headers });
 *   const visit = action((session) => session.update("visits", (visits) => (visits ?? 0) + 1));
 *   return { load, visit };
 * }
 * ```
 */
export function nextSessions<D extends object>(
  sessions: SessionManager<D>,
  { cookies, headers }: NextRequest,
): NextSessions<D> {
  const attach = async (readOnly: boolean) => {
    const given = await headers();
    const carrier = new DetachedCarrier((name) => given.get(name) ?? undefined, readOnly);
    const request = {};
    sessions.attach(request, carrier);
    return { request, carrier };
  };
  return {
    async load(options) {
      const { request } = await attach(true);
      return sessions.load(request, options);
    },
    action:
      (work) =>
      async (...args) => {
        const { request, carrier } = await attach(false);
        const session = await sessions.load(request);
        const finish = async (status: number): Promise<void> => {
          try {
            await carrier.finish(status);
          } finally {
            // A cookie that the function's own commit made is sent even when this one fails.
            const lines = carrier.headers().getSetCookie();
            const jar = lines.length === 0 ? undefined : await cookies();
            for (const line of lines) jar?.set(parsed(line));
          }
        };
        let result: Awaited<ReturnType<typeof work>>;
        try {
          result = await sessions.enter(request, () => work(session, ...args));
        } catch (error) {
          // A failed commit is what the caller gets to see, in place of a redirect too.
          await finish(leaves(error) ? 200 : 500);
          throw error;
        }
        await finish(200);
        return result;
      },
  };
}

/** `redirect()`, `notFound()` and the like are throws with a digest of Next's. */
function leaves(error: unknown): boolean {
  const { digest } = (error ?? {}) as { digest?: unknown };
  return (
    typeof digest === "string" && /^NEXT_(?:REDIRECT|HTTP_ERROR_FALLBACK|NOT_FOUND)/.test(digest)
  );
}

/** A Set-Cookie that we wrote, as `cookies().set` wants it. */
function parsed(line: string): NextCookie {
  const [pair = "", ...attributes] = line.split("; ");
  const at = pair.indexOf("=");
  const cookie: NextCookie = { name: pair.slice(0, at), value: pair.slice(at + 1) };
  for (const attribute of attributes) {
    const [name = "", value = ""] = attribute.split("=");
    switch (name.toLowerCase()) {
      case "path":
        cookie.path = value;
        break;
      case "domain":
        cookie.domain = value;
        break;
      case "max-age":
        cookie.maxAge = Number(value);
        break;
      case "httponly":
        cookie.httpOnly = true;
        break;
      case "secure":
        cookie.secure = true;
        break;
      case "samesite":
        cookie.sameSite = value.toLowerCase() as "lax" | "strict" | "none";
        break;
      case "partitioned":
        cookie.partitioned = true;
        break;
      default:
        throw new SessionError("unsupported", `Next's cookies() cannot set the attribute ${name}`);
    }
  }
  return cookie;
}
