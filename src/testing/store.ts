/**
 * The conformance suite for storage engines: the contract of `Store`, operation by operation, and
 * the guarantees G1 to G7 through a `SessionManager` on that engine. An engine that passes keeps
 * every promise of the documentation; write your own and find out.
 */
import { isSealed } from "../sealed.ts";
import { Bench, type Check, type Harness, type Runner } from "./bench.ts";
import { contract } from "./contract.ts";
import { equal } from "./expect.ts";
import { guarantees } from "./guarantees.ts";
import type { Abilities } from "../store.ts";
import { awake } from "./awake.ts";

export type { Harness, Runner } from "./bench.ts";

/** Options of `storeSuite`. */
export interface StoreSuite extends Runner {
  /** Makes an engine for one test. Tests use keys of their own, so engines may share one database. */
  create(): Promise<Harness>;
  /** How the engine is called in test names. Default "store". */
  readonly name?: string | undefined;
  /**
   * What an engine that keeps records is to declare. Then only the tests of that are registered, and one checks that
   * the engine declares exactly this. Without it all are, and each asks the engine.
   */
  readonly abilities?: Abilities | undefined;
}

/**
 * Registers the suite with a test runner. What an engine does not declare in `abilities` is not
 * checked; a test that needs it passes at once, or, with the option `abilities`, is not there.
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
  const kept = awake(suite);
  suite.describe(`${label}: contract`, () => {
    register(kept, contract);
    if (suite.abilities !== undefined) register(kept, [declares(suite.abilities)]);
  });
  suite.describe(`${label}: guarantees`, () => register(kept, guarantees));
}

/** Whether an engine of these abilities must pass; `sealed` when it keeps no records. */
function applies(check: Check, abilities: Abilities, sealed: boolean): boolean {
  // What the contract says is about records.
  if (sealed && contract.includes(check)) return false;
  return check.needs.every((need) => {
    if (need === "iterate") return abilities.iterate;
    if (need === "records") return !sealed;
    return need === "sealed" ? sealed : abilities.guarantees.includes(need);
  });
}

function declares(wanted: Abilities): Check {
  return {
    name: "declares the abilities that it is tested for, and no others",
    needs: [],
    run: async ({ store: { abilities, iterate } }) => {
      equal(abilities.iterate, wanted.iterate, "abilities.iterate");
      equal(typeof iterate === "function", wanted.iterate, "whether there is an iterate");
      equal(abilities.shared, wanted.shared, "abilities.shared");
      equal([...abilities.guarantees].sort(), [...wanted.guarantees].sort(), "guarantees");
    },
  };
}

function register(suite: StoreSuite, checks: readonly Check[]): void {
  for (const check of checks) {
    if (suite.abilities !== undefined && !applies(check, suite.abilities, false)) continue;
    suite.it(check.name, async () => {
      const harness = await suite.create();
      try {
        const { store } = harness;
        if (applies(check, store.abilities, isSealed(store))) await check.run(new Bench(harness));
      } finally {
        await harness.close?.();
      }
    });
  }
}
