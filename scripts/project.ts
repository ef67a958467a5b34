// What the other scripts share: where things are, and how to start a tool.
import { spawnSync } from "node:child_process";
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** The repository's folder. */
export const root: string = fileURLToPath(new URL("..", import.meta.url));

/** TypeScript files of one folder, as paths relative to the root with `/`, with their text. */
export function sources(folder: string): Map<string, string> {
  const files = globSync(`${folder}/**/*.ts`, {
    cwd: root,
    exclude: (path) => path.endsWith("node_modules"),
  }).map((path) => path.replaceAll("\\", "/"));
  return new Map(files.sort().map((path) => [path, read(path)]));
}

/** The text of one file of the repository. */
export function read(path: string): string {
  return readFileSync(join(root, path), "utf8");
}

/**
 * Source text without its comments. Only what stands at the start of a line is taken for a comment
 * opener, which is where the formatter puts them; so a `//` or a slash and star inside a string
 * stays.
 */
export function withoutComments(text: string): string {
  return text
    .replace(/^[ \t]*\/\*[\s\S]*?\*\//gm, (comment) => comment.replace(/[^\n]/g, ""))
    .replace(/^[ \t]*\/\/.*$/gm, "");
}

/** Runs a JavaScript tool of node_modules with this Node; true when it exits with 0. */
export function tool(script: string, ...args: string[]): boolean {
  return node(join(root, "node_modules", script), ...args);
}

/** Runs this Node with `args` in the root, its output shown; true when it exits with 0. */
export function node(...args: string[]): boolean {
  // Under `node --test` the variable makes nested runs report in a binary protocol.
  const { NODE_TEST_CONTEXT: _, ...env } = process.env;
  return spawnSync(process.execPath, args, { cwd: root, stdio: "inherit", env }).status === 0;
}
