/** A browser that is closed and opened again: a persistent session stays, the other kind is gone. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import type { BrowserContext } from "playwright-core";
import { sessionHandler } from "../../src/adapters/node.ts";
import { SessionManager } from "../../src/index.ts";
import { MemoryStore } from "../../src/stores/memory.ts";
import { openProfile, patience } from "./chromium.ts";
import { offer } from "./echo.ts";
import { serve, trust, type Site } from "./site.ts";

const hour = 3_600;

/** One site per host name; `/in` logs in, `/in?forget` for this run of the browser only. */
async function serveLogin(persist: boolean): Promise<Site & { stop(): Promise<void> }> {
  const sessions = new SessionManager<{ user: string }>({
    store: new MemoryStore(),
    lifetime: "1h",
    cookie: { persist },
  });
  const site = await serve(
    sessionHandler(sessions, async (request, response) => {
      const session = await sessions.load(request);
      const url = new URL(request.url ?? "/", "https://localhost");
      if (url.pathname === "/in") {
        session.renewToken();
        session.set("user", "Ada");
        if (url.search === "?forget") session.rememberMe(false);
        if (url.search === "?remember") session.rememberMe(true);
      }
      offer(response, `user: ${session.get("user") ?? "nobody"}`);
    }),
  );
  return {
    ...site,
    stop: async () => {
      await site.close();
      await sessions.close();
    },
  };
}

test("persistence across a restart of Chromium", async (t) => {
  const profile = mkdtempSync(join(tmpdir(), "scs-session-profile-"));
  t.after(() => rmSync(profile, { recursive: true, force: true, maxRetries: 10 }));
  const kept = await serveLogin(true);
  t.after(kept.stop);
  const brief = await serveLogin(false);
  t.after(brief.stop);

  // A host name each, so that no session meets another's cookie.
  const cases: [string, Site, string, stays: boolean][] = [
    ["the default", kept, "a.example.test", true],
    ["rememberMe(false)", kept, "b.example.test", false],
    ["persist: false", brief, "c.example.test", false],
    ["persist: false and rememberMe(true)", brief, "d.example.test", true],
  ];
  const query = ["", "?forget", "", "?remember"];

  const user = async (context: BrowserContext, url: string): Promise<string> => {
    const [page = await context.newPage()] = context.pages();
    await page.goto(url, { timeout: patience });
    return (await page.locator("body").textContent()) ?? "";
  };

  const first = await openProfile(profile, { trust });
  try {
    for (const [index, [name, site, host, stays]] of cases.entries()) {
      assert.equal(await user(first, site.at(host, `/in${query[index]}`)), "user: Ada", name);
      assert.equal(await user(first, site.at(host)), "user: Ada", name);
      const [cookie] = await first.cookies(site.at(host));
      const left = (cookie?.expires ?? 0) - Date.now() / 1000;
      if (stays) assert.ok(left > hour - 120 && left <= hour + 5, `${name}: ${left} s`);
      else assert.equal(cookie?.expires, -1, name);
    }
  } finally {
    await first.close();
  }

  const second = await openProfile(profile, { trust });
  try {
    for (const [name, site, host, stays] of cases) {
      const wanted = stays ? "user: Ada" : "user: nobody";
      assert.equal(await user(second, site.at(host)), wanted, name);
    }
  } finally {
    await second.close();
  }
});
