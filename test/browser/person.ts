// The demo in a browser, as a person has it: plain localhost, one window, everything looked at.
import assert from "node:assert/strict";
import type { TestContext } from "node:test";
import type { Browser, BrowserContext, BrowserContextOptions, Page } from "playwright-core";
import { createApp } from "../../examples/demo/app.ts";
import { listen } from "../../examples/demo/listen.ts";
import type { Options } from "../../src/index.ts";
import { MemoryStore } from "../../src/stores/memory.ts";
import { patience } from "./chromium.ts";

export interface Visit {
  readonly port: number;
  readonly url: string;
  readonly context: BrowserContext;
  readonly page: Page;
}

/** Opens the demo, with its usual settings or these; the test fails when the page reports an error. */
export async function visit(
  t: TestContext,
  browser: Browser,
  contextOptions: BrowserContextOptions = {},
  options: Partial<Options> = {},
): Promise<Visit> {
  const usual = { store: new MemoryStore(), lifetime: "1h", idleTimeout: "10m" } as const;
  const app = createApp("memory", { ...usual, development: true, ...options });
  const server = await listen(0, app.listener);
  const { port } = server;
  const context = await browser.newContext(contextOptions);
  context.setDefaultTimeout(patience);
  const complaints: string[] = [];
  context.on("weberror", (error) => complaints.push(String(error.error())));
  context.on("console", (message) => {
    // A form that is answered with 422 is an error to the console, and none to us.
    if (message.type() === "error" && !/status of 422/.test(message.text())) {
      complaints.push(message.text());
    }
  });
  t.after(async () => {
    await context.close();
    await server.close();
    await app.sessions.close();
    assert.deepEqual(complaints, [], "the page's own errors, its CSP's included");
  });
  const page = await context.newPage();
  const url = `http://localhost:${port}/`;
  await page.goto(url);
  return { port, url, context, page };
}

/** Waits for the page's heading. */
export async function headed(page: Page, text: string): Promise<void> {
  await page.getByRole("heading", { level: 1, name: text, exact: true }).waitFor();
}

/** Presses the button of this name, and waits until the page of the answer is there. */
export async function press(page: Page, name: string): Promise<void> {
  const loaded = page.waitForEvent("load");
  await page.getByRole("button", { name, exact: true }).click();
  await loaded;
}

/** Logs in, as somebody who has no session yet. */
export async function login(page: Page, name: string = "Ada"): Promise<void> {
  await page.getByRole("textbox", { name: "Name" }).fill(name);
  await press(page, "Log in");
  await headed(page, `Hello, ${name}.`);
}
