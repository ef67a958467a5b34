/**
 * What sessions must hold, computed the simple way. Every transaction stores a marker key of its
 * own. The order of the markers in a stored record tells in which order the transactions were
 * applied; the model applies them in that order to a plain object, and the two must agree.
 */
import { isDeepStrictEqual } from "node:util";
import { defaultCodec } from "../../src/codec.ts";
import { decodeRecord } from "../../src/record.ts";
import type { StoreRecord } from "../../src/store.ts";

export type Key = "a" | "b" | "c";

/** A change as it was recorded. */
export type Change =
  | { readonly kind: "set"; readonly key: Key; readonly value: number }
  | { readonly kind: "delete"; readonly key: Key }
  | { readonly kind: "clear" }
  | { readonly kind: "pop"; readonly key: Key; readonly seen: number }
  | { readonly kind: "take"; readonly key: Key; readonly seen: number }
  | { readonly kind: "update"; readonly key: Key };

/** One commit of one request. */
export interface Transaction {
  readonly id: number;
  /** The session object that made it, and the process. */
  readonly owner: Owner;
  changes: Change[];
  destroy: boolean;
  renew: boolean;
  deadline: number | undefined;
  /** When it was committed, by the engine's clock. */
  at: number;
  outcome: "open" | "done" | "unknown" | { readonly code: string };
}

/** One loaded session. */
export interface Owner {
  readonly process: number;
  /** Which transaction made the token that it was loaded with; 0 for none. */
  readonly tokenFrom: number;
}

type Values = Readonly<Record<string, unknown>>;

/** One record's history. */
interface History {
  /** By version; what is at 0 is empty. */
  readonly versions: Values[];
  /** Which transaction made the token that is good now. */
  tokenFrom: number;
  /** No update may move the deadline past this. */
  deadline: number;
  ended: "no" | "destroyed" | "expired";
}

export interface Times {
  readonly lifetime: number;
  readonly idleTimeout: number;
}

export const marker = (id: number): string => `m${id}`;

export class Model {
  readonly transactions: Transaction[] = [];
  readonly histories = new Map<string, History>();
  readonly violations: string[] = [];
  readonly #applied = new Set<number>();
  /** When sessions were cleared, and by which process: markers of the same write are gone then. */
  readonly #clearers: { readonly process: number; readonly at: number }[] = [];
  readonly #times: Times;

  constructor(times: Times) {
    this.#times = times;
  }

  begin(owner: Owner): Transaction {
    const transaction: Transaction = {
      id: this.transactions.length + 1,
      owner,
      changes: [],
      destroy: false,
      renew: false,
      deadline: undefined,
      at: 0,
      outcome: "open",
    };
    this.transactions.push(transaction);
    return transaction;
  }

  violation(text: string): void {
    this.violations.push(text);
  }

  /** The engine has inserted this record. */
  created(record: StoreRecord, now: number): void {
    const before = this.histories.get(record.key);
    if (before !== undefined) {
      // Only by a retry whose first reply was lost, after what it had made expired.
      const creator = this.transactions[before.tokenFrom - 1];
      const retried = before.ended !== "destroyed" && creator?.outcome === "open";
      if (retried) this.#applied.delete(before.tokenFrom);
      else this.violation("an id was used twice");
    }
    const history: History = {
      versions: [{}],
      tokenFrom: 0,
      deadline: now + this.#times.lifetime,
      ended: "no",
    };
    this.histories.set(record.key, history);
    this.#advance(history, record, now, true);
  }

  /** The engine has acknowledged an update, and this is the record now. */
  updated(record: StoreRecord, now: number): void {
    const history = this.#history(record.key);
    if (history.ended !== "no") this.violation(`an update revived a ${history.ended} session`);
    this.#advance(history, record, now, false);
  }

  touched(record: StoreRecord | undefined, key: string, now: number): void {
    const history = this.#history(key);
    if (history.ended !== "no") this.violation(`a touch revived a ${history.ended} session`);
    if (record !== undefined) this.#checkTimes(history, record, now);
  }

