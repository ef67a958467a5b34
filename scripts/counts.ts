// A reporter for `node --test`: one line of JSON per top-level suite or test, with the test file and
// how many tests in it passed and failed; last, the totals. scripts/tested.ts reads them.
import { relative } from "node:path";
import type { TestEvent } from "node:test/reporters";
import { root } from "./project.ts";

/** What ran under one top-level title of one file. */
export interface Count {
  readonly file: string;
  readonly title: string;
  passed: number;
  failed: number;
}

/** What became of all tests of a run. */
export interface Total {
  readonly passed: number;
  readonly failed: number;
  readonly cancelled: number;
  readonly skipped: number;
  readonly todo: number;
}

type Title = Omit<Count, "file">;

// Node takes a reporter as a module's default export and in no other way.
// oxlint-disable-next-line import/no-default-export
export default async function* counts(source: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  let titles: Title[] = [];
  let open = { passed: 0, failed: 0 };
  const lines = (file: string): string =>
    titles.map((title) => `${JSON.stringify({ file, ...title } satisfies Count)}\n`).join("");
  for await (const event of source) {
    // Files run side by side and are reported one after the other, each with its summary behind it.
    // The file of the other events is where `it` was called, which may be a helper.
    if (event.type === "test:summary") {
      const { file, counts: total } = event.data;
      // A file that died has no summary, and its titles are of no file.
      yield lines(file === undefined ? "" : relative(root, file).replaceAll("\\", "/"));
      titles = [];
      if (file === undefined) yield `${JSON.stringify({ total })}\n`;
    }
    if (event.type !== "test:pass" && event.type !== "test:fail") continue;
    const { name, nesting, details } = event.data;
    // The outcomes of what is inside a suite are reported before the suite's own.
    if (details.type !== "suite") open[event.type === "test:pass" ? "passed" : "failed"]++;
    if (nesting > 0) continue;
    titles.push({ title: name, ...open });
    open = { passed: 0, failed: 0 };
  }
}
