import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  applyIntent,
  type Intent,
  needsTimes,
  noIntent,
  type Operation,
  type Plan,
  plan,
  type Situation,
} from "../src/commit.ts";
import { SessionError } from "../src/errors.ts";
import { emptyState, type State } from "../src/state.ts";

const now = 1_000_000;
const hour = 3_600_000;
const anySet: Operation = { kind: "set", key: "a", bytes: new Uint8Array([1]) };

const visitor: Situation = {
  exists: false,
  superseded: false,
  presented: false,
  hasData: true,
  now,
  deadlineIn: 0,
  fixedDeadline: false,
  lifetime: 24 * hour,
};
const user: Situation = { ...visitor, exists: true, presented: true, deadlineIn: 10 * hour };
const fixed: Situation = { ...user, fixedDeadline: true };
const stale: Situation = { ...visitor, presented: true };
const superseded: Situation = { ...visitor, presented: true, superseded: true };

const data = { operations: [anySet] };
const inOneHour = { deadline: { at: now + hour, fixed: true } };
const past = { deadline: { at: now, fixed: true } };

const idle: Plan = {
  destroy: false,
  write: "none",
  renew: false,
  lifetime: undefined,
  token: "none",
};
const create: Plan = { ...idle, write: "create", lifetime: 24 * hour, token: "set" };
const update: Plan = { ...idle, write: "update" };

const rows: [string, Partial<Intent>, Situation, Plan][] = [
  ["nothing, of a visitor", {}, visitor, idle],
  ["nothing, of a user", {}, user, idle],
  ["nothing, with a superseded token", {}, superseded, idle],
  ["data of a visitor", data, visitor, create],
  ["data of a visitor that cancelled out", data, { ...visitor, hasData: false }, idle],
  ["data under an unknown token", data, stale, create],
  ["data of a user", data, user, update],
  ["renewal of a visitor", { renew: true }, { ...visitor, hasData: false }, create],
  ["renewal", { renew: true }, user, { ...update, renew: true, lifetime: 24 * hour, token: "set" }],
  [
    "renewal never passes a deadline set by hand earlier",
    { renew: true },
    fixed,
    { ...update, renew: true, lifetime: 10 * hour, token: "set" },
  ],
  [
    "renewal shortens a far deadline set by hand",
    { renew: true },
    { ...fixed, deadlineIn: 99 * hour },
    { ...update, renew: true, lifetime: 24 * hour, token: "set" },
  ],
  [
    "deadline beats renewal",
    { renew: true, ...inOneHour },
    user,
    { ...update, renew: true, lifetime: hour, token: "set" },
  ],
  [
    "deadline beats renewal and an earlier deadline",
    { renew: true, deadline: { at: now + 20 * hour, fixed: true } },
    fixed,
    { ...update, renew: true, lifetime: 20 * hour, token: "set" },
  ],
  ["deadline of a user", inOneHour, user, { ...update, lifetime: hour, token: "set" }],
  ["deadline of a visitor creates nothing", inOneHour, visitor, { ...idle }],
  [
    "deadline and data of a visitor",
    { ...data, ...inOneHour },
    visitor,
    { ...create, lifetime: hour },
  ],
  ["past deadline destroys", past, user, { ...idle, destroy: true, token: "clear" }],
  [
    "past deadline drops data",
    { ...past, ...data },
    user,
    { ...idle, destroy: true, token: "clear" },
  ],
  ["past deadline of a visitor", { ...past, ...data }, visitor, idle],
  ["past deadline under an unknown token", past, stale, { ...idle, token: "clear" }],
  ["rememberMe of a user", { remember: true }, user, { ...update, token: "set" }],
  ["rememberMe(false) of a user", { remember: false }, user, { ...update, token: "set" }],
  [
    "rememberMe of a visitor creates nothing",
    { remember: true },
    { ...visitor, hasData: false },
    idle,
  ],
  ["destroy of a user", { destroy: true }, user, { ...idle, destroy: true, token: "clear" }],
  ["destroy of a visitor", { destroy: true }, visitor, idle],
  ["destroy under an unknown token", { destroy: true }, stale, { ...idle, token: "clear" }],
  ["destroy, then data", { destroy: true, ...data }, user, { ...create, destroy: true }],
  [
    "destroy, then data that cancelled out",
    { destroy: true, ...data },
    { ...user, hasData: false },
    { ...idle, destroy: true, token: "clear" },
  ],
  ["destroy, then renew", { destroy: true, renew: true }, user, { ...create, destroy: true }],
  [
    "destroy, then a past deadline",
    { destroy: true, ...past },
    user,
    { ...idle, destroy: true, token: "clear" },
  ],
  ["data with a superseded token", data, superseded, { fail: "superseded" }],
  ["destroy with a superseded token", { destroy: true }, superseded, { fail: "superseded" }],
  ["rememberMe with a superseded token", { remember: true }, superseded, { fail: "superseded" }],
  ["renewal with a superseded token", { renew: true, ...data }, superseded, create],
  [
    "destroy and renewal with a superseded token",
    { destroy: true, renew: true },
    superseded,
    { fail: "superseded" },
  ],
];

