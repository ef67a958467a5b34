// The database drivers of the engine tests: pinned in test/stores/drivers, with a lock file of their
// own, so that none becomes a dependency of the package; installed when they are first asked for.
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";

const folder = new URL("drivers/", import.meta.url);

let installed: Promise<void> | undefined;

/** Several test processes may start at once: one installs, the others wait for its folder. */
async function install(): Promise<void> {
  const { mkdir, rm } = await import("node:fs/promises");
  const lock = new URL("installing/", folder);
  // npm writes this file last.
  const done = new URL("node_modules/.package-lock.json", folder);
  const until = Date.now() + 180_000;
  while (!existsSync(done) || existsSync(lock)) {
    try {
      await mkdir(lock);
    } catch {
      if (Date.now() > until) throw new Error(`${lock.pathname} is there: remove it and try again`);
      await new Promise((resolve) => setTimeout(resolve, 200));
      continue;
    }
    try {
      if (!existsSync(done)) {
        const npm = ["ci", "--no-audit", "--no-fund", "--ignore-scripts"];
        await promisify(execFile)("npm", npm, { cwd: folder });
      }
    } finally {
      await rm(lock, { recursive: true });
    }
  }
}

/** A driver's module, as `import` gives it. The caller says what it uses of it. */
export async function driver<Module>(specifier: string): Promise<Module> {
  installed ??= install();
  await installed;
  const require = createRequire(new URL("package.json", folder));
  return (await import(pathToFileURL(require.resolve(specifier)).href)) as Module;
}

/** The version of a driver, for the names of tests. */
export function version(name: string): string {
  const require = createRequire(import.meta.url);
  const { dependencies } = require("./drivers/package.json") as {
    dependencies: Record<string, string>;
  };
  return `${name} ${dependencies[name] ?? "?"}`;
}
