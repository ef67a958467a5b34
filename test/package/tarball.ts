// The package as a user gets it: built, packed, and installed in empty projects of their own.
import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

export const root: string = fileURLToPath(new URL("../..", import.meta.url));

export interface Outcome {
  readonly status: number | null;
  readonly stdout: string;
  /** Both streams: what to show when something fails. */
  readonly output: string;
}

/** Runs a program to its end, at most a minute. */
export function run(file: string, args: readonly string[], cwd: string): Outcome {
  const { status, stdout, stderr, error } = spawnSync(file, args, {
    cwd,
    env: environment(),
    encoding: "utf8",
    timeout: 60_000,
  });
  return {
    status,
    stdout,
    output: `${stdout}${stderr}${error === undefined ? "" : String(error)}`,
  };
}

/** Runs npm, and fails loudly. */
export function npm(args: readonly string[], cwd: string): string {
  const script = process.env["npm_execpath"];
  const outcome = script?.endsWith(".js")
    ? run(process.execPath, [script, ...args], cwd)
    : run("npm", args, cwd);
  if (outcome.status !== 0) throw new Error(`npm ${args.join(" ")}: ${outcome.output}`);
  return outcome.stdout;
}

/** Without what npm and the test runner tell the programs they start: a user's shell has none of it. */
function environment(): NodeJS.ProcessEnv {
  const mine = Object.entries(process.env).filter(([name]) => !/^npm_|^NODE_TEST_/.test(name));
  return Object.fromEntries(mine);
}

/** One packed version of this package, and projects that use it. */
export class Tarball {
  /** The packed file. */
  readonly path: string;
  /** The names in it, without the leading `package/`. */
  readonly files: readonly string[];
  readonly #folder: string;
  readonly #installed: string;

  constructor() {
    this.#folder = mkdtempSync(join(tmpdir(), "scs-session-package-"));
    // At the end of the process, however it comes: a build that fails leaves nothing behind.
    process.on("exit", () => rmSync(this.#folder, { recursive: true, force: true }));
    const packed = npm(["pack", "--json", "--pack-destination", this.#folder], root);
    // npm 11 answers with a list, npm 12 with an object by package name.
    const answer = JSON.parse(packed.slice(packed.search(/^[[{]/m))) as Record<string, Packed>;
    const [only] = Object.values(answer);
    if (only === undefined) throw new Error(`npm pack made nothing: ${packed}`);
    this.path = join(this.#folder, only.filename);
    this.files = only.files.map((file) => file.path);

    this.#installed = join(this.#folder, "installed");
    mkdirSync(this.#installed);
    writeFileSync(join(this.#installed, "package.json"), '{ "private": true }\n');
    // Offline: a dependency that has to be fetched is one that must not be there.
    const args = ["install", "--offline", "--ignore-scripts", "--no-audit", "--no-fund", this.path];
    npm(args, this.#installed);
  }

  /** A new project that has the package installed, those of our own packages, and these files. */
  project(files: Readonly<Record<string, string>>, packages: readonly string[] = []): string {
    const folder = mkdtempSync(join(this.#folder, "project-"));
    cpSync(join(this.#installed, "node_modules"), join(folder, "node_modules"), {
      recursive: true,
    });
    for (const name of packages) {
      const target = join(folder, "node_modules", name);
      mkdirSync(dirname(target), { recursive: true });
      cpSync(join(root, "node_modules", name), target, { recursive: true });
    }
    const manifest = '{ "name": "consumer", "private": true, "type": "module" }\n';
    for (const [name, text] of Object.entries({ "package.json": manifest, ...files })) {
      writeFileSync(join(folder, name), text);
    }
    return folder;
  }
}

interface Packed {
  readonly filename: string;
  readonly files: readonly { readonly path: string }[];
}
