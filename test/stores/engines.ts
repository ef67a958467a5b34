// What every SQL engine is tested for besides the public suite.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { describe, it } from "node:test";
import { SessionError, type SessionErrorCode } from "../../src/errors.ts";
import type { Store, StoreRecord } from "../../src/store.ts";
import type { SweepOptions } from "../../src/stores/sql-sweeper.ts";
import type { TableOptions } from "../../src/stores/sql.ts";
import { storeSuite, type StoreSuite } from "../../src/testing/store.ts";
import { type Tested, tested } from "../support/tested.ts";

export type SqlOptions = TableOptions & SweepOptions;

export interface SqlEngine extends Store {
  setUp(): Promise<void>;
  check(): Promise<void>;
  iterate(prefix: string): AsyncIterable<StoreRecord>;
  close(): void;
}

export interface SqlServer {
  readonly name: string;
  make(options?: SqlOptions): SqlEngine;
  /** One connection of the test's own: `begin` and `commit` work. */
  raw(sql: string): Promise<readonly Readonly<Record<string, unknown>>[]>;
  /** Quotes a name. */
  quote(name: string): string;
  /** What is no client of this engine. */
  readonly strangers: readonly unknown[];
  over(client: unknown): unknown;
}

/** Adds the rows of what every SQL engine is tested for besides the suite; `own` is its `describe`. */
export function testedSql(release: string, on: On, own?: string): void {
  const row = { area: "engine", ...on } as const;
  const parts = ["set up", "records", "expired records"].map((part) => `${release}: ${part}`);
  tested({ ...row, note: "set up, keys, sizes, removal of expired records", suite: parts });
  if (own !== undefined) tested({ ...row, note: "what is particular to the engine", suite: own });
}

/** What a row of the table of what ran says besides what ran. */
export type On = Pick<Tested, "what" | "with" | "version">;

/** The whole suite by default; a part that needs no waiting for the further clients of an engine. */
export function suite(
  name: string,
  on: On,
  create: StoreSuite["create"],
  whole: boolean = process.env["SCS_FULL"] === "1",
  // A few at a time: they spend theirs waiting, but sessions of 1.5 s must not expire in a queue.
  concurrency: number = 6,
): void {
  const note = whole ? "the whole suite" : "the part of the suite that needs no waiting";
  const titled = whole ? name : `${name}, smoke`;
  tested({ area: "engine", ...on, note, suite: [titled, `${name}: the suite ran`] });
  const part =
    /^(create (stores|only)|update (with|never|moves|clamps)|touch (moves|is|requires)|destroy|bytes|digests|keys|iterate (returns|takes)|concurrent|check)/;
  let registered = 0;
  storeSuite({
    name: titled,
    create,
    describe: (title, body) => describe(title, { concurrency }, body),
    it: (title, body) => {
      if (!whole && !part.test(title)) return;
      registered++;
      void it(title, body);
    },
  });
  it(`${name}: the suite ran`, () => assert.ok(registered >= (whole ? 80 : 25), `${registered}`));
}

export function named(what = "t"): string {
  return `${what}_${randomBytes(6).toString("hex")}`;
}

export const hour = 3_600_000;
export const digest = Uint8Array.from({ length: 32 }, (_, i) => 255 - i);

export function record(lifetime = hour, idle?: number): Parameters<Store["create"]>[1] {
  return { digest, data: Uint8Array.of(1, 2, 3), lifetime, idle };
}

export function refused(code: SessionErrorCode, message: RegExp): (error: unknown) => true {
  return (error) => {
    assert.ok(error instanceof SessionError, String(error));
    assert.equal(error.code, code);
    assert.match(error.message, message);
    assert.ok(!error.message.includes("\n"), "one line");
    return true;
  };
}

export const sleep = (ms: number): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, ms));

/** Waits until the check holds; fails after a minute. */
export async function until(what: string, holds: () => Promise<boolean>): Promise<void> {
  const end = Date.now() + 60_000;
  while (!(await holds())) {
    if (Date.now() > end) assert.fail(`${what}: not within a minute`);
    await sleep(50);
  }
}

