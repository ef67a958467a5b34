// The checker on histories written by hand: what is right passes, each thing that is wrong is named.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { check, type Kind } from "./checker.ts";
import type { Situation } from "./effects.ts";
import type { Answer, Change, Data, Exchange, Step } from "./history.ts";

const id = "a".repeat(24);
const other = "b".repeat(24);
const [t1, t2, t3] = [`${id}1`, `${id}2`, `${id}3`];
const o1 = `${other}1`;

interface Told {
  readonly token?: string;
  readonly step?: Partial<Step>;
  readonly status?: number;
  readonly cookie?: string;
  readonly answer?: Partial<Answer>;
  readonly probe?: boolean;
}

/** One exchange between these times, under a good token unless told otherwise. */
function at(start: number, end: number, told: Told = {}): Exchange {
  const { token, step = {}, status = 200, cookie, answer = {}, probe } = told;
  return {
    number: start,
    process: 0,
    step: { changes: [], ...step },
    token,
    start,
    end,
    status,
    answer: { found: token !== undefined, handed: {}, ...answer },
    cookie,
    probe,
  };
}

const set = (key: string, value: string): Change => ({ do: "set", key, value });
const add: Change = { do: "add" };
const clear: Change = { do: "clear" };

const begin = (...changes: Change[]): Exchange => at(0, 1, { cookie: t1, step: { changes } });
const write = (start: number, end: number, ...changes: Change[]): Exchange =>
  at(start, end, { token: t1, step: { changes } });
const read = (start: number, end: number, data: Data, token = t1): Exchange =>
  at(start, end, { token, answer: { data } });
const missing = (start: number, end: number, token: string): Exchange =>
  at(start, end, { token, answer: { found: false } });
const renew = (start: number, end: number, from: string, to: string): Exchange =>
  at(start, end, { token: from, cookie: to, step: { renew: true } });
const destroy = (start: number, end: number, token = t1): Exchange =>
  at(start, end, { token, cookie: "", step: { destroy: true } });
const fails = (start: number, end: number, code: string, step: Partial<Step> = {}): Exchange =>
  at(start, end, { token: t1, status: 409, step, answer: { found: false, code } });
const hands = (
  start: number,
  end: number,
  how: "pop" | "take",
  value: string | undefined,
): Exchange =>
  at(start, end, {
    token: t1,
    step: { changes: [{ do: how, key: "flash" }] },
    answer: value === undefined ? {} : { data: { flash: value }, handed: { flash: value } },
  });
const probe = (exchange: Exchange): Exchange => ({ ...exchange, probe: true });

const good: Readonly<Record<string, readonly Exchange[]>> = {
  "a value is seen from its acknowledgement on, and may be before": [
    begin(),
    write(10, 20, set("k", "v")),
    read(12, 15, {}),
    read(12, 16, { k: "v" }),
    read(21, 22, { k: "v" }),
  ],
  "of two values at once either wins": [
    begin(),
    write(10, 20, set("k", "v")),
    write(11, 21, set("k", "w")),
    read(22, 23, { k: "v" }),
  ],
  "a clear at the same time may take a value or leave it": [
    begin(set("k0", "x")),
    write(10, 20, set("k", "v")),
    at(11, 19, { token: t1, step: { changes: [clear] }, answer: { data: { k0: "x" } } }),
    read(21, 22, {}),
  ],
  "a counter between what was done before and what was asked for": [
    begin(add),
    write(10, 20, add),
    write(11, 30, add),
    read(21, 25, { count: 2 }),
    read(21, 26, { count: 3 }),
    read(31, 32, { count: 3 }),
  ],
  "what failed is not seen, whatever it asked for": [
    begin(),
    at(10, 20, { token: t1, status: 500, step: { how: "fail", changes: [add, set("k", "v")] } }),
    read(21, 22, {}),
  ],
  "a renewal: the old token is dead, the new one good, late writers are refused": [
    begin(),
    renew(10, 20, t1, t2),
    fails(9, 21, "renewed", { changes: [add] }),
    read(12, 13, {}, t1),
    missing(21, 22, t1),
    fails(21, 23, "superseded", { changes: [add] }),
    probe(missing(30, 31, t1)),
    probe(read(30, 31, {}, t2)),
  ],
  "of parallel renewals one wins": [
    begin(),
    renew(10, 20, t1, t2),
    fails(10, 21, "renewed", { renew: true }),
    probe(read(30, 31, {}, t2)),
  ],
  "a renewal under a dead token begins another session": [
    begin(),
    renew(10, 20, t1, t2),
    at(21, 22, { token: t1, cookie: o1, step: { renew: true }, answer: { found: false } }),
    probe(read(30, 31, {}, t2)),
    probe(read(30, 31, {}, o1)),
  ],
  "a logout: dead for all, and a writer at the same time is done or refused": [
    begin(),
    destroy(10, 20),
    write(9, 15, add),
    fails(9, 22, "gone", { changes: [add] }),
    read(8, 13, {}),
    missing(21, 22, t1),
    probe(missing(30, 31, t1)),
  ],
  "a pop may hand a value to two at once, a take to one": [
    begin(set("flash", "v")),
    hands(10, 20, "pop", "v"),
    hands(11, 21, "pop", "v"),
    hands(22, 23, "pop", undefined),
    write(24, 25, set("flash", "w")),
    hands(30, 40, "take", "w"),
    fails(31, 41, "conflict", { changes: [{ do: "take", key: "flash" }] }),
    read(42, 43, {}),
  ],
  "an explicit commit shows its change, unless another came at the same time": [
    begin(),
    at(10, 20, {
      token: t1,
      step: { how: "explicit", changes: [set("k", "v"), add] },
      answer: { after: { k: "v", count: 1 } },
    }),
    at(30, 40, {
      token: t1,
      step: { how: "explicit", changes: [set("k", "w")] },
      answer: { data: { k: "v", count: 1 }, after: { k: "x", count: 1 } },
    }),
    write(31, 39, set("k", "x")),
  ],
};

