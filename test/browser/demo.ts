/** The demo used as a person would: mouse, keyboard, two tabs, Back, without script, too late. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Browser, Page } from "playwright-core";
import { send } from "../demo/client.ts";
import { patience } from "./chromium.ts";
import { offer } from "./echo.ts";
import { headed, login, press, visit } from "./person.ts";
import { serve } from "./site.ts";

/** A value in the table of the session's data. */
async function value(page: Page, key: string): Promise<string | null> {
  const row = page.getByRole("row").filter({ has: page.getByRole("rowheader", { name: key }) });
  return row.getByRole("cell").textContent();
}

export function demoTests(running: () => Browser): void {
  describe("the demo, on plain localhost", { concurrency: 3 }, () => {
    for (const javaScriptEnabled of [true, false]) {
      test(`with the mouse, ${javaScriptEnabled ? "with" : "without"} script`, async (t) => {
        const { page, context } = await visit(t, running(), { javaScriptEnabled });
        await headed(page, "No session yet.");
        assert.deepEqual(await context.cookies(), [], "looking creates none");

        await press(page, "Start a session");
        await headed(page, "A session, nobody in it.");
        await page.getByRole("status").getByText("Your session has begun.").waitFor();
        assert.equal(await value(page, "visits"), "1");
        await page.getByRole("link", { name: "Reload" }).click();
        await page.getByText("2 times").waitFor();
        assert.equal(await page.getByText("Your session has begun.").count(), 0, "a flash is gone");

        await page.getByRole("textbox", { name: "Message" }).fill("<b>Hello</b>");
        await press(page, "Keep it");
        assert.equal(await value(page, "message"), '"<b>Hello</b>"');
        await press(page, "Leave a flash");
        await page.getByText("read and removed in one go").waitFor();
        await press(page, "Race 20 tabs");
        assert.equal(await value(page, "counter"), "20");

        const [before] = await context.cookies();
        await login(page);
        const [renewed] = await context.cookies();
        assert.notEqual(renewed?.value, before?.value);
        const swatches = page.locator(".tokens code");
        assert.equal(await swatches.count(), 2, "the token before and the token now");
        assert.equal(await value(page, "counter"), "20", "the data stay");

        await press(page, "Log out now");
        await headed(page, "The session has ended.");
        assert.deepEqual(await context.cookies(), []);
        const log = page.getByRole("region", { name: "Requests, the newest first" });
        await log.getByText("destroy").first().waitFor();
        await log.getByText("Set-Cookie: cleared").first().waitFor();
      });
    }

    test("with the keyboard alone", async (t) => {
      const { page } = await visit(t, running());
      /** Tab until the control of this name has the focus; every stop must be seen. */
      const reach = async (name: string): Promise<void> => {
        const passed: string[] = [];
        while (passed.length < 40) {
          await page.keyboard.press("Tab");
          const [focused, outline] = await page.evaluate(() => {
            const it = document.activeElement as HTMLInputElement | null;
            if (it === null || it === document.body) return ["", "solid"]; // the browser's own
            const label = it.labels?.[0]?.textContent ?? it.textContent;
            return [label.trim(), getComputedStyle(it).outlineStyle];
          });
          assert.equal(outline, "solid", `the focus on ${focused} shows`);
          if (focused === name) return;
          passed.push(focused);
        }
        assert.fail(`${name} was not reached with Tab: ${passed.join(", ")}`);
      };
      const enter = async (): Promise<void> => {
        const loaded = page.waitForEvent("load");
        await page.keyboard.press("Enter");
        await loaded;
      };

      await reach("Start a session");
      await enter();
      await headed(page, "A session, nobody in it.");
      await reach("Name (any will do)");
      await page.keyboard.type("Grace");
      await enter();
      await headed(page, "Hello, Grace.");
      await reach("Race 20 tabs");
      await enter();
      assert.equal(await value(page, "counter"), "20");
      await reach("Log out now");
      await enter();
      await headed(page, "The session has ended.");
    });

    test("a form that is not acceptable says so, in the field", async (t) => {
      const { page } = await visit(t, running());
      const field = page.getByRole("textbox", { name: "Name" });
      await field.fill("   ");
      await press(page, "Log in");
      assert.equal(await field.getAttribute("aria-invalid"), "true");
      assert.equal(await field.evaluate((it) => it === document.activeElement), true);
      const described = page.locator(`#${await field.getAttribute("aria-describedby")}`);
      assert.match((await described.textContent()) ?? "", /Between 1 and 40 characters/);
    });

    test("two tabs race: both clicks count in full", async (t) => {
      const { page, context, url } = await visit(t, running());
      await press(page, "Start a session");
      const other = await context.newPage();
      await other.goto(url);
      for (let round = 1; round <= 3; round++) {
        await Promise.all([press(page, "Race 20 tabs"), press(other, "Race 20 tabs")]);
        await page.reload();
        assert.equal(await value(page, "counter"), String(40 * round));
      }
    });

    test("another request shows up in the list by itself, and the clocks run", async (t) => {
      const { page, port } = await visit(t, running());
      await press(page, "Start a session");
      const idle = page.getByRole("timer", { name: "Idle" });
      assert.match((await idle.textContent()) ?? "", /^(10:00|09:\d\d)$/);
      await send(port, "GET", "/put"); // as curl does
      const log = page.getByRole("region", { name: "Requests, the newest first" });
      await log.getByText("GET /put").waitFor();
      assert.match((await log.getByRole("listitem").first().textContent()) ?? "", /GET \/put/);
      await idle.filter({ hasText: /^09:/ }).waitFor();
      await page.getByText("1 time").waitFor();
      await page.reload();
      await page.getByText("2 times").waitFor();
      assert.equal(await log.getByText("GET /log").count(), 0, "asking for the list is not listed");
    });

    test("a session that runs out is crossed out on the page, and gone on the server", async (t) => {
      // More than a busy machine needs for the page.
      const { page } = await visit(t, running(), {}, { idleTimeout: "8s" });
      await press(page, "Start a session");
      await page.getByText("This session has ended.").waitFor();
      await page.getByRole("link", { name: "Look again" }).click();
      await headed(page, "No session yet.");
    });

    test("Back, after logging out, shows nothing of the session", async (t) => {
      const { page } = await visit(t, running());
      await login(page);
      await page.getByRole("textbox", { name: "Message" }).fill("for my eyes only");
      await press(page, "Keep it");
      await page.getByText("for my eyes only").waitFor();
      await press(page, "Log out now");
      await headed(page, "The session has ended.");
      for (let steps = 0; steps < 3; steps++) {
        await page.goBack({ waitUntil: "commit" });
        await page.getByRole("button", { name: "Start a session" }).waitFor();
        assert.equal(await page.getByText("Hello, Ada").count(), 0);
        assert.equal(await page.getByText("for my eyes only").count(), 0);
      }
    });

    test("control: this browser does keep a page for Back, where the page allows it", async (t) => {
      let answers = 0;
      const site = await serve((_request, response) => {
        response.setHeader("Content-Type", "text/html");
        response.end(`<!doctype html><title>test</title><p>answer ${++answers}</p>`);
      });
      t.after(site.close);
      const plain = await serve((_request, response) => offer(response, "elsewhere"));
      t.after(plain.close);
      const page = await running().newPage();
      t.after(() => page.context().close());
      // It may drop a page when memory is short: a few times, then.
      let text: string | null = null;
      let persisted = false;
      for (let tries = 0; tries < 5 && !persisted; tries++) {
        await page.goto(site.at("app.example.test"), { timeout: patience });
        text = await page.locator("p").textContent();
        await page.evaluate(() => {
          addEventListener("pageshow", (event) => (document.title = `shown ${event.persisted}`));
        });
        await page.goto(plain.at("other.test"), { timeout: patience });
        await page.goBack({ waitUntil: "commit", timeout: patience });
        await page.locator("p").waitFor({ timeout: patience });
        // A page that was loaded anew never has this title.
        const shown = page.waitForFunction(() => document.title === "shown true", undefined, {
          timeout: 5000,
        });
        persisted = await shown.then(
          () => true,
          () => false,
        );
      }
      assert.equal(persisted, true);
      assert.equal(await page.locator("p").textContent(), text);
    });
  });
}
