/** The rest of the contract: keys, bytes, iteration, and operations at the same time. */
import type { StoreRecord } from "../store.ts";
import { type Bench, bytes, type Check, hour, minute, randomText, second } from "./bench.ts";
import { equal, equalBytes, fail, ok, present } from "./expect.ts";

function check(name: string, needs: Check["needs"], run: Check["run"]): Check {
  return { name, needs, run };
}

/** The bytes that text-minded engines change: every value, and what looks like text but is not. */
const samples: readonly (readonly [string, Uint8Array])[] = [
  ["empty", new Uint8Array(0)],
  ["every byte", Uint8Array.from({ length: 256 }, (_, i) => i)],
  ["zeroes", new Uint8Array(5)],
  ["invalid UTF-8", bytes(0xff, 0xfe, 0x80, 0xc0, 0xed, 0xa0, 0x80)],
  ["backslashes and quotes", bytes(0x5c, 0x78, 0x34, 0x31, 0x27, 0x22, 0x5c, 0x30)],
  ["64 KiB", Uint8Array.from({ length: 65_536 }, (_, i) => (i * 31 + (i >>> 8)) & 255)],
];

const storing: readonly Check[] = [
  check("bytes come back as they were, created or updated", ["G3"], async (bench) => {
    for (const [name, data] of samples) {
      const { key, digest, version, data: made } = await bench.given(bench.key(name), { data });
      equalBytes(made, data, `${name} after create`);
      await bench.store.update(key, { version, digest, data: bytes(1) });
      await bench.store.update(key, { version: version + 1, digest, data });
      equalBytes((await bench.loaded(key)).data, data, `${name} after update`);
    }
  }),
  check("digests of every byte are compared and returned exactly", ["G2", "G4"], async (bench) => {
    for (let start = 0; start < 256; start += 32) {
      const digest = Uint8Array.from({ length: 32 }, (_, i) => start + i);
      const record = await bench.given(bench.key(`d${start}`), { digest, idle: minute });
      equalBytes(record.digest, digest, "digest");
      const near = digest.slice();
      near[31] = (start + 32) & 255;
      const { version } = record;
      const wrong = await bench.store.update(record.key, { version, digest: near, data: bytes(1) });
      equal(wrong.done, false, "update with a digest that differs in its last byte");
      equal(await bench.store.touch(record.key, near, hour), false, "touch with it");
      const right = await bench.store.update(record.key, { version, digest, data: bytes(1) });
      equal(right.done, true, "update with the digest");
    }
  }),
  check("keys are compared exactly", ["G2"], async (bench) => {
    const { key } = await bench.given(bench.key("Key"), { data: bytes(1) });
    const others = ["key", "KEY", "Key ", " Key", "Ke", "Key\u0301", "K\u00e9y", "Key%", "K_y"];
    for (const other of others) await bench.missing(bench.key(other), JSON.stringify(other));
    const similar = ["key", "Key ", "KEY"];
    for (const [index, other] of similar.entries()) {
      const record = await bench.given(bench.key(other), { data: bytes(10 + index) });
      equal(record.key, bench.key(other), "key of the record");
      equalBytes(record.data, bytes(10 + index), `data of ${JSON.stringify(other)}`);
    }
    await bench.store.destroy(bench.key("KEY"));
    equalBytes((await bench.loaded(key)).data, bytes(1), "data of the first key");
  }),
  check("bytes passed in may be reused after the call", ["G3"], async (bench) => {
    const key = bench.key("a");
    const digest = bench.digest();
    const data = bytes(1, 2, 3);
    const kept = digest.slice();
    await bench.store.create(key, { digest, data, lifetime: hour, idle: undefined });
    digest.fill(0);
    data.fill(0);
    let record = await bench.loaded(key);
    equalBytes(record.digest, kept, "digest after create");
    equalBytes(record.data, bytes(1, 2, 3), "data after create");
    const newDigest = bench.digest();
    const next = newDigest.slice();
    data.set([4, 5, 6]);
    await bench.store.update(key, { version: 1, digest: kept, data, newDigest });
    newDigest.fill(0);
    data.fill(0);
    record = await bench.loaded(key);
    equalBytes(record.digest, next, "digest after update");
    equalBytes(record.data, bytes(4, 5, 6), "data after update");
  }),
  check("bytes returned belong to the caller", ["G3"], async (bench) => {
    const first = await bench.given(bench.key("a"), { data: bytes(1, 2, 3) });
    const digest = first.digest.slice();
    first.data.fill(0);
    first.digest.fill(0);
    const second = await bench.loaded(first.key);
    equalBytes(second.data, bytes(1, 2, 3), "data after the caller changed an earlier copy");
    equalBytes(second.digest, digest, "digest after the caller changed an earlier copy");
    const lost = await bench.store.update(first.key, { version: 9, digest, data: bytes(7) });
    if (lost.done) fail("update of another version was done");
    present(lost.record, "the newest record").data.fill(0);
    equalBytes(
      (await bench.loaded(first.key)).data,
      bytes(1, 2, 3),
      "data after a conflict's copy",
    );
  }),
];

