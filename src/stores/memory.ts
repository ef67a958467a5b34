/**
 * Sessions in the memory of one process: for development, tests and single-process servers. A
 * restart ends every session.
 *
 * Expired records are invisible at once and removed later, a constant number per timer tick; the
 * timer keeps no process alive and runs only while there are records.
 */
import { SessionError } from "../errors.ts";
import { fromText, toText } from "./memory-text.ts";
import type {
  Abilities,
  CreateRecord,
  Reply,
  Store,
  StoreRecord,
  UpdateRecord,
  UpdateResult,
} from "../store.ts";

/** Options of `MemoryStore`. */
export interface MemoryStoreOptions {
  /**
   * How many records are held at most, expired ones that were not removed yet included. When it is
   * reached, `create` throws `store-full` (503): live sessions are never evicted. Default 1 000 000.
   */
  readonly maxSessions?: number | undefined;
  /** The engine's clock, in milliseconds. Default `Date.now`. */
  readonly clock?: (() => number) | undefined;
}

/** How many records one step of the sweeper looks at: 0.3 ms (Node 24), where a million take 0.3 s. */
const step = 1000;
/** The pause between two steps of one pass, in ms: a million sessions are looked at in 20 s. */
const stepPause = 20;
/** The pause between two passes, in ms. */
const passPause = 30_000;
const digestLength = 32;
/** "No idle expiry". A small integer, because a field that ever holds a double costs 16 bytes more. */
const none = -(2 ** 30);
/** Growing one Map for a million entries stops everything for 57 ms (Node 24), one of 64 for 0.5 ms. */
const shardCount = 64;

/** One session. Times are relative to the store's start, which keeps them small integers. */
class Entry {
  version: number;
  /** The digest and the data, one character per byte: 112 bytes for 92, a Uint8Array takes 292. */
  text: string;
  created: number;
  deadline: number;
  idle: number;

  constructor(text: string, now: number, deadline: number, idle: number) {
    this.version = 1;
    this.text = text;
    this.created = now;
    this.deadline = deadline;
    this.idle = idle;
  }
}

type Shard = Map<string, Entry>;

/**
 * An engine that keeps sessions in this process.
 *
 * @example
 * ```ts
 * import { SessionManager } from "scs-session";
 * import { MemoryStore } from "scs-session/stores/memory";
 *
 * export const sessions = new SessionManager({ store: new MemoryStore({ maxSessions: 100_000 }) });
 * ```
 */
export class MemoryStore implements Store {
  readonly abilities: Abilities = Object.freeze({
    iterate: true,
    shared: false,
    guarantees: Object.freeze(["G1", "G2", "G3", "G4", "G5", "G6", "G7"] as const),
  });

  readonly #shards: readonly Shard[] = Array.from({ length: shardCount }, () => new Map());
  readonly #maxSessions: number;
  readonly #clock: () => number;
  readonly #start: number;
  #size = 0;
  #closed = false;

  /** Where the sweeper is: the shard, and its place in it. */
  #shardAt = 0;
  #cursor: Iterator<[string, Entry]> | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** When the timer fires, by `Date.now`. */
  #timerDue = 0;

  /** @throws {SessionError} `invalid-option`. */
  constructor(options: MemoryStoreOptions = {}) {
    const { maxSessions = 1_000_000, clock = Date.now } = options;
    if (!Number.isSafeInteger(maxSessions) || maxSessions < 1) {
      throw new SessionError(
        "invalid-option",
        `maxSessions is ${String(maxSessions)}; give a whole number of at least 1`,
      );
    }
    if (typeof clock !== "function") {
      throw new SessionError(
        "invalid-option",
        `clock is of type ${typeof clock}; give a function that returns milliseconds`,
      );
    }
    this.#maxSessions = maxSessions;
    this.#clock = clock;
    this.#start = clock();
  }

  /** How many records are held, expired ones that were not removed yet included. */
  get size(): number {
    return this.#size;
  }

  load(key: string): Reply<StoreRecord | undefined> {
    const now = this.#now();
    const entry = this.#live(key, now);
    return entry && recordOf(key, entry, now);
  }

