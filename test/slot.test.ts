import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { inspect } from "node:util";
import { slot } from "../src/slot.ts";

describe("slot", () => {
  it("keeps one value per object and slot", () => {
    const [one, two] = [slot<number>(), slot<string>()];
    const object = {};
    assert.equal(one.get(object), undefined);
    one.set(object, 1);
    two.set(object, "b");
    one.set(object, 3);
    assert.deepEqual([one.get(object), two.get(object), one.get({})], [3, "b", undefined]);
    one.set(object, undefined);
    assert.equal(one.get(object), undefined);
  });

  it("takes any object, frozen ones and functions too, and leaves no trace on it", () => {
    const kept = slot<number>();
    for (const object of [Object.freeze({ a: 1 }), () => 1, new Request("http://localhost/")]) {
      const before = inspect(object, { showHidden: true });
      kept.set(object, 7);
      assert.equal(kept.get(object), 7);
      assert.deepEqual(
        Object.getOwnPropertySymbols(object).filter((s) => /slot/.test(String(s))),
        [],
      );
      assert.equal(inspect(object, { showHidden: true }), before);
    }
  });

  it("is not inherited, nor seen through a proxy", () => {
    const kept = slot<number>();
    const object = {};
    kept.set(object, 1);
    assert.equal(kept.get(Object.create(object) as object), undefined);
    assert.equal(kept.get(new Proxy(object, {})), undefined);
  });
});
