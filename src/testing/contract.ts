/** The contract of `Store`, operation by operation. */
import type { StoreRecord, UpdateRecord } from "../store.ts";
import { type Bench, bytes, type Check, hour, minute, rounding, second, slack } from "./bench.ts";
import { between, equal, equalBytes, ok, present } from "./expect.ts";
import { races } from "./races.ts";
import { together } from "./together.ts";

function check(name: string, needs: Check["needs"], run: Check["run"]): Check {
  return { name, needs, run };
}

/** An update whose conditions the record meets. */
function fitting(record: StoreRecord, change: Partial<UpdateRecord> = {}): UpdateRecord {
  return { version: record.version, digest: record.digest, data: bytes(9), ...change };
}

/** The record is as it was when it was loaded. */
async function unchanged(bench: Bench, before: StoreRecord, what: string): Promise<void> {
  const now = await bench.loaded(before.key);
  equal(now.version, before.version, `version after ${what}`);
  equalBytes(now.data, before.data, `data after ${what}`);
  equalBytes(now.digest, before.digest, `digest after ${what}`);
  between(
    now.deadlineIn,
    before.deadlineIn - slack,
    before.deadlineIn + rounding,
    `deadline after ${what}`,
  );
  if (before.idleIn === undefined) equal(now.idleIn, undefined, `idle expiry after ${what}`);
  else
    between(
      now.idleIn,
      before.idleIn - slack,
      before.idleIn + rounding,
      `idle expiry after ${what}`,
    );
}

/** A short life for tests of expiry: two thirds of it pass safely, and one and a half are too many. */
const short = 1.5 * second;
const within = 0.7 * second;
const beyond = 1.2 * second;

const creating: readonly Check[] = [
  check("create stores what load returns", ["G3"], async (bench) => {
    const key = bench.key("a");
    const digest = bench.digest();
    const made = await bench.store.create(key, {
      digest,
      data: bytes(0, 1, 255),
      lifetime: hour,
      idle: minute,
    });
    equal(made, true, "create");
    const record = await bench.loaded(key);
    equal(record.key, key, "key");
    equal(record.version, 1, "version");
    equalBytes(record.digest, digest, "digest");
    equalBytes(record.data, bytes(0, 1, 255), "data");
    between(record.age, 0, slack, "age");
    between(record.deadlineIn, hour - slack, hour + rounding, "deadlineIn");
    between(record.idleIn, minute - slack, minute + rounding, "idleIn");
  }),
  check("create without idle has no idle expiry", ["G5"], async (bench) => {
    equal((await bench.given(bench.key("a"))).idleIn, undefined, "idleIn");
  }),
  check("create clamps the idle expiry to the deadline", ["G5"], async (bench) => {
    const record = await bench.given(bench.key("a"), { lifetime: minute, idle: hour });
    between(record.idleIn, minute - slack, minute + rounding, "idleIn");
    ok(record.idleIn <= record.deadlineIn + 1, "the idle expiry is not past the deadline");
  }),
  check("create only inserts", ["G2"], async (bench) => {
    const before = await bench.given(bench.key("a"), { idle: minute });
    const again = await bench.store.create(before.key, {
      digest: bench.digest(),
      data: bytes(7, 7),
      lifetime: 2 * hour,
      idle: hour,
    });
    equal(again, false, "create on an existing record");
    await unchanged(bench, before, "a refused create");
  }),
  check("create after the end of the old record inserts a new one", ["G5"], async (bench) => {
    const old = await bench.brief("a", { lifetime: short });
    await bench.store.update(old.key, fitting(old));
    await bench.wait(short + beyond);
    const record = await bench.given(old.key, { data: bytes(4), idle: minute });
    equal(record.version, 1, "version");
    equalBytes(record.data, bytes(4), "data");
    between(record.age, 0, slack, "age");
    between(record.deadlineIn, hour - slack, hour + rounding, "deadlineIn");
  }),
];

