/**
 * What makes the end of a cookie session real: a list of ended and renewed sessions, on any server-side
 * engine. Its records, which no manager's prefix can name:
 *
 *     :ended:<manager>:<id>          until the session's deadline; data: nothing, or what replaced it:
 *                                    id (24 characters) and deadline (ms, decimal)
 *     :before:<manager>[:<user>]     for good; data: ms since 1970, decimal: what was issued before is dead
 *
 * Ends are inserted only, so that of two renewals one is first, on every engine.
 */
import { SessionError } from "../errors.ts";
import type { Revocations, SealedRecord } from "../sealed.ts";
import type { Store, StoreRecord } from "../store.ts";

/** The user of a session, or undefined when there is none. `get` reads a value of the session. */
export type UserOf = (get: (key: string) => unknown) => string | undefined;

/** How long after a renewal the old cookie counts as superseded, as on every engine. */
const supersededWindow = 60_000;
/** A hundred years: longer than any session. */
const forGood = 36_500 * 86_400_000;
const idLength = 24;

const encoder = new TextEncoder();
const decoder = new TextDecoder();
/** Nobody authenticates with such a record. */
const noDigest: Uint8Array = new Uint8Array(32);

interface End {
  readonly id: string;
  readonly deadline: number;
}

export class RevocationList implements Revocations {
  readonly #store: Store;
  readonly #manager: string;
  readonly #clock: () => number;
  readonly #user: UserOf | undefined;

  constructor(store: Store, manager: string, clock: () => number, user: UserOf | undefined) {
    this.#store = store;
    this.#manager = manager;
    this.#clock = clock;
    this.#user = user;
  }

  userOf(read: (key: string) => unknown): string | undefined {
    return this.#user?.(read);
  }

  async state(
    record: SealedRecord,
    user: string | undefined,
  ): Promise<"live" | "ended" | "superseded"> {
    const [end, all, own] = await Promise.all([
      this.#store.load(this.#endKey(record.id)),
      this.#store.load(this.#beforeKey()),
      user === undefined ? undefined : this.#userKey(user).then((key) => this.#store.load(key)),
    ]);
    if (end !== undefined) {
      const replaced = end.data.length > 0 && end.age < supersededWindow;
      return replaced ? "superseded" : "ended";
    }
    // What was issued in the same millisecond is as likely to be from before.
    const before = Math.max(timeIn(all), timeIn(own));
    return record.at.issued <= before ? "ended" : "live";
  }

  async replace(record: SealedRecord, successor: SealedRecord): Promise<boolean> {
    const data = encoder.encode(successor.id + String(successor.at.deadline));
    if (await this.#insert(record.id, record.at.deadline, data)) return true;
    // Ours, if the reply to an earlier try was lost.
    const found = await this.#store.load(this.#endKey(record.id));
    return found !== undefined && endIn(found)?.id === successor.id;
  }

  async end(record: SealedRecord): Promise<void> {
    let next: End | undefined = { id: record.id, deadline: record.at.deadline };
    // A renewal in between has put another session in its place: that is the one to end.
    while (next !== undefined) {
      if (await this.#insert(next.id, next.deadline, new Uint8Array(0))) return;
      const found: StoreRecord | undefined = await this.#store.load(this.#endKey(next.id));
      next = found === undefined ? undefined : endIn(found);
    }
  }

  /** From now on, what was issued before now is dead: of one user, or everything. */
  async revokeBefore(user: string | undefined): Promise<void> {
    const key = user === undefined ? this.#beforeKey() : await this.#userKey(user);
    const now = this.#clock();
    const data = encoder.encode(String(now));
    for (;;) {
      const known = await this.#store.load(key);
      if (known === undefined) {
        const record = { digest: noDigest, data, lifetime: forGood, idle: undefined };
        if (await this.#store.create(key, record)) return;
        continue;
      }
      if (timeIn(known) >= now) return;
      const { version, digest } = known;
      const { done } = await this.#store.update(key, { version, digest, data, lifetime: forGood });
      if (done) return;
    }
  }

  /** True also for a session that has expired: there is nothing left to end. */
  async #insert(id: string, deadline: number, data: Uint8Array): Promise<boolean> {
    const lifetime = deadline - this.#clock();
    if (lifetime <= 0) return true;
    const record = {
      digest: noDigest,
      data,
      lifetime: Math.min(lifetime, forGood),
      idle: undefined,
    };
    return this.#store.create(this.#endKey(id), record);
  }

  #endKey(id: string): string {
    return `:ended:${this.#manager}:${id}`;
  }

  #beforeKey(): string {
    return `:before:${this.#manager}`;
  }

  /** Hashed: keys of engines have a length, and lists need no names. */
  async #userKey(user: string): Promise<string> {
    if (typeof user !== "string") {
      throw new SessionError("invalid-argument", "A user is named by a string");
    }
    const digest = await crypto.subtle.digest("SHA-256", encoder.encode(user));
    let text = "";
    for (const byte of new Uint8Array(digest)) text += byte.toString(16).padStart(2, "0");
    return `${this.#beforeKey()}:${text}`;
  }
}

function timeIn(record: StoreRecord | undefined): number {
  return record === undefined ? -1 : Number(decoder.decode(record.data));
}

function endIn(record: StoreRecord): End | undefined {
  if (record.data.length <= idLength) return undefined;
  const text = decoder.decode(record.data);
  return { id: text.slice(0, idLength), deadline: Number(text.slice(idLength)) };
}
