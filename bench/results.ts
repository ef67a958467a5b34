// bench/results/latest.json: the last result of each part, with where and when it was measured.
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { availableParallelism, cpus } from "node:os";

const folder = new URL("results/", import.meta.url);
const file = new URL("latest.json", folder);

/** Where and when. */
export function circumstances(): Record<string, string | number> {
  return {
    date: new Date().toISOString(),
    node: process.version,
    platform: `${process.platform} ${process.arch}`,
    cpu: cpus()[0]?.model.trim() ?? "unknown",
    cores: availableParallelism(),
  };
}

/** What was kept before; nothing on the first run, or after half a file from one that was stopped. */
export function kept(): Record<string, object> {
  try {
    return JSON.parse(readFileSync(file, "utf8")) as Record<string, object>;
  } catch {
    return {};
  }
}

/** Keeps the result of one part of the benchmark, next to those of the others. */
export function keep(part: string, result: object): void {
  mkdirSync(folder, { recursive: true });
  const all = { ...kept(), [part]: { ...circumstances(), ...result } };
  writeFileSync(file, `${JSON.stringify(all, null, 2)}\n`);
}