const loading: readonly Check[] = [
  check("load of an unknown key finds nothing and creates nothing", ["G2"], async (bench) => {
    const key = bench.key("a");
    await bench.missing(key, "an unknown record");
    await bench.missing(key, "an unknown record, again");
    equal(await bench.store.touch(key, bench.digest(), minute), false, "touch");
  }),
  check("load ends at the absolute deadline", ["G5"], async (bench) => {
    const key = await bench.within(short, async () => {
      const { key } = await bench.given(bench.fresh("a"), { lifetime: short });
      await bench.wait(within);
      const record = await bench.loaded(key);
      between(record.deadlineIn, 1, short - within + rounding, "deadlineIn after a while");
      between(record.age, within - rounding, within + slack, "age after a while");
      return key;
    });
    await bench.wait(short - within + beyond);
    await bench.missing(key, "an expired record");
  }),
  check("load ends at the idle expiry", ["G5"], async (bench) => {
    const key = await bench.within(short, async () => {
      const { key } = await bench.given(bench.fresh("a"), { idle: short });
      await bench.wait(within);
      const { idleIn } = await bench.loaded(key);
      between(idleIn, 1, short - within + rounding, "idleIn after a while");
      return key;
    });
    await bench.wait(short - within + beyond);
    await bench.missing(key, "an idle record");
  }),
  check("load does not count as use", ["G5"], async (bench) => {
    const key = await bench.within(short, async () => {
      const { key } = await bench.given(bench.fresh("a"), { idle: short });
      await bench.wait(within);
      await bench.loaded(key);
      return key;
    });
    await bench.wait(short - within + beyond);
    await bench.missing(key, "a record that was only loaded");
  }),
];