describe("plan", () => {
  for (const [name, intent, situation, expected] of rows) {
    it(name, () => {
      assert.deepEqual(plan({ ...noIntent, ...intent }, situation), expected);
    });
  }

  it("looks at the times of a situation only where needsTimes says so", () => {
    const any = [false, true];
    let without = 0;
    for (const [, part, known] of rows) {
      const intent = { ...noIntent, ...part };
      if (needsTimes(intent)) continue;
      for (const exists of any) {
        for (const wasSuperseded of any) {
          const situation = { ...known, exists, superseded: wasSuperseded };
          for (const now of [0, NaN, Infinity]) {
            const other = { ...situation, now, deadlineIn: now };
            assert.deepEqual(plan(intent, other), plan(intent, situation));
            without++;
          }
        }
      }
    }
    assert.ok(without > 100);
  });
});

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const text = (state: State): Record<string, string> =>
  Object.fromEntries([...state.entries].map(([k, v]) => [k, new TextDecoder().decode(v)]));
const state = (entries: Record<string, string>): State => ({
  ...emptyState,
  entries: new Map(Object.entries(entries).map(([k, v]) => [k, bytes(v)])),
});
const apply = (
  before: Record<string, string>,
  ...operations: Operation[]
): Record<string, string> =>
  text(applyIntent(state(before), { ...noIntent, operations }, 10_000, undefined));

describe("applyIntent, on the newest state", () => {
  it("keeps what the transaction did not name", () => {
    assert.deepEqual(apply({ a: "1", b: "2" }, { kind: "set", key: "c", bytes: bytes("3") }), {
      a: "1",
      b: "2",
      c: "3",
    });
  });
  it("does not change the state it is given", () => {
    const before = state({ a: "1" });
    applyIntent(before, { ...noIntent, operations: [{ kind: "clear" }] }, 10_000, undefined);
    assert.deepEqual(text(before), { a: "1" });
  });
  it("clear removes what is there now, and what is set after it stays", () => {
    const set: Operation = { kind: "set", key: "z", bytes: bytes("9") };
    assert.deepEqual(apply({ a: "1", late: "2" }, { kind: "clear" }, set), { z: "9" });
  });
  it("pop removes only what was handed out", () => {
    const pop: Operation = { kind: "pop", key: "a", seen: bytes("1") };
    assert.deepEqual(apply({ a: "1" }, pop), {});
    assert.deepEqual(apply({ a: "newer" }, pop), { a: "newer" });
    assert.deepEqual(apply({}, pop), {});
  });
  it("take fails when the value changed or is gone", () => {
    const take: Operation = { kind: "take", key: "a", seen: bytes("1") };
    assert.deepEqual(apply({ a: "1" }, take), {});
    for (const now of [{ a: "2" }, {}]) {
      assert.throws(() => apply(now, take), { code: "conflict", status: 409 });
    }
  });
  it("update runs on the newest value; its failure is a conflict with the cause", () => {
    const run = (now: Uint8Array | undefined): Uint8Array =>
      bytes(`${now === undefined ? "" : new TextDecoder().decode(now)}+`);
    assert.deepEqual(apply({ a: "1" }, { kind: "update", key: "a", run }), { a: "1+" });
    const cause = new Error("no");
    const failing: Operation = {
      kind: "update",
      key: "a",
      run: () => {
        throw cause;
      },
    };
    assert.throws(
      () => apply({ a: "1" }, failing),
      (error) =>
        error instanceof SessionError && error.code === "update-failed" && error.cause === cause,
    );
  });
  it("refuses to outgrow maxSize together with another request, as a conflict", () => {
    const set: Operation = { kind: "set", key: "b", bytes: new Uint8Array(60) };
    const operations = [set];
    assert.throws(
      () => applyIntent(state({ a: "x".repeat(60) }), { ...noIntent, operations }, 100, undefined),
      { code: "too-large", status: 409 },
    );
  });
});
