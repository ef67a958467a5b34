/** The public engine suite over CookieStore: exactly what it declares, with and without revocations. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { CookieStore } from "../../src/stores/cookie.ts";
import { MemoryStore } from "../../src/stores/memory.ts";
import { ManualClock } from "../../src/testing/clock.ts";
import { storeSuite } from "../../src/testing/store.ts";
import { collect } from "../mutants/collect.ts";

const keys = [{ id: "k1", key: crypto.getRandomValues(new Uint8Array(32)) }];

const engines = {
  "CookieStore alone": (clock: ManualClock) =>
    new CookieStore({ keys, revocations: false, clock: clock.now }),
  "CookieStore with chunks": (clock: ManualClock) =>
    new CookieStore({ keys, revocations: false, chunks: 3, clock: clock.now }),
  "CookieStore with revocations": (clock: ManualClock) =>
    new CookieStore({
      keys,
      clock: clock.now,
      revocations: new MemoryStore({ clock: clock.now }),
    }),
};

for (const [name, make] of Object.entries(engines)) {
  const create = async () => {
    const clock = new ManualClock();
    const store = make(clock);
    return { store, advance: (ms: number) => clock.advance(ms) };
  };
  storeSuite({ describe, it, name, create });

  it(`${name}: the suite checks what is declared, and nothing else`, async () => {
    let ran: string[] = [];
    const tests = collect(storeSuite, async () => {
      const harness = await create();
      const { store } = harness;
      const bind = store.bind.bind(store);
      store.bind = (...given) => {
        ran.push("bound");
        return bind(...given);
      };
      return harness;
    });
    const applied: string[] = [];
    for (const [test, run] of tests) {
      ran = [];
      await run();
      if (ran.length > 0) applied.push(test);
    }
    const guarantees: readonly string[] = make(new ManualClock()).abilities.guarantees;
    for (const guarantee of ["G1", "G2", "G3", "G4", "G5", "G6", "G7"]) {
      const count = applied.filter((test) => test.startsWith(`${guarantee}:`)).length;
      assert.equal(count > 0, guarantees.includes(guarantee), `${guarantee}: ${count} tests`);
    }
    assert.ok(applied.length >= (guarantees.includes("G2") ? 24 : 11), String(applied.length));
  });
}
