// The pictures of the README: `node test/browser/pictures.ts` writes docs/images/demo-{light,dark}.png.
import { setTimeout as sleep } from "node:timers/promises";
import { join } from "node:path";
import { createApp } from "../../examples/demo/app.ts";
import { listen } from "../../examples/demo/listen.ts";
import { MemoryStore } from "../../src/stores/memory.ts";
import { launchChromium } from "./chromium.ts";
import { login, press } from "./person.ts";

const folder = join(import.meta.dirname, "../../docs/images");
/** Long enough for both rings to have lost a piece. */
const wait = 50_000;

const browser = await launchChromium();
try {
  await Promise.all([picture("light"), picture("dark")]);
} finally {
  await browser.close();
}

async function picture(colorScheme: "light" | "dark"): Promise<void> {
  const options = { store: new MemoryStore(), lifetime: "5m", idleTimeout: "2m" } as const;
  const app = createApp("memory", { ...options, development: true });
  const server = await listen(0, app.listener);
  const context = await browser.newContext({
    colorScheme,
    viewport: { width: 1280, height: 736 },
    timezoneId: "UTC",
  });
  const page = await context.newPage();
  await page.goto(`http://localhost:${server.port}/`);
  await press(page, "Start a session");
  await page.getByRole("textbox", { name: "Message" }).fill("Hello from a session!");
  await press(page, "Keep it");
  await press(page, "Race 20 tabs");
  await login(page);
  await sleep(wait);
  // A gradient takes a third of the file.
  await page.evaluate(() => document.documentElement.style.setProperty("--glow", "transparent"));
  await page.screenshot({ path: join(folder, `demo-${colorScheme}.png`) });
  await context.close();
  await server.close();
  await app.sessions.close();
}
