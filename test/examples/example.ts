// The examples of frameworks that are too large for everybody's install: each has a package.json and a
// lock of its own, is installed when it is first tested, and gets this package as users do, built.
import { execFile, spawn, type ChildProcess } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { freePort } from "../servers/port.ts";

const run = promisify(execFile);
const root = join(import.meta.dirname, "../..");

/** Without what npm and the test runner tell their children. */
function environment(): NodeJS.ProcessEnv {
  const mine = Object.entries(process.env).filter(([name]) => !/^npm_|^NODE_TEST_/.test(name));
  return Object.fromEntries(mine);
}

export interface Example {
  readonly folder: string;
  /** Runs one of the root's or the example's own programs to its end; throws with its output. */
  run(script: string, ...args: string[]): Promise<void>;
}

/** The example's folder, ready to run. */
export async function example(name: string): Promise<Example> {
  const folder = join(root, "examples/frameworks", name);
  const env = environment();
  // npm writes this file last.
  if (!existsSync(join(folder, "node_modules/.package-lock.json"))) {
    const args = ["ci", "--no-audit", "--no-fund", "--ignore-scripts"];
    await run("npm", args, { cwd: folder, env, maxBuffer: 1e8 });
  }
  const built = mkdtempSync(join(tmpdir(), "scs-session-example-"));
  try {
    const tsc = join(root, "node_modules/typescript/bin/tsc");
    const project = join(root, "tsconfig.build.json");
    await run(process.execPath, [tsc, "-p", project, "--outDir", built], { cwd: root, env });
    const target = join(folder, "node_modules/scs-session");
    rmSync(target, { recursive: true, force: true });
    mkdirSync(target);
    cpSync(join(root, "package.json"), join(target, "package.json"));
    cpSync(built, join(target, "dist"), { recursive: true });
  } finally {
    rmSync(built, { recursive: true, force: true });
  }
  return {
    folder,
    async run(script, ...args) {
      const path = existsSync(join(folder, script)) ? join(folder, script) : join(root, script);
      try {
        await run(process.execPath, [path, ...args], { cwd: folder, env, maxBuffer: 1e8 });
      } catch (error) {
        const { stdout, stderr } = error as { stdout: string; stderr: string };
        throw new Error(`${script} failed:\n${stdout}${stderr}`, { cause: error });
      }
    },
  };
}

/** Starts a program that listens on `PORT`, uses it, and ends it with all of its children. */
export async function serving(
  { folder }: Example,
  [file = "", ...args]: readonly string[],
  use: (url: string) => Promise<void>,
  more: NodeJS.ProcessEnv = {},
): Promise<void> {
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const place = { HOST: "127.0.0.1", PORT: String(port) };
  const env = { ...environment(), ...place, ...more };
  const program = file === "node" ? process.execPath : join(folder, file);
  const child = spawn(program, args, { cwd: folder, env, detached: true, stdio: "pipe" });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => (output += text));
  }
  try {
    await answers(url, child, () => output);
    await use(url);
  } catch (error) {
    throw new Error(`${file} ${args.join(" ")} printed:\n${output}`, { cause: error });
  } finally {
    await ended(child);
  }
}

async function answers(url: string, child: ChildProcess, output: () => string): Promise<void> {
  const until = Date.now() + 60_000;
  while (Date.now() < until && child.exitCode === null) {
    try {
      await (await fetch(url)).text();
      return;
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
  throw new Error(`nothing listens on ${url}: ${output()}`);
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.pid === undefined) return;
  const gone = new Promise((resolve) => child.once("close", resolve));
  // The group: a framework's own server may be a grandchild.
  process.kill(-child.pid, "SIGKILL");
  await gone;
}
