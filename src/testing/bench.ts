/** What each test of the conformance suites works with: one engine, keys of its own, time. */
import { isSealed, type SealedStore } from "../sealed.ts";
import type { Guarantee, Store, StoreRecord } from "../store.ts";
import { equal, present } from "./expect.ts";

/** One engine, made for one test. */
export interface Harness {
  readonly store: Store | SealedStore;
  /** Releases what `create` took. */
  close?(): Promise<void> | void;
  /**
   * Moves the engine's clock forward. Without it the suite waits in real time, at most three
   * seconds per test.
   */
  advance?(ms: number): Promise<void> | void;
}

/** What a test needs of its runner: `node:test`, Vitest, `bun:test`, Mocha and Jest all have it. */
export interface Runner {
  describe(name: string, body: () => void): unknown;
  it(name: string, body: () => Promise<void>): unknown;
}

/**
 * What a test needs of the engine: a guarantee, that it can list, that it keeps records which the test
 * can look at and disturb, or that it seals them into cookies.
 */
export type Need = Guarantee | "iterate" | "records" | "sealed";

/** One test: registered under `name`, run only when the engine declares `needs`. */
export interface Check {
  readonly name: string;
  readonly needs: readonly Need[];
  run(bench: Bench): Promise<void>;
}

export const second: number = 1000;
export const minute: number = 60 * second;
export const hour: number = 60 * minute;

/** How far a measured duration may be below the expected one: the time the test itself took. */
export const slack: number = 5 * second;
/** How far it may be above: rounding in the engine. */
export const rounding = 100;

export class Bench {
  readonly engine: Store | SealedStore;
  readonly wait: (ms: number) => Promise<void>;
  /** Unique, so that tests may share one database without cleaning it. */
  readonly prefix: string;
  #digests = 0;
  #keys = 0;
  /** What `wait` has let pass on an engine's own clock, in ms. */
  #moved = 0;

  constructor(harness: Harness) {
    this.engine = harness.store;
    this.wait = async (ms) => {
      if (harness.advance !== undefined) {
        await harness.advance(ms);
        this.#moved += ms;
      } else await new Promise<void>((resolve) => setTimeout(resolve, ms));
    };
    this.prefix = `t${randomText()}:`;
  }

  /** The engine of a test that needs records. */
  get store(): Store {
    if (isSealed(this.engine)) throw new Error("This test needs an engine that keeps records");
    return this.engine;
  }

  key(name: string): string {
    return this.prefix + name;
  }

  /** A key that no other call returns. */
  fresh(name: string): string {
    return this.key(`${name}.${++this.#keys}`);
  }

  /**
   * Runs what an engine must do within `limit` ms of the beginning. What fails later shows nothing, as a
   * machine that stalls lets short lives end: then it is begun anew, a few times.
   */
  async within<T>(limit: number, run: () => Promise<T>): Promise<T> {
    for (let tries = 1; ; tries++) {
      const [start, moved] = [performance.now(), this.#moved];
      try {
        return await run();
      } catch (error) {
        const passed = performance.now() - start + this.#moved - moved;
        if (passed < limit || tries === 5) throw error;
      }
    }
  }

  /** A digest that no other call returns. */
  digest(): Uint8Array {
    const digest = new Uint8Array(32).fill(0xa5);
    digest[31] = ++this.#digests;
    return digest;
  }

  /** Creates a record and returns it as loaded. */
  async given(
    key: string,
    options: { lifetime?: number; idle?: number; data?: Uint8Array; digest?: Uint8Array } = {},
  ): Promise<StoreRecord> {
    const made = await this.store.create(key, {
      digest: options.digest ?? this.digest(),
      data: options.data ?? bytes(1, 2, 3),
      lifetime: options.lifetime ?? hour,
      idle: options.idle,
    });
    equal(made, true, "create");
    return await this.loaded(key);
  }

  /** As `given`, under a key of its own, with a life that is soon over. */
  async brief(name: string, options: { lifetime?: number; idle?: number }): Promise<StoreRecord> {
    const limit = Math.min(options.lifetime ?? hour, options.idle ?? hour);
    return await this.within(limit, () => this.given(this.fresh(name), options));
  }

  /**
   * The record under the key, which must be there. An engine may know its server's time by the replies
   * alone, and of one that took long it knows little: then it is asked again.
   */
  async loaded(key: string): Promise<StoreRecord> {
    for (let tries = 1; ; tries++) {
      const start = performance.now();
      const record = await this.store.load(key);
      const found = present(record, `load of ${key.slice(this.prefix.length)}`);
      if (performance.now() - start < rounding || tries === 3) return found;
    }
  }

  /** Asserts that there is no record under the key. */
  async missing(key: string, what: string): Promise<void> {
    equal((await this.store.load(key))?.version, undefined, `version of ${what}`);
  }
}

export function bytes(...values: number[]): Uint8Array {
  return Uint8Array.from(values);
}

/** 16 random characters. */
export function randomText(): string {
  const values = crypto.getRandomValues(new Uint8Array(8));
  return Array.from(values, (value) => value.toString(16).padStart(2, "0")).join("");
}
