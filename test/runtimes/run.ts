// Runs one test file on one runtime, by the runtime's own `node:test`, and reads what it reports.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Runtime } from "./runtimes.ts";

/** What came of a file. */
export interface Report {
  readonly passed: number;
  /** "suite > test", of each that failed. */
  readonly failed: readonly string[];
  /** What the process wrote. */
  readonly output: string;
}

const root = fileURLToPath(new URL("../..", import.meta.url));

/** Files whose tests take longer than this, in ms, are ended. */
const longest = 240_000;

export async function runFile(
  runtime: Runtime,
  file: string,
  env: Readonly<Record<string, string>> = {},
): Promise<Report> {
  const folder = mkdtempSync(join(tmpdir(), "scs-session-runtime-"));
  const report = join(folder, "report.xml");
  try {
    const path = runtime.built ? `test/runtimes/dist/${file.replace(/\.ts$/, ".js")}` : file;
    const child = spawn(runtime.program, [...args(runtime.kind, path, report)], {
      cwd: root,
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...environment(folder), SCS_RUNTIME: runtime.name, ...env },
    });
    let output = "";
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8").on("data", (text: string) => (output += text));
    }
    const timer = setTimeout(() => child.kill("SIGKILL"), longest);
    const [code, signal] = (await once(child, "close")) as [number | null, string | null];
    clearTimeout(timer);
    const all = existsSync(report) ? parse(readFileSync(report, "utf8")) : [];
    const cases = runtime.kind === "deno" ? leaves(all) : all;
    const failed = cases.filter(({ outcome }) => outcome !== "passed").map(({ name }) => name);
    const passed = cases.length - failed.length;
    if (code !== 0 && failed.length === 0) failed.push(`the process ended with ${signal ?? code}`);
    if (cases.length === 0) failed.push("no test ran");
    return { passed, failed, output };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function args(kind: Runtime["kind"], file: string, report: string): readonly string[] {
  switch (kind) {
    case "node": {
      const to = ["--test-reporter=junit", `--test-reporter-destination=${report}`];
      return ["--no-warnings", ...to, file];
    }
    case "bun": {
      const to = ["--reporter=junit", `--reporter-outfile=${report}`];
      return ["test", "--timeout=60000", ...to, `./${file}`];
    }
    case "deno": {
      // Without a check of types: the project's own compiler does that.
      const how = ["--allow-all", "--no-check", "--node-modules-dir=manual"];
      return ["test", ...how, `--junit-path=${report}`, file];
    }
  }
}

/** Without what would make a nested test run report to the outer one, or take more rounds. */
function environment(folder: string): NodeJS.ProcessEnv {
  const { NODE_TEST_CONTEXT: _, SCS_FULL: __, SCS_TESTED: ___, ...rest } = process.env;
  return { ...rest, NO_COLOR: "1", DENO_DIR: join(folder, "deno"), DENO_NO_UPDATE_CHECK: "1" };
}

interface Case {
  readonly name: string;
  readonly outcome: "passed" | "failed" | "skipped";
}

/** The test cases of a JUnit report: Node's, Bun's or Deno's. */
export function parse(xml: string): Case[] {
  const cases: Case[] = [];
  const suites: string[] = [];
  const tags = /<(\/?)(testsuite|testcase|failure|error|skipped)\b([^>]*?)(\/?)>/g;
  let open: { name: string; outcome: Case["outcome"] } | undefined;
  for (const [, closing, tag, attributes = "", alone] of xml.matchAll(tags)) {
    const name = text(/\bname="([^"]*)"/.exec(attributes)?.[1] ?? "");
    if (tag === "testsuite") {
      if (closing === "/") suites.pop();
      else if (alone !== "/") suites.push(name);
    } else if (tag === "testcase") {
      if (closing === "/") {
        if (open !== undefined) cases.push(open);
        open = undefined;
      } else {
        const one = { name: [...suites, name].join(" > "), outcome: "passed" as const };
        if (alone === "/") cases.push(one);
        else open = one;
      }
    } else if (open !== undefined) {
      open.outcome = tag === "skipped" ? "skipped" : "failed";
    }
  }
  return cases;
}

/** Deno reports suites as tests too, and names each by where its code is. */
function leaves(cases: readonly Case[]): Case[] {
  const named = cases.map(({ name, outcome }) => {
    return { name: name.slice(name.indexOf(" > ") + 3), outcome };
  });
  return named.filter(({ name }) => !named.some((one) => one.name.startsWith(`${name} > `)));
}

const entities: Readonly<Record<string, string>> = {
  amp: "&",
  apos: "'",
  gt: ">",
  lt: "<",
  quot: '"',
  "#x27": "'",
  "#39": "'",
  "#10": "\n",
};

function text(xml: string): string {
  return xml.replace(/&([^;]+);/g, (whole, name: string) => entities[name] ?? whole);
}
