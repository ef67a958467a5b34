/** Everything that one Chromium can do for all: starting it costs more than most of the tests. */
import { after, before, describe } from "node:test";
import type { Browser } from "playwright-core";
import { tested } from "../support/tested.ts";
import { accessTests } from "./access.ts";
import { launchChromium } from "./chromium.ts";
import { cookieTests } from "./cookies.ts";
import { demoTests } from "./demo.ts";
import { trust } from "./site.ts";
import { sizeTests } from "./size.ts";

// One suite after the other, and in each a few tests at once, each with a cookie jar of its own.
describe("Chromium", { concurrency: 1 }, () => {
  let browser: Browser;

  before(async () => {
    browser = await launchChromium({ trust });
    const note =
      "the session cookie over HTTPS and localhost, its sizes, the demo as a person uses it";
    tested({
      area: "browser",
      what: "the demo, an HTTPS site",
      with: `Chromium ${browser.version()}`,
      note,
    });
  });
  after(() => browser?.close());

  const running = (): Browser => browser;
  cookieTests(running);
  sizeTests(running);
  demoTests(running);
  accessTests(running);
});
