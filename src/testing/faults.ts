/** An engine between the manager and the real one, where replies get lost and calls never end. */
import type {
  Abilities,
  CreateRecord,
  Reply,
  Store,
  StoreRecord,
  UpdateRecord,
  UpdateResult,
} from "../store.ts";

/** The operations that can go wrong. */
export type FaultyOperation = "load" | "create" | "update" | "touch" | "destroy";

/**
 * How: `lost` is done and the caller gets an error; `failed` is not done and the caller gets an
 * error; `hung` is not done and the caller gets nothing.
 */
export type Fault = "lost" | "failed" | "hung";

export class FaultyStore implements Store {
  readonly abilities: Abilities;
  readonly #store: Store;
  readonly #faults = new Map<FaultyOperation, Fault[]>();
  readonly #always = new Map<FaultyOperation, Fault>();
  readonly #after = new Map<FaultyOperation, () => Promise<void>>();
  /** How many calls of each operation came. */
  readonly calls: Record<FaultyOperation, number> = {
    load: 0,
    create: 0,
    update: 0,
    touch: 0,
    destroy: 0,
  };

  constructor(store: Store) {
    this.abilities = store.abilities;
    this.#store = store;
  }

  /** The next calls of the operation go wrong, in this order. */
  next(operation: FaultyOperation, ...faults: Fault[]): void {
    this.#faults.set(operation, faults);
  }

  /** Every further call of the operation goes wrong. */
  always(operation: FaultyOperation, fault: Fault): void {
    this.#always.set(operation, fault);
  }

  /** Runs once, when the operation is done and before its caller knows. */
  after(operation: FaultyOperation, then: () => Promise<void>): void {
    this.#after.set(operation, then);
  }

  async #run<T>(operation: FaultyOperation, call: () => Reply<T>): Promise<T> {
    this.calls[operation]++;
    const fault = this.#faults.get(operation)?.shift() ?? this.#always.get(operation);
    if (fault === "hung") return await new Promise<T>(() => {});
    if (fault === "failed") throw new Error("connection refused (injected)");
    const result = await call();
    const then = this.#after.get(operation);
    this.#after.delete(operation);
    if (then !== undefined) await then();
    if (fault === "lost") throw new Error("connection lost (injected)");
    return result;
  }

  load(key: string): Promise<StoreRecord | undefined> {
    return this.#run("load", () => this.#store.load(key));
  }

  create(key: string, record: CreateRecord): Promise<boolean> {
    return this.#run("create", () => this.#store.create(key, record));
  }

  update(key: string, change: UpdateRecord): Promise<UpdateResult> {
    return this.#run("update", () => this.#store.update(key, change));
  }

  touch(key: string, digest: Uint8Array, idle: number): Promise<boolean> {
    return this.#run("touch", () => this.#store.touch(key, digest, idle));
  }

  destroy(key: string): Promise<void> {
    return this.#run("destroy", () => this.#store.destroy(key));
  }
}