  /** @throws {SessionError} `store-full` when `maxSessions` is reached. */
  create(key: string, record: CreateRecord): Reply<boolean> {
    const now = this.#now();
    if (this.#live(key, now) !== undefined) return false;
    if (this.#size >= this.#maxSessions) this.#sweep(now);
    if (this.#size >= this.#maxSessions) {
      return Promise.reject(
        new SessionError(
          "store-full",
          `The memory store holds maxSessions (${this.#maxSessions}) sessions and evicts no live one`,
        ),
      );
    }
    const deadline = now + record.lifetime;
    const idle = record.idle === undefined ? none : Math.min(now + record.idle, deadline);
    const entry = new Entry(toText(record.digest, record.data), now, deadline, idle);
    // Parsing makes a flat copy. The key as it comes is a concatenation that holds on to the whole
    // token: 100 bytes more, with the secret among them.
    this.#shard(key).set(JSON.parse(JSON.stringify(key)) as string, entry);
    this.#size++;
    this.#schedule(stepPause);
    return true;
  }

  update(key: string, change: UpdateRecord): Reply<UpdateResult> {
    const now = this.#now();
    const entry = this.#live(key, now);
    if (entry === undefined) return { done: false, record: undefined };
    if (entry.version !== change.version || !hasDigest(entry, change.digest)) {
      return { done: false, record: recordOf(key, entry, now) };
    }
    entry.version++;
    entry.text = toText(change.newDigest ?? change.digest, change.data);
    if (change.lifetime !== undefined) entry.deadline = now + change.lifetime;
    if (change.idle !== undefined) entry.idle = Math.max(entry.idle, now + change.idle);
    // Also when only the deadline moved: an idle expiry is never past it.
    entry.idle = Math.min(entry.idle, entry.deadline);
    return { done: true };
  }

  touch(key: string, digest: Uint8Array, idle: number): Reply<boolean> {
    const now = this.#now();
    const entry = this.#live(key, now);
    if (entry === undefined || !hasDigest(entry, digest)) return false;
    entry.idle = Math.min(Math.max(entry.idle, now + idle), entry.deadline);
    return true;
  }

  destroy(key: string): Reply<void> {
    this.#remove(key);
  }

  /**
   * Every live record whose key starts with `prefix`. Records may come and go meanwhile: each one
   * that lives throughout is returned exactly once.
   */
  async *iterate(prefix: string): AsyncGenerator<StoreRecord> {
    // A Map iterator also visits what is added on the way, so a consumer that creates a session for
    // each one it sees would never end. What was there first comes first, so a count ends it.
    const sizes = this.#shards.map((shard) => shard.size);
    let visited = 0;
    for (const [index, shard] of this.#shards.entries()) {
      let left = sizes[index] ?? 0;
      if (left === 0) continue;
      for (const [key, entry] of shard) {
        // Promises alone would keep the event loop out until a million are through.
        if (++visited % step === 0) await new Promise((resolve) => setTimeout(resolve, 0));
        const now = this.#now();
        // The pause may have outlived the entry.
        if (key.startsWith(prefix) && isLive(entry, now) && shard.get(key) === entry) {
          yield recordOf(key, entry, now);
        }
        if (--left === 0) break;
      }
    }
  }

  async check(): Promise<void> {}

  /** Stops the timer. What is stored stays readable. May be called twice. */
  close(): void {
    this.#closed = true;
    this.#stop();
  }

  #now(): number {
    return this.#clock() - this.#start;
  }

  #shard(key: string): Shard {
    // Ids are random; their last two characters spread well enough.
    const last = key.length - 1;
    const hash = key.charCodeAt(last) * 31 + key.charCodeAt(last - 1);
    return this.#shards[hash & (shardCount - 1)] ?? (this.#shards[0] as Shard);
  }

  #live(key: string, now: number): Entry | undefined {
    const entry = this.#shard(key).get(key);
    if (entry === undefined || isLive(entry, now)) return entry;
    this.#remove(key);
    return undefined;
  }

  #remove(key: string): void {
    if (!this.#shard(key).delete(key)) return;
    this.#size--;
    if (this.#size === 0) this.#stop();
  }

  /** Looks at the next `step` records and removes the expired ones. True at the end of a pass. */
  #sweep(now: number): boolean {
    for (let looked = 0; looked < step; looked++) {
      const shard = this.#shards[this.#shardAt] as Shard;
      this.#cursor ??= shard.entries();
      const next = this.#cursor.next();
      if (next.done !== true) {
        const [key, entry] = next.value;
        if (!isLive(entry, now) && shard.delete(key)) this.#size--;
        continue;
      }
      // Between passes no iterator is kept: it would keep the Map's outgrown tables alive.
      this.#cursor = undefined;
      this.#shardAt = (this.#shardAt + 1) % shardCount;
      if (this.#shardAt === 0) return true;
    }
    return false;
  }

  #schedule(pause: number): void {
    if (this.#closed || this.#size === 0) return;
    if (this.#timer !== undefined) {
      // workerd drops the timers of a request that has ended; one that is long overdue is replaced.
      if (Date.now() < this.#timerDue + passPause) return;
      clearTimeout(this.#timer);
    }
    const timer: unknown = setTimeout(() => this.#tick(), pause);
    this.#timer = timer as ReturnType<typeof setTimeout>;
    this.#timerDue = Date.now() + pause;
    unref(timer);
  }

  #tick(): void {
    this.#timer = undefined;
    const passed = this.#sweep(this.#now());
    if (this.#size === 0) this.#stop();
    else this.#schedule(passed ? passPause : stepPause);
  }

  #stop(): void {
    if (this.#timer !== undefined) clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#cursor = undefined;
    this.#shardAt = 0;
  }
}

function isLive(entry: Entry, now: number): boolean {
  return now < entry.deadline && (entry.idle === none || now < entry.idle);
}

function recordOf(key: string, entry: Entry, now: number): StoreRecord {
  const { digest, data } = fromText(entry.text, digestLength);
  return {
    key,
    version: entry.version,
    digest,
    data,
    age: now - entry.created,
    deadlineIn: entry.deadline - now,
    idleIn: entry.idle === none ? undefined : entry.idle - now,
  };
}

/** Lets the process exit while the timer waits: Node and Bun return an object, Deno has a function, workerd needs neither. */
function unref(timer: unknown): void {
  if (typeof timer === "object" && timer !== null && "unref" in timer) {
    (timer as { unref(): void }).unref();
    return;
  }
  const { Deno } = globalThis as { readonly Deno?: { unrefTimer?(id: unknown): void } };
  Deno?.unrefTimer?.(timer);
}

/** Whether the entry has this digest. Equality in constant time is the manager's business, on load. */
function hasDigest(entry: Entry, digest: Uint8Array): boolean {
  if (digest.length !== digestLength) return false;
  for (let i = 0; i < digestLength; i++) if (entry.text.charCodeAt(i) !== digest[i]) return false;
  return true;
}
