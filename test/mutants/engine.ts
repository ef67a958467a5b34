/** A plain engine that can be broken in one place. Without a flaw it is right. */
import { ManualClock } from "../../src/testing/clock.ts";
import type {
  Abilities,
  CreateRecord,
  Store,
  StoreRecord,
  UpdateRecord,
  UpdateResult,
} from "../../src/store.ts";

export type Flaw =
  | "create overwrites"
  | "create checks first and inserts later"
  | "create does not clamp the idle expiry"
  | "create fails while an expired record is there"
  | "load returns expired records"
  | "load ignores the idle expiry"
  | "load counts as use"
  | "load creates"
  | "load reads from a replica"
  | "update upserts"
  | "update ignores the version"
  | "update ignores the digest"
  | "update changes expired records"
  | "update keeps the version"
  | "update drops the new digest"
  | "update resets the age"
  | "update never moves the deadline"
  | "update moves the idle expiry back"
  | "update clamps to the old deadline"
  | "update acknowledges what it did not do"
  | "update hides the newest record"
  | "update returns a stale record"
  | "update checks first and writes later"
  | "update writes before it checks"
  | "touch passes the deadline"
  | "touch moves back"
  | "touch revives the expired"
  | "touch ignores the digest"
  | "touch adds to the version"
  | "touch does nothing"
  | "destroy does nothing"
  | "destroy only marks"
  | "destroy rejects when nothing is there"
  | "destroy clears everything"
  | "keeps the caller's bytes"
  | "returns its own bytes"
  | "stores bytes as text"
  | "cuts long data"
  | "compares keys without case"
  | "trims keys"
  | "iterate ignores the prefix"
  | "iterate reads the prefix as a pattern"
  | "iterate returns expired records"
  | "iterate walks by position"
  | "closes once only";

interface Row {
  version: number;
  digest: Uint8Array;
  data: Uint8Array;
  created: number;
  deadline: number;
  idle: number | undefined;
}

export class PlainStore implements Store {
  readonly abilities: Abilities = {
    iterate: true,
    shared: false,
    guarantees: ["G1", "G2", "G3", "G4", "G5", "G6", "G7"],
  };
  readonly clock: ManualClock = new ManualClock();
  readonly #flaw: Flaw | undefined;
  readonly #rows = new Map<string, Row>();
  /** What a replica has: the state before the last update. */
  readonly #replica = new Map<string, Row>();
  #closed = false;

  constructor(flaw?: Flaw) {
    this.#flaw = flaw;
  }

