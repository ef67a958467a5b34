// The suites on every runtime. `npm test` runs a part on Node 20, the oldest that is supported;
// `npm run test:full` runs all of them on all, and every database driver on every runtime.
import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { mariadb, postgres, redis } from "../servers/sharedServers.ts";
import { install } from "../support/install.ts";
import { tested } from "../support/tested.ts";
import { build } from "./built.ts";
import { elsewhere, known } from "./known.ts";
import { type Report, runFile } from "./run.ts";
import { installedNode20, names, pinned, type Runtime, runtime } from "./runtimes.ts";

const full = process.env["SCS_FULL"] === "1";
const root = fileURLToPath(new URL("../..", import.meta.url));

function files(pattern: string): string[] {
  return globSync(pattern, { cwd: root })
    .map((path) => path.replaceAll("\\", "/"))
    .sort();
}

/** Groups of files, by the name of their row in the table. */
const groups: Readonly<Record<string, readonly string[]>> = {
  core: files("test/*.test.ts"),
  adapters: files("test/adapters/*.test.ts"),
  MemoryStore: ["test/stores/memory.test.ts"],
  "SQLiteStore, node:sqlite": ["test/runtimes/each/sqlite.ts"],
};
/** What only some runtimes have. */
const own: Readonly<Record<string, Readonly<Record<string, readonly string[]>>>> = {
  Bun: {
    "Bun.serve": ["test/runtimes/each/fetch-server.ts"],
    "SQLiteStore, bun:sqlite": ["test/runtimes/each/sqlite.ts"],
  },
  Deno: { "Deno.serve": ["test/runtimes/each/fetch-server.ts"] },
};
const drivers = ["pg", "postgres", "mysql2", "mariadb", "redis", "ioredis", "iovalkey"];
const driversFile = "test/runtimes/each/drivers.ts";

/** A few files that show most of what an old runtime may lack. */
const smoke: Readonly<Record<string, readonly string[]>> = {
  core: ["test/commit.test.ts", "test/cookie.test.ts", "test/record.test.ts", "test/token.test.ts"],
  adapters: ["test/adapters/node.test.ts", "test/adapters/web.test.ts"],
};

function reasonFor(name: string, file: string): string | undefined {
  return elsewhere.find((one) => one.file === file && (one.runtime ?? name) === name)?.reason;
}

/** Everything passed but what is known, and what is known still fails. */
function judge(on: Runtime, file: string, report: Report): void {
  const here = known.filter((one) => one.runtime === on.name && one.file === file);
  const unknown = report.failed.filter((test) => !here.some((one) => test.endsWith(one.test)));
  assert.deepEqual(unknown, [], `${file} on ${on.name} ${on.version}:\n${report.output}`);
  for (const one of here) {
    const failed = report.failed.some((test) => test.endsWith(one.test));
    assert.ok(failed || one.sometimes, `passes now, take it from known.ts: ${one.test}`);
  }
}

describe("docs/runtimes.md", () => {
  const page = readFileSync(join(root, "docs/runtimes.md"), "utf8");

  it("names every version that is installed", () => {
    for (const name of names) assert.ok(page.includes(pinned(name)), `${name} ${pinned(name)}`);
  });

  it("lists every known limit, and no other", () => {
    const listed = page.split("\n").filter((line) => /^- \*\*[\w ]+\*\*, "/.test(line));
    const expected = known.map((one) => `- **${one.runtime}**, "${one.test}": ${one.reason}.`);
    assert.deepEqual(listed.sort(), expected.sort());
  });
});

/** Registers the groups on one runtime, a test for each file, and adds their rows to the table. */
function suites(on: Runtime, all: Readonly<Record<string, readonly string[]>>): void {
  describe(`${on.name} (${on.version})`, { concurrency: 2 }, () => {
    const rows = new Map<string, { passed: number; limits: number; reasons: Set<string> }>();
    for (const [group, list] of Object.entries(all)) {
      const row = { passed: 0, limits: 0, reasons: new Set<string>() };
      rows.set(group, row);
      for (const file of list) {
        const reason = reasonFor(on.name, file);
        if (reason !== undefined) row.reasons.add(reason);
        else {
          it(`${group}: ${file}`, async () => {
            const env = group.endsWith("bun:sqlite") ? { SCS_SQLITE: "bun:sqlite" } : undefined;
            const report = await runFile(on, file, env);
            judge(on, file, report);
            row.passed += report.passed;
            row.limits += report.failed.length;
          });
        }
      }
    }
    after(() => {
      for (const [what, { passed, limits, reasons }] of rows) {
        const base = { area: "runtime", what, with: on.name, version: on.version } as const;
        if (passed === 0) tested({ ...base, reason: [...reasons].join("; ") || "it failed" });
        else {
          const note = limits === 0 ? undefined : `${limits} known limits, in docs/runtimes.md`;
          tested({ ...base, passed, note });
        }
      }
    });
  });
}

/** Every driver against the private servers. */
function withDrivers(on: Runtime, env: Readonly<Record<string, string>>): void {
  describe(`${on.name} (${on.version}): drivers`, { concurrency: 3 }, () => {
    for (const driver of drivers) {
      it(driver, async () => {
        const report = await runFile(on, driversFile, { ...env, SCS_DRIVER: driver });
        judge(on, driversFile, report);
        const note = "the suite, as far as it needs no waiting";
        const base = { area: "runtime", with: on.name, version: on.version } as const;
        tested({ ...base, what: driver, passed: report.passed, note });
      });
    }
  });
}

if (full) {
  const found: Runtime[] = [];
  for (const name of names) {
    const one = await runtime(name);
    if ("reason" in one) tested({ area: "runtime", what: "all", with: name, reason: one.reason });
    else found.push(one);
  }
  for (const folder of ["drivers", "redis-drivers"]) {
    await install(new URL(`../stores/${folder}/`, import.meta.url));
  }
  await build();
  const servers = await Promise.all([postgres(), mariadb(), redis()]);
  const [SCS_POSTGRES = "", SCS_MARIADB = "", SCS_REDIS = ""] = servers.map(({ url }) => url);
  // One runtime after the other: the tests of SQLite's clock are in real time.
  for (const one of found) {
    suites(one, { ...groups, ...own[one.name] });
    withDrivers(one, { SCS_POSTGRES, SCS_MARIADB, SCS_REDIS });
  }
} else {
  for (const name of names.slice(1)) console.log(`${name} ${pinned(name)} runs with SCS_FULL=1`);
  const oldest = (await installedNode20()) ?? (await runtime("Node 20"));
  if ("reason" in oldest) {
    tested({ area: "runtime", what: "all", with: "Node 20", reason: oldest.reason });
  } else {
    before(build);
    suites(oldest, smoke);
  }
}
