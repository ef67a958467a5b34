// `npm run bench`: all parts, one after another; `--quick` some of them in about two minutes; `--only
// requests`, `core`, `memory`, `codec`, `size`, `contention` or `scale` for one. Plain JavaScript, since it may run on
// a Node that cannot run TypeScript yet. Options for Node itself reach every process of the benchmark:
//
//     node --cpu-prof bench/run.mjs --quick --only requests
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const here = fileURLToPath(new URL(".", import.meta.url));
const root = join(here, "..");
const windows = process.platform === "win32";

function run(command, args, options = {}) {
  const { status, error } = spawnSync(command, args, { cwd: root, stdio: "inherit", ...options });
  if (status === 0) return;
  console.error(`bench: ${command} ${args.join(" ")}: ${error?.message ?? `status ${status}`}`);
  process.exit(1);
}

/** Whether bench/node_modules holds what the lock file says. */
function installed() {
  // npm writes this copy of the lock file as the last step of every install.
  const copy = join(here, "node_modules", ".package-lock.json");
  if (!existsSync(copy)) return false;
  const versions = (path) =>
    Object.entries(JSON.parse(readFileSync(path, "utf8")).packages)
      .filter(([name]) => name !== "")
      .map(([name, { version, integrity }]) => `${name} ${version} ${integrity}`)
      .join("\n");
  return versions(copy) === versions(join(here, "package-lock.json"));
}

/** The project's own Node: the figures are to be comparable. */
function node() {
  const local = join(root, "node_modules", ".bin", windows ? "node.cmd" : "node");
  if (!existsSync(local)) run(process.execPath, [join(root, "scripts", "setup.mjs")]);
  return existsSync(local) ? local : process.execPath;
}

const executable = node();
if (!installed()) {
  console.log("bench: installing the peers");
  const args = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--include=prod"];
  // npm says where it is to the scripts that it runs: the same npm, whatever PATH says.
  const npm = process.env.npm_execpath;
  if (npm?.endsWith(".js")) {
    run(process.env.npm_node_execpath ?? process.execPath, [npm, ...args], { cwd: here });
  } else {
    run(windows ? "npm.cmd" : "npm", args, { cwd: here, shell: windows });
  }
}

const quick = process.argv.includes("--quick");
const rest = quick ? ["--quick"] : [];
for (const option of ["--columns", "--engines", "--rounds"]) {
  const at = process.argv.indexOf(option);
  if (at !== -1) rest.push(option, process.argv[at + 1]);
}
const parts = {
  requests: ["requests.ts", ...rest],
  memory: ["micro/memory.ts", ...(quick ? ["300000"] : [])],
  codec: ["micro/codec.ts"],
  core: ["micro/core.ts"],
  size: ["size.ts"],
  contention: ["contention.ts"],
  scale: ["scale.ts"],
};
const only = process.argv.indexOf("--only");
// `--quick` leaves out what takes its time whatever one does: ten minutes of filling a database.
const quickly = ["requests", "core", "size"];
const all = quick ? quickly : Object.keys(parts);
const wanted = only === -1 ? all : [process.argv[only + 1]];
for (const part of wanted) {
  if (!Object.hasOwn(parts, part)) {
    console.error(`bench: --only takes one of ${Object.keys(parts).join(", ")}`);
    process.exit(1);
  }
  console.log(`\n--- ${part}\n`);
  const [script, ...args] = parts[part];
  run(executable, [...process.execArgv, join(here, script), ...args], {
    shell: windows,
  });
}
if (wanted.includes("requests") || wanted.includes("scale"))
  run(executable, [join(here, "charts.ts")], { shell: windows });
console.log("\nbench: results are in bench/results/latest.json");
