/**
 * Responses as the methods of Hono's context make them: what is known of the session's headers is put
 * on them there and then, while nobody else holds them. After the handler only a copy could be given
 * headers, since a response may be shared between requests, and a copy costs some 20 us on Node.
 *
 * Not with `c.header()`: where some middleware has looked at `c.res`, Hono merges what was set there
 * into the handler's response afterwards, over the headers that the handler gave it.
 */
import { slot } from "../slot.ts";
import type { WebHead } from "./web-head.ts";
import { copyOf } from "./web-headers.ts";

type Make = (...args: unknown[]) => unknown;

/** What Hono's context makes responses with. */
interface Makers {
  text?: unknown;
  json?: unknown;
  html?: unknown;
  body?: unknown;
  newResponse?: unknown;
}

/** What a response was made from, where that is a text or nothing at all. */
const bodies = slot<string | null>();

/** From now on the context's methods give `head` each response that they make. */
export function watch(c: object, head: WebHead): void {
  // One by one: a loop over names would cost more than all of them.
  const makers: Makers = c;
  const { text, json, html, body, newResponse } = makers;
  if (isMethod(text)) makers.text = watched(c, "text", text, head);
  if (isMethod(json)) makers.json = watched(c, "json", json, head);
  if (isMethod(html)) makers.html = watched(c, "html", html, head);
  if (isMethod(body)) makers.body = watched(c, "body", body, head);
  if (isMethod(newResponse)) makers.newResponse = watched(c, "newResponse", newResponse, head);
}

function isMethod(value: unknown): value is Make {
  return typeof value === "function";
}

function watched(c: object, name: keyof Makers, make: Make, head: WebHead): Make {
  return (...args) => {
    const made = Reflect.apply(make, c, args);
    if (!isOriginal(c, name, make)) return made;
    // `c.html()` of a component is a promise, and its body is not what was given.
    if (made instanceof Promise) {
      return made.then((response: Response) => {
        head.dressEarly(response);
        return response;
      });
    }
    const response = made as Response;
    const given = args[0];
    if (name !== "json" && (typeof given === "string" || given === null)) {
      bodies.set(response, given);
    }
    head.dressEarly(response);
    return response;
  };
}

/**
 * A copy of a response, with the text that it was made from where that is known. Its `body` would be a
 * stream, which costs 20 us to make and to read on Hono's Node server, and can be read once.
 */
export function copyOfMade(response: Response): Response {
  const body = bodies.get(response);
  return body === undefined ? copyOf(response) : new Response(body, response);
}

/** The text of Hono's methods, by the class of its contexts. */
const texts = slot<Readonly<Partial<Record<keyof Makers, string>>>>();

/**
 * Whether the method is the one that Hono gave the context: it makes a new response, and takes its
 * first argument for the body. Middleware may have put another in its place, one that shortens pages,
 * say, or keeps them. Hono's are made anew for each context, but all from one text; and as that
 * calls a private method, nobody can write it outside of Hono's class. (In some older Hono 4 it calls a public
 * one, that may have been replaced too: then responses are copied as they are for everybody else.)
 */
function isOriginal(c: object, name: keyof Makers, make: Make): boolean {
  const Context: unknown = c.constructor;
  if (!isMethod(Context)) return false;
  let known = texts.get(Context);
  if (known === undefined) {
    known = textsOf(Context);
    texts.set(Context, known);
  }
  return known[name] === String(make);
}

function textsOf(Context: Make): Partial<Record<keyof Makers, string>> {
  try {
    const { text, json, html, body, newResponse } = Reflect.construct(Context, [{}]) as Makers;
    const all = { text, json, html, body, newResponse };
    const own = Object.entries(all).map(([name, make]) => [name, String(make)] as const);
    return Object.fromEntries(own.filter(([, made]) => made.includes("this.#newResponse(")));
  } catch {
    return {};
  }
}
