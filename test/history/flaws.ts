// A right engine, broken in one place: what the checker must find in histories of several processes.
import type {
  Abilities,
  CreateRecord,
  Reply,
  Store,
  StoreRecord,
  UpdateRecord,
  UpdateResult,
} from "../../src/store.ts";

/**
 * The mistakes of engines that are seen only when processes race. `PlainStore` of test/mutants has
 * the others; it lives in one process.
 */
export type Flaw =
  /** What is not there is inserted: a late writer revives a destroyed session. */
  | "update upserts"
  /** The last writer wins: what others wrote since the load is lost. */
  | "update ignores the version"
  /** Two parallel renewals are both done; the later undoes the other. */
  | "renewal ignores the digest"
  /** What was not written is reported as written. */
  | "update acknowledges conflicts"
  /** A process answers from what it has read or written a moment ago. */
  | "load is cached"
  /** A destroy is carried out after it was acknowledged. */
  | "destroy is late"
  /** A touch inserts what is not there. */
  | "touch revives";

const hour = 3_600_000;

export class FlawedStore implements Store {
  readonly #inner: Store;
  readonly #flaw: Flaw;
  readonly #cache = new Map<string, { readonly record: StoreRecord; readonly until: number }>();
  /** What this process has seen of sessions, for `touch revives`. */
  readonly #seen = new Map<string, StoreRecord>();

  constructor(inner: Store, flaw: Flaw) {
    this.#inner = inner;
    this.#flaw = flaw;
  }

  get abilities(): Abilities {
    return this.#inner.abilities;
  }

  async load(key: string): Promise<StoreRecord | undefined> {
    const cached = this.#cache.get(key);
    if (cached !== undefined && performance.now() < cached.until) return cached.record;
    const record = await this.#inner.load(key);
    if (record === undefined) return undefined;
    if (this.#flaw === "load is cached") {
      this.#cache.set(key, { record, until: performance.now() + 30 });
    }
    this.#seen.set(key, record);
    return record;
  }

  create(key: string, record: CreateRecord): Reply<boolean> {
    return this.#inner.create(key, record);
  }

  async update(key: string, change: UpdateRecord): Promise<UpdateResult> {
    const result = await this.#inner.update(key, change);
    if (result.done) return result;
    const { record } = result;
    const { digest, data, newDigest = digest } = change;
    if (record === undefined) {
      if (this.#flaw !== "update upserts") return result;
      await this.#inner.create(key, { digest: newDigest, data, lifetime: hour, idle: undefined });
      return { done: true };
    }
    if (this.#flaw === "update acknowledges conflicts") return { done: true };
    const sameDigest = Buffer.compare(record.digest, digest) === 0;
    const forced =
      (this.#flaw === "update ignores the version" && sameDigest) ||
      (this.#flaw === "renewal ignores the digest" && change.newDigest !== undefined);
    if (!forced) return result;
    return await this.update(key, { ...change, version: record.version, digest: record.digest });
  }

  async touch(key: string, digest: Uint8Array, idle: number): Promise<boolean> {
    const alive = await this.#inner.touch(key, digest, idle);
    const seen = this.#seen.get(key);
    if (alive || seen === undefined || this.#flaw !== "touch revives") return alive;
    const { data } = seen;
    return await this.#inner.create(key, { digest, data, lifetime: hour, idle });
  }

  async destroy(key: string): Promise<void> {
    if (this.#flaw !== "destroy is late") return await this.#inner.destroy(key);
    setTimeout(() => void this.#inner.destroy(key), 40);
  }
}
