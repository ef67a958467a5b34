// `npm test`: every stage in order, its time, and a count at the end. A stage that fails does not
// stop the next ones, so that one run shows everything.
//
//   npm test                        all stages
//   npm test -- unit types          these stages
//   npm test -- test/cookie.test.ts these test files
//   npm run test:full               all stages, then the tests once more with SCS_FULL=1; writes
//                                   docs/tested.md, unless something failed or CI is set
import { globSync, mkdtempSync, rmSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import type { Total } from "./counts.ts";
import { node, root, tool } from "./project.ts";
import { readRun, type Run, table, unproven, writePart } from "./tested.ts";

interface Count {
  passed: number;
  failed: number;
}

/** What ran on what, by stage. */
const runs = new Map<string, Run>();

const packageTests = testFiles("test/package/**/*.test.ts");
const unitTests = testFiles("test/**/*.test.ts").filter((path) => !packageTests.includes(path));

const stages: Readonly<Record<string, () => Count>> = {
  format: () => one(tool("oxfmt/bin/oxfmt", "--check")),
  lint: () => one(tool("oxlint/bin/oxlint", "--type-aware", "--deny-warnings")),
  layers: () => one(node("scripts/layers.ts")),
  check: () => one(node("scripts/check.ts")),
  types: () => one(node("scripts/types.ts")),
  unit: () => tests("unit", unitTests),
  package: () => tests("package", packageTests),
};

/** Runs in addition, with SCS_FULL=1: the tests then take more seeds, rounds and sizes. */
const fullStages: Readonly<Record<string, () => Count>> = {
  full: () => {
    process.env["SCS_FULL"] = "1";
    return tests("full", unitTests);
  },
};

function one(passed: boolean): Count {
  return { passed: passed ? 1 : 0, failed: passed ? 0 : 1 };
}

function testFiles(pattern: string): string[] {
  return globSync(pattern, { cwd: root, exclude: ["**/node_modules"] }).sort();
}

/** Runs test files; one that is skipped or left for later counts as failed. */
function tests(stage: string, files: readonly string[]): Count {
  if (files.length === 0) {
    console.error("no test files");
    return { passed: 0, failed: 1 };
  }
  const folder = mkdtempSync(join(tmpdir(), "scs-session-report-"));
  const [counts, rows] = [join(folder, "counts"), join(folder, "rows")];
  process.env["SCS_TESTED"] = rows;
  try {
    // Engines on a server share one set of private servers, started and stopped around the run.
    const servers = files.some((path) => path.startsWith("test/stores/") && !/memory/.test(path));
    const passed = node(
      ...(servers ? ["test/servers/run.ts"] : []),
      "--test",
      "--test-timeout=300000",
      // One more than by default: many tests wait for a server, a client or a clock.
      `--test-concurrency=${Math.max(2, availableParallelism())}`,
      "--test-reporter=spec",
      "--test-reporter-destination=stdout",
      "--test-reporter=./scripts/counts.ts",
      `--test-reporter-destination=${counts}`,
      ...files,
    );
    const { total: all, ...run } = readRun(rows, counts);
    const count = counted(all);
    runs.set(stage, run);
    const claims = unproven(run);
    for (const claim of claims) console.error(claim);
    count.failed += claims.length;
    if (!passed && count.failed === 0) count.failed = 1;
    return count;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function counted(total: Total | undefined): Count {
  if (total === undefined) return { passed: 0, failed: 0 };
  const left = total.skipped + total.todo;
  if (left > 0) console.error(`${left} tests were skipped or left for later: they count as failed`);
  return { passed: total.passed, failed: total.failed + total.cancelled + left };
}

function chosen(args: readonly string[]): (readonly [string, () => Count])[] {
  const full = args.includes("--full");
  const names = args.filter((arg) => arg !== "--full");
  const known = { ...stages, ...fullStages };
  if (names.length === 0) return Object.entries(full ? known : stages);
  const files = names.filter((name) => !(name in known));
  const picked = Object.entries(known).filter(([name]) => names.includes(name));
  return files.length === 0 ? picked : [...picked, ["files", () => tests("files", files)]];
}

/** The rows of all stages; the full one ran all that the first one did. */
function everything(): Run {
  const kept = [...runs].filter(([stage]) => stage !== "unit" || !runs.has("full"));
  return {
    rows: kept.flatMap(([, { rows }]) => rows),
    counts: kept.flatMap(([, { counts }]) => counts),
  };
}

const total: Count = { passed: 0, failed: 0 };
const lines: string[] = [];
for (const [name, run] of chosen(process.argv.slice(2))) {
  console.log(`\n=== ${name} ===`);
  const start = performance.now();
  const { passed, failed } = run();
  const seconds = ((performance.now() - start) / 1000).toFixed(1);
  total.passed += passed;
  total.failed += failed;
  lines.push(
    `${failed === 0 ? "ok    " : "FAILED"} ${name.padEnd(8)} ${seconds.padStart(6)} s  ${passed} passed, ${failed} failed`,
  );
  console.log(lines.at(-1));
}

const shown = table(everything());
if (shown !== "") console.log(`\n=== what ran on what ===\n${shown}`);
// In CI nothing changes the repository, and a part of the stages is not the whole table.
if (runs.has("full") && runs.has("package") && total.failed === 0 && !process.env["CI"]) {
  writePart("npm run test:full", shown);
}

console.log(`\n=== summary ===\n${lines.join("\n")}\n`);
console.log(`${total.passed} passed, ${total.failed} failed`);
process.exitCode = total.failed === 0 ? 0 : 1;
