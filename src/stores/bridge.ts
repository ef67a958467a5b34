/**
 * The engine contract over a back end that can only read, overwrite and remove: no conditions, so
 * each change reads first and writes then. Within this process nothing comes between, since
 * operations on one session wait for each other here; between processes something can.
 */
import { SessionError } from "../errors.ts";
import type {
  Abilities,
  CreateRecord,
  Guarantee,
  Store,
  StoreRecord,
  UpdateRecord,
  UpdateResult,
} from "../store.ts";
import { Locks } from "./bridge-lock.ts";
import { damaged, endOf, isLive, parse, recordOf, type Stored, textOf } from "./bridge-record.ts";

/** Options of the engines that stand on another library's stores. */
export interface BridgeOptions {
  /**
   * True when this process alone uses the back end, and the back end carries out nothing that it has
   * reported as failed. The engine then keeps all seven guarantees, for one process, and declares
   * `shared: false`. Worker threads and the processes of a cluster count as several. Default false:
   * any number of processes, and only G3 and G7 hold.
   */
  readonly exclusive?: boolean | undefined;
}

/** What a back end does, in the engine's terms. */
export interface Backend {
  /** The object that does it: engines on the same one wait for each other. */
  readonly identity: object;
  /** What is stored; null or undefined for nothing, anything else for what is no session. */
  read(key: string): Promise<unknown>;
  /** Writes, whatever was there. It may be forgotten after `ttl` ms, not before. */
  write(key: string, stored: Stored, ttl: number): Promise<void>;
  /** Removes, if it is there. */
  remove(key: string): Promise<void>;
}

/** What holds when nobody else writes, and when somebody does. */
const alone: readonly Guarantee[] = ["G1", "G2", "G3", "G4", "G5", "G6", "G7"];
const amongOthers: readonly Guarantee[] = ["G3", "G7"];

/**
 * How much longer than the session the back end keeps a record, in ms. The record says itself when
 * it ends; a back end whose clock goes ahead by less than this does not end it before.
 */
const grace = 3_600_000;
/** Three thousand years; dates and timestamps of the back ends hold it. */
const forever = 1e14;

const locks = new WeakMap<object, Locks>();

/** What is under a key: a session, live or not; something else; nothing. */
type Found = Stored | "foreign" | undefined;

export abstract class Bridge implements Store {
  readonly abilities: Abilities;
  readonly #backend: Backend;
  readonly #locks: Locks;

  /** @throws {SessionError} `invalid-option` */
  constructor(backend: Backend, options: BridgeOptions, iterate: boolean) {
    const { exclusive = false } = options;
    if (typeof exclusive !== "boolean") {
      throw new SessionError(
        "invalid-option",
        `exclusive is ${String(exclusive)}; give true or false`,
      );
    }
    this.abilities = Object.freeze({
      iterate,
      shared: !exclusive,
      guarantees: Object.freeze([...(exclusive ? alone : amongOthers)]),
    });
    this.#backend = backend;
    const known = locks.get(backend.identity) ?? new Locks();
    locks.set(backend.identity, known);
    this.#locks = known;
  }

  async load(key: string): Promise<StoreRecord | undefined> {
    const found = await this.#locks.read(key, () => this.#find(key));
    if (found === "foreign") return damaged(key);
    const now = Date.now();
    return found !== undefined && isLive(found, now) ? recordOf(found, now) : undefined;
  }

