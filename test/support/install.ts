// Packages that only some tests need: pinned in a folder with package.json and lock file of its own,
// so that none becomes a dependency of the package; installed when they are first asked for.
import { execFile } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, utimesSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";

/** How an install differs from a plain one without scripts. */
export interface InstallOptions {
  /** Also runs the packages' own install scripts, which may compile. */
  readonly scripts?: boolean | undefined;
  readonly env?: Readonly<Record<string, string>> | undefined;
}

/** An install that has not shown for so long, in ms, that it goes on, was killed. */
const stale = 60_000;
/** How often it shows it, in ms. */
const sign = 2000;

function versions(path: URL): string {
  const { packages } = JSON.parse(readFileSync(path, "utf8")) as {
    packages: Record<string, { version?: string; integrity?: string; optional?: boolean }>;
  };
  return Object.entries(packages)
    .filter(([name, { optional }]) => name !== "" && optional !== true)
    .map(([name, { version, integrity }]) => `${name} ${version} ${integrity}`)
    .join("\n");
}

function isInstalled(folder: URL): boolean {
  // npm writes this copy of the lock file as the last step of every install.
  const copy = new URL("node_modules/.package-lock.json", folder);
  return existsSync(copy) && versions(copy) === versions(new URL("package-lock.json", folder));
}

const running = new Map<string, Promise<void>>();

/** Installs what `folder` locks, unless it is there. Throws with npm's output. */
export function install(folder: URL, options: InstallOptions = {}): Promise<void> {
  const known = running.get(folder.href) ?? once(folder, options);
  running.set(folder.href, known);
  return known;
}

/** Several test processes may start at once: one installs, the others wait for it. */
async function once(folder: URL, { scripts = false, env = {} }: InstallOptions): Promise<void> {
  const lock = new URL("installing/", folder);
  while (existsSync(lock) || !isInstalled(folder)) {
    try {
      mkdirSync(lock);
    } catch {
      const age = Date.now() - (statSync(lock, { throwIfNoEntry: false })?.mtimeMs ?? Date.now());
      if (age > stale) rmSync(lock, { recursive: true, force: true });
      await sleep(200);
      continue;
    }
    const signs = setInterval(() => utimesSync(lock, new Date(), new Date()), sign);
    try {
      if (isInstalled(folder)) continue;
      const npm = process.platform === "win32" ? "npm.cmd" : "npm";
      const args = ["ci", "--no-audit", "--no-fund"];
      if (!scripts) args.push("--ignore-scripts");
      await promisify(execFile)(npm, args, { cwd: folder, env: { ...process.env, ...env } });
    } finally {
      clearInterval(signs);
      rmSync(lock, { recursive: true, force: true });
    }
  }
}
