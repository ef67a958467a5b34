/** What a browser keeps: the largest cookie, several of them, and none that is larger by a byte. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { after, before, describe, test } from "node:test";
import type { Browser, Page } from "playwright-core";
import { sessionHandler } from "../../src/adapters/web.ts";
import { SessionManager } from "../../src/index.ts";
import { CookieStore } from "../../src/stores/cookie.ts";
import { patience } from "./chromium.ts";
import { brief } from "./matrix.ts";
import { serve, type Site } from "./site.ts";

/** RFC 6265bis section 5.6: name and value together, in octets; attributes do not count. */
const limit = 4096;

/** For all partitioned cookies of one site in one partition; no specification names it. */
const partition = 10_240;

export function sizeTests(running: () => Browser): void {
  describe("cookie sizes", { concurrency: 1 }, () => {
    let page: Page;
    let site: Site;
    let offered: readonly string[] = [];

    before(async () => {
      page = await running().newPage();
      page.setDefaultTimeout(patience);
      site = await serve((request, response) => {
        response.setHeader("Cache-Control", "no-store");
        if (request.url === "/set") {
          const attributes = "; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=3600";
          response.setHeader(
            "Set-Cookie",
            offered.map((cookie) => cookie + attributes),
          );
        }
        response.end(request.url === "/get" ? request.headers.cookie : undefined);
      });
    });
    after(async () => {
      await page?.context().close();
      await site?.close();
    });

    /** What comes back after these cookies were offered in one response. */
    async function kept(cookies: readonly string[], more: string = ""): Promise<string[]> {
      await page.context().clearCookies();
      offered = cookies.map((cookie) => cookie + more);
      await page.goto(site.at("app.example.test", "/set"));
      const got = await page.goto(site.at("app.example.test", "/get"));
      return ((await got?.text()) ?? "").split("; ").filter((pair) => pair !== "");
    }

    const sized = (name: string, octets: number): string =>
      `${name}=${"v".repeat(octets - name.length)}`;

    test("a cookie of 4096 octets comes back whole", async () => {
      for (const name of ["s", "__Host-session", "__Host-Http-session"]) {
        const cookie = sized(name, limit);
        assert.equal(cookie.length, limit + 1, "the equals sign does not count");
        const back = await kept([cookie]);
        assert.deepEqual(back.map(brief), [brief(cookie)]);
        assert.equal(back[0], cookie);
      }
    });

    test("one of 4097 octets is dropped, and takes no other with it", async () => {
      const small = "small=1";
      assert.deepEqual(await kept([sized("__Host-Http-session", limit + 1), small]), [small]);
    });

    for (const count of [2, 3, 5, 16]) {
      test(`${count} cookies of 4096 octets from one response all come back, in order`, async () => {
        const chunks = Array.from({ length: count }, (_, index) =>
          sized(`__Host-Http-session.${index}`, limit),
        );
        const back = await kept(chunks);
        assert.deepEqual(back.map(brief), chunks.map(brief));
        assert.ok(back.every((pair, index) => pair === chunks[index]));
      });
    }

    test("partitioned cookies have 10 240 octets in all; the oldest makes room", async () => {
      const [one, two] = [0, 1].map((index) => sized(`__Host-Http-session.${index}`, limit));
      const rest = partition - 2 * limit;
      const offers = [
        [one!, two!, sized("__Host-Http-session.2", rest)],
        [one!, two!, sized("__Host-Http-session.2", rest + 1)],
      ];
      const [fitting, beyond] = offers as [string[], string[]];
      assert.deepEqual((await kept(fitting, "; Partitioned")).map(brief), fitting.map(brief));
      assert.deepEqual(
        (await kept(beyond, "; Partitioned")).map(brief),
        beyond.slice(1).map(brief),
      );
      assert.deepEqual((await kept(beyond)).map(brief), beyond.map(brief), "not partitioned");
    });

    for (const chunks of [1, 2, 3]) {
      test(`the largest session of the cookie engine, with chunks: ${chunks}, comes back whole`, async (t) => {
        const key = randomBytes(32);
        const sessions = new SessionManager<{ text: string }>({
          store: new CookieStore({ keys: [{ id: "a", key }], chunks, revocations: false }),
          onEvent: () => {}, // looking for the largest one fails on purpose
        });
        const answer = sessionHandler(sessions, async (request) => {
          const session = await sessions.load(request);
          const { pathname, searchParams } = new URL(request.url);
          if (pathname === "/set") {
            session.set("text", "x".repeat(Number(searchParams.get("length"))));
          }
          return new Response(String(session.get("text")?.length ?? 0));
        });
        const fits = async (length: number): Promise<boolean> => {
          const url = `https://app.example.test/set?length=${length}`;
          return (await answer(new Request(url))).ok;
        };
        const largest = await boundary(fits);
        assert.ok(largest > 2_500 * chunks, String(largest));

        const host = await serve((request, response) => void reply(answer, request, response));
        t.after(async () => {
          await host.close();
          await sessions.close();
        });
        await page.context().clearCookies();
        const ask = async (path: string): Promise<string | undefined> =>
          (await page.goto(host.at("app.example.test", path)))?.text();
        assert.equal(await ask(`/set?length=${largest}`), String(largest));
        const kept = await page.context().cookies();
        assert.ok(kept.length >= chunks);
        const sizes = kept.map((cookie) => cookie.name.length + cookie.value.length);
        const most = Math.max(...sizes);
        // The engine pads what it seals, so not every length can be had.
        assert.ok(most <= limit && most > limit - 100, String(sizes));
        assert.equal(await ask("/get"), String(largest));
        assert.equal(await ask("/set?length=10"), "10");
        assert.equal(await ask("/get"), "10");
        assert.equal((await page.context().cookies()).length, kept.length - chunks + 1);
      });
    }
  });
}

/** The largest number for which it is true; it is true up to there and false beyond. */
async function boundary(fits: (length: number) => Promise<boolean>): Promise<number> {
  let [low, high] = [0, 1 << 15];
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (await fits(middle)) low = middle;
    else high = middle;
  }
  return low;
}

/** Answers a Node request with a fetch-style handler. */
async function reply(
  handler: (request: Request) => Promise<Response>,
  { url, headers }: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const cookie = headers.cookie === undefined ? {} : { cookie: headers.cookie };
  const answer = await handler(new Request(`https://localhost${url ?? "/"}`, { headers: cookie }));
  response.statusCode = answer.status;
  response.setHeader("Cache-Control", "no-store");
  response.setHeader("Set-Cookie", answer.headers.getSetCookie());
  response.end(await answer.text());
}