  destroyed(key: string): void {
    const history = this.histories.get(key);
    if (history?.ended === "no") history.ended = "destroyed";
  }

  /** The engine found nothing under a key. */
  missing(key: string): void {
    const history = this.histories.get(key);
    if (history?.ended === "no") history.ended = "expired";
  }

  #history(key: string): History {
    const history = this.histories.get(key);
    if (history === undefined) throw new Error(`no history of ${key}`);
    return history;
  }

  /** Applies what the record's new markers say, and compares. */
  #advance(history: History, record: StoreRecord, now: number, creates: boolean): void {
    const stored = valuesOf(record);
    const before = history.versions.at(-1) ?? {};
    const fresh = Object.keys(stored)
      .filter((key) => key.startsWith("m") && !(key in before))
      .map((key) => Number(key.slice(1)));
    if (record.version !== history.versions.length) this.violation("a version was skipped");
    if (creates && fresh.length !== 1) this.violation("a new session holds other transactions");

    const values: Record<string, unknown> = { ...before };
    for (const id of fresh) {
      const transaction = this.transactions[id - 1];
      if (transaction === undefined) throw new Error(`no transaction ${id}`);
      if (this.#applied.has(id) && !(creates && this.#diedUnseen(id))) {
        this.violation(`transaction ${id} was applied twice`);
      }
      this.#applied.add(id);
      if (typeof transaction.outcome === "object") {
        this.violation(
          `transaction ${id} was applied after it failed (${transaction.outcome.code})`,
        );
      }
      this.#apply(history, values, transaction, now, creates);
      values[marker(id)] = id;
    }
    if (!isDeepStrictEqual({ ...values }, { ...stored })) {
      this.violation(
        `version ${record.version} holds ${JSON.stringify(stored)} instead of ${JSON.stringify(values)}`,
      );
    }
    history.versions.push(stored);
    this.#checkTimes(history, record, now);
  }

  /**
   * What this transaction created has expired before its creator got an answer, so nobody knows of
   * it: creating once more, under another id, is the first creation that anybody sees.
   */
  #diedUnseen(id: number): boolean {
    const made = [...this.histories.values()].filter((history) => history.tokenFrom === id);
    return (
      this.transactions[id - 1]?.outcome === "open" &&
      made.length > 0 &&
      made.every((history) => history.ended === "expired")
    );
  }

  #apply(
    history: History,
    values: Record<string, unknown>,
    transaction: Transaction,
    now: number,
    creates: boolean,
  ): void {
    const { id, owner } = transaction;
    if (!creates) {
      const maker = this.transactions[history.tokenFrom - 1];
      const own = maker !== undefined && maker.owner === owner;
      if (history.tokenFrom !== owner.tokenFrom && !own) {
        this.violation(`transaction ${id} was applied under a dead token`);
      }
    }
    for (const change of transaction.changes) {
      if (change.kind === "clear") {
        for (const key of Object.keys(values)) delete values[key];
        this.#clearers.push({ process: owner.process, at: now });
        this.#takeDeadlines(history, owner.process, now);
      } else {
        const clears = transaction.changes.some(({ kind }) => kind === "clear");
        this.#change(values, change, id, clears);
      }
    }
    if (creates || transaction.renew) {
      history.tokenFrom = id;
      history.deadline = Math.max(history.deadline, now + this.#times.lifetime);
    }
    if (transaction.deadline !== undefined) {
      // The plan holds a duration: what the write took is added.
      history.deadline = transaction.deadline + (now - transaction.at);
    }
  }

  /** Transactions whose marker was cleared in the write that stored them moved the deadline all the same. */
  #takeDeadlines(history: History, process: number, now: number): void {
    for (const { id, owner, outcome, deadline, at } of this.transactions) {
      if (deadline === undefined || outcome !== "open" || owner.process !== process) continue;
      if (!this.#applied.has(id))
        history.deadline = Math.max(history.deadline, deadline + now - at);
    }
  }

  #change(
    values: Record<string, unknown>,
    change: Exclude<Change, { kind: "clear" }>,
    id: number,
    clears: boolean,
  ): void {
    const { key } = change;
    switch (change.kind) {
      case "set":
        values[key] = change.value;
        break;
      case "delete":
        delete values[key];
        break;
      case "update":
        values[key] = increment(values[key]);
        break;
      case "pop":
        if (values[key] === change.seen) delete values[key];
        break;
      case "take":
        // Before a clear, others may have been applied in the same write, whose markers it removed.
        if (values[key] !== change.seen && !clears) {
          this.violation(`transaction ${id} took what was gone`);
        }
        delete values[key];
        break;
    }
  }

  #checkTimes(history: History, record: StoreRecord, now: number): void {
    if (now + record.deadlineIn > history.deadline) this.violation("the deadline moved too far");
    const idle = record.idleIn ?? Number.POSITIVE_INFINITY;
    if (idle > this.#times.idleTimeout) this.violation("the idle expiry moved too far");
    if (idle > record.deadlineIn) this.violation("the idle expiry is past the deadline");
  }

  /** A load or a commit has shown these values of a session. */
  shown(key: string, values: Values, what: string): void {
    const versions = this.histories.get(key)?.versions ?? [];
    if (!versions.some((version) => isDeepStrictEqual({ ...version }, { ...values }))) {
      this.violation(`${what} showed ${JSON.stringify(values)}, which was never stored`);
    }
  }

  /** A request got the answer to its commit. */
  answered(transaction: Transaction, key: string, now: number): void {
    const { id, outcome, owner } = transaction;
    const writes = transaction.changes.length > 0 || transaction.renew;
    const history = this.histories.get(key);
    if (outcome === "done") {
      const ended = transaction.deadline !== undefined && transaction.deadline <= now;
      const wiped = this.#clearers.some(
        (clear) => clear.process === owner.process && clear.at >= transaction.at,
      );
      if (writes && !ended && !wiped && !this.#applied.has(id)) {
        this.violation(`transaction ${id} was acknowledged and never stored`);
      }
    } else if (typeof outcome === "object") {
      // Stored, the reply lost, and the session ended before the writer looked again: nothing is kept.
      const vanished = outcome.code === "gone" && history?.ended !== "no";
      if (this.#applied.has(id) && !vanished) {
        this.violation(`transaction ${id} was stored and failed (${outcome.code})`);
      }
      this.#checkReason(transaction, outcome.code, history);
    }
  }

  #checkReason(transaction: Transaction, code: string, history: History | undefined): void {
    const takes = transaction.changes.some((change) => change.kind === "take");
    const { owner } = transaction;
    // Refused behind a renewal in the same batch, before that was written: it might still fail.
    const behind = this.transactions.some(
      (other) => other.renew && other.owner !== owner && other.owner.process === owner.process,
    );
    const renewed = behind || (history !== undefined && history.tokenFrom !== owner.tokenFrom);
    const reasons: Readonly<Record<string, boolean>> = {
      conflict: takes,
      gone: history !== undefined && history.ended !== "no",
      renewed,
      superseded: true,
      "store-timeout": true,
    };
    if (reasons[code] !== true)
      this.violation(`transaction ${transaction.id} failed with ${code} without reason`);
  }
}

export function increment(value: unknown): number {
  return (typeof value === "number" ? value : 0) + 1;
}

/** The values in a stored record, in their order. */
function valuesOf(record: StoreRecord): Values {
  const state = decodeRecord(record.data);
  if ("damaged" in state) throw new Error(`the record is damaged: ${state.damaged}`);
  const values: Record<string, unknown> = {};
  for (const [key, bytes] of state.entries) values[key] = defaultCodec.decode(bytes);
  return values;
}
