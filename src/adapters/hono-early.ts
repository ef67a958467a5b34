/**
 * Responses as the methods of Hono's context make them: what is known of the session's headers is put
 * on them there and then, while nobody else holds them. After the handler only a copy could be given
 * headers, since a response may be shared between requests, and a copy costs 15 us on Node.
 *
 * Not with `c.header()`: where some middleware has looked at `c.res`, Hono merges what was set there
 * into the handler's response afterwards, over the headers that the handler gave it.
 */
import { slot } from "../slot.ts";
import type { WebHead } from "./web-head.ts";

type Make = (...args: unknown[]) => unknown;

/** What Hono's context makes responses with. */
interface Makers {
  text?: unknown;
  json?: unknown;
  html?: unknown;
  body?: unknown;
  newResponse?: unknown;
}

/** Those that have come out of such a method before: somebody keeps them. */
const seen = slot<true>();

/** From now on the context's methods give `head` each response that they make. */
export function watch(c: object, head: WebHead): void {
  // One by one: a loop over names would cost more than all of them.
  const makers: Makers = c;
  const { text, json, html, body, newResponse } = makers;
  if (isMethod(text)) makers.text = watched(c, text, head);
  if (isMethod(json)) makers.json = watched(c, json, head);
  if (isMethod(html)) makers.html = watched(c, html, head);
  if (isMethod(body)) makers.body = watched(c, body, head);
  if (isMethod(newResponse)) makers.newResponse = watched(c, newResponse, head);
}

function isMethod(value: unknown): value is Make {
  return typeof value === "function";
}

function watched(c: object, make: Make, head: WebHead): Make {
  return (...args) => {
    const made = Reflect.apply(make, c, args);
    // `c.html()` of a component is a promise.
    return made instanceof Promise
      ? made.then((response: unknown) => fresh(response, head))
      : fresh(made, head);
  };
}

function fresh(made: unknown, head: WebHead): unknown {
  if (made instanceof Response && seen.get(made) === undefined) {
    seen.set(made, true);
    head.dressEarly(made);
  }
  return made;
}
