/**
 * What a test run ran on what: each test file says it, and scripts/tested.ts makes one table of it,
 * printed after the tests; `npm run test:full` writes it to docs/tested.md.
 */
import { appendFileSync } from "node:fs";
import { relative } from "node:path";
import { fileURLToPath } from "node:url";

/** One row of the table. */
export interface Tested {
  readonly area: "engine" | "runtime" | "adapter" | "browser";
  /** Ours: "PostgresStore", "sessionMiddleware (express)". */
  readonly what: string;
  /** What it ran with: a client, a framework, a runtime; "pg 8.23.1". */
  readonly with: string;
  /** What stands behind that, as it names itself: "PostgreSQL 15.14". Empty when nothing does. */
  readonly version?: string | undefined;
  /** What ran: "two processes", "Sentinel, failover", "the part that needs no waiting". */
  readonly note?: string | undefined;
  /**
   * Which tests of this file count: those in a top-level `describe` (or `it`) with this title, alone
   * or followed by a colon. Without it, all tests of the file.
   */
  readonly suite?: string | readonly string[] | undefined;
  /** How many tests passed, where they ran outside this test process. Wins over `suite`. */
  readonly passed?: number | undefined;
  /** Why it did not run. */
  readonly reason?: string | undefined;
}

/** A row, with the test file that it is of. */
export interface Row extends Tested {
  readonly file: string;
}

const root = fileURLToPath(new URL("../..", import.meta.url));

/**
 * Adds a row to the table of this run. Call it where the tests are registered, or, with `passed`,
 * when the count is known. Does nothing when no table is made (a test file that is run by hand),
 * but for a reason, which is always printed.
 */
export function tested(row: Tested): void {
  if (row.reason !== undefined)
    console.log(`${row.what} on ${row.with} did not run: ${row.reason}`);
  const path = process.env["SCS_TESTED"];
  if (path === undefined || path === "") return;
  const file = relative(root, process.argv[1] ?? "").replaceAll("\\", "/");
  appendFileSync(path, `${JSON.stringify({ file, ...row } satisfies Row)}\n`);
}
