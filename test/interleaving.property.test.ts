// Random interleavings of several requests on one session, against a simple model. A failure prints
// the seed and path that replay it: SCS_SEED=<seed>:<path> npm test -- test/interleaving.property.test.ts
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { SessionManager } from "../src/manager.ts";
import { mutate } from "./mutants/mutate.ts";
import type { Fault } from "./support/scheduled.ts";
import { seed as start } from "./support/seed.ts";
import { type Request, type Step, type Story, tell } from "./support/story.ts";

const key = fc.constantFrom("a", "b", "c");

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 3, arbitrary: fc.record({ do: fc.constant("set"), key, value: fc.nat(9) }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant("update"), key }) },
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constantFrom("delete", "pop", "take"), key }),
  },
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constantFrom("clear", "renew", "renew", "destroy", "touch") }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constantFrom("commit", "start commit") }) },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant("deadline"), minutes: fc.constantFrom(1, 5, 30) }),
  },
) as fc.Arbitrary<Step>;

const request: fc.Arbitrary<Request> = fc.record({
  process: fc.constantFrom(0, 1),
  steps: fc.array(step, { minLength: 1, maxLength: 5 }),
}) as fc.Arbitrary<Request>;

function faults(good: number): fc.Arbitrary<Fault[]> {
  return fc.array(
    fc.oneof(
      { weight: good, arbitrary: fc.constant("none" as const) },
      { weight: 1, arbitrary: fc.constantFrom("lost" as const, "failed" as const) },
    ),
    { maxLength: 40, size: "max" },
  );
}

const story: fc.Arbitrary<Story> = fc.record({
  requests: fc.array(request, { minLength: 2, maxLength: 5 }),
  clock: fc.array(fc.constantFrom(1, 1000, 50_000, 4 * 60_000, 11 * 60_000, 61 * 60_000), {
    maxLength: 4,
  }),
  // Seldom, so that stories go on, or often, so that outcomes stay unknown.
  faults: fc.oneof(faults(14), faults(2)),
  // Of full length: after the last number the order is that of arrival.
  order: fc.array(fc.nat(1023), { maxLength: 120, size: "max" }),
});

function explore(
  Manager: typeof SessionManager,
  parameters: fc.Parameters<[Story]>,
): Promise<fc.RunDetails<[Story]>> {
  return fc.check(
    fc.asyncProperty(story, (told) => tell(told, Manager)),
    parameters,
  );
}

/** Small bugs, each of which some story must bring to light. */
const planted = {
  "a retry does not recognise its own write": {
    file: "batch.ts",
    from: "hasCommit(found.state, this.#commitId) ||",
    to: "hasCommit(found.state, new Uint8Array(8)) ||",
  },
  "changes are not applied again after a conflict": {
    file: "stored-executor.ts",
    from: "taken.view !== undefined && newest.state === loaded.state",
    to: "taken.view !== undefined",
  },
  "a lost take is acknowledged": {
    file: "commit.ts",
    from: 'return operation.kind === "pop";',
    to: "return true;",
  },
  "a commit under the old token changes the renewed session": {
    file: "batch.ts",
    from: "if (!sameDigest(member.job.base.digest, current.digest)) throw renewed();",
    to: "",
  },
  "a secret is not compared on load": {
    file: "stored-engine.ts",
    from: "if (known) return",
    to: "if (known || origin !== undefined) return",
  },
  "a change of an ended session is acknowledged": {
    file: "batch.ts",
    from: "if (found === undefined) throw gone();",
    to: "if (found === undefined) { this.#succeed(queue, base, attempts); return true; }",
  },
} as const;

const full = process.env["SCS_FULL"] === "1";

describe("requests that overlap", () => {
  it("lose no acknowledged change, revive nothing, and leave exactly one good token", async () => {
    const details = await explore(SessionManager, { numRuns: full ? 50_000 : 3000, ...start });
    if (details.failed) {
      const again = `SCS_SEED=${details.seed}:${details.counterexamplePath ?? ""}`;
      const { errorInstance: error, counterexample } = details;
      const what = error instanceof Error ? error.message : String(error);
      assert.fail(`Replay with ${again}\n${what}\nThe story: ${fc.stringify(counterexample)}`);
    }
    assert.ok(details.numRuns > 0);
  });

  for (const [name, { file, from, to }] of Object.entries(planted)) {
    it(`are watched closely enough: finds that ${name}, and its seed replays it`, async () => {
      const { module, dispose } = await mutate(file, from, to);
      try {
        const broken = await module<{ SessionManager: typeof SessionManager }>("manager.ts");
        const found = await explore(broken.SessionManager, { numRuns: 5000, seed: 1 });
        assert.ok(found.failed, "the bug was not found");
        const replayed = { seed: 1, path: found.counterexamplePath ?? "", numRuns: 1 };
        const again = await explore(broken.SessionManager, replayed);
        assert.ok(again.failed, "the seed does not replay it");
        const sound = await explore(SessionManager, replayed);
        assert.ok(!sound.failed, "without the bug the same story fails as well");
      } finally {
        await dispose();
      }
    });
  }
});
