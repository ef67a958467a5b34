/**
 * Sessions in Cloudflare's Durable Objects: one object per session, so that each session has one
 * place where its operations run one after the other, on storage that is durable before the answer
 * leaves. docs/stores/cloudflare.md has the details.
 */
import { SessionError } from "../errors.ts";
import type {
  Abilities,
  CreateRecord,
  Store,
  StoreRecord,
  UpdateRecord,
  UpdateResult,
} from "../store.ts";
import { type Answer, type Order, recordFrom, toBytes, toMessage } from "./durable-object-wire.ts";

export {
  type ObjectState,
  type ObjectStorage,
  SessionObject,
  type StoredSession,
} from "./durable-object-session.ts";

/** The part of a `DurableObjectNamespace` that is used: the binding of `SessionObject`. */
export interface SessionNamespace {
  idFromName(name: string): unknown;
  get(id: unknown): SessionStub;
}

/** The part of a `DurableObjectStub` that is used. */
export interface SessionStub {
  fetch(
    url: string,
    init: { readonly method: "POST"; readonly body: Uint8Array },
  ): Promise<{ readonly status: number; arrayBuffer(): Promise<ArrayBuffer> }>;
}

/** Three thousand years: what a date holds, and what Infinity becomes. */
const forever = 1e14;

/**
 * An engine on Durable Objects. The Worker exports `SessionObject`, and binds it; both backends of
 * storage will do. A Worker cannot list its objects, so `iterate` is not there.
 *
 * @example
 * ```ts
 * import { SessionManager } from "scs-session";
 * import { DurableObjectStore, type SessionNamespace } from "scs-session/stores/durable-object";
 *
 * export { SessionObject } from "scs-session/stores/durable-object";
 *
 * // In a Worker: `sessionsIn(env.SESSIONS)`, with `import { env } from "cloudflare:workers"`.
 * export function sessionsIn(namespace: SessionNamespace): SessionManager<{ visits: number }> {
 *   return new SessionManager({ store: new DurableObjectStore(namespace) });
 * }
 * ```
 */
export class DurableObjectStore implements Store {
  readonly abilities: Abilities = Object.freeze({
    iterate: false,
    shared: true,
    guarantees: Object.freeze(["G1", "G2", "G3", "G4", "G5", "G6", "G7"] as const),
  });

  readonly #namespace: SessionNamespace;

  /** @throws {SessionError} `invalid-option`: what is no binding of a Durable Object. */
  constructor(namespace: SessionNamespace) {
    const { idFromName, get } = Object(namespace) as Partial<SessionNamespace>;
    if (typeof idFromName !== "function" || typeof get !== "function") {
      throw new SessionError(
        "invalid-option",
        "DurableObjectStore takes the binding of a Durable Object: env.SESSIONS, where wrangler's configuration names it SESSIONS",
      );
    }
    this.#namespace = namespace;
  }

  async load(key: string): Promise<StoreRecord | undefined> {
    return (await this.#ask(key, { do: "load" })).record;
  }

  async create(key: string, record: CreateRecord): Promise<boolean> {
    const { digest, data, lifetime, idle } = record;
    const order = { do: "create", lifetime: duration(lifetime), idle: optional(idle) } as const;
    return (await this.#ask(key, order, digest, data)).done;
  }

  async update(key: string, change: UpdateRecord): Promise<UpdateResult> {
    const { version, digest, data, newDigest, lifetime, idle } = change;
    const times = { lifetime: optional(lifetime), idle: optional(idle) };
    const order = { do: "update", version, ...times } as const;
    const { done, record } = await this.#ask(key, order, digest, data, newDigest);
    return done ? { done } : { done, record };
  }

  async touch(key: string, digest: Uint8Array, idle: number): Promise<boolean> {
    return (await this.#ask(key, { do: "touch", idle: duration(idle) }, digest)).done;
  }

  async destroy(key: string): Promise<void> {
    await this.#ask(key, { do: "destroy" });
  }

  /** Resolves when an object answers and reads its storage. Of all keys it uses one that no session has. */
  async check(): Promise<void> {
    await this.#ask("check", { do: "load" });
  }

  async #ask(
    key: string,
    order: Order,
    ...bytes: readonly (Uint8Array | undefined)[]
  ): Promise<{ readonly done: boolean; readonly record: StoreRecord | undefined }> {
    const namespace = this.#namespace;
    // A stub is good for one request: in another one's it must not be used, and after an error never.
    const stub = namespace.get(namespace.idFromName(key));
    const body = toBytes<Order & { key: string }>({ ...order, key }, bytes);
    const response = await stub.fetch("https://session/", { method: "POST", body });
    const answered = await response.arrayBuffer();
    if (response.status !== 200) {
      throw new SessionError("store-failed", `The session's object answered ${response.status}`);
    }
    const { head, parts } = toMessage<Answer>(answered);
    return { done: head.done, record: recordFrom(head, parts) };
  }
}

function duration(ms: number): number {
  return Math.min(ms, forever);
}

function optional(ms: number | undefined): number | undefined {
  return ms === undefined ? undefined : duration(ms);
}
