/** What every adapter must do: each a small program of requests over a real socket. */
import { equal, ok, present } from "./expect.ts";
import { type AdapterSessions, cookieOf, noCookie, type Site } from "./site.ts";

/** One behaviour, registered as one test. */
export interface Behaviour {
  readonly name: string;
  /** The managers to mount, instead of the site's one. */
  managers?(site: Site): readonly AdapterSessions[];
  /** Only where the engine keeps the records: not where sessions travel in cookies. */
  readonly records?: boolean;
  run(site: Site): Promise<void>;
}

const header = (response: Response, name: string): string | null => response.headers.get(name);

function listed(response: Response, name: string, item: string): number {
  const items = (header(response, name) ?? "").split(",").map((part) => part.trim().toLowerCase());
  return items.filter((part) => part === item.toLowerCase()).length;
}

async function* pieces(...texts: string[]): AsyncGenerator<string> {
  for (const text of texts) {
    await Promise.resolve();
    yield text;
  }
}

const basics: readonly Behaviour[] = [
  {
    name: "an untouched request calls no store and changes no header",
    async run(site) {
      const cookie = await site.begin();
      const before = { ...site.store.calls };
      const response = await site.ask("/untouched", cookie);
      equal(await response.text(), "untouched", "the body");
      equal({ ...site.store.calls }, before, "the store's calls");
      noCookie(response);
      equal(listed(response, "vary", "cookie"), 0, "Vary: Cookie");
      ok(
        !(header(response, "cache-control") ?? "").includes("private"),
        "no Cache-Control of ours",
      );
    },
  },
  {
    name: "what one response acknowledged, the next request reads (G3)",
    async run(site) {
      const response = await site.ask("/put");
      const cookie = cookieOf(response);
      equal(listed(response, "cache-control", "no-store"), 1, "no-store");
      equal(listed(response, "vary", "cookie"), 1, "Vary: Cookie");
      const read = await site.ask("/get", cookie);
      equal(await read.text(), "hello", "the text");
      noCookie(read);
      equal(listed(read, "vary", "cookie"), 1, "Vary: Cookie");
      equal(listed(read, "cache-control", "private"), 1, "private");
    },
  },
  {
    name: "a read without a session has Vary, and is not private",
    async run(site) {
      const response = await site.ask("/get");
      equal(await response.text(), "nothing", "the text");
      noCookie(response);
      equal(listed(response, "vary", "cookie"), 1, "Vary: Cookie");
      equal(listed(response, "cache-control", "private"), 0, "private");
    },
  },
  {
    name: "the handler's Vary and Cache-Control are merged, not replaced",
    async run(site) {
      site.own["/cached"] = async ({ request, respond }, sessions) => {
        await sessions.load(request);
        return respond({ headers: { Vary: "X-Own", "Cache-Control": "max-age=7" }, body: "x" });
      };
      const response = await site.ask("/cached", await site.begin());
      equal(listed(response, "vary", "cookie"), 1, "Vary: Cookie");
      equal(listed(response, "vary", "x-own"), 1, "Vary: X-Own");
      equal(header(response, "cache-control"), "max-age=7", "Cache-Control");
    },
  },
  {
    name: "load twice is one store call and the same object, also at the same time",
    records: true,
    async run(site) {
      site.own["/twice"] = async ({ request, respond }, sessions) => {
        const [a, b] = await Promise.all([sessions.load(request), sessions.load(request)]);
        return respond({ body: String(a === b && a === (await sessions.load(request))) });
      };
      const cookie = await site.begin();
      const before = site.store.calls.load;
      equal(await (await site.ask("/twice", cookie)).text(), "true", "the same object");
      equal(site.store.calls.load - before, 1, "loads");
    },
  },
  {
    name: "a change of an existing session sends no cookie",
    records: true,
    async run(site) {
      const cookie = await site.begin();
      noCookie(await site.ask("/put", cookie));
    },
  },
  {
    name: "a redirect carries the cookie, and the session is stored before it",
    async run(site) {
      site.own["/login"] = async ({ request, respond }, sessions) => {
        (await sessions.load(request)).set("text", "redirected");
        return respond({ status: 302, headers: { Location: "/get" } });
      };
      const response = await site.ask("/login");
      equal(response.status, 302, "the status");
      equal(header(response, "location"), "/get", "Location");
      equal(await site.text(cookieOf(response)), "redirected", "the text");
    },
  },
  {
    name: "logout clears the cookie and ends the session (G2)",
    async run(site) {
      const cookie = await site.begin();
      const response = await site.ask("/logout", cookie);
      ok(
        /max-age=0|expires=thu, 01 jan 1970/i.test(header(response, "set-cookie") ?? ""),
        "cleared",
      );
      equal(await site.text(cookie), "nothing", "the text");
    },
  },
  {
    name: "204, 304 and HEAD carry the cookie",
    async run(site) {
      for (const status of [204, 304]) {
        site.own["/empty"] = async ({ request, respond }, sessions) => {
          (await sessions.load(request)).set("text", "empty");
          return respond({ status });
        };
        const response = await site.ask("/empty");
        equal(response.status, status, "the status");
        equal(await site.text(cookieOf(response)), "empty", "the text");
      }
      equal(await site.text(cookieOf(await site.ask("/put", undefined, "HEAD"))), "hello", "HEAD");
    },
  },
  {
    name: "a streamed body starts after the change before it is stored",
    async run(site) {
      site.own["/stream"] = async ({ request, respond }, sessions) => {
        (await sessions.load(request)).set("text", "streamed");
        return respond({ body: pieces("one ", "two ", "three") });
      };
      const response = await site.ask("/stream");
      const cookie = cookieOf(response);
      equal(await site.text(cookie), "streamed", "the text");
      equal(await response.text(), "one two three", "the body");
    },
  },
];