  #has(flaw: Flaw): boolean {
    return this.#flaw === flaw;
  }

  #name(key: string): string {
    if (this.#has("compares keys without case")) return key.toLowerCase();
    return this.#has("trims keys") ? key.trim() : key;
  }

  #alive(row: Row | undefined): Row | undefined {
    const now = this.clock.now();
    if (row === undefined || now >= row.deadline) return undefined;
    return row.idle !== undefined && now >= row.idle ? undefined : row;
  }

  #live(key: string): Row | undefined {
    return this.#alive(this.#rows.get(this.#name(key)));
  }

  #in(bytes: Uint8Array): Uint8Array {
    if (this.#has("keeps the caller's bytes")) return bytes;
    if (this.#has("stores bytes as text")) {
      return new TextEncoder().encode(new TextDecoder().decode(bytes));
    }
    return this.#has("cuts long data") ? bytes.slice(0, 65_535) : bytes.slice();
  }

  #out(key: string, row: Row): StoreRecord {
    const now = this.clock.now();
    const own = this.#has("returns its own bytes");
    return {
      key,
      version: row.version,
      digest: own ? row.digest : row.digest.slice(),
      data: own ? row.data : row.data.slice(),
      age: now - row.created,
      deadlineIn: row.deadline - now,
      idleIn: row.idle === undefined ? undefined : row.idle - now,
    };
  }

  async load(key: string): Promise<StoreRecord | undefined> {
    const name = this.#name(key);
    const row = this.#rows.get(name);
    if (this.#has("load creates") && row === undefined) {
      const empty = new Uint8Array(32);
      await this.create(key, { digest: empty, data: empty, lifetime: 1000, idle: undefined });
    }
    if (this.#has("load reads from a replica")) {
      const old = this.#alive(this.#replica.get(name)) ?? this.#live(key);
      return old && this.#out(key, old);
    }
    if (this.#has("load returns expired records")) return row && this.#out(key, row);
    if (this.#has("load ignores the idle expiry") && row !== undefined) {
      return this.clock.now() < row.deadline ? this.#out(key, row) : undefined;
    }
    const live = this.#live(key);
    if (this.#has("load counts as use") && live?.idle !== undefined) live.idle += 60_000;
    return live && this.#out(key, live);
  }

  async create(key: string, record: CreateRecord): Promise<boolean> {
    const there = this.#has("create fails while an expired record is there")
      ? this.#rows.get(this.#name(key))
      : this.#live(key);
    if (there !== undefined && !this.#has("create overwrites")) return false;
    const digest = record.digest.slice();
    if (this.#has("create checks first and inserts later")) await Promise.resolve();
    const now = this.clock.now();
    const deadline = now + record.lifetime;
    let idle = record.idle === undefined ? undefined : now + record.idle;
    if (idle !== undefined && !this.#has("create does not clamp the idle expiry")) {
      idle = Math.min(idle, deadline);
    }
    const data = this.#in(record.data);
    this.#rows.set(this.#name(key), { version: 1, digest, data, created: now, deadline, idle });
    return true;
  }

  async update(key: string, change: UpdateRecord): Promise<UpdateResult> {
    const name = this.#name(key);
    const any = this.#rows.get(name);
    const row = this.#has("update changes expired records") ? any : this.#live(key);
    if (row === undefined) {
      if (!this.#has("update upserts")) return { done: false, record: undefined };
      await this.create(key, {
        ...change,
        lifetime: change.lifetime ?? 3_600_000,
        idle: change.idle,
      });
      return { done: true };
    }
    if (this.#has("update writes before it checks")) row.data = this.#in(change.data);
    const version = row.version === change.version || this.#has("update ignores the version");
    const digest = same(row.digest, change.digest) || this.#has("update ignores the digest");
    if (!version || !digest) {
      if (this.#has("update acknowledges what it did not do")) return { done: true };
      if (this.#has("update hides the newest record")) return { done: false, record: undefined };
      const newest = this.#out(key, row);
      if (this.#has("update returns a stale record")) {
        return { done: false, record: { ...newest, version: newest.version - 1 } };
      }
      return { done: false, record: newest };
    }
    if (this.#has("update checks first and writes later")) await Promise.resolve();
    this.#replica.set(name, { ...row });
    this.#write(row, change);
    return { done: true };
  }

  #write(row: Row, change: UpdateRecord): void {
    const now = this.clock.now();
    const { deadline } = row;
    if (!this.#has("update keeps the version")) row.version++;
    row.data = this.#in(change.data);
    if (change.newDigest !== undefined && !this.#has("update drops the new digest")) {
      row.digest = change.newDigest.slice();
    }
    if (this.#has("update resets the age")) row.created = now;
    if (change.lifetime !== undefined && !this.#has("update never moves the deadline")) {
      row.deadline = now + change.lifetime;
    }
    if (change.idle !== undefined) {
      const forward = Math.max(row.idle ?? 0, now + change.idle);
      row.idle = this.#has("update moves the idle expiry back") ? now + change.idle : forward;
    }
    const bound = this.#has("update clamps to the old deadline") ? deadline : row.deadline;
    if (row.idle !== undefined) row.idle = Math.min(row.idle, bound);
  }

  async touch(key: string, digest: Uint8Array, idle: number): Promise<boolean> {
    const any = this.#rows.get(this.#name(key));
    const row = this.#has("touch revives the expired") ? any : this.#live(key);
    if (row === undefined) return false;
    if (!same(row.digest, digest) && !this.#has("touch ignores the digest")) return false;
    if (this.#has("touch does nothing")) return true;
    if (this.#has("touch adds to the version")) row.version++;
    const now = this.clock.now();
    if (this.#has("touch revives the expired")) row.deadline = Math.max(row.deadline, now + idle);
    const forward = Math.max(row.idle ?? 0, now + idle);
    const moved = this.#has("touch moves back") ? now + idle : forward;
    row.idle = this.#has("touch passes the deadline") ? moved : Math.min(moved, row.deadline);
    return true;
  }

  async destroy(key: string): Promise<void> {
    const row = this.#rows.get(this.#name(key));
    if (this.#has("destroy rejects when nothing is there") && row === undefined) {
      throw new Error("no such record");
    }
    if (this.#has("destroy does nothing")) return;
    if (this.#has("destroy only marks") && row !== undefined) {
      row.digest = new Uint8Array(32);
      return;
    }
    if (this.#has("destroy clears everything")) this.#rows.clear();
    this.#rows.delete(this.#name(key));
  }

  async *iterate(prefix: string): AsyncGenerator<StoreRecord> {
    const escaped = prefix.replaceAll(/[\\*?[\]]/g, "\\$&");
    const pattern = new RegExp(`^${escaped.replaceAll("%", ".*").replaceAll("_", ".")}`);
    const matches = (key: string): boolean => {
      if (this.#has("iterate ignores the prefix")) return true;
      const literal = !this.#has("iterate reads the prefix as a pattern");
      return literal ? key.startsWith(prefix) : pattern.test(key);
    };
    const returns = (key: string): Row | undefined =>
      this.#has("iterate returns expired records") ? this.#rows.get(key) : this.#live(key);
    if (this.#has("iterate walks by position")) {
      for (let at = 0; at < this.#rows.size; at++) {
        const [key, row] = [...this.#rows][at] as [string, Row];
        if (matches(key)) yield this.#out(key, row);
      }
      return;
    }
    for (const key of Array.from(this.#rows.keys())) {
      const row = returns(key);
      if (row !== undefined && matches(key)) yield this.#out(key, row);
    }
  }

  async close(): Promise<void> {
    if (this.#closed && this.#has("closes once only")) throw new Error("closed already");
    this.#closed = true;
  }
}

function same(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}