const bad: Readonly<Record<string, readonly [Kind, readonly Exchange[]]>> = {
  "an acknowledged value is not there": [
    "lost change",
    [begin(), write(10, 20, set("k", "v")), read(21, 22, {})],
  ],
  "a value that was seen is not there, though never acknowledged": [
    "lost change",
    [begin(), write(10, 50, set("k", "v")), read(11, 15, { k: "v" }), read(16, 18, {})],
  ],
  "an acknowledged value was replaced by an older one": [
    "stale",
    [begin(), write(10, 20, set("k", "v")), write(21, 30, set("k", "w")), read(31, 32, { k: "v" })],
  ],
  "a value came back after a clear": [
    "stale",
    [
      begin(set("k", "v")),
      at(10, 20, { token: t1, step: { changes: [clear] }, answer: { data: { k: "v" } } }),
      read(21, 22, { k: "v" }),
    ],
  ],
  "a value came back after it was popped": [
    "stale",
    [begin(set("flash", "v")), hands(10, 20, "pop", "v"), read(21, 22, { flash: "v" })],
  ],
  "a value is gone, and only another value was popped": [
    "lost change",
    [
      begin(set("flash", "v")),
      hands(10, 20, "pop", "v"),
      write(30, 40, set("flash", "w")),
      read(50, 60, {}),
    ],
  ],
  "a step of a counter is lost": [
    "lost change",
    [begin(add), write(10, 20, add), write(10, 21, add), read(22, 23, { count: 2 })],
  ],
  "a step of a counter was done twice": [
    "done twice",
    [begin(add), write(10, 20, add), read(21, 22, { count: 3 })],
  ],
  "a value of a request that failed is seen": [
    "phantom",
    [
      begin(),
      at(10, 20, { token: t1, status: 500, step: { how: "fail", changes: [set("k", "v")] } }),
      read(21, 22, { k: "v" }),
    ],
  ],
  "a step of a request that failed is counted": [
    "done twice",
    [
      begin(add),
      at(10, 20, { token: t1, status: 500, step: { how: "fail", changes: [add] } }),
      read(21, 22, { count: 2 }),
    ],
  ],
  "a value that nobody wrote, as another session's": [
    "phantom",
    [begin(), read(10, 20, { k: "v" })],
  ],
  "a value was seen before anybody asked for it": [
    "phantom",
    [begin(), read(10, 20, { k: "v" }), write(30, 40, set("k", "v"))],
  ],
  "half a transaction is seen": [
    "torn",
    [
      begin({ do: "pair", value: "v" }),
      write(10, 20, { do: "pair", value: "w" }),
      read(15, 16, { left: "w", right: "v" }),
    ],
  ],
  "a value is taken twice": [
    "taken twice",
    [begin(set("flash", "v")), hands(10, 20, "take", "v"), hands(11, 21, "take", "v")],
  ],
  "an ended session is found": ["dead token", [begin(), destroy(10, 20), read(21, 22, {})]],
  "a writer is done after the logout": [
    "dead token",
    [begin(), destroy(10, 20), write(21, 22, add)],
  ],
  "a session is ended under its old token, which found it": [
    "dead token",
    [begin(), renew(10, 20, t1, t2), destroy(21, 22, t1)],
  ],
  "a renewed session is found once its other token has ended it": [
    "dead token",
    [begin(), renew(10, 30, t1, t2), destroy(11, 20, t1), read(31, 32, {}, t2)],
  ],
  "a token is good after its renewal": [
    "dead token",
    [begin(), renew(10, 20, t1, t2), read(21, 22, {}, t1)],
  ],
  "two renewals of one token": [
    "renewed twice",
    [begin(), renew(10, 20, t1, t2), renew(11, 21, t1, t3)],
  ],
  "no token is good in the end": [
    "tokens in the end",
    [begin(), renew(10, 20, t1, t2), probe(missing(30, 31, t1)), probe(missing(30, 32, t2))],
  ],
  "two tokens are good in the end": [
    "tokens in the end",
    [begin(), renew(10, 20, t1, t2), probe(read(30, 31, {}, t1)), probe(read(30, 32, {}, t2))],
  ],
  "a session is gone without a reason": ["lost session", [begin(), missing(10, 20, t1)]],
  "a change is refused for a renewal that nobody asked for": [
    "conflict without reason",
    [begin(), fails(10, 20, "renewed", { changes: [add] })],
  ],
  "a change is refused for a renewal that failed itself": [
    "conflict without reason",
    [
      begin(),
      fails(10, 20, "renewed", { changes: [add] }),
      fails(10, 20, "renewed", { renew: true }),
    ],
  ],
  "a change is refused for a logout that came later": [
    "conflict without reason",
    [begin(), fails(10, 20, "gone", { changes: [add] }), destroy(21, 22)],
  ],
  "a take is refused, and nobody else had touched the value": [
    "conflict without reason",
    [
      begin(set("flash", "v")),
      fails(10, 20, "conflict", { changes: [{ do: "take", key: "flash" }] }),
      write(11, 19, add),
    ],
  ],
  "503 without a fault": [
    "answer",
    [begin(), at(10, 20, { token: t1, status: 503, answer: { code: "store-timeout" } })],
  ],
  "no answer without a fault": ["answer", [begin(), at(10, 20, { token: t1, status: 0 })]],
  "a broken handler": [
    "answer",
    [begin(), at(10, 20, { token: t1, status: 500, answer: { code: "TypeError" } })],
  ],
  "a refused request sends a token": [
    "cookie",
    [
      begin(),
      renew(9, 19, t1, t2),
      at(10, 20, {
        token: t1,
        status: 409,
        cookie: t3,
        step: { renew: true },
        answer: { code: "renewed" },
      }),
    ],
  ],
  "a change sends a token": [
    "cookie",
    [begin(), at(10, 20, { token: t1, cookie: t1, step: { changes: [add] } })],
  ],
  "a logout leaves the cookie": [
    "cookie",
    [begin(), at(10, 20, { token: t1, step: { destroy: true } })],
  ],
  "an unknown id is adopted": [
    "cookie",
    [at(10, 20, { token: t1, cookie: t2, step: { changes: [add] }, answer: { found: false } })],
  ],
  "an explicit commit does not show its change": [
    "own change",
    [
      begin(),
      at(10, 20, {
        token: t1,
        step: { how: "explicit", changes: [set("k", "v")] },
        answer: { after: {} },
      }),
    ],
  ],
};