const updating: readonly Check[] = [
  check("update replaces the data and adds one to the version", ["G1"], async (bench) => {
    const before = await bench.given(bench.key("a"), { idle: minute });
    equal((await bench.store.update(before.key, fitting(before))).done, true, "done");
    const record = await bench.loaded(before.key);
    equal(record.version, 2, "version");
    equalBytes(record.data, bytes(9), "data");
    equalBytes(record.digest, before.digest, "digest");
    between(record.deadlineIn, before.deadlineIn - slack, before.deadlineIn + rounding, "deadline");
    between(record.idleIn, minute - slack, minute + rounding, "idleIn");
    const next = fitting(record, { data: bytes(8) });
    equal((await bench.store.update(before.key, next)).done, true, "second update");
    equal((await bench.loaded(before.key)).version, 3, "version after two updates");
  }),
  check("update leaves creation and its time alone", ["G5"], async (bench) => {
    const before = await bench.given(bench.key("a"));
    await bench.wait(within);
    await bench.store.update(before.key, fitting(before, { lifetime: 2 * hour }));
    between((await bench.loaded(before.key)).age, within - rounding, within + slack, "age");
  }),
  check(
    "update with another version does nothing and returns the newest record",
    ["G1"],
    async (bench) => {
      const first = await bench.given(bench.key("a"), { idle: minute });
      await bench.store.update(first.key, fitting(first, { data: bytes(5, 5) }));
      const newest = await bench.loaded(first.key);
      for (const version of [first.version, newest.version + 1]) {
        const change = fitting(newest, { version, lifetime: 3 * hour, newDigest: bench.digest() });
        const result = await bench.store.update(first.key, change);
        equal(result.done, false, `update of version ${version}`);
        if (result.done) return;
        const record = present(result.record, "the newest record");
        equal(record.key, first.key, "its key");
        equal(record.version, 2, "its version");
        equalBytes(record.data, bytes(5, 5), "its data");
        equalBytes(record.digest, first.digest, "its digest");
        between(record.deadlineIn, hour - slack, hour + rounding, "its deadlineIn");
        between(record.idleIn, minute - slack, minute + rounding, "its idleIn");
        between(record.age, 0, slack, "its age");
        await unchanged(bench, newest, "a refused update");
      }
    },
  ),
  check(
    "update with another digest does nothing and returns the newest record",
    ["G2", "G4"],
    async (bench) => {
      const before = await bench.given(bench.key("a"));
      const result = await bench.store.update(
        before.key,
        fitting(before, { digest: bench.digest() }),
      );
      equal(result.done, false, "update");
      if (result.done) return;
      equalBytes(present(result.record, "the newest record").digest, before.digest, "its digest");
      await unchanged(bench, before, "a refused update");
    },
  ),
  check("update never inserts", ["G2"], async (bench) => {
    const key = bench.key("a");
    for (const version of [0, 1]) {
      const change = {
        version,
        digest: bench.digest(),
        data: bytes(1),
        lifetime: hour,
        idle: minute,
      };
      equal(await bench.store.update(key, change), { done: false }, `update of version ${version}`);
      await bench.missing(key, "a record that was never created");
    }
  }),
  check("update of a destroyed record finds nothing", ["G2"], async (bench) => {
    const before = await bench.given(bench.key("a"));
    await bench.store.destroy(before.key);
    const result = await bench.store.update(before.key, fitting(before, { lifetime: hour }));
    equal(result, { done: false }, "update");
    await bench.missing(before.key, "a destroyed record");
  }),
  check("update of an expired record finds nothing", ["G2", "G5"], async (bench) => {
    const ended = await bench.brief("ended", { lifetime: short });
    const idle = await bench.brief("idle", { idle: short });
    await bench.wait(short + beyond);
    for (const record of [ended, idle]) {
      const change = fitting(record, { lifetime: hour, idle: minute });
      equal(await bench.store.update(record.key, change), { done: false }, "update");
      await bench.missing(record.key, "an expired record");
    }
  }),
  check("update with a new digest replaces the old one", ["G4"], async (bench) => {
    const before = await bench.given(bench.key("a"));
    const newDigest = bench.digest();
    equal(
      (await bench.store.update(before.key, fitting(before, { newDigest }))).done,
      true,
      "done",
    );
    const record = await bench.loaded(before.key);
    equalBytes(record.digest, newDigest, "digest");
    equal(record.version, 2, "version");
    const late = fitting(record, { digest: before.digest });
    equal((await bench.store.update(before.key, late)).done, false, "update with the old digest");
    equal(
      await bench.store.touch(before.key, before.digest, minute),
      false,
      "touch with the old one",
    );
    equal(await bench.store.touch(before.key, newDigest, minute), true, "touch with the new one");
  }),
  check("update moves the deadline either way", ["G5"], async (bench) => {
    let record = await bench.given(bench.key("a"));
    for (const lifetime of [3 * hour, minute]) {
      await bench.store.update(record.key, fitting(record, { lifetime }));
      record = await bench.loaded(record.key);
      between(record.deadlineIn, lifetime - slack, lifetime + rounding, "deadlineIn");
    }
  }),
  check("update moves the idle expiry only forward", ["G5"], async (bench) => {
    let record = await bench.given(bench.key("a"), { idle: 10 * minute });
    for (const [idle, expected] of [
      [minute, 10 * minute],
      [20 * minute, 20 * minute],
    ] as const) {
      await bench.store.update(record.key, fitting(record, { idle }));
      record = await bench.loaded(record.key);
      between(record.idleIn, expected - slack, expected + rounding, "idleIn");
    }
  }),
  check(
    "update clamps the idle expiry to the deadline, the new one if it moves",
    ["G5"],
    async (bench) => {
      let record = await bench.given(bench.key("a"), { idle: minute });
      await bench.store.update(record.key, fitting(record, { idle: 5 * hour }));
      record = await bench.loaded(record.key);
      between(record.idleIn, hour - slack, hour + rounding, "idleIn under the old deadline");
      await bench.store.update(record.key, fitting(record, { idle: 5 * hour, lifetime: 3 * hour }));
      record = await bench.loaded(record.key);
      between(
        record.idleIn,
        3 * hour - slack,
        3 * hour + rounding,
        "idleIn under a later deadline",
      );
      await bench.store.update(record.key, fitting(record, { idle: hour, lifetime: 2 * minute }));
      record = await bench.loaded(record.key);
      between(
        record.idleIn,
        2 * minute - slack,
        2 * minute + rounding,
        "idleIn under an earlier one",
      );
    },
  ),
];

