// The sources and the tests as JavaScript, for the runtime that runs no TypeScript.
import { execFile } from "node:child_process";
import {
  existsSync,
  globSync,
  mkdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const root = fileURLToPath(new URL("../..", import.meta.url));
/** The tests look for their drivers beside themselves. */
const drivers = ["test/stores/drivers", "test/stores/redis-drivers"];

/** Compiles into test/runtimes/dist, which the repository ignores. */
export async function build(): Promise<void> {
  const to = join(root, "test/runtimes/dist");
  rmSync(to, { recursive: true, force: true });
  const tsc = join(root, "node_modules/typescript/bin/tsc");
  await promisify(execFile)(process.execPath, [tsc, "-p", "test/runtimes/tsconfig.json"], {
    cwd: root,
  });
  // Files that tests name as text, for processes of their own.
  for (const path of globSync("test/**/*.js", { cwd: to })) {
    const code = readFileSync(join(to, path), "utf8");
    const built = code.replace(/(new URL\("[^"]+)\.ts"/g, '$1.js"');
    if (built !== code) writeFileSync(join(to, path), built);
  }
  for (const folder of drivers) {
    mkdirSync(join(to, folder), { recursive: true });
    for (const name of ["package.json", "package-lock.json", "node_modules"]) {
      const from = join(root, folder, name);
      if (existsSync(from)) symlinkSync(from, join(to, folder, name));
    }
  }
}
