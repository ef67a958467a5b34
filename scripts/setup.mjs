// Makes `npm start` and `npm test` work on a fresh clone: installs what package-lock.json says, and
// does nothing when that is what node_modules holds. Plain JavaScript without imports from
// node_modules, since it runs on the system's Node (20.19 or later) before there is another one.
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { join } from "node:path";

const root = fileURLToPath(new URL("..", import.meta.url));
const windows = process.platform === "win32";

/** Why an install is due; undefined when there is nothing to do. */
function reason() {
  // npm writes this copy of the lock file as the last step of every install.
  const installedPath = join(root, "node_modules", ".package-lock.json");
  if (!existsSync(installedPath)) return "node_modules is not there yet";
  const wanted = packages(join(root, "package-lock.json"));
  const installed = packages(installedPath);
  for (const [path, entry] of wanted) {
    const have = installed.get(path);
    // Other platforms' binaries stay out, and so does what npm was told to omit.
    if (have === undefined && entry.optional === true) continue;
    if (have?.version !== entry.version || have?.integrity !== entry.integrity) {
      return `${path} differs from package-lock.json`;
    }
    // That copy is rewritten by `npm install --package-lock-only` too, which installs nothing.
    if (entry.link !== true && !existsSync(join(root, path))) return `${path} is missing`;
  }
  for (const path of installed.keys()) {
    if (!wanted.has(path)) return `${path} is not in package-lock.json`;
  }
  return undefined;
}

function packages(path) {
  const all = Object.entries(JSON.parse(readFileSync(path, "utf8")).packages);
  return new Map(all.filter(([name]) => name.includes("node_modules/")));
}

function install() {
  // NODE_ENV=production or a user's omit setting would leave out what the scripts need.
  const args = ["ci", "--no-audit", "--no-fund", "--include=dev", "--include=optional"];
  // npm tells the scripts it runs where it is: the same npm does the install, whatever PATH says.
  const npm = process.env.npm_execpath;
  const result = npm?.endsWith(".js")
    ? spawnSync(process.env.npm_node_execpath ?? process.execPath, [npm, ...args], options())
    : spawnSync(windows ? "npm.cmd" : "npm", args, { ...options(), shell: windows });
  if (result.status !== 0) {
    console.error("setup: npm ci failed");
    process.exit(result.status ?? 1);
  }
}

function options() {
  return { cwd: root, stdio: "inherit" };
}

const due = reason();
if (due !== undefined) {
  console.log(`setup: ${due}; running npm ci (about half a minute)`);
  install();
}

// The sources are TypeScript, which Node 24 runs as it is. It comes with the install, and npm puts
// node_modules/.bin first in the PATH of every script.
const local = join(root, "node_modules", ".bin", windows ? "node.cmd" : "node");
if (!existsSync(local)) linkNode();
if (!existsSync(local) && Number.parseInt(process.versions.node, 10) < 24) {
  console.error(
    `setup: no Node 24 package was installed for ${process.platform} ${process.arch}, and the Node in PATH is ${process.versions.node}. Install Node 24 and try again.`,
  );
  process.exit(1);
}

/** npm 10 (seen: 10.9.9) installs the Node package, but does not link its program; npm 11 does. */
function linkNode() {
  const names = ["node", "node-bin"].map((name) => `${name}-${platform()}-${process.arch}`);
  const found = names.find((name) => existsSync(join(root, "node_modules", name)));
  if (found === undefined) return;
  if (windows) writeFileSync(local, `@"%~dp0\\..\\${found}\\bin\\node.exe" %*\r\n`);
  else symlinkSync(join("..", found, "bin", "node"), local);
}

function platform() {
  return windows ? "win" : process.platform;
}
