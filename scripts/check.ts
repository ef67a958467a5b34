// What no other tool checks: that the repository names no machine and no registry, that `exports`
// and the files agree, that src/ switches no type check off, and that no test is left out.
import { execFileSync } from "node:child_process";
import { existsSync, globSync } from "node:fs";
import { join } from "node:path";
import { read, root, sources, withoutComments } from "./project.ts";

type Check = () => Iterable<string>;

// Put together so that this file does not hold what it looks for.
const homes = ["work", "root", "home/[a-z]+"].join("|");
const hosts = ["npmjs\\.org", "yarnpkg\\.com", "npmmirror\\.com", "npm\\.taobao\\.org"].join("|");

const unwanted: readonly (readonly [name: string, pattern: RegExp])[] = [
  ["a path of one machine", new RegExp(`(?<![\\w.:/-])/(?:${homes})/`)],
  ["a registry host", new RegExp(`registry\\.(?:${hosts})|//[\\w.-]*(?:artifactory|verdaccio)`)],
  ["an open end", new RegExp(`\\b(?:${["TO", "FIX"].join("DO|")}ME)\\b`)],
];

/** Every file that is in the repository or would be added to it. */
function repositoryFiles(): string[] {
  if (existsSync(join(root, ".git"))) {
    const args = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"];
    const listed = execFileSync("git", args, { cwd: root, encoding: "utf8" }).split("\0");
    return listed.filter((path) => path !== "" && existsSync(join(root, path)));
  }
  // A copy without its history, such as a source archive.
  return globSync("**/*", {
    cwd: root,
    withFileTypes: true,
    exclude: (entry) => entry.name === "node_modules" || entry.name === "dist",
  })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(root.length));
}

function* noMachines(): Iterable<string> {
  for (const path of repositoryFiles()) {
    const lines = read(path).split("\n");
    for (const [index, line] of lines.entries()) {
      for (const [name, pattern] of unwanted) {
        if (pattern.test(line)) yield `${path}:${index + 1} holds ${name}`;
      }
    }
  }
}

function* exportsMatchFiles(): Iterable<string> {
  const { exports } = JSON.parse(read("package.json")) as {
    exports: Record<string, string | Record<string, string>>;
  };
  const exported = new Set<string>();
  for (const [subpath, target] of Object.entries(exports)) {
    if (typeof target === "string") continue;
    const file = target["default"]?.replace(/^\.\/dist\//, "src/").replace(/\.js$/, ".ts") ?? "";
    exported.add(file);
    if (!existsSync(join(root, file))) yield `exports has ${subpath}, but there is no ${file}`;
    if (target["types"] !== target["default"]?.replace(/\.js$/, ".d.ts")) {
      yield `exports: the types of ${subpath} are not those of its code`;
    }
    const expected = subpath === "." ? "src/index.ts" : `src/${subpath.slice(2)}.ts`;
    const folder = expected.replace(/\.ts$/, "/index.ts");
    if (file !== expected && file !== folder) yield `exports: ${subpath} leads to ${file}`;
  }
  // A helper beside an adapter or engine is no subpath; what a user constructs or mounts is one.
  const entry =
    /^export (?:async )?(?:function|const|class) (?:session(?:Handler|Middleware|Plugin)|nextSessions|sessionStorage|\w+Store)\b/m;
  for (const folder of ["src/adapters", "src/stores"]) {
    for (const [path, text] of sources(folder)) {
      if (entry.test(text) && !exported.has(path)) yield `${path} is in no exports entry`;
    }
  }
}

function* typesStayOn(): Iterable<string> {
  const anyType = /(?:[:<|&,(=]|=>|\bas|\bextends)\s*any\b(?!\s*[:(=])|\bany\[\]/;
  for (const [path, text] of sources("src")) {
    if (/@ts-(?:ignore|nocheck|expect-error)/.test(text)) yield `${path} switches a type error off`;
    // One named rule on one line is an exception with a reason; more is a hole.
    if (/(?:ox|es)lint-disable(?!-next-line [\w-]+)|lint-disable.*no-explicit-any/.test(text)) {
      yield `${path} switches lint rules off`;
    }
    if (anyType.test(withoutComments(text))) yield `${path} uses the type any`;
    if (/^export default\b/m.test(text)) yield `${path} has a default export`;
  }
}

function* everyTestRuns(): Iterable<string> {
  const left = /\b(?:test|it|describe|suite)\.(?:only|skip|todo)\b|\b(?:only|skip|todo): true/;
  for (const [path, text] of sources("test")) {
    if (left.test(text)) yield `${path} leaves a test out`;
  }
}

/** One install gives everybody the same: exact versions, and no address of one machine's registry. */
function* installIsFixed(): Iterable<string> {
  for (const path of ["package.json", "scripts/toolchain/package.json"]) {
    const manifest = JSON.parse(read(path)) as Record<string, Record<string, string> | undefined>;
    for (const kind of ["dependencies", "devDependencies", "optionalDependencies"]) {
      for (const [name, version] of Object.entries(manifest[kind] ?? {})) {
        if (!/^(?:npm:.+@)?\d+\.\d+\.\d+$/.test(version)) yield `${path}: ${name} is not pinned`;
      }
    }
  }
  const addresses = read("package-lock.json").match(/"resolved": "\w+:\/\/[^"]*"/g) ?? [];
  if (addresses.length > 0) yield `package-lock.json holds ${addresses.length} registry addresses`;
}

const checks: Record<string, Check> = {
  "no machine paths, registry hosts or open ends": noMachines,
  "exports and files agree": exportsMatchFiles,
  "no type check is switched off in src": typesStayOn,
  "no test is left out": everyTestRuns,
  "the install is fixed": installIsFixed,
};

let failed = 0;
for (const [name, check] of Object.entries(checks)) {
  const problems = [...check()];
  failed += problems.length;
  console.log(`check: ${name}: ${problems.length === 0 ? "ok" : `${problems.length} problems`}`);
  for (const problem of problems) console.error(`  ${problem}`);
}
process.exitCode = failed === 0 ? 0 : 1;
