/**
 * Operations on different records that begin in the same turn of the event loop. An engine may carry
 * them out by one command; each must have its own outcome all the same.
 */
import type { StoreRecord, UpdateRecord, UpdateResult } from "../store.ts";
import { type Bench, bytes, type Check, hour, minute, rounding, second, slack } from "./bench.ts";
import { between, equal, equalBytes, present } from "./expect.ts";

function check(name: string, needs: Check["needs"], run: Check["run"]): Check {
  return { name, needs, run };
}

const short = 1.5 * second;
const beyond = 1.2 * second;

/** More than an engine puts into one command. */
const many = 40;

async function given(bench: Bench): Promise<StoreRecord[]> {
  const made: StoreRecord[] = [];
  for (let i = 0; i < many; i++) {
    const data = bytes(i, 0, 255);
    made.push(await bench.given(bench.key(`r${i}`), { data, idle: (i + 1) * minute }));
  }
  return made;
}

interface Case {
  readonly what: string;
  /** Whose record must be there afterwards, and must be the newest where the answer is a refusal. */
  readonly key: string;
  readonly change: UpdateRecord;
  readonly done: boolean;
  readonly exists: boolean;
}

function caseOf(bench: Bench, record: StoreRecord, i: number): Case {
  const { key, version, digest } = record;
  const data = bytes(i, 1);
  const fits = { version, digest, data };
  const refused = { key, done: false, exists: true };
  const done = { key, done: true, exists: true };
  switch (i % 8) {
    case 0:
      return { ...refused, what: "another version", change: { ...fits, version: version + 1 } };
    case 1:
      return { ...refused, what: "another digest", change: { ...fits, digest: bench.digest() } };
    case 2: {
      const unknown = bench.key(`unknown${i}`);
      return { what: "no record", key: unknown, change: fits, done: false, exists: false };
    }
    case 3:
      return { ...done, what: "a renewal", change: { ...fits, newDigest: bench.digest() } };
    case 4:
      return { ...done, what: "a shorter life", change: { ...fits, lifetime: 30_000 } };
    case 5:
      return { ...done, what: "a later idle expiry", change: { ...fits, idle: 50 * minute } };
    default:
      return { ...done, what: "a change", change: fits };
  }
}

async function verify(
  bench: Bench,
  before: StoreRecord,
  { what, key, change, done, exists }: Case,
  result: UpdateResult,
): Promise<void> {
  equal(result.done, done, `done: ${what}`);
  if (!result.done) {
    equal(result.record?.version, exists ? before.version : undefined, `newest after ${what}`);
    if (exists) equalBytes(present(result.record, what).data, before.data, `data after ${what}`);
  }
  const now = await bench.loaded(before.key);
  equal(now.key, before.key, `key after ${what}`);
  equal(now.version, done ? before.version + 1 : before.version, `version after ${what}`);
  equalBytes(now.data, done ? change.data : before.data, `stored after ${what}`);
  const digest = done ? (change.newDigest ?? before.digest) : before.digest;
  equalBytes(now.digest, digest, `digest after ${what}`);
  const end = (done ? change.lifetime : undefined) ?? hour;
  between(now.deadlineIn, end - slack, end + rounding, `deadlineIn after ${what}`);
  const idle = Math.min(end, (done ? change.idle : undefined) ?? present(before.idleIn, what));
  between(present(now.idleIn, what), idle - slack, idle + rounding, `idleIn after ${what}`);
  if (!exists) await bench.missing(key, what);
}

