// The records that are being written, and operations that wait: the lists that took a Map's place.
import assert from "node:assert/strict";
import { it } from "node:test";
import { type Line, Lines } from "../src/lines.ts";
import { Timeouts } from "../src/timeouts.ts";

const line = (key: string): Line => ({ key, waiting: [], newest: undefined, work: undefined });

it("lines are found by the whole key, also where the ends of keys agree", () => {
  const lines = new Lines();
  const all = ["app:aaXY", "app:bbXY", "XY", "Y", "", "app:cc\u{10ffff}"].map(line);
  for (const one of all) lines.add(one);
  assert.equal(lines.size, all.length);
  for (const one of all) assert.equal(lines.find(one.key), one);
  assert.equal(lines.find("app:ccXY"), undefined);
  const [first, ...others] = all;
  lines.delete(first as Line);
  lines.delete(first as Line);
  lines.delete(line("XY"));
  assert.equal(lines.find("app:aaXY"), undefined);
  assert.deepEqual(new Set(lines.all()), new Set(others));
  assert.equal(lines.size, others.length);
  for (const one of others.toReversed()) lines.delete(one);
  assert.deepEqual(lines.all(), []);
  assert.equal(lines.size, 0);
});

it("each operation that does not settle is given up, whatever settles before, between and behind it", async () => {
  const timeouts = new Timeouts(800);
  const began = performance.now();
  const never = (): Promise<never> => new Promise(() => {});
  const at = (ms: number): Promise<number> =>
    new Promise((resolve) => setTimeout(() => resolve(ms), ms));
  // Every third never answers; the others leave the list at its start, in it and at its end.
  const work = Array.from({ length: 30 }, async (_, i) =>
    timeouts.run("answer", () => (i % 3 === 1 ? never() : at(i % 2 === 0 ? 1 : 300 - i * 5))),
  );
  // The timer keeps no process alive.
  const alive = setTimeout(() => {}, 60_000);
  const settled = await Promise.allSettled(work);
  clearTimeout(alive);
  for (const [i, { status }] of settled.entries()) {
    assert.equal(status, i % 3 === 1 ? "rejected" : "fulfilled", String(i));
  }
  assert.ok(performance.now() - began >= 600);
  assert.equal(await timeouts.run("answer", () => at(1)), 1);
});
