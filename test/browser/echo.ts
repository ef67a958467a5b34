// A server that offers what cookies a test wants, and remembers what the browser sent.
import type { IncomingMessage, RequestListener, ServerResponse } from "node:http";

export interface Seen {
  readonly method: string;
  /** With the port: `app.example.test:4000`. */
  readonly host: string;
  readonly path: string;
  /** As bytes, one character each; undefined when no cookie came. */
  readonly cookie: string | undefined;
}

/** Notes every request before `next` answers it. */
export function noted(seen: Seen[], next: RequestListener): RequestListener {
  return (request, response) => {
    const { method = "", url = "", headers } = request;
    seen.push({ method, host: headers.host ?? "", path: url, cookie: headers.cookie });
    return next(request, response);
  };
}

/** Answers with HTML and these Set-Cookie lines; characters above U+007F go out as UTF-8. */
export function offer(
  response: ServerResponse,
  html: string = "",
  cookies: readonly string[] = [],
): void {
  response.setHeader("Content-Type", "text/html; charset=utf-8");
  response.setHeader("Cache-Control", "no-store");
  const lines = cookies.map((cookie) => Buffer.from(cookie, "utf8").toString("latin1"));
  if (lines.length > 0) response.setHeader("Set-Cookie", lines);
  // As bytes: with a string, Node would send the head in the string's encoding, UTF-8.
  response.end(Buffer.from(`<!doctype html><title>test</title>${html}`));
}

/** The host name that a request came to, without the port. */
export function hostOf(request: IncomingMessage): string {
  return request.headers.host?.split(":", 1)[0] ?? "";
}