  create(key: string, record: CreateRecord): Promise<boolean> {
    return this.#locks.write(key, async () => {
      const found = await this.#find(key);
      const now = Date.now();
      if (found === "foreign" || (found !== undefined && isLive(found, now))) return false;
      const deadline = now + duration(record.lifetime);
      await this.#write(key, now, {
        scs: 1,
        key,
        version: 1,
        digest: textOf(record.digest),
        data: textOf(record.data),
        created: now,
        deadline,
        idle: record.idle === undefined ? null : Math.min(now + duration(record.idle), deadline),
      });
      return true;
    });
  }

  update(key: string, change: UpdateRecord): Promise<UpdateResult> {
    const { version, newDigest, lifetime, idle } = change;
    return this.#locks.write(key, async () => {
      const found = await this.#find(key);
      if (found === "foreign") return { done: false, record: damaged(key) };
      const now = Date.now();
      if (found === undefined || !isLive(found, now)) return { done: false, record: undefined };
      if (found.key !== key || found.version !== version || !hasDigest(found, change.digest)) {
        return { done: false, record: recordOf(found, now) };
      }
      const deadline = lifetime === undefined ? found.deadline : now + duration(lifetime);
      await this.#write(key, now, {
        ...found,
        version: version + 1,
        digest: newDigest === undefined ? found.digest : textOf(newDigest),
        data: textOf(change.data),
        deadline,
        idle: moved(found.idle, now, idle, deadline),
      });
      return { done: true };
    });
  }

  touch(key: string, digest: Uint8Array, idle: number): Promise<boolean> {
    return this.#locks.write(key, async () => {
      const found = await this.#find(key);
      const now = Date.now();
      if (found === undefined || found === "foreign" || !isLive(found, now)) return false;
      if (found.key !== key || !hasDigest(found, digest)) return false;
      // The whole record once more: a back end's own touch moves its expiry, but not ours.
      await this.#write(key, now, {
        ...found,
        idle: moved(found.idle, now, idle, found.deadline),
      });
      return true;
    });
  }

  destroy(key: string): Promise<void> {
    return this.#locks.write(key, () => this.#backend.remove(key));
  }

  /** Writes a record, reads it back and removes it. @throws {SessionError} `store-failed` */
  async check(): Promise<void> {
    const random = crypto.getRandomValues(new Uint8Array(18));
    const key = `check:${textOf(random)}`;
    const digest = new Uint8Array(32);
    try {
      await this.create(key, { digest, data: random, lifetime: 60_000, idle: undefined });
      const record = await this.load(key);
      if (record?.data.join() !== random.join()) throw new Error("it returns what was not stored");
    } catch (error) {
      if (error instanceof SessionError) throw error;
      const reason = error instanceof Error ? error.message : String(error);
      throw new SessionError("store-failed", `The back end cannot keep sessions: ${reason}`, {
        cause: error,
      });
    } finally {
      await this.destroy(key).catch(() => {});
    }
  }

  /** The live record under `key`, for `iterate`; what is no session of ours is left out. */
  protected async live(key: string): Promise<StoreRecord | undefined> {
    const found = await this.#locks.read(key, () => this.#find(key));
    const now = Date.now();
    if (found === undefined || found === "foreign" || !isLive(found, now)) return undefined;
    return recordOf(found, now);
  }

  /** Removes the record under `key` if it has ended; whether it did. */
  protected async removeEnded(key: string): Promise<boolean> {
    const ended = async (): Promise<boolean> => {
      const found = await this.#find(key);
      return found !== undefined && found !== "foreign" && !isLive(found, Date.now());
    };
    if (!(await this.#locks.read(key, ended))) return false;
    return await this.#locks.write(key, async () => {
      if (!(await ended())) return false;
      await this.#backend.remove(key);
      return true;
    });
  }

  async #find(key: string): Promise<Found> {
    let value: unknown;
    try {
      value = await this.#backend.read(key);
    } catch (error) {
      // Stored text that is no JSON: a damaged record, not a failure that a retry can mend (G7).
      if (error instanceof SyntaxError) return "foreign";
      throw error;
    }
    if (value === undefined || value === null) return undefined;
    return parse(value) ?? "foreign";
  }

  #write(key: string, now: number, stored: Stored): Promise<void> {
    const ttl = Math.min(endOf(stored) - now + grace, forever);
    return this.#backend.write(key, stored, ttl);
  }
}

/** Whether a value is an object with these methods. */
export function has(value: unknown, ...names: readonly string[]): boolean {
  if (typeof value !== "object" || value === null) return false;
  const methods = value as Readonly<Record<string, unknown>>;
  return names.every((name) => typeof methods[name] === "function");
}

/** Whole milliseconds, rounded up: one that is given as 0.5 must not end at once. */
function duration(ms: number): number {
  return Math.min(Math.ceil(ms), forever);
}

/** The idle expiry after a use: only forward, never past the deadline. */
function moved(
  before: number | null,
  now: number,
  idle: number | undefined,
  deadline: number,
): number | null {
  if (idle === undefined) return before === null ? null : Math.min(before, deadline);
  return Math.min(Math.max(before ?? 0, now + duration(idle)), deadline);
}

/** Equality in constant time is the manager's business, on load. */
function hasDigest(stored: Stored, digest: Uint8Array): boolean {
  return stored.digest === textOf(digest);
}
