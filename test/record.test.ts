import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { decodeRecord, encodeRecord, mostSize, sizeOf } from "../src/record.ts";
import { emptyState, type State } from "../src/state.ts";
import { checksum } from "../src/checksum.ts";
import { hasCommit, mostCommits, withCommit } from "../src/commits.ts";
import { copyOf, type ReadonlyEntries } from "../src/entries.ts";
import { withFormat } from "../src/testing/forge.ts";
import { newCommitId } from "../src/token.ts";
import "./support/seed.ts";

const commitId = new Uint8Array([1, 2, 3, 4, 5, 6, 7, 8]);

const states: fc.Arbitrary<State> = fc.record({
  entries: fc
    .array(
      fc.tuple(fc.string({ unit: "grapheme", maxLength: 200 }), fc.uint8Array({ maxLength: 300 })),
    )
    .map((pairs) => new Map(pairs)),
  remember: fc.constantFrom(undefined, true, false),
  fixedDeadline: fc.boolean(),
  renewedAge: fc.option(fc.nat({ max: 2 ** 40 }), { nil: undefined }),
  commits: fc.nat({ max: mostCommits }).map((n) => new Uint8Array(n * 8).fill(n)),
});

function decoded(bytes: Uint8Array): State {
  const state = decodeRecord(bytes);
  if ("damaged" in state) assert.fail(state.damaged);
  return state;
}

describe("record", () => {
  it("keeps every state", () => {
    fc.assert(
      fc.property(states, (state) => {
        const again = decoded(encodeRecord(state, commitId));
        assert.deepEqual(
          [...again.entries],
          [...state.entries].map(([k, v]) => [k, new Uint8Array(v)]),
        );
        assert.equal(again.remember, state.remember);
        assert.equal(again.fixedDeadline, state.fixedDeadline);
        assert.equal(again.renewedAge, state.renewedAge);
        assert.ok(hasCommit(again, commitId));
      }),
    );
  });

  it("remembers the last 16 commits and no more", () => {
    let state: State = emptyState;
    const ids = Array.from({ length: 20 }, () => newCommitId());
    for (const id of ids) state = decoded(encodeRecord(state, id));
    assert.deepEqual(
      ids.map((id) => hasCommit(state, id)),
      ids.map((_, i) => i >= 4),
    );
  });

  it("knows before it is written which commits it will remember", () => {
    let state: State = emptyState;
    let known: State = emptyState;
    const earlier: [seen: Uint8Array, copy: Uint8Array][] = [];
    for (let i = 0; i < 2000; i++) {
      const id = newCommitId();
      known = withCommit(known, id);
      state = decoded(encodeRecord(state, id));
      // Of some at once, of others only when more commits have been made on top.
      if (i % 3 === 0) continue;
      const { commits } = known;
      assert.deepEqual(commits, new Uint8Array(state.commits));
      earlier.push([commits, commits.slice()]);
    }
    // Views of memory that others get, too.
    for (const [seen, copy] of earlier) assert.deepEqual(seen, copy);
  });

  it("finds every single changed byte and every truncation", () => {
    const entries = new Map([
      ["cart", new Uint8Array(50).fill(7)],
      ["ü", new Uint8Array([1])],
    ]);
    const bytes = encodeRecord({ ...emptyState, entries }, commitId);
    for (let at = 0; at < bytes.length; at++) {
      for (const flip of [1, 0x80, 0xff]) {
        const damaged = bytes.slice();
        damaged[at] = (damaged[at] ?? 0) ^ flip;
        assert.ok("damaged" in decodeRecord(damaged), `byte ${at}`);
      }
      assert.ok("damaged" in decodeRecord(bytes.subarray(0, at)), `length ${at}`);
    }
  });

  it("answers arbitrary bytes with damage, whatever the checksum says", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), (tail) => {
        // A good checksum in front of garbage: what an attacker with access to the store can write.
        const bytes = withChecksum(new Uint8Array([0x53, 0x63, 0, 0, 0, 0, 1, ...tail]));
        const state = decodeRecord(bytes);
        if ("damaged" in state) return;
        assert.ok(state.entries.size <= tail.length);
      }),
      { numRuns: 2000 },
    );
  });

  it("of known integrity is read without a look at the checksum, and malformed it is damage all the same", () => {
    const bytes = new Uint8Array(encodeRecord(emptyState));
    bytes[2] = (bytes[2] ?? 0) ^ 1;
    assert.ok("damaged" in decodeRecord(bytes));
    assert.ok("entries" in decodeRecord(bytes, true));
    assert.ok("damaged" in decodeRecord(bytes.subarray(0, bytes.length - 1), true));
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), (tail) => {
        const garbage = new Uint8Array([0x53, 0x63, 0, 0, 0, 0, 1, ...tail]);
        const state = decodeRecord(garbage, true);
        if ("entries" in state) assert.ok(state.entries.size <= tail.length);
      }),
      { numRuns: 2000 },
    );
  });

  it("has no commit id where none is given", () => {
    const state = decoded(encodeRecord(emptyState));
    assert.equal(state.commits.length, 0);
    assert.equal(hasCommit(state, new Uint8Array(8)), false);
  });

  it("takes an intact record of a later format for just that", () => {
    const later = withChecksum(new Uint8Array([0x53, 0x63, 0, 0, 0, 0, 2, 9, 9, 9, 9, 9]));
    assert.throws(() => decodeRecord(later), { code: "unknown-format", status: 503 });
    later[8] = 0;
    assert.ok("damaged" in decodeRecord(later));
  });

  it("allocates nothing for a count that the bytes cannot hold", () => {
    const bytes = withChecksum(
      new Uint8Array([0x53, 0x63, 0, 0, 0, 0, 1, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f]),
    );
    assert.deepEqual(decodeRecord(bytes), { damaged: "more entries than bytes" });
  });

  it("copies nothing out of the scratch buffer that a later record overwrites", () => {
    const one = encodeRecord(
      { ...emptyState, entries: new Map([["a", new Uint8Array([1])]]) },
      commitId,
    );
    const copy = one.slice();
    encodeRecord({ ...emptyState, entries: new Map([["b", new Uint8Array(99)]]) }, commitId);
    assert.deepEqual(one, copy);
  });
});