async function keysOf(bench: Bench, prefix: string): Promise<string[]> {
  const { store } = bench;
  if (store.iterate === undefined) fail("abilities.iterate is true, and there is no iterate");
  const keys: string[] = [];
  for await (const record of store.iterate(prefix)) keys.push(record.key);
  // In a set: the contract allows an engine to return a record twice (Redis SCAN may).
  return [...new Set(keys)].sort();
}

const iterating: readonly Check[] = [
  check("iterate returns every live record under the prefix", ["iterate"], async (bench) => {
    const names = Array.from({ length: 120 }, (_, i) => `in:${i}`);
    await Promise.all(names.map((name) => bench.given(bench.key(name), { idle: minute })));
    await bench.given(bench.key("IN:upper"));
    await bench.given(bench.key("in"));
    await bench.given(bench.key("other"));
    await bench.store.destroy(bench.key("in:7"));
    const expected = names.filter((name) => name !== "in:7").map((name) => bench.key(name));
    equal(await keysOf(bench, bench.key("in:")), expected.sort(), "keys");
  }),
  check("iterate returns whole records", ["iterate"], async (bench) => {
    const made = await bench.given(bench.key("a"), { data: bytes(1, 255), idle: minute });
    const found: StoreRecord[] = [];
    for await (const record of bench.store.iterate?.(bench.prefix) ?? []) found.push(record);
    equal(found.length, 1, "how many");
    const record = present(found[0], "the record");
    equal(record.version, 1, "version");
    equalBytes(record.digest, made.digest, "digest");
    equalBytes(record.data, made.data, "data");
    ok(record.deadlineIn > 0 && (record.idleIn ?? 0) > 0, "times above zero");
  }),
  check("iterate takes the prefix literally", ["iterate"], async (bench) => {
    for (const name of ["a%b", "axb", "a_b", "a*b", "a[x]b", "a?b", "a\\b"]) {
      await bench.given(bench.key(name));
    }
    for (const name of ["a%", "a_", "a*", "a[x]", "a?", "a\\"]) {
      equal(await keysOf(bench, bench.key(name)), [bench.key(`${name}b`)], `keys under ${name}`);
    }
  }),
  check("iterate leaves out what has expired", ["iterate", "G5"], async (bench) => {
    await bench.brief("ended", { lifetime: second });
    await bench.brief("idle", { idle: second });
    await bench.given(bench.key("live"));
    await bench.wait(2 * second);
    equal(await keysOf(bench, bench.prefix), [bench.key("live")], "keys");
  }),
  check("iterate tolerates changes on the way", ["iterate"], async (bench) => {
    // Random, as ids are: engines may walk in the order of keys, and most new ones are then behind.
    const names = Array.from({ length: 40 }, randomText);
    await Promise.all(names.map((name) => bench.given(bench.key(name))));
    const seen: string[] = [];
    for await (const record of bench.store.iterate?.(bench.prefix) ?? []) {
      seen.push(record.key);
      if (seen.length > 400) fail("iterate does not end while records are created");
      await bench.store.destroy(record.key);
      await bench.given(bench.key(randomText()));
    }
    for (const name of names) ok(seen.includes(bench.key(name)), `record ${name} was returned`);
  }),
];

