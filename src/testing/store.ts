/**
 * The conformance suite for storage engines: the contract of `Store`, operation by operation, and
 * the guarantees G1 to G7 through a `SessionManager` on that engine. An engine that passes keeps
 * every promise of the documentation; write your own and find out.
 */
import { Bench, type Check, type Harness, type Runner } from "./bench.ts";
import { contract } from "./contract.ts";
import { guarantees } from "./guarantees.ts";
import { awake } from "./awake.ts";

export type { Harness, Runner } from "./bench.ts";

/** Options of `storeSuite`. */
export interface StoreSuite extends Runner {
  /** Makes an engine for one test. Tests use keys of their own, so engines may share one database. */
  create(): Promise<Harness>;
  /** How the engine is called in test names. Default "store". */
  readonly name?: string | undefined;
}

/**
 * Registers the suite with a test runner. What an engine does not declare in `abilities` is not
 * checked; a test that needs it passes at once.
 *
 * @example
 * ```ts
 * import { describe, it } from "node:test";
 * import { MemoryStore } from "scs-session/stores/memory";
 * import { storeSuite } from "scs-session/testing/store";
 *
 * storeSuite({ describe, it, create: async () => ({ store: new MemoryStore() }) });
 * ```
 */
export function storeSuite(suite: StoreSuite): void {
  const label = suite.name ?? "store";
  suite.describe(`${label}: contract`, () => register(awake(suite), contract));
  suite.describe(`${label}: guarantees`, () => register(awake(suite), guarantees));
}

function register(suite: StoreSuite, checks: readonly Check[]): void {
  for (const check of checks) {
    suite.it(check.name, async () => {
      const harness = await suite.create();
      try {
        const { abilities } = harness.store;
        const applies = check.needs.every((need) =>
          need === "iterate" ? abilities.iterate : abilities.guarantees.includes(need),
        );
        if (applies) await check.run(new Bench(harness));
      } finally {
        await harness.close?.();
      }
    });
  }
}
