import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { readRun, type Run, table, unproven } from "../scripts/tested.ts";
import type { Row } from "./support/tested.ts";

const root = fileURLToPath(new URL("..", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "scs-session-tested-"));
after(() => rmSync(folder, { recursive: true }));

const row: Row = { file: "a", area: "engine", what: "AStore", with: "client 1", note: "all" };

describe("the table of what ran", () => {
  it("takes its rows from the test files and its counts from the runner", () => {
    const file = join(folder, "sample.test.ts");
    const support = JSON.stringify(new URL("support/tested.ts", import.meta.url).href);
    writeFileSync(
      file,
      `import { describe, it } from "node:test";
      import { tested } from ${support};
      const row = { area: "engine", what: "AStore", version: "Server 2" };
      tested({ ...row, with: "one", suite: "one" });
      tested({ ...row, with: "one | two", suite: ["one", "two: b"] });
      tested({ ...row, with: "all" });
      tested({ ...row, with: "none", suite: "on" });
      tested({ ...row, with: "late", reason: "it has\\n gone" });
      for (const title of ["one: a", "one", "two: b"]) {
        describe(title, () => {
          it("1", () => {});
          describe("inner", () => it("2", () => {}));
        });
      }
      it("two: b", () => { throw new Error("on purpose"); });`,
    );
    const [rows, counts] = [join(folder, "rows"), join(folder, "counts")];
    const { NODE_TEST_CONTEXT: _, ...env } = process.env;
    const result = spawnSync(
      process.execPath,
      [
        "--test",
        "--test-reporter=./scripts/counts.ts",
        `--test-reporter-destination=${counts}`,
        file,
      ],
      { cwd: root, env: { ...env, SCS_TESTED: rows }, encoding: "utf8" },
    );
    assert.equal(result.status, 1, result.stderr);
    const run = readRun(rows, counts);
    const cells = table(run)
      .split("\n")
      .slice(4)
      .map((line) => line.replaceAll(/ {2,}/g, " "));
    assert.deepEqual(cells, [
      "| AStore | all | Server 2 | | 6, 1 failed |",
      "| AStore | late | Server 2 | did not run: it has gone | |",
      "| AStore | none | Server 2 | | 0 |",
      "| AStore | one | Server 2 | | 4 |",
      "| AStore | one \\| two | Server 2 | | 6, 1 failed |",
    ]);
    assert.equal(unproven(run).length, 1);
    assert.match(unproven(run)[0] ?? "", /AStore ran with none, but no test did/);
  });

  it("is the same whatever the order of the rows, and each row is there once", () => {
    const rows = [row, { ...row, with: "client 10" }, { ...row, with: "client 2" }, row];
    const counts = [{ file: "a", title: "t", passed: 3, failed: 0 }];
    const one: Run = { rows, counts };
    const other: Run = { rows: rows.toReversed(), counts };
    assert.equal(table(one), table(other));
    const withs = [...table(one).matchAll(/client \d+/g)].map(([text]) => text);
    assert.deepEqual(withs, ["client 1", "client 2", "client 10"]);
  });

  it("has counts that a row brings itself, and none for what did not run", () => {
    const rows: Row[] = [
      { ...row, area: "runtime", what: "core", passed: 12 },
      { ...row, reason: "no server" },
    ];
    assert.match(table({ rows, counts: [] }), /### Engines[^]*no server[^]*### Runtimes[^]*12/);
    assert.deepEqual(unproven({ rows, counts: [] }), []);
    assert.equal(table({ rows: [], counts: [] }), "");
    assert.equal(unproven({ rows: [{ ...row, passed: 0 }], counts: [] }).length, 1);
  });
});