const kinds = (history: readonly Exchange[], situation?: Situation): Kind[] => [
  ...new Set(check(history, situation).map(({ kind }) => kind)),
];

describe("a right history passes:", () => {
  for (const [name, history] of Object.entries(good)) {
    it(name, () => assert.deepEqual(check(history), []));
  }
});

describe("a wrong history is named:", () => {
  for (const [name, [kind, history]] of Object.entries(bad)) {
    it(name, () =>
      assert.ok(kinds(history).includes(kind), `${kind}, not ${kinds(history).join(", ")}`),
    );
  }
  it("each is right but for what is wrong with it", () => {
    // No more than the one kind, except where one thing shows in two ways.
    const several = Object.entries(bad).filter(([, [, history]]) => kinds(history).length > 1);
    for (const [name, [, history]] of several) assert.ok(kinds(history).length <= 2, name);
  });
});

describe("servers that fail", () => {
  const unknown = (start: number, end: number, ...changes: Change[]): Exchange =>
    at(start, end, {
      token: t1,
      status: 503,
      step: { changes },
      answer: { code: "commit-unknown" },
    });
  const faults = { faults: true };

  it("what was not confirmed may be done or not", () => {
    for (const count of [1, 2]) {
      const history: readonly Exchange[] = [
        begin(add),
        unknown(10, 20, add),
        read(30, 40, { count }),
      ];
      assert.deepEqual(kinds(history, faults), []);
    }
    const history = [begin(add), unknown(10, 20, add), read(30, 40, { count: 3 })];
    assert.deepEqual(kinds(history, faults), ["done twice"]);
  });

  it("what was confirmed is kept all the same", () => {
    const history = [
      begin(add),
      write(10, 20, add),
      unknown(11, 21, add),
      read(30, 40, { count: 1 }),
    ];
    assert.deepEqual(kinds(history, faults), ["lost change"]);
    const ended = [begin(), destroy(10, 20), unknown(11, 21, add), read(30, 40, {})];
    assert.deepEqual(kinds(ended, faults), ["dead token"]);
  });

  it("what a client did not wait for may be done later still", () => {
    const gone = (...changes: Change[]): Exchange =>
      at(10, 12, { token: t1, status: 0, step: { changes }, answer: { code: "went away" } });
    const late = [
      begin(),
      gone({ do: "pop", key: "flash" }, add),
      write(20, 30, set("flash", "v")),
      read(31, 32, { flash: "v" }),
      read(40, 41, { count: 1 }),
    ];
    assert.deepEqual(kinds(late, { aborts: true }), []);
    assert.deepEqual(kinds(late), ["answer"]);
    const never = [begin(), gone(add), read(40, 41, { count: 2 })];
    assert.deepEqual(kinds(never, { aborts: true }), ["done twice"]);
  });

  it("a change may have been seen before its session ended, where its reply was lost", () => {
    const history = [
      begin(),
      fails(9, 32, "gone", { changes: [set("k", "v")] }),
      read(20, 25, { k: "v" }),
      destroy(26, 30),
    ];
    assert.deepEqual(kinds(history), ["phantom"]);
    assert.deepEqual(kinds(history, faults), []);
    assert.deepEqual(kinds(history, { resent: true }), []);
    const late = [begin(), fails(9, 12, "gone", { changes: [add] }), destroy(8, 30)];
    assert.deepEqual(kinds([...late, read(31, 32, { count: 1 })], faults), ["dead token"]);
  });

  it("a failure sends no token", () => {
    const step = { renew: true };
    const answer = { code: "commit-unknown" };
    const history = [begin(), at(10, 20, { token: t1, status: 503, cookie: t2, step, answer })];
    assert.deepEqual(kinds(history, faults), ["cookie"]);
  });

  it("a failover may lose what was acknowledged just before, and nothing older", () => {
    const history = [
      begin(add),
      write(10, 20, add),
      write(100, 110, add),
      read(500, 501, { count: 2 }),
    ];
    assert.deepEqual(kinds(history, { faults: true, loss: { from: 90, to: 400 } }), []);
    assert.deepEqual(kinds(history, { faults: true, loss: { from: 200, to: 400 } }), [
      "lost change",
    ]);
    const older = [...history.slice(0, 3), read(500, 501, { count: 1 })];
    assert.deepEqual(kinds(older, { faults: true, loss: { from: 90, to: 400 } }), ["lost change"]);
  });

  it("but no renewal and no logout that replicas confirmed", () => {
    const loss = { from: 90, to: 400 };
    const revived = [begin(), destroy(100, 110), read(500, 501, {})];
    assert.deepEqual(kinds(revived, { faults: true, loss }), ["dead token"]);
    const undone = [begin(), renew(100, 110, t1, t2), read(500, 501, {}, t1)];
    assert.deepEqual(kinds(undone, { faults: true, loss }), ["dead token"]);
  });
});
