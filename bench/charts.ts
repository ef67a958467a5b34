// The charts of the last run, from bench/results/latest.json into docs/images/: SVG whose colours
// follow the reader's light or dark scheme. `node bench/charts.ts`, or at the end of `npm run bench`.
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import type { Result } from "./tables.ts";

interface Latest {
  readonly requests?: {
    readonly date: string;
    readonly node: string;
    readonly cpu: string;
    readonly results: readonly Result[];
  };
}

const images = new URL("../docs/images/", import.meta.url);
const ours = "scs-session";

const style = `
  text { font: 12px system-ui, sans-serif; fill: #1f2328 }
  .title { font-size: 14px; font-weight: 600 }
  .note { fill: #59636e; font-size: 11px }
  .bar { fill: #afb8c1 }
  .ours { fill: #0969da }
  .base { stroke: #d1d9e0 }
  @media (prefers-color-scheme: dark) {
    text { fill: #f0f6fc }
    .note { fill: #9198a1 }
    .bar { fill: #656c76 }
    .ours { fill: #4493f8 }
    .base { stroke: #3d444d }
  }`;

const escape = (text: string): string => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");

const label = { width: 220, row: 20 };
const panelWidth = 420;

/** One case: a bar for each column that has it. */
function panel(name: string, results: readonly Result[], x: number, y: number): string {
  const values = results.flatMap(({ column, cases }) => {
    const cost = cases[name];
    return cost === undefined ? [] : [{ column, value: Math.max(0, cost.over.median) }];
  });
  const sorted = values.toSorted((a, b) => a.value - b.value).map(({ value }) => value);
  // One that is far out (a key derived on each request) must not flatten the others: it is cut.
  const most = Math.min(sorted.at(-1) ?? 1, 4 * (sorted[Math.floor(sorted.length * 0.75)] ?? 1));
  const room = panelWidth - label.width - 70;
  const rows = values.map(({ column, value }, i) => {
    const top = y + 30 + i * label.row;
    const who = `${column.store ?? column.library}, ${column.framework}`;
    const width = Math.max(1, (Math.min(value, most) / most) * room);
    const cut = value > most ? " »" : "";
    return (
      `<text x="${x + label.width - 8}" y="${top + 11}" text-anchor="end">${escape(who)}</text>` +
      `<rect class="bar${column.library === ours ? " ours" : ""}" x="${x + label.width}" y="${top}" width="${width.toFixed(1)}" height="14" rx="2"/>` +
      `<text x="${(x + label.width + width + 6).toFixed(1)}" y="${top + 11}">${value.toFixed(value < 100 ? 1 : 0)}${cut}</text>`
    );
  });
  const bottom = y + 30 + values.length * label.row;
  return (
    `<text class="title" x="${x + label.width}" y="${y + 16}">${escape(name)}</text>` +
    `<line class="base" x1="${x + label.width}" x2="${x + label.width}" y1="${y + 26}" y2="${bottom}"/>` +
    rows.join("")
  );
}

function chart(
  title: string,
  names: readonly string[],
  results: readonly Result[],
  foot: string,
): string {
  const rowHeight = 50 + results.length * label.row;
  const height = 50 + Math.ceil(names.length / 2) * rowHeight + 20;
  const width = panelWidth * 2 + 20;
  const panels = names.map((name, i) =>
    panel(name, results, 10 + (i % 2) * panelWidth, 40 + Math.floor(i / 2) * rowHeight),
  );
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img" aria-label="${escape(title)}">` +
    `<style>${style}\n</style>` +
    `<text class="title" x="10" y="22">${escape(title)}</text>${panels.join("")}` +
    `<text class="note" x="10" y="${height - 10}">${escape(foot)}</text></svg>\n`
  );
}

const { requests } = JSON.parse(
  readFileSync(new URL("results/latest.json", import.meta.url), "utf8"),
) as Latest;
if (requests === undefined) throw new Error("no results yet: npm run bench");
const { results, node, cpu } = requests;
const foot = `CPU microseconds per request over the same server without sessions; medians. Node ${node}, ${cpu}, ${requests.date.slice(0, 10)}`;
const common = ["read, 100 B", "read, 4 KB", "change, 100 B", "change, 4 KB"];
const figures: [file: string, title: string, engines: string[], names: string[]][] = [
  [
    "memory",
    "Sessions in the process's memory",
    ["memory"],
    ["untouched", "new visitor", ...common],
  ],
  ["cookie", "Sessions in cookies (2 KB where it says 4 KB)", ["cookie"], common],
  ["redis", "Sessions in Redis", ["redis"], common],
  ["sql", "Sessions in PostgreSQL and MariaDB", ["postgres", "mysql"], common],
];
mkdirSync(images, { recursive: true });
for (const [file, title, engines, names] of figures) {
  const shown = results.filter(({ column }) => engines.includes(column.engine));
  if (shown.length === 0) continue;
  writeFileSync(new URL(`cpu-${file}.svg`, images), chart(title, names, shown, foot));
  console.log(`docs/images/cpu-${file}.svg`);
}
