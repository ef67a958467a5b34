// The conformance suite finds each broken engine, by a test whose name says what is wrong.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { storeSuite } from "../../src/testing/store.ts";
import { assertFails, collect } from "./collect.ts";
import { type Flaw, PlainStore } from "./engine.ts";

const otherVersion = "update with another version does nothing and returns the newest record";
const otherDigest = "update with another digest does nothing and returns the newest record";
const wholePrefix = "iterate returns every live record under the prefix";

/** Each flaw, and the tests that must find it. */
const finders: Record<Flaw, readonly string[]> = {
  "create overwrites": ["create only inserts"],
  "create checks first and inserts later": ["concurrent creates: exactly one inserts"],
  "create does not clamp the idle expiry": ["create clamps the idle expiry to the deadline"],
  "create fails while an expired record is there": [
    "create after the end of the old record inserts a new one",
  ],
  "load returns expired records": [
    "load ends at the absolute deadline",
    "G2: a late writer does not revive an expired session",
    "G5: a session ends at its absolute deadline, however much it is used",
  ],
  "load ignores the idle expiry": [
    "load ends at the idle expiry",
    "G5: use moves the idle expiry, and idling ends the session",
  ],
  "load counts as use": ["load does not count as use"],
  "load creates": ["load of an unknown key finds nothing and creates nothing"],
  "load reads from a replica": ["G3: what was acknowledged is read by the next request"],
  "update upserts": [
    "update never inserts",
    "update of a destroyed record finds nothing",
    "G2: a late writer does not revive a destroyed session",
  ],
  "update ignores the version": [
    otherVersion,
    "concurrent updates with retries: none is lost",
    "G1: overlapping transactions on different keys all survive",
    "G1: update loses none",
    "G1: take delivers exactly once",
  ],
  "update ignores the digest": [otherDigest],
  "update changes expired records": ["update of an expired record finds nothing"],
  "update keeps the version": ["update replaces the data and adds one to the version"],
  "update drops the new digest": [
    "update with a new digest replaces the old one",
    "G4: at every instant exactly one token is good",
  ],
  "update resets the age": ["update leaves creation and its time alone"],
  "update never moves the deadline": ["update moves the deadline either way"],
  "update moves the idle expiry back": ["update moves the idle expiry only forward"],
  "update clamps to the old deadline": [
    "update clamps the idle expiry to the deadline, the new one if it moves",
  ],
  "update acknowledges what it did not do": [
    otherVersion,
    "G1: overlapping transactions on different keys all survive",
    "G4: of parallel renewals exactly one wins",
  ],
  "update hides the newest record": [
    otherVersion,
    "G1: overlapping transactions on different keys all survive",
  ],
  "update returns a stale record": [otherVersion],
  "update checks first and writes later": [
    "concurrent updates with retries: none is lost",
    "concurrent renewals: exactly one is done",
  ],
  "update writes before it checks": [otherVersion, otherDigest],
  "touch passes the deadline": ["touch is clamped to the deadline"],
  "touch moves back": ["touch moves the idle expiry only forward"],
  "touch revives the expired": ["touch does not revive an expired or destroyed record"],
  "touch ignores the digest": [
    "touch requires the digest",
    "G2: a late touch under the old token moves nothing",
  ],
  "touch adds to the version": ["touch moves the idle expiry and leaves the version alone"],
  "touch does nothing": [
    "touch keeps a session alive past its first idle expiry",
    "G5: use moves the idle expiry, and idling ends the session",
  ],
  "destroy does nothing": [
    "destroy deletes, whatever the version, and again is no error",
    "G6: a destroy of an ended session counts as done, a touch is skipped",
  ],
  "destroy only marks": ["destroy deletes, whatever the version, and again is no error"],
  "destroy rejects when nothing is there": [
    "G6: a destroy of an ended session counts as done, a touch is skipped",
  ],
  "destroy clears everything": ["destroy deletes, whatever the version, and again is no error"],
  "keeps the caller's bytes": ["bytes passed in may be reused after the call"],
  "returns its own bytes": ["bytes returned belong to the caller"],
  "stores bytes as text": ["bytes come back as they were, created or updated"],
  "cuts long data": ["bytes come back as they were, created or updated"],
  "compares keys without case": ["keys are compared exactly"],
  "trims keys": ["keys are compared exactly"],
  "iterate ignores the prefix": [wholePrefix],
  "iterate reads the prefix as a pattern": ["iterate takes the prefix literally"],
  "iterate returns expired records": ["iterate leaves out what has expired"],
  "iterate walks by position": ["iterate tolerates changes on the way"],
  "closes once only": ["check resolves, and close may be called twice"],
};

function testsOf(flaw?: Flaw): ReadonlyMap<string, () => Promise<void>> {
  return collect(storeSuite, async () => {
    const store = new PlainStore(flaw);
    return { store, advance: (ms) => store.clock.advance(ms) };
  });
}

describe("a right engine", () => {
  storeSuite({
    describe,
    it,
    name: "PlainStore",
    create: async () => {
      const store = new PlainStore();
      return { store, advance: (ms) => store.clock.advance(ms) };
    },
  });
});

describe("a broken engine is found:", () => {
  for (const [flaw, names] of Object.entries(finders)) {
    it(flaw, async () => {
      assert.ok(names.length > 0);
      const tests = testsOf(flaw as Flaw);
      for (const name of names) await assertFails(tests, name);
    });
  }
});
