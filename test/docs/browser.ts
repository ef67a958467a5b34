/** A small browser for the checks in the documentation: keeps cookies, posts forms, follows nothing. */
import type { AddressInfo } from "node:net";
import { createServer, type RequestListener } from "node:http";

type App = (request: Request) => Response | Promise<Response>;

export interface Browser {
  get(path: string, headers?: Record<string, string>): Promise<Response>;
  post(
    path: string,
    form?: Record<string, string>,
    headers?: Record<string, string>,
  ): Promise<Response>;
  send(path: string, init: RequestInit, headers?: Record<string, string>): Promise<Response>;
  /** Name to value. */
  readonly cookies: Map<string, string>;
}

/** A browser with an empty cookie jar, in front of a `(Request) => Response`. */
export function browser(app: App, origin: string = "http://localhost"): Browser {
  const cookies = new Map<string, string>();
  const send = async (
    path: string,
    init: RequestInit,
    headers: Record<string, string> = {},
  ): Promise<Response> => {
    const request = new Request(new URL(path, origin), { ...init, redirect: "manual" });
    for (const [name, value] of Object.entries(headers)) request.headers.set(name, value);
    if (cookies.size > 0) {
      request.headers.set(
        "cookie",
        [...cookies].map(([name, value]) => `${name}=${value}`).join("; "),
      );
    }
    const response = await app(request);
    for (const line of response.headers.getSetCookie()) {
      const [, name = "", value = ""] = /^([^=]+)=([^;]*)/.exec(line) ?? [];
      if (name === "") continue; // RFC 6265bis section 5.7: neither name nor value, ignored
      if (/; Max-Age=0(;|$)/.test(line)) cookies.delete(name);
      else cookies.set(name, value);
    }
    return response;
  };
  return {
    cookies,
    send,
    get: (path, headers = {}) => send(path, {}, headers),
    post: (path, form = {}, headers = {}) =>
      send(path, { method: "POST", body: new URLSearchParams(form) }, headers),
  };
}

/** The same in front of a Node listener or Express app, on a real socket; `use` gets the browser. */
export async function served(
  listener: RequestListener,
  use: (browser: Browser) => Promise<void>,
): Promise<void> {
  const server = createServer(listener).listen(0, "127.0.0.1");
  try {
    await new Promise((resolve) => server.once("listening", resolve));
    const { port } = server.address() as AddressInfo;
    await use(browser((request) => fetch(request), `http://127.0.0.1:${port}`));
  } finally {
    server.close();
    server.closeAllConnections();
  }
}
