/**
 * The conformance suite for storage engines: the contract of `Store`, operation by operation, and
 * the guarantees G1 to G7 through a `SessionManager` on that engine. An engine that passes keeps
 * every promise of the documentation; write your own and find out.
 */
import { isSealed } from "../sealed.ts";
import { Bench, type Check, type Harness, type Need, type Runner } from "./bench.ts";
import { contract } from "./contract.ts";
import { guarantees } from "./guarantees.ts";

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
  suite.describe(`${label}: contract`, () => register(suite, contract));
  suite.describe(`${label}: guarantees`, () => register(suite, guarantees));
}

/** What the contract says is about records. */
function needsOf(check: Check): readonly Need[] {
  return contract.includes(check) ? [...check.needs, "records"] : check.needs;
}

function has(store: Harness["store"], need: Need): boolean {
  switch (need) {
    case "iterate":
      return store.abilities.iterate;
    case "records":
      return !isSealed(store);
    case "sealed":
      return isSealed(store);
    default:
      return store.abilities.guarantees.includes(need);
  }
}

function register(suite: StoreSuite, checks: readonly Check[]): void {
  for (const check of checks) {
    suite.it(check.name, async () => {
      const harness = await suite.create();
      try {
        const applies = (need: Need): boolean => has(harness.store, need);
        if (needsOf(check).every(applies)) await check.run(new Bench(harness));
      } finally {
        await harness.close?.();
      }
    });
  }
}
