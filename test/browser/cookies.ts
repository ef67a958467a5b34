/** The session cookie in a real browser, over HTTPS: what it keeps from whom, and when it is sent. */
import assert from "node:assert/strict";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { after, describe, test } from "node:test";
import type { Browser, BrowserContext, Page } from "playwright-core";
import { createApp } from "../../examples/demo/app.ts";
import { sessionHandler } from "../../src/adapters/node.ts";
import { SessionManager, type Options } from "../../src/index.ts";
import { MemoryStore } from "../../src/stores/memory.ts";
import { createSession } from "../../src/testing/index.ts";
import { patience } from "./chromium.ts";
import { hostOf, noted, offer, type Seen } from "./echo.ts";
import { asBytes, lookAlikes, namesIn, prefixes, taken, tossed } from "./matrix.ts";
import { serve, type Site } from "./site.ts";

const name = "__Host-Http-session";
const app = "app.example.test";
const sibling = "evil.example.test";
const stranger = "other.test";

export function cookieTests(running: () => Browser): void {
  describe("the session cookie, over HTTPS", { concurrency: 3 }, () => {
    const closing: (() => Promise<unknown>)[] = [];

    after(async () => {
      for (const close of closing.toReversed()) await close();
    });

    async function open(): Promise<{ context: BrowserContext; page: Page }> {
      const context = await running().newContext();
      context.setDefaultTimeout(patience);
      return { context, page: await context.newPage() };
    }

    /** The demo on `app`, and whatever `others` answers on other names. */
    async function serveDemo(others?: RequestListener): Promise<Site & { seen: Seen[] }> {
      const seen: Seen[] = [];
      const demo = createApp("memory", { store: new MemoryStore(), idleTimeout: "10m" });
      const site = await serve(
        noted(seen, (request, response) =>
          hostOf(request) === app || others === undefined
            ? demo.listener(request, response)
            : others(request, response),
        ),
      );
      closing.push(site.close, () => demo.sessions.close());
      return { ...site, seen };
    }

    /** A server of one route that counts its visitor's visits in the session: `visits: 1`. */
    async function serveCounter(
      options: Partial<Options>,
      others?: RequestListener,
    ): Promise<Site & { sessions: SessionManager<{ visits: number }>; seen: Seen[] }> {
      const sessions = new SessionManager<{ visits: number }>({
        store: new MemoryStore(),
        ...options,
      });
      const counter = sessionHandler(sessions, async (request, response) => {
        if (request.url !== "/") return offer(response); // the icon
        const session = await sessions.load(request);
        offer(response, `visits: ${session.update("visits", (n) => (n ?? 0) + 1)}`);
      });
      const seen: Seen[] = [];
      const site = await serve(
        noted(seen, (request, response) =>
          hostOf(request) === app ? counter(request, response) : others?.(request, response),
        ),
      );
      closing.push(site.close, () => sessions.close());
      return { ...site, sessions, seen };
    }

    async function login(page: Page, site: Site): Promise<void> {
      await page.goto(site.at(app));
      await page.getByRole("textbox", { name: "Name" }).fill("Ada");
      await page.getByRole("button", { name: "Log in" }).click();
      await page.getByRole("heading", { name: "Hello, Ada." }).waitFor();
    }

    test("it has every protection, and no script sees or replaces it", async () => {
      const site = await serveDemo();
      const { context, page } = await open();
      await login(page, site);
      const [cookie, ...more] = await context.cookies();
      assert.ok(cookie);
      assert.deepEqual(more, []);
      const { value: token, expires, ...rest } = cookie;
      assert.match(token, /^[\w-]{64}$/);
      assert.deepEqual(rest, {
        name,
        domain: app, // without a leading dot: this host only
        path: "/",
        httpOnly: true,
        secure: true,
        sameSite: "Lax",
      });
      const day = 86_400;
      assert.ok(Math.abs(expires - (Date.now() / 1000 + day)) < 120, "the absolute deadline");

      assert.equal(await page.evaluate(() => document.cookie), "");
      await page.evaluate(async (own) => {
        const attributes = "Path=/; Secure; SameSite=Lax";
        document.cookie = `${own}=${"e".repeat(64)}; ${attributes}`;
        document.cookie = `${own}=; ${attributes}; Max-Age=0`;
        document.cookie = `${own.toLowerCase()}=${"e".repeat(64)}; ${attributes}`;
        await cookieStore.set(own, "e".repeat(64)).catch(() => {});
        await cookieStore.delete(own).catch(() => {});
      }, name);
      assert.deepEqual(await context.cookies(), [cookie]);
      await page.reload();
      await page.getByRole("heading", { name: "Hello, Ada." }).waitFor();
      await context.close();
    });

    test("logging out deletes it", async () => {
      const site = await serveDemo();
      const { context, page } = await open();
      await login(page, site);
      assert.equal((await context.cookies()).length, 1);
      await page.getByRole("button", { name: "Log out" }).click();
      await page.getByRole("heading", { name: "The session has ended." }).waitFor();
      assert.deepEqual(await context.cookies(), []);
      await context.close();
    });

    test("prefixes: what the browser takes over HTTPS", async () => {
      const seen: Seen[] = [];
      const site = await serve(
        noted(seen, (request, response) => {
          offer(response, "", request.url === "/set" ? prefixes.map(([line]) => line) : []);
        }),
      );
      closing.push(site.close);
      const { context, page } = await open();
      await page.goto(site.at(app, "/set"));
      await page.goto(site.at(app, "/get"));
      const sent = seen.find((it) => it.path === "/get")?.cookie?.split("; ") ?? [];
      assert.deepEqual(sent.toSorted(), taken("chromium"));
      await context.close();
    });

    test("an answer over plain HTTP, which anybody on the network can forge, replaces nothing", async () => {
      const site = await serveDemo();
      const forged = createServer((_request, response) => {
        offer(response, "", [
          `${name}=${"e".repeat(64)}; Path=/; Secure; HttpOnly`,
          `${name}=${"e".repeat(64)}; Path=/; HttpOnly`,
          `${name}=; Path=/; Max-Age=0`,
          "plain=1; Path=/",
        ]);
      }).listen(0, "127.0.0.1");
      closing.push(async () => forged.close());
      await new Promise((resolve) => forged.once("listening", resolve));
      const { context, page } = await open();
      await login(page, site);
      const mine = (await context.cookies()).find((cookie) => cookie.name === name);
      await page.goto(`http://${app}:${(forged.address() as AddressInfo).port}/`);
      const jar = await context.cookies();
      assert.deepEqual(
        jar.find((cookie) => cookie.name === name),
        mine,
      );
      assert.ok(
        jar.some((cookie) => cookie.name === "plain"),
        "the forged answer did arrive",
      );
      await context.close();
    });

    test("SameSite=Lax: sent with a link from another site, not with its forms, frames and fetches", async () => {
      const site: Site & { seen: Seen[] } = await serveDemo((_request, response) => {
        const to = site.at(app, "/flash");
        offer(
          response,
          `<a href="${site.at(app, "/?link")}">link</a>
        <form method="post" action="${to}"><button>post</button></form>
        <iframe src="${site.at(app, "/get?frame")}"></iframe>
        <script>
          const done = (id) => document.body.insertAdjacentHTML("beforeend", "<p id=" + id + ">");
          fetch("${site.at(app, "/get?fetch")}", { credentials: "include", mode: "no-cors" })
            .catch(() => {}).then(() => done("fetched"));
        </script>`,
        );
      });
      const { context, page } = await open();
      await login(page, site);
      const sent = (path: string): string | undefined => {
        const found = site.seen.findLast((it) => it.path === path && it.host.startsWith(app));
        assert.ok(found, `${path} was asked for`);
        return found.cookie;
      };

      await page.goto(site.at(stranger));
      await page.locator("#fetched").waitFor({ state: "attached" });
      assert.equal(sent("/get?fetch"), undefined);
      assert.equal(sent("/get?frame"), undefined);
      const refused = page.waitForResponse(site.at(app, "/flash"));
      await page.getByRole("button", { name: "post" }).click();
      assert.equal((await refused).status(), 403);
      assert.equal(sent("/flash"), undefined);
      await page.goto(site.at(stranger));
      await page.getByRole("link", { name: "link" }).click();
      await page.getByRole("heading", { name: "Hello, Ada." }).waitFor();
      assert.match(sent("/?link") ?? "", /^__Host-Http-session=/);

      // A sibling is the same site: the cookie is sent with its forms, so the server must look itself.
      await page.goto(site.at(sibling));
      const looked = page.waitForResponse(site.at(app, "/flash"));
      await page.getByRole("button", { name: "post" }).click();
      assert.equal((await looked).status(), 403);
      assert.match(sent("/flash") ?? "", /^__Host-Http-session=/);
      await context.close();
    });

    test("Partitioned: a session in a frame belongs to the site around it", async () => {
      const frame = (response: Parameters<RequestListener>[1], port: number): void =>
        offer(response, `<iframe src="https://${app}:${port}/"></iframe>`);
      const cookie = { partitioned: true, sameSite: "none" } as const;
      const partitioned: Site = await serveCounter({ cookie }, (_request, response) => {
        frame(response, partitioned.port);
      });
      const lax: Site = await serveCounter({}, (_request, response) => frame(response, lax.port));
      const { context, page } = await open();
      const visits = async (url: string): Promise<string> => {
        await page.goto(url);
        const text = url.includes(app)
          ? page.locator("body")
          : page.frameLocator("iframe").locator("body");
        await text.getByText(/visits: \d+/).waitFor();
        return (await text.textContent()) ?? "";
      };
      assert.equal(await visits(partitioned.at(stranger)), "visits: 1");
      assert.equal(await visits(partitioned.at(stranger)), "visits: 2", "kept in the frame");
      assert.equal(
        await visits(partitioned.at("www.third.test")),
        "visits: 1",
        "in another site's frame",
      );
      assert.equal(await visits(partitioned.at(app)), "visits: 1", "on its own");
      assert.equal(await visits(partitioned.at(app)), "visits: 2");
      assert.equal(await visits(partitioned.at(stranger)), "visits: 3");

      assert.equal(await visits(lax.at(stranger)), "visits: 1");
      assert.equal(
        await visits(lax.at(stranger)),
        "visits: 1",
        "the default cookie is not for frames",
      );
      await context.close();
    });

    describe("a sibling that tosses cookies", () => {
      test("cannot plant its session under the prefix, nor under a name that looks like it", async () => {
        let planted = "";
        const site = await serveCounter({}, (_request, response) => {
          offer(response, "", tossed(name, planted));
        });
        planted = (await createSession(site.sessions, { visits: 100 })).token;
        const { context, page } = await open();
        await page.goto(site.at(sibling));
        await page.goto(site.at(app));
        const first = site.seen.find((it) => it.host.startsWith(app) && it.path === "/");
        const arrived = namesIn(first?.cookie ?? "");
        for (const alike of lookAlikes(name)) {
          const told = `stored and sent, so the server must tell: ${alike}`;
          assert.ok(arrived.includes(asBytes(alike)), told);
        }
        assert.ok(!arrived.includes(name), "the browser refused the prefix with a domain");
        assert.equal(await page.locator("body").textContent(), "visits: 1", "a session of its own");
        await page.goto(site.at(app));
        assert.equal(await page.locator("body").textContent(), "visits: 2", "and it stays");
        await context.close();
      });

      test("plants it where the name has no prefix: what the prefix is for", async () => {
        let planted = "";
        const site = await serveCounter({ cookie: { name: "session" } }, (_request, response) => {
          offer(response, "", [
            `session=${planted}; Domain=example.test; Path=/; Secure; HttpOnly`,
          ]);
        });
        planted = (await createSession(site.sessions, { visits: 100 })).token;
        const { context, page } = await open();
        await page.goto(site.at(sibling));
        await page.goto(site.at(app));
        assert.equal(await page.locator("body").textContent(), "visits: 101");
        await context.close();
      });
    });
  });
}
