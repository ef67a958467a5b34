// The runtimes beside the project's own Node 24: each an npm package in a folder of its own, with
// package.json and lock file, installed when it is first asked for.
import { execFile } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { install } from "../support/install.ts";

export interface Runtime {
  /** As users call it. */
  readonly name: string;
  /** Of the program, by its own word. */
  readonly version: string;
  readonly program: string;
  /** Runs JavaScript only. */
  readonly built: boolean;
  readonly kind: "node" | "bun" | "deno";
}

type Found = Pick<Runtime, "version" | "program">;

interface Kind {
  readonly kind: Runtime["kind"];
  readonly folder: string;
  /** Where a package has its program, by the names of the platform. */
  readonly paths: readonly string[];
  readonly built?: boolean;
}

const platform = `${process.platform}-${process.arch}`;
const arm = process.arch === "arm64";

function node(major: number): Kind {
  const paths = [`node-${platform}/bin/node`];
  return { kind: "node", folder: `node${major}`, paths, built: major < 22 };
}

const kinds: Readonly<Record<string, Kind>> = {
  "Node 20": node(20),
  "Node 22": node(22),
  "Node 26": node(26),
  Bun: {
    kind: "bun",
    folder: "bun",
    paths: [`@oven/bun-${process.platform}-${arm ? "aarch64" : "x64"}/bin/bun`],
  },
  Deno: {
    kind: "deno",
    folder: "deno",
    paths: [`@deno/${platform}-glibc/deno`, `@deno/${platform}/deno`],
  },
};

export const names: readonly string[] = Object.keys(kinds);

/** The version that the runtime's package.json pins, without installing anything. */
export function pinned(name: string): string {
  const { folder } = kinds[name] as Kind;
  const path = fileURLToPath(new URL(`${folder}/package.json`, import.meta.url));
  const { optionalDependencies } = JSON.parse(readFileSync(path, "utf8")) as {
    optionalDependencies: Record<string, string>;
  };
  return Object.values(optionalDependencies)[0] ?? "";
}

/** The runtime, installed; else why there is none. */
export async function runtime(name: string): Promise<Runtime | { readonly reason: string }> {
  const kind = kinds[name] as Kind;
  await install(new URL(`${kind.folder}/`, import.meta.url));
  for (const path of kind.paths) {
    const program = fileURLToPath(new URL(`${kind.folder}/node_modules/${path}`, import.meta.url));
    if (!existsSync(program)) continue;
    return { name, kind: kind.kind, built: kind.built === true, ...(await asked(program)) };
  }
  return { reason: `no package of it is pinned for ${platform}` };
}

/** A Node 20 that the machine has already: in SCS_NODE20, in /usr/bin, or in PATH. */
export async function installedNode20(): Promise<Runtime | undefined> {
  const file = process.platform === "win32" ? "node.exe" : "node";
  const given = process.env["SCS_NODE20"];
  const folders = (process.env["PATH"] ?? "").split(delimiter);
  const candidates = ["/usr/bin/node", ...folders.map((folder) => join(folder, file))];
  for (const program of given === undefined ? candidates : [given]) {
    if (!existsSync(program)) continue;
    const found = await asked(program);
    const [major, minor] = found.version.split(".").map(Number) as [number, number];
    if (major === 20 && minor >= 19)
      return { name: "Node 20", kind: "node", built: true, ...found };
  }
  return undefined;
}

async function asked(program: string): Promise<Found> {
  const { stdout } = await promisify(execFile)(program, ["--version"]);
  // "v20.20.2", "1.4.5", "deno 2.9.5 (stable, ...)"
  return { program, version: /\d+\.\d+\.\d+/.exec(stdout)?.[0] ?? stdout.trim() };
}
