/** What the client gets in place of a response that may not leave. */
/// <reference types="node" preserve="true" />
import { SessionError } from "../errors.ts";
import { reasonOf, statusFor } from "./page.ts";
import { type Response, streamOf } from "./node-headers.ts";
import type { Handler } from "./node-layer.ts";
import { callBack, type Methods } from "./node-queue.ts";

/** Who decides on the error page. */
export interface Answerer {
  readonly onError: ((error: unknown, request: unknown, response: unknown) => unknown) | undefined;
  /** The framework's error handling, if the adapter is a middleware. */
  readonly next: ((error: unknown) => unknown) | undefined;
}

let answering: object | undefined;

/** A handler for a response that has been answered by someone else: calls lead nowhere. */
export function swallowing(res: Response, error: unknown): Handler {
  return (_guard, method, args) => {
    if (answering === res) return undefined;
    if (method === "write" || method === "end") callBack(args, error);
    return { result: method === "write" ? false : method === "flushHeaders" ? undefined : res };
  };
}

/**
 * Answers with `onError`, the framework's error handler, or the built-in page. With `methods` given,
 * the response itself is closed to the old handler, and the page is written past it.
 */
export function answer(
  req: object,
  res: Response,
  error: unknown,
  owner: Answerer,
  methods: Methods | undefined,
  broken: (error: unknown) => void,
): void {
  const target = methods === undefined ? res : viewPast(res, methods);
  const giveUp = (): void => {
    if (res.headersSent) res.destroy();
    else writePage(target, 500);
  };
  const { onError, next } = owner;
  if (onError !== undefined) {
    void (async () => onError(error, req, target))().catch(giveUp).catch(broken);
  } else if (next !== undefined && methods === undefined) {
    try {
      next(error);
    } catch {
      // Polka 0.5 takes `error.code` for the status; whatever it was, the client gets our page.
      if (res.headersSent) res.destroy();
      else writePage(target, statusFor(error), error);
    }
  } else {
    writePage(target, statusFor(error), error);
  }
}

/** The response as the error page's author sees it: its methods work, whatever is laid over them. */
function viewPast(res: Response, methods: Methods): Response {
  const past = new Map<PropertyKey, unknown>();
  for (const [name, method] of Object.entries(methods)) {
    past.set(name, (...args: unknown[]) => {
      const outer = answering;
      answering = res;
      try {
        const result = method.apply(res, args);
        return result === res ? view : result;
      } finally {
        answering = outer;
      }
    });
  }
  const view: Response = new Proxy(res, {
    get: (target, name): unknown => past.get(name) ?? Reflect.get(target, name, target),
    set: (target, name, value) => Reflect.set(target, name, value, target),
  });
  return view;
}

// Describe a body that does not leave.
const entityHeaders = [
  "Accept-Ranges",
  "Content-Disposition",
  "Content-Encoding",
  "Content-Language",
  "Content-Range",
  "ETag",
  "Expires",
  "Last-Modified",
  "Location",
  "Trailer",
  "Transfer-Encoding",
];

/** The built-in page: says what, not why (ASVS 16.5.1: no internal detail in error messages). */
export function writePage(res: Response, status: number, error?: unknown): void {
  const reason = reasonOf(status);
  const body = `${status} ${reason}\n`;
  for (const name of entityHeaders) if (res.hasHeader(name)) res.removeHeader(name);
  res.statusCode = status;
  if (streamOf(res) === undefined) res.statusMessage = reason;
  res.setHeader("Content-Type", "text/plain; charset=utf-8");
  res.setHeader("Content-Length", Buffer.byteLength(body));
  res.setHeader("Cache-Control", "no-store");
  res.setHeader("X-Content-Type-Options", "nosniff");
  if (status === 503 && error instanceof SessionError) res.setHeader("Retry-After", "1");
  res.end(body);
}
