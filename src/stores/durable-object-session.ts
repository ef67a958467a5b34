/**
 * The object of one session. Cloudflare runs one instance of it in the world, and while it waits for
 * its storage nothing else reaches it ("input gates"), so that between the reading and the writing of
 * an operation there is no other; an answer leaves when what was written is durable ("output
 * gates": developers.cloudflare.com, Durable Objects, "In-memory state and storage").
 */
import type { StoreRecord } from "../store.ts";
import { type Answer, type Order, toBytes, toMessage } from "./durable-object-wire.ts";

/** What is stored. Times in milliseconds since 1970, by the object's clock. */
export interface StoredSession {
  readonly key: string;
  readonly version: number;
  readonly digest: Uint8Array;
  readonly data: Uint8Array;
  readonly created: number;
  readonly deadline: number;
  readonly idle: number | undefined;
  /** When the alarm rings. */
  readonly alarm: number;
}

/** The part of a Durable Object's storage that is used. */
export interface ObjectStorage {
  get(key: string): Promise<unknown>;
  put(key: string, value: unknown): Promise<void>;
  deleteAll(): Promise<void>;
  setAlarm(time: number): Promise<void>;
  deleteAlarm(): Promise<void>;
}

/** The part of a `DurableObjectState` that is used. */
export interface ObjectState {
  readonly storage: ObjectStorage;
}

const name = "session";

/** Export it from the Worker, under this name or another, and bind it. */
export class SessionObject {
  readonly #storage: ObjectStorage;

  constructor(state: ObjectState) {
    this.#storage = state.storage;
  }

  /** One operation; `DurableObjectStore` is the only caller. */
  async fetch(request: { arrayBuffer(): Promise<ArrayBuffer> }): Promise<Response> {
    const { head, parts } = toMessage<Order & { key: string }>(await request.arrayBuffer());
    const { answer, found } = await this.#run(head, parts);
    const bytes = found === undefined ? [] : [found.digest, found.data];
    return new Response(toBytes<Answer>(answer, bytes) as BodyInit);
  }

  /** Removes the session when it has ended. */
  async alarm(): Promise<void> {
    const found = await this.#stored();
    if (found === undefined) return;
    if (isAlive(found, this.now())) await this.#write(found);
    else await this.#remove();
  }

  /** The object's clock, in milliseconds since 1970. Tests move it. */
  protected now(): number {
    return Date.now();
  }

  async #run(
    order: Order & { readonly key: string },
    parts: readonly Uint8Array[],
  ): Promise<{ readonly answer: Answer; readonly found?: StoredSession }> {
    const stored = await this.#stored();
    const now = this.now();
    const found = stored !== undefined && isAlive(stored, now) ? stored : undefined;
    const [digest, data, newDigest] = parts;
    switch (order.do) {
      case "load":
        if (found === undefined) return { answer: { done: false } };
        return { answer: { done: true, record: recordOf(found, now) }, found };
      case "create": {
        if (found !== undefined || digest === undefined || data === undefined) break;
        const { key, lifetime } = order;
        const deadline = now + lifetime;
        const idle = order.idle === undefined ? undefined : Math.min(now + order.idle, deadline);
        const version = 1;
        const made = { key, version, digest, data, created: now, deadline, idle };
        await this.#write({ ...made, alarm: Infinity });
        return { answer: { done: true } };
      }
      case "update": {
        if (found === undefined || digest === undefined || data === undefined) break;
        if (found.version !== order.version || !same(found.digest, digest)) {
          return { answer: { done: false, record: recordOf(found, now) }, found };
        }
        const deadline = order.lifetime === undefined ? found.deadline : now + order.lifetime;
        const idle = moved(
          found.idle,
          order.idle === undefined ? undefined : now + order.idle,
          deadline,
        );
        const changed = { version: found.version + 1, digest: newDigest ?? digest, data };
        await this.#write({ ...found, ...changed, deadline, idle });
        return { answer: { done: true } };
      }
      case "touch": {
        if (found === undefined || digest === undefined || !same(found.digest, digest)) break;
        const idle = moved(found.idle, now + order.idle, found.deadline);
        // Nothing is written when it does not move.
        if (idle !== found.idle) await this.#write({ ...found, idle });
        return { answer: { done: true } };
      }
      case "destroy":
        if (stored !== undefined) await this.#remove();
        return { answer: { done: true } };
    }
    return { answer: { done: false } };
  }

  async #stored(): Promise<StoredSession | undefined> {
    return (await this.#storage.get(name)) as StoredSession | undefined;
  }

  /**
   * Writes, and sees to it that the alarm rings no later than the session ends. A touch leaves an
   * earlier alarm where it is: when it rings, it is set again, which is one write per idle timeout and
   * not one per touch.
   */
  async #write(session: StoredSession): Promise<void> {
    const ends = Math.min(session.deadline, session.idle ?? Infinity);
    const late = session.alarm > ends || session.alarm <= this.now();
    // Both at once: writes that nothing waits between are one.
    const writes = [this.#storage.put(name, late ? { ...session, alarm: ends } : session)];
    if (late) writes.push(this.#storage.setAlarm(ends));
    await Promise.all(writes);
  }

  /** An object with nothing stored costs nothing. */
  async #remove(): Promise<void> {
    await Promise.all([this.#storage.deleteAlarm(), this.#storage.deleteAll()]);
  }
}

function isAlive({ deadline, idle }: StoredSession, now: number): boolean {
  return now < deadline && (idle === undefined || now < idle);
}

/** An idle expiry moves only forward, and never past the deadline. */
function moved(
  from: number | undefined,
  to: number | undefined,
  deadline: number,
): number | undefined {
  if (from === undefined && to === undefined) return undefined;
  return Math.min(Math.max(from ?? -Infinity, to ?? -Infinity), deadline);
}

function recordOf(session: StoredSession, now: number): Omit<StoreRecord, "digest" | "data"> {
  const { key, version, created, deadline, idle } = session;
  const idleIn = idle === undefined ? undefined : idle - now;
  // A machine's clock may be set back.
  return { key, version, age: Math.max(0, now - created), deadlineIn: deadline - now, idleIn };
}

function same(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, at) => byte === b[at]);
}