const failures: readonly Behaviour[] = [
  {
    name: "a status of 500 and above rolls back",
    async run(site) {
      site.own["/500"] = async ({ request, respond }, sessions) => {
        (await sessions.load(request)).set("text", "half done");
        return respond({ status: 500, body: "oops" });
      };
      const cookie = await site.begin();
      equal((await site.ask("/500", cookie)).status, 500, "the status");
      equal(await site.text(cookie), "hello", "the text");
      noCookie(await site.ask("/500"));
      ok(
        site.events.some(({ type }) => type === "rolled-back"),
        "an event",
      );
    },
  },
  {
    name: "a throw rolls back",
    async run(site) {
      site.own["/throw"] = async ({ request }, sessions) => {
        (await sessions.load(request)).set("text", "half done");
        throw new Error("planted");
      };
      const cookie = await site.begin();
      equal((await site.ask("/throw", cookie)).status, 500, "the status");
      equal(await site.text(cookie), "hello", "the text");
    },
  },
  {
    name: "destroy stands on 500",
    async run(site) {
      site.own["/500"] = async ({ request, respond }, sessions) => {
        (await sessions.load(request)).destroy();
        return respond({ status: 500, body: "oops" });
      };
      const cookie = await site.begin();
      equal((await site.ask("/500", cookie)).status, 500, "the status");
      equal(await site.text(cookie), "nothing", "the text");
    },
  },
  {
    name: "what was committed explicitly survives a 500, cookie included",
    async run(site) {
      site.own["/500"] = async ({ request, respond }, sessions) => {
        const session = await sessions.load(request);
        session.set("text", "kept");
        await session.commit();
        session.set("text", "dropped");
        return respond({ status: 500, body: "oops" });
      };
      const response = await site.ask("/500");
      equal(await site.text(cookieOf(response)), "kept", "the text");
    },
  },
  {
    name: "a failed commit is a 503 with nothing of the handler's response",
    records: true,
    async run(site) {
      site.own["/change"] = async ({ request, respond }, sessions) => {
        (await sessions.load(request)).set("text", "lost");
        const headers = { "X-Handler": "1", ETag: '"1"', "Set-Cookie": "handler=1" };
        return respond({ status: 201, headers, body: "all is well" });
      };
      const cookie = await site.begin();
      site.breaks("create", "update");
      for (const sent of [undefined, cookie]) {
        const response = await site.ask("/change", sent);
        equal(response.status, 503, "the status");
        noCookie(response);
        equal(header(response, "x-handler"), null, "X-Handler");
        equal(header(response, "etag") === '"1"', false, "the handler's ETag");
        ok(!(await response.text()).includes("all is well"), "nothing of the body");
      }
      equal(await site.text(cookie), "hello", "the text");
    },
  },
  {
    name: "a failed commit under a streamed body is a 503 too",
    records: true,
    async run(site) {
      site.own["/stream"] = async ({ request, respond }, sessions) => {
        (await sessions.load(request)).set("text", "lost");
        return respond({ body: pieces("one", "two") });
      };
      site.breaks("create");
      const response = await site.ask("/stream");
      equal(response.status, 503, "the status");
      ok(!/one|two/.test(await response.text()), "nothing of the body");
    },
  },
  {
    name: "a store that is down: 503 where a session is used, nothing elsewhere",
    async run(site) {
      const cookie = await site.begin();
      site.breaks("load");
      equal((await site.ask("/get", cookie)).status, 503, "with a session");
      equal((await site.ask("/untouched", cookie)).status, 200, "without");
    },
  },
];

