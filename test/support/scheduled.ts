/** An engine whose operations and replies wait for their turn, go wrong, and are told to the model. */
import type {
  Abilities,
  CreateRecord,
  Store,
  StoreRecord,
  UpdateRecord,
  UpdateResult,
} from "../../src/store.ts";
import type { Model } from "./model.ts";
import type { Simulation } from "./simulation.ts";

export type Fault = "none" | "lost" | "failed";

export interface Surroundings {
  readonly simulation: Simulation;
  readonly model: Model;
  readonly now: () => number;
  /** What becomes of the next operation. */
  readonly fault: () => Fault;
}

export class ScheduledStore implements Store {
  readonly abilities: Abilities;
  readonly #inner: Store;
  readonly #process: number;
  readonly #around: Surroundings;

  constructor(inner: Store, process: number, around: Surroundings) {
    this.abilities = inner.abilities;
    this.#inner = inner;
    this.#process = process;
    this.#around = around;
  }

  async #run<T>(operation: string, execute: () => Promise<T>): Promise<T> {
    const { simulation, fault } = this.#around;
    const label = `process ${this.#process}: ${operation}`;
    const outcome = fault();
    await simulation.turn(label);
    if (outcome === "failed") throw new Error("connection refused (injected)");
    const result = await execute();
    await simulation.turn(`${label}, reply${outcome === "lost" ? " lost" : ""}`);
    if (outcome === "lost") throw new Error("connection lost (injected)");
    return result;
  }

  load(key: string): Promise<StoreRecord | undefined> {
    return this.#run("load", async () => {
      const record = await this.#inner.load(key);
      if (record === undefined) this.#around.model.missing(key);
      return record;
    });
  }

  create(key: string, record: CreateRecord): Promise<boolean> {
    const { model, now } = this.#around;
    return this.#run("create", async () => {
      const made = await this.#inner.create(key, record);
      if (made) model.created(await this.#stored(key), now());
      return made;
    });
  }

  update(key: string, change: UpdateRecord): Promise<UpdateResult> {
    const { model, now } = this.#around;
    return this.#run("update", async () => {
      const result = await this.#inner.update(key, change);
      if (result.done) model.updated(await this.#stored(key), now());
      else if (result.record === undefined) model.missing(key);
      return result;
    });
  }

  touch(key: string, digest: Uint8Array, idle: number): Promise<boolean> {
    const { model, now } = this.#around;
    return this.#run("touch", async () => {
      const touched = await this.#inner.touch(key, digest, idle);
      const record = await this.#inner.load(key);
      if (touched) model.touched(record, key, now());
      if (record === undefined) model.missing(key);
      return touched;
    });
  }

  destroy(key: string): Promise<void> {
    return this.#run("destroy", async () => {
      await this.#inner.destroy(key);
      this.#around.model.destroyed(key);
    });
  }

  async #stored(key: string): Promise<StoreRecord> {
    const record = await this.#inner.load(key);
    if (record === undefined) throw new Error("the engine has lost a record");
    return record;
  }
}
