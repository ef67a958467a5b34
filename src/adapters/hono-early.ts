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

/** How a response came about: it is not touched a second time, since somebody keeps it. */
interface Made {
  readonly Context: Make;
  readonly name: keyof Makers;
  readonly make: Make;
  readonly given: unknown;
}

const known = slot<Made>();

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
  const Context = c.constructor as Make;
  const fresh = (response: unknown, given: unknown): unknown => {
    if (response instanceof Response && known.get(response) === undefined) {
      known.set(response, { Context, name, make, given });
      head.dressEarly(response);
    }
    return response;
  };
  return (...args) => {
    const made = Reflect.apply(make, c, args);
    // `c.html()` of a component is a promise, and its body is not what was given.
    return made instanceof Promise
      ? made.then((response: unknown) => fresh(response, undefined))
      : fresh(made, args[0]);
  };
}

/**
 * A copy of a response, with the text that it was made from where that is known. Its `body` would be a
 * stream, which costs 20 us to make and to read on Hono's Node server, and can be read once.
 */
export function copyOfMade(response: Response): Response {
  const body = bodyOf(known.get(response));
  return body === undefined ? copyOf(response) : new Response(body, response);
}

function bodyOf(made: Made | undefined): string | null | undefined {
  if (made === undefined || made.name === "json") return undefined;
  const { given } = made;
  if (typeof given !== "string" && given !== null) return undefined;
  return isOriginal(made) ? given : undefined;
}

/** The text of Hono's methods, by the class of its contexts. */
const texts = slot<Readonly<Partial<Record<keyof Makers, string>>>>();

/**
 * Whether the method is the one that Hono gave the context, which takes its first argument for the
 * body. Middleware may have put another in its place, one that shortens pages, say. Hono's are made
 * anew for each context, but all from one text; and as that uses private members, nobody can write it
 * outside of Hono's class.
 */
function isOriginal({ Context, name, make }: Made): boolean {
  const text = String(make);
  if (!text.includes("this.#")) return false;
  let known = texts.get(Context);
  if (known === undefined) {
    known = textsOf(Context);
    texts.set(Context, known);
  }
  return known[name] === text;
}

function textsOf(Context: Make): Partial<Record<keyof Makers, string>> {
  try {
    const { text, html, body, newResponse } = Reflect.construct(Context, [{}]) as Makers;
    return {
      text: String(text),
      html: String(html),
      body: String(body),
      newResponse: String(newResponse),
    };
  } catch {
    return {};
  }
}
