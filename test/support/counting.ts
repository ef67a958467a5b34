/** An engine that counts what is asked of the engine behind it, and can be told to fail. */
import type {
  Abilities,
  CreateRecord,
  Reply,
  Store,
  StoreRecord,
  UpdateRecord,
  UpdateResult,
} from "../../src/index.ts";

export type Operation = "load" | "create" | "update" | "touch" | "destroy";

/**
 * What to do with the next operations of a kind: fail before, lose the reply, never answer, or lose the
 * reply and send the operation again, as some drivers do.
 */
export type Fault = "fail" | "lose" | "hang" | "resend";

export class CountingStore implements Store {
  readonly inner: Store;
  readonly calls: Operation[] = [];
  readonly faults: Partial<Record<Operation, Fault[]>> = {};
  /** Runs once, before the next operation of a kind reaches the engine. */
  readonly before: Partial<Record<Operation, () => Promise<void>>> = {};

  constructor(inner: Store) {
    this.inner = inner;
  }

  get abilities(): Abilities {
    return this.inner.abilities;
  }

  /** The calls since the last time this was asked. */
  taken(): Operation[] {
    return this.calls.splice(0);
  }

  async #run<T>(operation: Operation, work: () => Reply<T>): Promise<T> {
    this.calls.push(operation);
    const before = this.before[operation];
    delete this.before[operation];
    await before?.();
    const fault = this.faults[operation]?.shift();
    if (fault === "fail") throw new Error(`injected: ${operation}`);
    if (fault === "hang") return new Promise<T>(() => {});
    if (fault === "resend") await work();
    const result = await work();
    if (fault === "lose") throw new Error(`injected: lost the reply of ${operation}`);
    return result;
  }

  load(key: string): Promise<StoreRecord | undefined> {
    return this.#run("load", () => this.inner.load(key));
  }
  create(key: string, record: CreateRecord): Promise<boolean> {
    return this.#run("create", () => this.inner.create(key, record));
  }
  update(key: string, change: UpdateRecord): Promise<UpdateResult> {
    return this.#run("update", () => this.inner.update(key, change));
  }
  touch(key: string, digest: Uint8Array, idle: number): Promise<boolean> {
    return this.#run("touch", () => this.inner.touch(key, digest, idle));
  }
  destroy(key: string): Promise<void> {
    return this.#run("destroy", () => this.inner.destroy(key));
  }
  check(): Promise<void> {
    return this.inner.check?.() ?? Promise.resolve();
  }
  close(): Promise<void> | void {
    return this.inner.close?.();
  }
}
