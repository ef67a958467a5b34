/** What every adapter must do where a session travels in cookies: several of them, decided at the head. */
import type { Behaviour } from "./behaviours.ts";
import { equal, ok } from "./expect.ts";
import { noCookie } from "./site.ts";

/** The cookies after a response, as a browser keeps them. */
function kept(cookies: ReadonlyMap<string, string>, response: Response): Map<string, string> {
  const after = new Map(cookies);
  for (const line of response.headers.getSetCookie()) {
    const [pair = ""] = line.split(";");
    const at = pair.indexOf("=");
    if (/; max-age=0/i.test(line)) after.delete(pair.slice(0, at));
    else after.set(pair.slice(0, at), pair.slice(at + 1));
  }
  return after;
}

function header(cookies: ReadonlyMap<string, string>): string {
  return Array.from(cookies, ([name, value]) => `${name}=${value}`).join("; ");
}

const none: ReadonlyMap<string, string> = new Map();

export const travelling: readonly Behaviour[] = [
  {
    name: "a session in several cookies arrives, shrinks and ends",
    async run(site) {
      site.own["/big"] = async ({ request, respond }, sessions) => {
        (await sessions.load(request)).set("text", "x".repeat(8000));
        return respond({ status: 303, headers: { Location: "/get", "Set-Cookie": "own=1" } });
      };
      const big = await site.ask("/big");
      equal(big.status, 303, "the status");
      let cookies = kept(none, big);
      equal(cookies.get("own"), "1", "the handler's own cookie");
      cookies.delete("own");
      equal([...cookies.keys()], ["session", "session.1", "session.2"], "names");
      equal(big.headers.get("cache-control"), "no-store", "Cache-Control");
      const read = await site.ask("/get", header(cookies));
      equal((await read.text()).length, 8000, "the length of the text");
      noCookie(read);
      cookies = kept(cookies, await site.ask("/put", header(cookies)));
      equal([...cookies.keys()], ["session"], "names once it is small");
      equal(await site.text(header(cookies)), "hello", "the text");
      cookies = kept(cookies, await site.ask("/logout", header(cookies)));
      equal(cookies.size, 0, "cookies after the logout");
    },
  },
  {
    name: "a change of a session in a cookie sends it, with no-store",
    async run(site) {
      const cookie = await site.begin();
      const response = await site.ask("/put", cookie);
      equal(response.headers.getSetCookie().length, 1, "the number of cookies");
      equal(response.headers.get("cache-control"), "no-store", "Cache-Control");
    },
  },
  {
    name: "a session that does not fit is an error, with nothing of the handler's response",
    async run(site) {
      site.own["/huge"] = async ({ request, respond }, sessions) => {
        (await sessions.load(request)).set("text", "x".repeat(20_000));
        return respond({ status: 201, headers: { "X-Handler": "1" }, body: "all is well" });
      };
      const cookie = await site.begin();
      const response = await site.ask("/huge", cookie);
      equal(response.status, 500, "the status");
      noCookie(response);
      equal(response.headers.get("x-handler"), null, "X-Handler");
      ok(!(await response.text()).includes("all is well"), "nothing of the body");
      equal(await site.text(cookie), "hello", "the text");
    },
  },
  {
    name: "a change after the head throws at once, and the response goes on",
    async run(site) {
      let code: unknown;
      site.own["/stream"] = async ({ request, respond }, sessions) => {
        const session = await sessions.load(request);
        async function* body(): AsyncGenerator<string> {
          yield "one ";
          await new Promise((resolve) => setTimeout(resolve, 50));
          try {
            session.set("text", "late");
          } catch (error) {
            ({ code } = error as { code?: unknown });
          }
          yield "two";
        }
        return respond({ body: body() });
      };
      const cookie = await site.begin();
      const response = await site.ask("/stream", cookie);
      noCookie(response);
      equal(await response.text(), "one two", "the body");
      equal(code, "head-sent", "the error's code");
      equal(await site.text(cookie), "hello", "the text");
    },
  },
];
