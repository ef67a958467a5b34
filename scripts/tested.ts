// The table of what a test run ran on what. The rows are what test files said of themselves (see
// test/support/tested.ts), the counts are what the test runner saw.
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Row } from "../test/support/tested.ts";
import type { Count, Total } from "./counts.ts";
import { root } from "./project.ts";

/** One run's rows and counts. */
export interface Run {
  readonly rows: readonly Row[];
  readonly counts: readonly Count[];
}

const areas: Readonly<Record<Row["area"], string>> = {
  engine: "Engines",
  adapter: "Adapters",
  runtime: "Runtimes",
  browser: "Browsers",
};

/**
 * Reads the two files of lines that a run leaves behind; one that is not there is empty. Without a
 * total, the run did not come to its end.
 */
export function readRun(
  rows: string,
  counts: string,
): Run & { readonly total?: Total | undefined } {
  const counted = lines(counts) as (Count | { readonly total: Total })[];
  return {
    rows: lines(rows) as Row[],
    counts: counted.filter((line): line is Count => "title" in line),
    total: counted.map((line) => ("total" in line ? line.total : undefined)).at(-1),
  };
}

function lines(path: string): unknown[] {
  if (!existsSync(path)) return [];
  return readFileSync(path, "utf8")
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as unknown);
}

/** How many tests of a row passed and failed. */
function outcome({ counts }: Run, row: Row): { passed: number; failed: number } {
  if (row.passed !== undefined) return { passed: row.passed, failed: 0 };
  const titles = row.suite === undefined ? undefined : [row.suite].flat();
  const own = counts.filter(
    ({ file, title }) =>
      file === row.file &&
      (titles?.some((each) => title === each || title.startsWith(`${each}:`)) ?? true),
  );
  return {
    passed: own.reduce((sum, { passed }) => sum + passed, 0),
    failed: own.reduce((sum, { failed }) => sum + failed, 0),
  };
}

/** Rows that claim what no test shows. */
export function unproven(run: Run): string[] {
  return run.rows
    .filter((row) => {
      const { passed, failed } = outcome(run, row);
      return row.reason === undefined && passed + failed === 0;
    })
    .map((row) => `${row.file} says that ${row.what} ran with ${row.with}, but no test did`);
}

/** The table, as Markdown that also reads well on a terminal. Empty when no test file said anything. */
export function table(run: Run): string {
  const parts: string[] = [];
  for (const [area, title] of Object.entries(areas)) {
    const rows = run.rows.filter((row) => row.area === area);
    if (rows.length === 0) continue;
    const cells = rows.map((row) => {
      const { passed, failed } = outcome(run, row);
      const count = failed > 0 ? `${passed}, ${failed} failed` : String(passed);
      return [
        row.what,
        row.with,
        row.version ?? "",
        row.reason === undefined ? (row.note ?? "") : `did not run: ${row.reason}`,
        row.reason === undefined ? count : "",
      ].map((cell) => cell.replaceAll("|", "\\|").replaceAll(/\s+/g, " ").trim());
    });
    // Side by side, files say their rows in another order every time.
    const unique = new Map(cells.map((each) => [JSON.stringify(each), each]));
    const sorted = [...unique.values()].sort(compareRows);
    parts.push(
      `### ${title}\n\n${markdown(["", "with", "version", "what ran", "passed"], sorted)}`,
    );
  }
  return parts.join("\n\n");
}

function compareRows(a: readonly string[], b: readonly string[]): number {
  const orders = a.map((cell, i) => compare(cell, b[i] ?? ""));
  return orders.find((order) => order !== 0) ?? 0;
}

function compare(a: string, b: string): number {
  return a.localeCompare(b, "en", { numeric: true });
}

function markdown(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((cell, i) =>
    Math.max(3, cell.length, ...rows.map((row) => (row[i] ?? "").length)),
  );
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join(" | ")} |`;
  const rule = `|${widths.map((width) => "-".repeat(width + 2)).join("|")}|`;
  return [line(head), rule, ...rows.map(line)].join("\n");
}

const page = "docs/tested.md";
const intro = `# What was tested

Each part of this page is written by the command in its title, from what that run ran: nothing here is
written by hand. "Passed" counts tests.
`;

/** Replaces the part of docs/tested.md that a command writes, and leaves the others. */
export function writePart(command: string, text: string): void {
  const path = join(root, page);
  const before = existsSync(path) ? readFileSync(path, "utf8") : intro;
  const parts = new Map<string, string>();
  for (const part of before.split(/^(?=## )/m).slice(1)) {
    const end = part.indexOf("\n");
    parts.set(part.slice(3, end), part.slice(end + 1).trim());
  }
  const day = new Date().toISOString().slice(0, 10);
  const place = `Node ${process.versions.node}, ${process.platform} ${process.arch}`;
  parts.set(`\`${command}\``, `${day}, ${place}.\n\n${text}`);
  const all = [...parts].sort(([a], [b]) => compare(b, a));
  const written = all.map(([title, body]) => `## ${title}\n\n${body}\n`);
  writeFileSync(path, [intro, ...written].join("\n"));
  console.log(`${page} written: the part of ${command}`);
}
