// Nothing of a request outlives the young collections for long: see docs/decisions/0024-what-is-under-way.md. What
// does so costs 2 to 20 us per request in the collector, and no profile shows whose it is.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const script = fileURLToPath(new URL("../../bench/micro/survivors.ts", import.meta.url));
const run = promisify(execFile);

/** Bytes per request. 50 to 550 in processes that are well, 1500 to 7800 where a Map had lines.ts's place. */
const most = 1000;

describe("of an answered request, the collector of the young generation finds little alive:", () => {
  for (const what of ["read", "change", "commit"]) {
    it(what, async () => {
      const { stdout } = await run(process.execPath, [script, what]);
      const bytes = Number(/(\d+) bytes survive/.exec(stdout)?.[1] ?? "NaN");
      assert.ok(bytes < most, stdout);
    });
  }
});
