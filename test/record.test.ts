import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import {
  decodeRecord,
  emptyState,
  encodeRecord,
  hasCommit,
  rememberedCommits,
  type State,
} from "../src/record.ts";
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
  commits: fc.nat({ max: rememberedCommits }).map((n) => new Uint8Array(n * 8).fill(n)),
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

/** MurmurHash3 x86 32, written apart from the source, byte by byte. */
function withChecksum(bytes: Uint8Array): Uint8Array {
  const body = bytes.subarray(6);
  let h = 0;
  const words = Math.floor(body.length / 4);
  const scramble = (k: number): number => {
    const product = Math.imul(k, 0xcc9e2d51);
    return Math.imul((product << 15) | (product >>> 17), 0x1b873593);
  };
  const at = (i: number): number => body[i] ?? 0;
  for (let i = 0; i < words; i++) {
    h ^= scramble(at(4 * i) | (at(4 * i + 1) << 8) | (at(4 * i + 2) << 16) | (at(4 * i + 3) << 24));
    h = (h << 13) | (h >>> 19);
    h = (Math.imul(h, 5) + 0xe6546b64) | 0;
  }
  let k = 0;
  for (let i = body.length - 1; i >= words * 4; i--) k = (k << 8) | at(i);
  h ^= scramble(k);
  h ^= body.length;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  h = (h ^ (h >>> 16)) >>> 0;
  new DataView(bytes.buffer, bytes.byteOffset).setUint32(2, h, true);
  return bytes;
}

describe("the checksum", () => {
  it("is MurmurHash3 as published", () => {
    // Test vector: MurmurHash3_x86_32("Hello, world!", seed 0) = 0xc0363e43.
    const bytes = withChecksum(
      new Uint8Array([0, 0, 0, 0, 0, 0, ...new TextEncoder().encode("Hello, world!")]),
    );
    assert.equal(new DataView(bytes.buffer).getUint32(2, true), 0xc0363e43);
    const record = encodeRecord(emptyState, commitId);
    assert.deepEqual(withChecksum(record.slice()), record);
  });
});
