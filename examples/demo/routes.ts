/** What the demo does with a session: the part to read first. */
import { randomBytes } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";

// For `import { type SessionManager } from "scs-session"`; the demo runs without a build.
import type { SessionManager } from "../../src/index.ts";
import { fingerprint } from "./fingerprint.ts";
import { pageHeaders, readForm, refuseCrossSite, Refused, secureHeaders } from "./guard.ts";
import type { RequestLog } from "./log.ts";
import { tabs } from "./page/actions.ts";
import { renderPage } from "./page/document.ts";
import { requestRows } from "./page/requests.ts";
import type { About, LogView, Problem, SessionView } from "./page/view.ts";

/** What our sessions hold. */
export type Data = {
  message: string;
  visits: number;
  user: string;
  flash: string;
  counter: number;
  /** Fingerprint of the token before the last login. */
  before: string;
};

type Handler = (request: IncomingMessage, response: ServerResponse) => Promise<void> | void;

/** The request listener; give it to `sessionHandler`. */
export function createRoutes(
  sessions: SessionManager<Data>,
  about: About,
  log: RequestLog,
): Handler {
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
    const before = fingerprint(request.headers.cookie, about.cookie);
    if (!session.isNew) session.set("before", before);
    session.renewToken(); // with every change of rights, or a token planted before the login lives on
    session.set("user", name);
    const welcome = `Welcome, ${name}.`;
    session.set("flash", session.isNew ? welcome : `${welcome} The old token opens nothing now.`);
    redirect(response, "/");
  };

  const logout: Handler = async (request, response) => {
    const session = await sessions.load(request);
    session.destroy();
    redirect(response, "/?ended");
  };

  // Every tab has read the counter before the first one adds to it: the worst case of a race.
  const race: Handler = async (request, response) => {
    const cookie = request.headers.cookie;
    const racing = await Promise.all(
      Array.from({ length: tabs }, () => sessions.loadCookie(cookie)),
    );
    if (racing.some((tab) => tab.isNew)) return redirect(response, "/");
    const before = racing[0]?.get("counter") ?? 0;
    for (const tab of racing) tab.update("counter", (count) => (count ?? 0) + 1);
    await Promise.all(racing.map((tab) => tab.commit()));
    const session = await sessions.load(request);
    const after = session.get("counter") ?? 0;
    const kept = `${after - before} of ${tabs} increments were kept.`;
    session.set("flash", `${tabs} tabs read ${before} and each added one: ${after}. ${kept}`);
    redirect(response, "/");
  };

  /** What live.ts asks for: the list, if it is newer. The session is not loaded for it. */
  const requests: Handler = (request, response) => {
    const query = new URL(request.url ?? "/", "http://localhost").searchParams;
    response.setHeader("Cache-Control", "no-store");
    response.setHeader("Log-Version", log.version);
    if (query.get("version") === String(log.version)) {
      response.statusCode = 204;
      return void response.end();
    }
    const view = logView(query.get("session") ?? undefined, Number(query.get("seen")) || 0);
    response.setHeader("Content-Type", "text/html; charset=utf-8");
    response.end(requestRows(view).text);
  };

  function logView(session: string | undefined, seen: number): LogView {
    const entries = log.newest(14);
    return { entries, version: log.version, own: log.current, session, seen };
  }

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
      const act = how.act === true;
      if (act) session.update("visits", (count) => (count ?? 0) + 1);
      const flash = act ? session.pop("flash") : undefined;
      const before = act ? session.pop("before") : undefined;
      // The end of the response would do it. Earlier, so that the page shows this write as well.
      await session.commit();
      view = {
        flash,
        before,
        user: session.get("user"),
        visits: session.get("visits") ?? 0,
        entries: [...session.keys()].map((key) => [key, JSON.stringify(session.get(key))]),
        id: session.id,
        fingerprint: fingerprint(request.headers.cookie, about.cookie),
        createdAt: session.createdAt,
        deadline: session.deadline,
      };
    }
    const nonce = randomBytes(18).toString("base64");
    response.statusCode = how.problem === undefined ? 200 : 422;
    pageHeaders(response, nonce);
    const ended = request.url === "/?ended";
    const host = request.headers.host ?? `localhost:${request.socket.localPort ?? 0}`;
    const page = { session: view, problem: how.problem, ended, host, nonce };
    response.end(renderPage({ ...about, ...page, log: logView(view?.id, 0) }));
  }

  const table: Record<string, Record<string, Handler>> = {
    "/": { GET: home, HEAD: home },
    "/start": { POST: start },
    "/message": { POST: message },
    "/flash": { POST: flash },
    "/login": { POST: login },
    ...(about.keepsAll ? { "/race": { POST: race } } : {}),
    "/logout": { POST: logout },
    "/log": { GET: requests },
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