const racing: readonly Check[] = [
  check("concurrent creates: exactly one inserts", ["G2"], async (bench) => {
    const key = bench.key("a");
    const results = await Promise.all(
      Array.from({ length: 20 }, async (_, i) =>
        bench.store.create(key, {
          digest: bench.digest(),
          data: bytes(i),
          lifetime: hour,
          idle: undefined,
        }),
      ),
    );
    equal(results.filter(Boolean).length, 1, "how many inserted");
    const record = await bench.loaded(key);
    equal(record.version, 1, "version");
    equal(record.data[0], results.indexOf(true), "whose data is stored");
  }),
  check("concurrent updates with retries: none is lost", ["G1"], async (bench) => {
    const { key } = await bench.given(bench.key("a"), { data: bytes(0) });
    const writers = 12;
    async function add(): Promise<void> {
      let record: StoreRecord | undefined = await bench.loaded(key);
      for (let tries = 0; tries < 200; tries++) {
        const { version, digest, data }: StoreRecord = present(record, "the newest record");
        const result = await bench.store.update(key, {
          version,
          digest,
          data: bytes((data[0] ?? 0) + 1),
        });
        if (result.done) return;
        ok((result.record?.version ?? version) !== version, "a conflict returns a newer version");
        record = result.record;
      }
      fail("no update succeeded in 200 tries");
    }
    await Promise.all(Array.from({ length: writers }, add));
    const record = await bench.loaded(key);
    equal(record.data[0], writers, "count");
    equal(record.version, writers + 1, "version");
  }),
  check("concurrent renewals: exactly one is done", ["G4"], async (bench) => {
    const { key, version, digest } = await bench.given(bench.key("a"));
    const digests = Array.from({ length: 12 }, () => bench.digest());
    const results = await Promise.all(
      digests.map(async (newDigest) =>
        bench.store.update(key, { version, digest, data: bytes(1), newDigest, lifetime: hour }),
      ),
    );
    const winners = digests.filter((_, i) => results[i]?.done === true);
    equal(winners.length, 1, "how many were done");
    const record = await bench.loaded(key);
    equalBytes(record.digest, present(winners[0], "the winner"), "digest");
    equal(record.version, 2, "version");
    for (const result of results) {
      if (!result.done) equal(result.record?.version, 2, "the version that a loser is told");
    }
  }),
  check("touches and updates at the same time disturb nothing", ["G1", "G5"], async (bench) => {
    const { key, digest } = await bench.given(bench.key("a"), { idle: minute });
    let version = 1;
    async function update(): Promise<void> {
      for (let i = 0; i < 10; i++) {
        const result = await bench.store.update(key, { version, digest, data: bytes(version) });
        equal(result.done, true, "update beside touches");
        version++;
      }
    }
    async function touch(): Promise<void> {
      for (let i = 1; i <= 10; i++) {
        equal(
          await bench.store.touch(key, digest, (10 + i) * minute),
          true,
          "touch beside updates",
        );
      }
    }
    await Promise.all([update(), touch(), touch()]);
    const record = await bench.loaded(key);
    equal(record.version, 11, "version");
    equal(record.data[0], 10, "data");
    ok((record.idleIn ?? 0) > 19 * minute, "the last touch holds");
  }),
  check("destroy beside updates leaves nothing", ["G2"], async (bench) => {
    const { key, digest } = await bench.given(bench.key("a"), { idle: minute });
    const late = Array.from({ length: 8 }, async (_, i) => {
      await bench.store.update(key, { version: 1 + i, digest, data: bytes(i), lifetime: hour });
      await bench.store.touch(key, digest, hour);
    });
    await Promise.all([bench.store.destroy(key), ...late]);
    await bench.missing(key, "a destroyed record");
  }),
];

const serving: readonly Check[] = [
  check("check resolves, and close may be called twice", [], async (bench) => {
    await bench.store.check?.();
    equal(
      typeof bench.store.iterate === "function",
      bench.store.abilities.iterate,
      "iterate as declared",
    );
    for (const time of ["first", "second"]) {
      try {
        await bench.store.close?.();
      } catch (error) {
        fail(`the ${time} close threw ${String(error)}`);
      }
    }
  }),
];

/** The second half of part A. */
export const races: readonly Check[] = [...storing, ...iterating, ...racing, ...serving];
