/** The session cookie in Firefox, over HTTPS: only with SCS_FULL=1, since Firefox takes long to start. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { createApp } from "../../examples/demo/app.ts";
import { sessionHandler } from "../../src/adapters/node.ts";
import { SessionManager } from "../../src/index.ts";
import { MemoryStore } from "../../src/stores/memory.ts";
import { createSession } from "../../src/testing/index.ts";
import { noted, offer, type Seen } from "./echo.ts";
import { launchFirefox, type Firefox } from "./firefox.ts";
import { asBytes, brief, lookAlikes, namesIn, prefixes, taken, tossed } from "./matrix.ts";
import { serve } from "./site.ts";

const name = "__Host-Http-session";

// A host name for each test, since the profile is one; `evil` may set cookies for `app` as well.
const demo = "demo.test";
const prefix = "app.example.test"; // as the lines with a domain want it
const evil = "evil.example.test";
const app = "victim.example.test";
const size = "size.test";
const partitioned = "partitioned.test";
const hosts = [demo, prefix, evil, app, size, partitioned];

function firefoxTests(): void {
  let firefox: Firefox;

  before(async () => {
    firefox = await launchFirefox(hosts);
    console.log(`Firefox ${firefox.version}`);
  });
  after(() => firefox?.close());

  test("the demo: log in, no script sees the cookie, log out, Back", async (t) => {
    const { listener, sessions } = createApp("memory", { store: new MemoryStore() });
    const site = await serve(listener);
    t.after(async () => {
      await site.close();
      await sessions.close();
    });
    const heading = (text: string): Promise<void> =>
      firefox.until(`document.querySelector("h1")?.textContent === ${JSON.stringify(text)}`);
    const mine = async (): Promise<object[]> => {
      const all = (await firefox.cookies()).filter((cookie) => cookie.domain.endsWith(demo));
      return all.map(({ name: own, domain, path, httpOnly, secure, sameSite }) => {
        return { name: own, domain, path, httpOnly, secure, sameSite };
      });
    };

    await firefox.goto(site.at(demo));
    await firefox.evaluate(
      `document.querySelector("#name").value = "Ada"; document.querySelector("[action='/login'] button").click()`,
    );
    await heading("Hello, Ada.");
    const cookie = {
      name,
      domain: demo,
      path: "/",
      httpOnly: true,
      secure: true,
      sameSite: "lax",
    };
    assert.deepEqual(await mine(), [cookie]);
    assert.equal(await firefox.evaluate("document.cookie"), "");
    const attributes = "Path=/; Secure; SameSite=Lax";
    await firefox.evaluate(`
      document.cookie = "${name}=x; ${attributes}";
      document.cookie = "${name}=; ${attributes}; Max-Age=0";
    `);
    assert.deepEqual(await mine(), [cookie]);

    await firefox.evaluate(`document.querySelector("[action='/logout'] button").click()`);
    await heading("The session has ended.");
    assert.deepEqual(await mine(), []);
    await firefox.evaluate("history.back()");
    await firefox.until(`location.search === "" && document.readyState === "complete"`);
    await heading("No session yet.");
    assert.equal(await firefox.evaluate(`document.body.textContent.includes("Ada")`), false);
  });

  test("prefixes: what the browser takes over HTTPS", async (t) => {
    const seen: Seen[] = [];
    const site = await serve(
      noted(seen, (request, response) => {
        offer(response, "", request.url === "/set" ? prefixes.map(([line]) => line) : []);
      }),
    );
    t.after(site.close);
    await firefox.goto(site.at(prefix, "/set"));
    await firefox.goto(site.at(prefix, "/get"));
    const sent = seen.find((it) => it.path === "/get")?.cookie?.split("; ") ?? [];
    assert.deepEqual(sent.toSorted(), taken("firefox"));
  });

  test("a sibling cannot plant its session under a name that looks like the prefixed one", async (t) => {
    const sessions = new SessionManager<{ visits: number }>({ store: new MemoryStore() });
    const { token } = await createSession(sessions, { visits: 100 });
    const counter = sessionHandler(sessions, async (request, response) => {
      if (request.url !== "/") return offer(response); // the icon
      const session = await sessions.load(request);
      offer(response, `visits: ${session.update("visits", (n) => (n ?? 0) + 1)}`);
    });
    const seen: Seen[] = [];
    const site = await serve(
      noted(seen, (request, response) => {
        if (request.headers.host?.startsWith(app)) return counter(request, response);
        offer(response, "", tossed(name, token));
      }),
    );
    t.after(async () => {
      await site.close();
      await sessions.close();
    });
    await firefox.goto(site.at(evil));
    await firefox.goto(site.at(app));
    const first = seen.find((it) => it.host.startsWith(app) && it.path === "/");
    const arrived = namesIn(first?.cookie ?? "");
    assert.ok(!arrived.includes(name), "the browser refused the prefix with a domain");
    for (const alike of lookAlikes(name)) {
      assert.ok(arrived.includes(asBytes(alike)), `stored and sent: ${alike}`);
    }
    assert.equal(await firefox.evaluate("document.body.textContent"), "visits: 1");
  });

  for (const [kind, more, octets] of [
    ["the largest cookies", "", [4096, 4096, 4096, 4096, 4096]],
    ["the largest partitioned cookies", "; Partitioned", [4096, 4096, 4096]],
  ] as const) {
    test(`${kind} come back whole`, async (t) => {
      const chunk = (index: number, length: number): string => {
        const own = `${name}.${index}`;
        return `${own}=${"v".repeat(length - own.length)}`;
      };
      const chunks = octets.map((length, index) => chunk(index, length));
      const offered = [...chunks, chunk(9, 4097)].map(
        (pair) => `${pair}; Path=/; Secure; HttpOnly${more}`,
      );
      const seen: Seen[] = [];
      const site = await serve(
        noted(seen, (request, response) => {
          offer(response, "", request.url === "/set" ? offered : []);
        }),
      );
      t.after(site.close);
      const host = more === "" ? size : partitioned;
      await firefox.goto(site.at(host, "/set"));
      await firefox.goto(site.at(host, "/get"));
      const sent = seen.find((it) => it.path === "/get")?.cookie?.split("; ") ?? [];
      assert.deepEqual(sent.map(brief), chunks.map(brief));
      assert.ok(sent.every((pair, index) => pair === chunks[index]));
    });
  }
}

if (process.env["SCS_FULL"] === "1") describe("the session cookie in Firefox", firefoxTests);
else console.log("Firefox: runs with SCS_FULL=1");