/** Part of the contract. */
export const together: readonly Check[] = [
  check("creates that begin together insert each its own record", ["G2"], async (bench) => {
    const taken = await bench.given(bench.key("taken"), { data: bytes(7) });
    const names = Array.from({ length: many }, (_, i) => `c${i}`);
    names.splice(many / 2, 0, "taken");
    const made = await Promise.all(
      names.map(async (name, i) =>
        bench.store.create(bench.key(name), {
          digest: bench.digest(),
          data: bytes(i, i),
          lifetime: hour,
          idle: i % 2 === 0 ? minute : undefined,
        }),
      ),
    );
    for (const [i, name] of names.entries()) {
      equal(made[i], name !== "taken", `create of ${name}`);
      const record = await bench.loaded(bench.key(name));
      equalBytes(record.data, name === "taken" ? taken.data : bytes(i, i), `data of ${name}`);
      equal(record.version, 1, `version of ${name}`);
      between(record.deadlineIn, hour - slack, hour + rounding, `deadlineIn of ${name}`);
      if (name !== "taken" && i % 2 === 0) {
        between(record.idleIn ?? 0, minute - slack, minute + rounding, `idleIn of ${name}`);
      } else equal(record.idleIn, undefined, `idleIn of ${name}`);
    }
  }),
  check("loads that begin together find each its own record", ["G3"], async (bench) => {
    const records = await given(bench);
    const [twice] = records;
    const again = [present(twice, "a record"), ...records];
    const keys = [...again.map(({ key }) => key), bench.key("unknown")];
    const found = await Promise.all(keys.map(async (key) => bench.store.load(key)));
    equal(found.pop(), undefined, "an unknown record");
    const [first, second] = [present(found[0], "a record"), present(found[1], "the same")];
    const kept = first.data.slice();
    first.data.fill(9);
    equalBytes(second.data, kept, "bytes of another caller");
    first.data.set(kept);
    for (const [i, before] of again.entries()) {
      const record = present(found[i], before.key.slice(bench.prefix.length));
      equal(record.key, before.key, "key");
      equal(record.version, before.version, "version");
      equalBytes(record.data, before.data, "data");
      equalBytes(record.digest, before.digest, "digest");
      const idle = present(before.idleIn, "idleIn");
      between(record.idleIn ?? 0, idle - slack, idle + rounding, "idleIn");
    }
  }),
  check("updates that begin together keep each its own conditions", ["G1", "G4"], async (bench) => {
    const records = await given(bench);
    const cases = records.map((record, i) => caseOf(bench, record, i));
    const results = await Promise.all(
      cases.map(async ({ key, change }) => bench.store.update(key, change)),
    );
    for (const [i, each] of cases.entries()) {
      await verify(
        bench,
        present(records[i], "record"),
        each,
        present(results[i], `answer to ${each.what}`),
      );
    }
  }),
  check(
    "operations that begin together bring no ended record back",
    ["G2", "G5"],
    async (bench) => {
      const [ended, idle, live] = [
        await bench.brief("ended", { lifetime: short }),
        await bench.brief("idle", { idle: short }),
        await bench.given(bench.key("live"), { idle: hour }),
      ];
      await bench.wait(short + beyond);
      const records = [ended, live, idle];
      const results = await Promise.all(
        records.map(async ({ key, version, digest }) =>
          bench.store.update(key, {
            version,
            digest,
            data: bytes(9),
            lifetime: hour,
            idle: minute,
          }),
        ),
      );
      for (const [i, { key }] of records.entries()) {
        equal(results[i]?.done, key === live.key, `update of ${key.slice(bench.prefix.length)}`);
      }
      const found = await Promise.all(records.map(async ({ key }) => bench.store.load(key)));
      for (const [i, { key }] of records.entries()) {
        equal(found[i]?.version, key === live.key ? 2 : undefined, "version");
      }
      const made = await Promise.all(
        records.map(async ({ key }) =>
          bench.store.create(key, {
            digest: bench.digest(),
            data: bytes(3),
            lifetime: hour,
            idle: undefined,
          }),
        ),
      );
      for (const [i, { key }] of records.entries()) {
        equal(made[i], key !== live.key, `create of ${key.slice(bench.prefix.length)}`);
      }
    },
  ),
  check("of updates of one record that begin together, one is done", ["G1"], async (bench) => {
    const [before, other] = [await bench.given(bench.key("a")), await bench.given(bench.key("b"))];
    const { version } = before;
    const updates = [other, ...Array.from({ length: 6 }, () => before)];
    const results = await Promise.all(
      updates.map(async ({ key, digest }, i) =>
        bench.store.update(key, { version, digest, data: bytes(i) }),
      ),
    );
    equal(results.shift()?.done, true, "the update of another record");
    const winner = results.findIndex(({ done }) => done);
    equal(results.filter(({ done }) => done).length, 1, "how many were done");
    for (const result of results) {
      if (!result.done) equal(result.record?.version, version + 1, "version in a refusal");
    }
    equalBytes((await bench.loaded(before.key)).data, bytes(winner + 1), "data");
  }),
];
