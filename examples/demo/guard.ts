/** What every request passes before a handler sees it: where it comes from, how large it is. */
import type { IncomingMessage, ServerResponse } from "node:http";

/** A request that is answered with `status` and one line instead of a page. */
export class Refused extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/**
 * Refuses a request that another site's page made. SameSite=Lax keeps the cookie off most of them,
 * but sites on another port of localhost count as the same site.
 *
 * Fetch Metadata decides where the browser sends it, else Origin against Host; a client that sends
 * neither is no browser, and carries nobody else's cookies.
 */
export function refuseCrossSite(request: IncomingMessage): void {
  const site = request.headers["sec-fetch-site"];
  if (site !== undefined) {
    if (site === "same-origin" || site === "none") return;
  } else {
    const origin = request.headers.origin;
    if (origin === undefined) return;
    if (URL.canParse(origin) && new URL(origin).host === request.headers.host) return;
  }
  throw new Refused(403, "This request came from another site.");
}

/** The bytes of the largest form we have, with every character escaped, fit twice. */
const bodyLimit = 4_096;

/** The fields of a posted form. */
export async function readForm(request: IncomingMessage): Promise<URLSearchParams> {
  const body = await readBody(request);
  const type = request.headers["content-type"]?.split(";", 1)[0]?.trim().toLowerCase();
  if (body !== "" && type !== "application/x-www-form-urlencoded") {
    throw new Refused(415, "Forms come as application/x-www-form-urlencoded.");
  }
  return new URLSearchParams(body);
}

function readBody(request: IncomingMessage): Promise<string> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    request.on("data", (chunk: Buffer) => {
      size += chunk.length;
      if (size <= bodyLimit) return void chunks.push(chunk);
      // Not destroyed: the answer still has to go out on this connection, which then closes.
      request.pause();
      reject(new Refused(413, `Forms here have at most ${bodyLimit} bytes.`));
    });
    request.on("end", () => resolve(Buffer.concat(chunks).toString("utf8")));
    request.on("error", () => reject(new Refused(400, "The request ended early.")));
  });
}

/** For every response. */
export function secureHeaders(response: ServerResponse): void {
  response.setHeader("X-Content-Type-Options", "nosniff");
  response.setHeader("Cross-Origin-Resource-Policy", "same-origin");
}

/** For pages: nothing but our own style, script and forms, each proven by `nonce`. */
export function pageHeaders(response: ServerResponse, nonce: string): void {
  const policy = {
    "default-src": "'none'",
    "style-src": `'nonce-${nonce}'`,
    "script-src": `'nonce-${nonce}'`,
    "connect-src": "'self'",
    "img-src": "data:", // the icon
    "form-action": "'self'",
    "base-uri": "'none'",
    "frame-ancestors": "'none'",
    "require-trusted-types-for": "'script'",
    "trusted-types": "log", // live.ts
  };
  const text = Object.entries(policy).map((entry) => entry.join(" "));
  response.setHeader("Content-Type", "text/html; charset=utf-8");
  response.setHeader("Content-Security-Policy", text.join("; "));
  response.setHeader("X-Frame-Options", "DENY");
  response.setHeader("Cross-Origin-Opener-Policy", "same-origin");
  // Not no-referrer: with that, browsers send `Origin: null` with our own forms.
  response.setHeader("Referrer-Policy", "same-origin");
  // Back, after logging out, must not show the page of before.
  response.setHeader("Cache-Control", "no-store");
}