const touching: readonly Check[] = [
  check("touch moves the idle expiry and leaves the version alone", ["G5"], async (bench) => {
    const before = await bench.given(bench.key("a"), { idle: minute });
    equal(await bench.store.touch(before.key, before.digest, 10 * minute), true, "touch");
    const record = await bench.loaded(before.key);
    equal(record.version, 1, "version");
    equalBytes(record.data, before.data, "data");
    between(record.idleIn, 10 * minute - slack, 10 * minute + rounding, "idleIn");
    between(record.deadlineIn, hour - slack, hour + rounding, "deadlineIn");
    equal(
      (await bench.store.update(before.key, fitting(before))).done,
      true,
      "update after a touch",
    );
  }),
  check("touch keeps a session alive past its first idle expiry", ["G5"], async (bench) => {
    const key = await bench.within(short, async () => {
      const { key, digest } = await bench.given(bench.fresh("a"), { idle: short });
      await bench.wait(within);
      equal(await bench.store.touch(key, digest, hour), true, "touch");
      return key;
    });
    await bench.wait(short);
    await bench.loaded(key);
  }),
  check("touch moves the idle expiry only forward", ["G5"], async (bench) => {
    const before = await bench.given(bench.key("a"), { idle: 10 * minute });
    equal(await bench.store.touch(before.key, before.digest, minute), true, "touch");
    await unchanged(bench, before, "a touch that would move it back");
  }),
  check("touch is clamped to the deadline", ["G5"], async (bench) => {
    const before = await bench.given(bench.key("a"), { idle: minute });
    equal(await bench.store.touch(before.key, before.digest, 5 * hour), true, "touch");
    const record = await bench.loaded(before.key);
    between(record.deadlineIn, hour - slack, hour + rounding, "deadlineIn");
    between(record.idleIn, hour - slack, hour + rounding, "idleIn");
    ok(record.idleIn <= record.deadlineIn + 1, "the idle expiry is not past the deadline");
  }),
  check("touch requires the digest", ["G2"], async (bench) => {
    const before = await bench.given(bench.key("a"), { idle: minute });
    equal(await bench.store.touch(before.key, bench.digest(), 10 * minute), false, "touch");
    await unchanged(bench, before, "a refused touch");
  }),
  check("touch does not revive an expired or destroyed record", ["G2", "G5"], async (bench) => {
    const ended = await bench.brief("ended", { lifetime: short });
    const idle = await bench.brief("idle", { idle: short });
    const destroyed = await bench.given(bench.key("destroyed"), { idle: minute });
    await bench.store.destroy(destroyed.key);
    await bench.wait(short + beyond);
    for (const { key, digest } of [ended, idle, destroyed]) {
      equal(await bench.store.touch(key, digest, minute), false, "touch");
      await bench.missing(key, "a record that has ended");
    }
  }),
];

const destroying: readonly Check[] = [
  check("destroy deletes, whatever the version, and again is no error", ["G2"], async (bench) => {
    const before = await bench.given(bench.key("a"));
    const other = await bench.given(bench.key("b"));
    await bench.store.update(before.key, fitting(before));
    await bench.store.destroy(before.key);
    await bench.missing(before.key, "a destroyed record");
    await bench.store.destroy(before.key);
    await bench.store.destroy(bench.key("unknown"));
    await unchanged(bench, other, "the end of another record");
  }),
];

/** Part A of the suite. */
export const contract: readonly Check[] = [
  ...creating,
  ...loading,
  ...updating,
  ...touching,
  ...destroying,
  ...together,
  ...races,
];
