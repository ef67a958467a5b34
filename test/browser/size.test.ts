/** What a browser keeps: the largest cookie, several of them, and none that is larger by a byte. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { Browser } from "playwright-core";
import { launchChromium, patience } from "./chromium.ts";
import { serve, trust, type Site } from "./site.ts";

/** RFC 6265bis section 5.6: name and value together, in octets; attributes do not count. */
const limit = 4096;

describe("cookie sizes in Chromium", () => {
  let browser: Browser;
  let site: Site;
  let offered: readonly string[] = [];

  before(async () => {
    browser = await launchChromium({ trust });
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
    await browser?.close();
    await site?.close();
  });

  /** What comes back after these cookies were offered in one response. */
  async function kept(cookies: readonly string[]): Promise<string[]> {
    const context = await browser.newContext();
    try {
      offered = cookies;
      const page = await context.newPage();
      await page.goto(site.at("app.example.test", "/set"), { timeout: patience });
      const got = await page.goto(site.at("app.example.test", "/get"), { timeout: patience });
      return ((await got?.text()) ?? "").split("; ").filter((pair) => pair !== "");
    } finally {
      await context.close();
    }
  }

  const sized = (name: string, octets: number): string =>
    `${name}=${"v".repeat(octets - name.length)}`;

  test("a cookie of 4096 octets comes back whole", async () => {
    for (const name of ["s", "__Host-session", "__Host-Http-session"]) {
      const cookie = sized(name, limit);
      assert.equal(cookie.length, limit + 1, "the equals sign does not count");
      assert.deepEqual(await kept([cookie]), [cookie], name);
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
      assert.deepEqual(await kept(chunks), chunks);
    });
  }
});
