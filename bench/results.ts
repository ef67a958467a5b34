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

/** Keeps the result of one part of the benchmark, next to those of the others. */
export function keep(part: string, result: object): void {
  let all: object = {};
  try {
    all = JSON.parse(readFileSync(file, "utf8")) as object;
  } catch {
    // The first run, or half a file from one that was stopped: start anew.
  }
  mkdirSync(folder, { recursive: true });
  const kept = { ...all, [part]: { ...circumstances(), ...result } };
  writeFileSync(file, `${JSON.stringify(kept, null, 2)}\n`);
}
