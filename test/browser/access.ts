/** The demo's page for everybody: names for screen readers, contrast in both themes, small screens. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Browser, Page } from "playwright-core";
import { login, press, visit } from "./person.ts";

interface Node {
  readonly ignored: boolean;
  readonly role?: { readonly value: string };
  readonly name?: { readonly value: string };
}

/** What a screen reader is given: role and name of everything that is not ignored. */
async function read(page: Page): Promise<[role: string, name: string][]> {
  const client = await page.context().newCDPSession(page);
  const { nodes } = (await client.send("Accessibility.getFullAXTree")) as { nodes: Node[] };
  await client.detach();
  return nodes
    .filter((node) => !node.ignored)
    .map((node) => [node.role?.value ?? "", node.name?.value.trim() ?? ""]);
}

const controls = new Set(["button", "link", "textbox", "checkbox", "combobox"]);
const named = new Set([...controls, "region", "complementary", "timer", "image", "heading"]);

/** Everything that is wrong with the page in its present state. */
async function faults(page: Page): Promise<string[]> {
  const found: string[] = [];
  const nodes = await read(page);
  for (const [role, name] of nodes)
    if (named.has(role) && name === "") found.push(`${role}: no name`);
  if (!nodes.some(([role]) => controls.has(role))) found.push("no control was seen");
  for (const role of ["main", "banner", "complementary"]) {
    const count = nodes.filter((node) => node[0] === role).length;
    if (count !== 1) found.push(`${count} times ${role}`);
  }
  const fields = nodes.filter(([role]) => role === "textbox").map(([, name]) => name);
  if (new Set(fields).size !== fields.length)
    found.push(`fields of one name: ${fields.join(", ")}`);
  const levels = await page.locator("h1, h2, h3").evaluateAll((all) => all.map((it) => it.tagName));
  if (levels[0] !== "H1" || levels.lastIndexOf("H1") !== 0)
    found.push(`headings: ${levels.join()}`);
  if ((await page.locator("html").getAttribute("lang")) !== "en") found.push("no language");
  return [...found, ...(await paleTexts(page))];
}

/** Texts below a contrast of 4.5 to 1 (WCAG 2.2, 1.4.3), measured from the computed colours. */
function paleTexts(page: Page): Promise<string[]> {
  return page.evaluate(() => {
    const canvas = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
    /** Any CSS colour as red, green, blue and alpha. */
    const rgba = (color: string): number[] => {
      canvas!.clearRect(0, 0, 1, 1);
      canvas!.fillStyle = color;
      canvas!.fillRect(0, 0, 1, 1);
      return [...canvas!.getImageData(0, 0, 1, 1).data];
    };
    const luminance = ([r = 0, g = 0, b = 0]: number[]): number => {
      const [x, y, z] = [r, g, b].map((part) => {
        const share = part / 255;
        return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
      }) as [number, number, number];
      return 0.2126 * x + 0.7152 * y + 0.0722 * z;
    };
    const behind = (element: Element): number[] => {
      for (let at: Element | null = element; at !== null; at = at.parentElement) {
        const color = rgba(getComputedStyle(at).backgroundColor);
        if (color[3] === 255) return color;
      }
      return [255, 255, 255, 255];
    };
    const pale: string[] = [];
    const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (texts.nextNode() !== null) {
      const { parentElement: element, textContent: text } = texts.currentNode;
      if (element === null || text === null || text.trim() === "") continue;
      if (element.closest("script, noscript, .hidden") !== null || !element.checkVisibility())
        continue;
      // A token that is dead is faded on purpose: its state is in words beside it.
      if (element.closest(".dead .token") !== null) continue;
      const [one, two] = [rgba(getComputedStyle(element).color), behind(element)].map(luminance);
      const ratio = (Math.max(one!, two!) + 0.05) / (Math.min(one!, two!) + 0.05);
      if (ratio < 4.5) pale.push(`${ratio.toFixed(2)} to 1: ${text.trim()}`);
    }
    return pale;
  });
}

export function accessTests(running: () => Browser): void {
  describe("the demo's page for everybody", { concurrency: 3 }, () => {
    for (const colorScheme of ["light", "dark"] as const) {
      test(`names, landmarks and contrast, ${colorScheme}`, async (t) => {
        const { page } = await visit(t, running(), { colorScheme });
        const ground = await page.evaluate(() => getComputedStyle(document.body).backgroundColor);
        const [red = 0] = /\d+/.exec(ground)?.map(Number) ?? [];
        assert.ok(colorScheme === "dark" ? red < 40 : red > 215, `${colorScheme}: ${ground}`);

        assert.deepEqual(await faults(page), [], "without a session");
        await page.getByRole("textbox", { name: "Name" }).fill(" ");
        await press(page, "Log in");
        assert.deepEqual(await faults(page), [], "a form that is not acceptable");
        await login(page);
        await press(page, "Race 20 tabs");
        assert.deepEqual(await faults(page), [], "with a session");
        await login(page);
        assert.deepEqual(await faults(page), [], "after a renewal");
        await press(page, "Log out now");
        assert.deepEqual(await faults(page), [], "ended");
      });
    }

    test("nothing is cut off, from a small phone to a projector", async (t) => {
      const { page } = await visit(t, running());
      await login(page, "An extraordinarily longnamedvisitor 40");
      await page.getByRole("textbox", { name: "Message" }).fill("x".repeat(200));
      await press(page, "Keep it");
      for (const width of [320, 390, 768, 900, 1152, 1280, 1920]) {
        await page.setViewportSize({ width, height: 800 });
        const wide = await page.evaluate(() =>
          [...document.querySelectorAll("body *:not(pre *)")]
            .filter((it) => it.getBoundingClientRect().right > innerWidth + 0.5)
            .map((it) => `${it.tagName} ${it.className.toString()}`),
        );
        assert.deepEqual(wide, [], `at ${width} px`);
        const scrolls = await page.evaluate(
          () => document.documentElement.scrollWidth - innerWidth,
        );
        assert.ok(scrolls <= 0, `no sideways scrolling at ${width} px`);
      }
    });
  });
}