const overlaps: readonly Behaviour[] = [
  {
    name: "concurrent requests on one session keep all changes (G1)",
    records: true,
    async run(site) {
      const count = 12;
      for (let i = 0; i < count; i++) {
        site.own[`/key${i}`] = async ({ request, respond }, sessions) => {
          const session = await sessions.load(request);
          session.set(`key${i}`, i);
          session.update("visits", (visits) => (visits ?? 0) + 1);
          return respond({ body: "stored" });
        };
      }
      site.own["/sum"] = async ({ request, respond }, sessions) => {
        const session = await sessions.load(request);
        const kept = session.keys().filter((key) => key.startsWith("key")).length;
        return respond({ body: `${kept} ${session.get("visits") ?? 0}` });
      };
      const cookie = await site.begin();
      const paths = Array.from({ length: count }, (_, i) => `/key${i}`);
      const answers = await Promise.all(paths.map((path) => site.ask(path, cookie)));
      for (const { status } of answers) equal(status, 200, "the status");
      equal(await (await site.ask("/sum", cookie)).text(), `${count} ${count}`, "keys and visits");
    },
  },
  {
    name: "a slow writer does not bring back a session that logged out (G2, G6)",
    async run(site) {
      let loaded = (): void => {};
      let go = (): void => {};
      const isLoaded = new Promise<void>((resolve) => (loaded = resolve));
      const mayGo = new Promise<void>((resolve) => (go = resolve));
      site.own["/slow"] = async ({ request, respond }, sessions) => {
        const session = await sessions.load(request);
        loaded();
        await mayGo;
        session.set("text", "too late");
        return respond({ body: "stored" });
      };
      const cookie = await site.begin();
      const slow = site.ask("/slow", cookie);
      await isLoaded;
      equal((await site.ask("/logout", cookie)).status, 200, "the logout");
      go();
      const response = await slow;
      equal(response.status, 409, "the slow writer");
      noCookie(response);
      equal(await site.text(cookie), "nothing", "the text");
    },
  },
  {
    name: "two managers in one request: two cookies, one Vary",
    managers: (site) => [site.sessions, site.second],
    async run(site) {
      site.own["/both"] = async ({ request, respond }, sessions) => {
        (await sessions.load(request)).set("text", "first");
        (await site.second.load(request)).set("text", "second");
        return respond({ body: "stored" });
      };
      site.own["/read"] = async ({ request, respond }, sessions) => {
        const texts = [sessions, site.second].map(async (one) =>
          (await one.load(request)).get("text"),
        );
        return respond({ body: (await Promise.all(texts)).join() });
      };
      const response = await site.ask("/both");
      const cookies = response.headers.getSetCookie().map((cookie) => cookie.split(";")[0] ?? "");
      equal(
        cookies.map((cookie) => present(cookie.split("=")[0], "a name")).sort(),
        ["second", "session"],
        "names",
      );
      equal(listed(response, "vary", "cookie"), 1, "Vary: Cookie");
      equal(
        await (await site.ask("/read", cookies.join("; "))).text(),
        "first,second",
        "the texts",
      );
    },
  },
];

export const behaviours: readonly Behaviour[] = [...basics, ...failures, ...overlaps];
