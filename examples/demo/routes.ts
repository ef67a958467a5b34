/** What the demo does with a session: the part to read first. */
import { randomBytes } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";

// For `import { type SessionManager } from "scs-session"`; the demo runs without a build.
import type { SessionManager } from "../../src/index.ts";
import { pageHeaders, readForm, refuseCrossSite, Refused, secureHeaders } from "./guard.ts";
import { renderPage, type Problem, type SessionView } from "./page.ts";

/** What our sessions hold. */
export type Data = {
  message: string;
  visits: number;
  user: string;
  flash: string;
};

/** What the pages tell about the server. */
export interface About {
  /** The engine's name. */
  readonly store: string;
  /** In ms, as given to the manager. */
  readonly lifetime: number;
  /** In ms, as given to the manager. */
  readonly idleTimeout: number;
}

type Handler = (request: IncomingMessage, response: ServerResponse) => Promise<void> | void;

/** The request listener; give it to `sessionHandler`. */
export function createRoutes(sessions: SessionManager<Data>, about: About): Handler {
  const home: Handler = async (request, response) => {
    // HEAD is safe (RFC 9110 section 9.2.1): it must not count a visit nor eat the flash message.
    await showHome(request, response, { act: request.method !== "HEAD" });
  };

  const start: Handler = async (request, response) => {
    const session = await sessions.load(request);
    session.set("flash", "Your session has begun.");
    redirect(response, "/");
  };

  const message: Handler = async (request, response) => {
    const text = field(await readForm(request), "message", 200);
    if (text === undefined) return showHome(request, response, { problem: "message" });
    const session = await sessions.load(request);
    session.set("message", text);
    redirect(response, "/");
  };

  const flash: Handler = async (request, response) => {
    const session = await sessions.load(request);
    session.set("flash", "This message was read and removed in one go. Reload, and it is gone.");
    redirect(response, "/");
  };

  const login: Handler = async (request, response) => {
    const name = field(await readForm(request), "name", 40);
    if (name === undefined) return showHome(request, response, { problem: "name" });
    const session = await sessions.load(request);
    session.renewToken(); // with every change of rights, or a token planted before the login lives on
    session.set("user", name);
    session.set("flash", `Welcome, ${name}. Your token is new, the old one is dead.`);
    redirect(response, "/");
  };

  const logout: Handler = async (request, response) => {
    const session = await sessions.load(request);
    session.destroy();
    redirect(response, "/?ended");
  };

  // The two that curl tries. A GET that changes something is for demonstrations only, so it passes
  // the same check as a POST.
  const put: Handler = async (request, response) => {
    refuseCrossSite(request);
    const session = await sessions.load(request);
    session.set("message", "Hello from a session!");
    response.end();
  };

  const get: Handler = async (request, response) => {
    const session = await sessions.load(request);
    response.setHeader("Content-Type", "text/plain; charset=utf-8");
    response.end(session.get("message") ?? "");
  };

  async function showHome(
    request: IncomingMessage,
    response: ServerResponse,
    how: { readonly act?: boolean; readonly problem?: Problem },
  ): Promise<void> {
    const session = await sessions.load(request);
    let view: SessionView | undefined;
    // Looking creates no session: several first requests at once would each create their own.
    if (!session.isNew) {
      if (how.act) session.update("visits", (count) => (count ?? 0) + 1);
      view = {
        flash: how.act ? session.pop("flash") : undefined,
        user: session.get("user"),
        visits: session.get("visits") ?? 0,
        entries: [...session.keys()].map((key) => [key, JSON.stringify(session.get(key))]),
        id: session.id,
        createdAt: session.createdAt,
        deadline: session.deadline,
      };
    }
    const nonce = randomBytes(18).toString("base64");
    response.statusCode = how.problem === undefined ? 200 : 422;
    pageHeaders(response, nonce);
    const ended = request.url === "/?ended";
    const port = request.socket.localPort ?? 0;
    response.end(renderPage({ ...about, session: view, problem: how.problem, ended, port, nonce }));
  }

  const table: Record<string, Record<string, Handler>> = {
    "/": { GET: home, HEAD: home },
    "/start": { POST: start },
    "/message": { POST: message },
    "/flash": { POST: flash },
    "/login": { POST: login },
    "/logout": { POST: logout },
    "/put": { GET: put },
    "/get": { GET: get, HEAD: get },
  };

  return async (request, response) => {
    secureHeaders(response);
    try {
      const path = request.url?.split("?", 1)[0] ?? "/";
      const methods = Object.hasOwn(table, path) ? table[path] : undefined;
      if (methods === undefined) throw new Refused(404, "There is nothing here.");
      const method = request.method ?? "GET";
      const handler = Object.hasOwn(methods, method) ? methods[method] : undefined;
      if (handler === undefined) {
        response.setHeader("Allow", Object.keys(methods).join(", "));
        throw new Refused(405, `Not with ${method}.`);
      }
      if (method === "POST") refuseCrossSite(request);
      await handler(request, response);
    } catch (error) {
      if (!(error instanceof Refused)) throw error; // the adapter answers, and nothing is committed
      response.statusCode = error.status;
      response.setHeader("Content-Type", "text/plain; charset=utf-8");
      // What is left of the body is not worth reading.
      if (!request.complete) response.setHeader("Connection", "close");
      response.end(`${error.message}\n`);
    }
  };
}

/** Post, redirect, get (RFC 9110 section 15.4.4): reloading the page repeats no action. */
function redirect(response: ServerResponse, location: string): void {
  response.writeHead(303, { Location: location });
  response.end();
}

/** A form field, trimmed; undefined when it is empty or longer than `max` characters. */
function field(form: URLSearchParams, name: string, max: number): string | undefined {
  const text = form.get(name)?.trim() ?? "";
  return text === "" || text.length > max ? undefined : text;
}
