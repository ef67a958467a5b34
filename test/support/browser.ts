/** A site on the fetch adapter, and a browser's cookie jar in front of it. */
import assert from "node:assert/strict";
import { sessionHandler } from "../../src/adapters/web.ts";
import type { SessionEvent } from "../../src/events.ts";
import { SessionManager } from "../../src/manager.ts";
import type { Options } from "../../src/options.ts";
import type { Session } from "../../src/session.ts";

/** What the sites of these tests keep. */
export interface Data {
  text: string;
  user: string;
  n: number;
  big: string;
}

type Handler = (session: Session<Data>, request: Request) => unknown;

export class Site {
  readonly events: SessionEvent[] = [];
  readonly sessions: SessionManager<Data>;
  readonly #fetch: (request: Request) => Promise<Response>;
  #next: Handler = () => {};
  #status = 200;

  constructor(options: Options<Data>) {
    this.sessions = new SessionManager<Data>({
      development: true,
      onEvent: (event) => this.events.push(event),
      ...options,
    });
    this.#fetch = sessionHandler(this.sessions, async (request) => {
      const [handler, status] = [this.#next, this.#status];
      const session = await this.sessions.load(request);
      const body = await handler(session, request);
      return new Response(status === 204 ? null : String(body), { status });
    });
  }

  /** One request with this Cookie header; `handler` is its handler. */
  async ask(
    cookie: string | undefined,
    handler: Handler = (session) => session.get("text"),
    status = 200,
  ): Promise<{ response: Response; body: string; set: readonly string[] }> {
    this.#next = handler;
    this.#status = status;
    const headers: Record<string, string> = cookie === undefined ? {} : { cookie };
    const response = await this.#fetch(new Request("http://localhost/", { headers }));
    return { response, body: await response.text(), set: response.headers.getSetCookie() };
  }

  /** The types of the events, with the reasons of refused cookies. */
  get seen(): readonly string[] {
    return this.events.map((event) =>
      event.type === "rejected-cookie" ? `${event.type}: ${event.reason}` : event.type,
    );
  }
}

/** A browser, as far as one host and the path `/` go. */
export class Browser {
  readonly cookies = new Map<string, string>();
  readonly #site: Site;

  constructor(site: Site) {
    this.#site = site;
  }

  get header(): string | undefined {
    if (this.cookies.size === 0) return undefined;
    return Array.from(this.cookies, ([name, value]) => `${name}=${value}`).join("; ");
  }

  async ask(
    handler?: Handler,
    status?: number,
  ): Promise<{ response: Response; body: string; set: readonly string[] }> {
    const answer = await this.#site.ask(this.header, handler, status);
    this.take(answer.set);
    return answer;
  }

  /** Stores what a response sets, as a browser does; it must keep all of it. */
  take(set: readonly string[]): void {
    for (const line of set) {
      const [pair = "", ...attributes] = line.split("; ");
      const at = pair.indexOf("=");
      const [name, value] = [pair.slice(0, at), pair.slice(at + 1)];
      assert.ok(pair.length - 1 <= 4096, `${name} has ${pair.length - 1} bytes`);
      if (attributes.includes("Max-Age=0")) this.cookies.delete(name);
      else this.cookies.set(name, value);
    }
  }

  copy(): Browser {
    const browser = new Browser(this.#site);
    for (const [name, value] of this.cookies) browser.cookies.set(name, value);
    return browser;
  }
}
