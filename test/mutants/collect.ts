/** Runs single tests of a suite outside of any test runner. */
import assert from "node:assert/strict";
import type { Harness, Runner } from "../../src/testing/bench.ts";

type Suite = (suite: Runner & { create(): Promise<Harness> }) => void;

/** The suite's tests by their names. */
export function collect(
  storeSuite: Suite,
  create: () => Promise<Harness>,
): ReadonlyMap<string, () => Promise<void>> {
  const tests = new Map<string, () => Promise<void>>();
  storeSuite({
    create,
    describe: (_name, body) => body(),
    it: (name, body) => {
      assert.ok(!tests.has(name), `two tests are called ${JSON.stringify(name)}`);
      tests.set(name, body);
    },
  });
  return tests;
}

/** Runs the test of this name, which must fail because it has found something. */
export async function assertFails(
  tests: ReadonlyMap<string, () => Promise<void>>,
  name: string,
): Promise<void> {
  const test = tests.get(name);
  assert.ok(test, `there is no test called ${JSON.stringify(name)}`);
  let error: unknown;
  try {
    await test();
  } catch (thrown) {
    error = thrown;
  }
  assert.ok(error instanceof Error, `${JSON.stringify(name)} passed`);
  // Its own verdict, not an accident on the way.
  const found = error.name === "ExpectationError" || error.name === "SessionError";
  assert.ok(found, `${JSON.stringify(name)} failed with ${String(error)}`);
}