/** Registers the tests that all SQL engines share. */
export function sqlTests(server: SqlServer): void {
  describe(`${server.name}: set up`, () => {
    it("eight at once, then again, under a name full of traps", async () => {
      const table = `${named()} "quoted" \`back\` :id $1 ?`;
      const stores = Array.from({ length: 8 }, () => server.make({ table }));
      await Promise.all(stores.map((store) => store.setUp()));
      const [store] = stores as [SqlEngine];
      await store.setUp();
      await store.check();
      assert.equal(await store.create("a", record()), true);
      assert.equal((await store.load("a"))?.version, 1);
      await server.raw(`DROP TABLE ${server.quote(table)}`);
      for (const each of stores) each.close();
    });

    it("check names the missing step", async () => {
      const store = server.make({ table: named() });
      await assert.rejects(store.check(), refused("store-failed", /no table .* run setUp\(\)/));
      store.close();
    });

    it("a table of another shape is refused in one line, and stays", async () => {
      const table = named();
      const quoted = server.quote(table);
      // What SCS has.
      await server.raw(`CREATE TABLE ${quoted} (token CHAR(43) PRIMARY KEY, data VARCHAR(9))`);
      await server.raw(`INSERT INTO ${quoted} VALUES ('t', 'd')`);
      const store = server.make({ table });
      for (const failing of [() => store.setUp(), () => store.check()]) {
        await assert.rejects(failing, refused("store-failed", /is not ours: its column "id" is/));
      }
      assert.equal((await server.raw(`SELECT token FROM ${quoted}`)).length, 1);
      await server.raw(`DROP TABLE ${quoted}`);
      store.close();
    });

    it("refuses options that make no sense, and clients of another kind", () => {
      const bad = [
        { table: "" },
        { table: "a\0b" },
        { table: "x".repeat(300) },
        { table: 5 },
        { table: "a", schema: "" },
        { sweepInterval: 0 },
        { sweepInterval: -1 },
        { sweepInterval: Number.NaN },
        { sweepInterval: Infinity },
        { sweepInterval: "10s" },
        { sweepInterval: true },
        { batch: 1 },
      ] as unknown as SqlOptions[];
      for (const options of bad) {
        assert.throws(
          () => server.make(options),
          refused("invalid-option", /table|sweepInterval|batch/),
          JSON.stringify(options),
        );
      }
      for (const client of [...server.strangers, undefined, null, {}, "postgres://", () => {}]) {
        assert.throws(() => server.over(client), refused("invalid-option", /takes a/));
      }
    });
  });

  describe(`${server.name}: records`, () => {
    it("a key of any character, up to 255 bytes; longer ones are refused", async () => {
      const store = server.make();
      const ascii = Array.from({ length: 127 }, (_, i) => String.fromCharCode(i + 1)).join("");
      const prefix = `${named()}:`;
      const keys = [ascii, "é\u{1f600}\uffff", "'\"`\\%_;--", "x".repeat(255 - prefix.length)];
      for (const key of keys) {
        assert.equal(await store.create(prefix + key, record()), true);
        assert.equal((await store.load(prefix + key))?.key, prefix + key);
      }
      const found: string[] = [];
      for await (const { key } of store.iterate(prefix)) found.push(key);
      assert.deepEqual(found.sort(), keys.map((key) => prefix + key).sort());
      const long = prefix + "é".repeat(200);
      await assert.rejects(
        async () => store.create(long, record()),
        refused("invalid-argument", /255/),
      );
      store.close();
    });

    it("ids, digests and data of every byte value are told apart", async () => {
      const store = server.make();
      const name = named();
      const made = Array.from({ length: 256 }, (_, byte) => ({
        key: `${name}:${Buffer.alloc(18, byte).toString("base64url")}`,
        digest: new Uint8Array(32).fill(byte),
        data: Uint8Array.of(byte, 255 - byte, byte),
      }));
      for (const { key, ...rest } of made) {
        assert.equal(await store.create(key, { ...record(), ...rest }), true);
      }
      for (const [byte, { key, digest, data }] of made.entries()) {
        const found = await store.load(key);
        assert.equal(found?.key, key);
        assert.deepEqual(found.digest, digest);
        assert.deepEqual(found.data, data);
        const other = made[(byte + 1) % 256]?.digest ?? digest;
        const wrong = await store.update(key, { version: 1, digest: other, data });
        assert.equal(wrong.done, false);
        assert.deepEqual(await store.update(key, { version: 1, digest, data }), { done: true });
      }
      store.close();
    });

    it("1 MiB of data, created, updated and returned with a conflict", async () => {
      const store = server.make();
      const key = named();
      const data = new Uint8Array(randomBytes(2 ** 20));
      assert.equal(await store.create(key, { ...record(), data }), true);
      assert.deepEqual((await store.load(key))?.data, data);
      data.fill(0, 0, 999);
      assert.deepEqual(await store.update(key, { version: 1, digest, data }), { done: true });
      const lost = await store.update(key, { version: 1, digest, data: digest });
      assert.deepEqual(lost.done ? undefined : lost.record?.data, data);
      store.close();
    });

    it("lifetimes of a century, of no end, and of a fraction", async () => {
      const store = server.make();
      const century = 36_525 * 24 * hour;
      const [long, endless, brief] = [named(), named(), named()];
      await store.create(long, record(century, century));
      const found = await store.load(long);
      assert.ok(Math.abs((found?.deadlineIn ?? 0) - century) < 60_000, String(found?.deadlineIn));
      await store.create(endless, record(Infinity));
      assert.ok(((await store.load(endless))?.deadlineIn ?? 0) > 10 * century);
      await store.create(brief, record(60_000.25));
      assert.ok(((await store.load(brief))?.deadlineIn ?? 0) > 0);
      store.close();
    });
  });

  describe(`${server.name}: expired records`, () => {
    it("are removed by themselves, step by step; live ones stay; close ends it", async () => {
      const table = named();
      const count = async (): Promise<number> => {
        const [row] = await server.raw(`SELECT count(*) AS n FROM ${server.quote(table)}`);
        return Number(row?.["n"]);
      };
      const quiet = server.make({ table, sweepInterval: false });
      await quiet.setUp();
      // More than two steps, so that the walk has to go on where it was.
      const keys = Array.from({ length: 1300 }, (_, i) => `${i % 10}:${named()}`);
      for (let at = 0; at < keys.length; at += 50) {
        await Promise.all(
          keys.slice(at, at + 50).map(async (key, i) => {
            if (i === 7) return quiet.create(key, record());
            return quiet.create(key, i % 2 === 0 ? record(1) : record(hour, 1));
          }),
        );
      }
      assert.equal(await count(), 1300, "nothing removes them with `sweepInterval: false`");
      const store = server.make({ table, sweepInterval: 100 });
      await store.load("anything");
      await until("only live ones are left", async () => (await count()) === 26);
      assert.equal((await store.load(keys[7] ?? ""))?.version, 1);
      store.close();
      // A step that is under way ends by itself.
      await sleep(500);
      await quiet.create("late", record(1));
      await sleep(500);
      assert.equal(await count(), 27, "closed");
      quiet.close();
      await server.raw(`DROP TABLE ${server.quote(table)}`);
    });
  });
}
