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
  readonly scale?: Scale;
}

/** What scale.ts keeps. */
interface Scale {
  readonly date: string;
  readonly node: string;
  readonly cpu: string;
  readonly results: readonly {
    readonly count: number;
    readonly reads: { readonly p50: number };
    readonly changes: { readonly p50: number };
  }[];
  readonly removal: {
    readonly createsPerSecond: number;
    readonly curve: readonly { readonly second: number; readonly ended: number }[];
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
  .line { fill: none; stroke: #afb8c1; stroke-width: 2 }
  .line.ours { stroke: #0969da; fill: none }
  @media (prefers-color-scheme: dark) {
    text { fill: #f0f6fc }
    .note { fill: #9198a1 }
    .bar { fill: #656c76 }
    .ours { fill: #4493f8 }
    .base { stroke: #3d444d }
    .line { stroke: #656c76 }
    .line.ours { stroke: #4493f8 }
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

interface Line {
  readonly name: string;
  readonly ours: boolean;
  readonly points: readonly { readonly at: number; readonly label: string; readonly y: number }[];
}

/** Lines over one axis, from zero; `at` is between 0 and 1. */
function plot(title: string, unit: string, lines: readonly Line[], x: number): string {
  const left = x + 60;
  const [width, top, height] = [300, 60, 150];
  const most = Math.max(1e-9, ...lines.flatMap(({ points }) => points.map(({ y }) => y))) * 1.1;
  const up = (y: number): string => (top + height - (y / most) * height).toFixed(1);
  const across = (at: number): string => (left + at * width).toFixed(1);
  const drawn = lines.map(({ name, ours: own, points }) => {
    const path = points.map(({ at, y }, i) => `${i === 0 ? "M" : "L"}${across(at)} ${up(y)}`);
    const last = points.at(-1);
    const end =
      last === undefined
        ? ""
        : `<text x="${left + width + 6}" y="${up(last.y)}">${escape(name)}</text>`;
    return `<path class="line${own ? " ours" : ""}" d="${path.join(" ")}"/>${end}`;
  });
  const ticks = (lines[0]?.points ?? []).map(
    ({ at, label: text }) =>
      `<text class="note" x="${across(at)}" y="${top + height + 16}" text-anchor="middle">${escape(text)}</text>`,
  );
  return (
    `<text class="title" x="${x + 10}" y="44">${escape(title)}</text>` +
    `<line class="base" x1="${left}" x2="${left + width}" y1="${top + height}" y2="${top + height}"/>` +
    `<text class="note" x="${left - 6}" y="${top + 8}" text-anchor="end">${most < 1000 ? most.toPrecision(2) : `${Math.round(most / 1000)} k`} ${unit}</text>` +
    `<text class="note" x="${left - 6}" y="${top + height}" text-anchor="end">0</text>` +
    drawn.join("") +
    ticks.join("")
  );
}

function scaleChart({ results, removal, date, node, cpu }: Scale): string {
  const width = panelWidth * 2 + 20;
  const span = (of: number, all: readonly number[]): number => {
    const [low, high] = [Math.min(...all), Math.max(...all)];
    return high === low ? 0 : (of - low) / (high - low);
  };
  const logs = results.map(({ count }) => Math.log10(count));
  const by = (
    name: string,
    ours: boolean,
    of: (one: Scale["results"][number]) => number,
  ): Line => ({
    name,
    ours,
    points: results.map((one) => ({
      at: span(Math.log10(one.count), logs),
      label: one.count >= 1e6 ? `${one.count / 1e6} M rows` : `${one.count / 1000} k`,
      y: of(one),
    })),
  });
  const seconds = removal.curve.map(({ second }) => second);
  const ended: Line = {
    name: "ended",
    ours: true,
    points: removal.curve.map(({ second, ended: y }) => ({
      at: span(second, seconds),
      label: second % 4 < 2 ? `${Math.round(second)} s` : "",
      y,
    })),
  };
  const title = "Many sessions in PostgreSQL";
  const foot = `PostgresStore, four connections. Node ${node}, ${cpu}, ${date.slice(0, 10)}`;
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="270" viewBox="0 0 ${width} 270" role="img" aria-label="${title}">` +
    `<style>${style}\n</style><text class="title" x="10" y="22">${title}</text>` +
    plot(
      "Median time of a read and of a change",
      "ms",
      [
        by("read", true, ({ reads }) => reads.p50),
        by("change", false, ({ changes }) => changes.p50),
      ],
      0,
    ) +
    plot(
      `Ended, not removed yet (${removal.createsPerSecond} made per s)`,
      "",
      [ended],
      panelWidth,
    ) +
    `<text class="note" x="10" y="260">${escape(foot)}</text></svg>\n`
  );
}

const { requests, scale } = JSON.parse(
  readFileSync(new URL("results/latest.json", import.meta.url), "utf8"),
) as Latest;
if (scale !== undefined) {
  mkdirSync(images, { recursive: true });
  writeFileSync(new URL("scale.svg", images), scaleChart(scale));
  console.log("docs/images/scale.svg");
}
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