/** A good checksum: format and checksum written apart from the source (forge.ts), byte by byte. */
function withChecksum(bytes: Uint8Array): Uint8Array {
  return withFormat(bytes, bytes[6] ?? 0);
}

describe("the checksum", () => {
  it("is XXH32 as published", () => {
    // Seed 0, from the reference implementation's test vectors.
    const vectors = {
      "": 0x02cc5d05,
      a: 0x550d7456,
      abc: 0x32d153ff,
      "Nobody inspects the spammish repetition": 0xe2293b2f,
    };
    for (const [text, sum] of Object.entries(vectors)) {
      const bytes = new TextEncoder().encode(`12345${text}`);
      assert.equal(checksum(new DataView(bytes.buffer), 5, bytes.length), sum, text);
    }
  });

  it("is what the pinned format says, at every length and place", () => {
    // Bytes that differ, so that the order of words matters.
    let seed = 1;
    const random = (): number => (seed = Math.imul(seed, 1664525) + 1013904223) >>> 24;
    for (let length = 0; length < 200; length++) {
      const value = Uint8Array.from({ length }, random);
      const entries = new Map([["k", value]]);
      const record = encodeRecord({ ...emptyState, entries }, commitId);
      assert.deepEqual(withChecksum(record), record);
      const elsewhere = new Uint8Array(record.length + 3);
      elsewhere.set(record, 3);
      const found = decoded(elsewhere.subarray(3)).entries.get("k");
      assert.deepEqual(found, value);
    }
  });
});

describe("entries in a record", () => {
  const operations = fc.array(
    fc.oneof(
      fc.record({
        set: fc.constantFrom("a", "b", "ab", "ü", "üü", "new", ""),
        value: fc.uint8Array({ maxLength: 90 }),
      }),
      fc.record({ delete: fc.constantFrom("a", "b", "ab", "ü", "üü", "new", "") }),
      fc.constant({ clear: true }),
    ),
    { maxLength: 12 },
  );

  it("are what a Map would be, through changes, copies and records", () => {
    const first = fc.uniqueArray(
      fc.constantFrom("a", "b", "ab", "ü", "üü", "", "long ".repeat(30)),
    );
    fc.assert(
      fc.property(first, operations, (keys, changes) => {
        const map = new Map(keys.map((key, i) => [key, new Uint8Array(i * 17).fill(i)]));
        const { entries: stored } = decoded(
          encodeRecord({ ...emptyState, entries: map }, commitId),
        );
        const before = sorted(stored);
        const entries = copyOf(stored);
        for (const change of changes) {
          const copy = copyOf(entries);
          const kept = sorted(copy);
          if ("set" in change) {
            map.set(change.set, change.value);
            entries.set(change.set, change.value);
          } else if ("delete" in change) {
            map.delete(change.delete);
            entries.delete(change.delete);
          } else {
            map.clear();
            entries.clear();
          }
          assert.deepEqual(sorted(copy), kept, "a copy does not change with what it was made from");
          assert.equal(entries.size, map.size);
          assert.equal(sizeOf(entries), sizeOf(map));
          assert.ok(mostSize(entries) >= sizeOf(map), "never less than the size");
          assert.deepEqual(sorted(entries), sorted(map));
          assert.deepEqual([...entries.keys()].sort(), [...map.keys()].sort());
          for (const key of ["a", "b", "ab", "ü", "üü", "new", "", "none"]) {
            assert.deepEqual(entries.get(key), map.get(key));
            assert.equal(entries.has(key), map.has(key));
          }
          const again = decoded(encodeRecord({ ...emptyState, entries }, commitId));
          assert.deepEqual(sorted(again.entries), sorted(map));
        }
        assert.deepEqual(sorted(stored), before, "the record's own did not change");
      }),
    );
  });

  it("with a key twice, or one that is no UTF-8, are damage", () => {
    const make = (...keys: number[][]): Uint8Array =>
      withChecksum(
        new Uint8Array([
          0x53,
          0x63,
          0,
          0,
          0,
          0,
          1,
          0,
          0,
          0,
          keys.length,
          ...keys.flatMap((key) => [key.length, ...key, 1, 7]),
        ]),
      );
    assert.equal("damaged" in decodeRecord(make([97], [98])), false);
    assert.deepEqual(decodeRecord(make([97], [98], [97])), { damaged: "an entry is malformed" });
    assert.deepEqual(decodeRecord(make([0xff])), { damaged: "an entry is malformed" });
  });

  it("are found among many, too", () => {
    const entries = new Map(
      Array.from({ length: 200 }, (_, i) => [`key ${i}`, new Uint8Array([i])]),
    );
    const again = decoded(encodeRecord({ ...emptyState, entries }, commitId));
    assert.deepEqual(sorted(again.entries), sorted(entries));
    assert.deepEqual(again.entries.get("key 77"), new Uint8Array([77]));
  });
});

function sorted(entries: ReadonlyEntries): [string, Uint8Array][] {
  const all = [...entries].map(([key, value]): [string, Uint8Array] => [key, value.slice()]);
  return all.sort(([a], [b]) => (a < b ? -1 : 1));
}
