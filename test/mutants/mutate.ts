/** A copy of the sources in which one string is replaced: a small bug, planted. */
import assert from "node:assert/strict";
import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const source = fileURLToPath(new URL("../../src", import.meta.url));

export interface Mutant {
  /** Imports a file of the copy, named as under src/. */
  module<T>(file: string): Promise<T>;
  dispose(): Promise<void>;
}

/** Replaces `from`, which must occur exactly once in `file` (named as under src/), by `to`. */
export async function mutate(file: string, from: string, to: string): Promise<Mutant> {
  const folder = await mkdtemp(join(tmpdir(), "scs-session-mutant-"));
  await cp(source, folder, { recursive: true });
  // Where the sources are ES modules, the copy must be too.
  await writeFile(join(folder, "package.json"), '{ "type": "module" }');
  const text = await readFile(join(folder, file), "utf8");
  const count = text.split(from).length - 1;
  assert.equal(count, 1, `${JSON.stringify(from)} occurs ${count} times in src/${file}`);
  await writeFile(
    join(folder, file),
    text.replace(from, () => to),
  );
  return {
    module: async (name) => (await import(pathToFileURL(join(folder, name)).href)) as never,
    dispose: () => rm(folder, { recursive: true }),
  };
}
