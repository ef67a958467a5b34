/**
 * Sessions in any storage or driver of unstorage: Cloudflare KV, Vercel KV, Netlify Blobs, Azure,
 * MongoDB, files, and others.
 *
 * A driver can only read, overwrite and remove. Of the seven guarantees that leaves two (G3, G7)
 * when several processes use it, and all seven only for one process alone: docs/stores/unstorage.md
 * says what that means. Where there is an engine for your database, take that.
 */
import { SessionError } from "../errors.ts";
import type { StoreRecord } from "../store.ts";
import { type Backend, Bridge, type BridgeOptions, has } from "./bridge.ts";
import { keyOf, nameOf } from "./bridge-record.ts";

/** What `createStorage()` of unstorage returns, or one of its drivers. */
export interface UnstorageClient {
  getItem(key: string, options: object): unknown;
  /** A driver that only reads has none, and is refused. */
  setItem?(key: string, value: string, options: { readonly ttl?: number }): unknown;
  removeItem?(key: string, options: object): unknown;
  getKeys(base: string, options: object): unknown;
}

/** Options of `UnstorageStore`. */
export interface UnstorageStoreOptions extends BridgeOptions {
  /**
   * The folder of the sessions: letters, digits, `-` and `_`, and `:` between folders. Default
   * `"scs"`.
   */
  readonly base?: string | undefined;
}

/**
 * An engine on unstorage.
 *
 * @example
 * ```ts
 * import { SessionManager } from "scs-session";
 * import { type UnstorageClient, UnstorageStore } from "scs-session/stores/unstorage";
 *
 * export function sessionsIn(storage: UnstorageClient): SessionManager {
 *   return new SessionManager({ store: new UnstorageStore(storage) });
 * }
 * ```
 */
export class UnstorageStore extends Bridge {
  readonly #client: UnstorageClient;
  readonly #base: string;

  /** @throws {SessionError} `invalid-option`: an option, or a client of another kind. */
  constructor(client: UnstorageClient, options: UnstorageStoreOptions = {}) {
    const { base = "scs", exclusive = false } = options;
    if (typeof base !== "string" || !/^[A-Za-z0-9_-]+(?::[A-Za-z0-9_-]+)*$/.test(base)) {
      throw new SessionError(
        "invalid-option",
        'base must be names of letters, digits, "-" and "_", with ":" between them, such as "app:sessions"',
      );
    }
    if (!has(client, "getItem", "setItem", "removeItem", "getKeys")) {
      throw new SessionError(
        "invalid-option",
        "UnstorageStore takes a storage of unstorage, or a driver that can write, list and remove",
      );
    }
    super(backendOf(client, `${base}:`, exclusive), options, true);
    this.#client = client;
    this.#base = `${base}:`;
  }

  /**
   * Every live record whose key starts with `prefix`. The driver lists all keys at once, so all of
   * them are in memory, the records one at a time.
   */
  async *iterate(prefix: string): AsyncGenerator<StoreRecord> {
    for (const key of await this.#keys()) {
      if (!key.startsWith(prefix)) continue;
      const record = await this.live(key);
      if (record !== undefined) yield record;
    }
  }

  /**
   * Removes the records that have ended. Drivers that know a time to live (Redis, Cloudflare KV, Vercel
   * KV, ...) do that by themselves; for the others (files, memory, SQL, ...), call this from time to
   * time, in one process: it reads every record once.
   *
   * @returns how many were removed.
   */
  async removeExpired(): Promise<number> {
    let removed = 0;
    for (const key of await this.#keys()) if (await this.removeEnded(key)) removed++;
    return removed;
  }

  async #keys(): Promise<string[]> {
    const listed = result(await this.#client.getKeys(this.#base, {}));
    const keys: string[] = [];
    for (const item of Array.isArray(listed) ? (listed as unknown[]) : []) {
      // Drivers that keep files list them with slashes, and some list what is outside the base.
      const path = String(item).replaceAll(/[/\\]/g, ":");
      if (!path.startsWith(this.#base)) continue;
      const key = keyOf(path.slice(this.#base.length));
      if (key !== undefined) keys.push(key);
    }
    return keys;
  }
}

function backendOf(client: UnstorageClient, base: string, exclusive: boolean): Backend {
  const read = async (key: string): Promise<unknown> => {
    const value = result(await client.getItem(base + nameOf(key), {}));
    // A storage has parsed it, a driver has not.
    return typeof value === "string" ? (JSON.parse(value) as unknown) : value;
  };
  return {
    identity: client,
    read,
    write: async (key, stored, ttl) => {
      const options = { ttl: Math.ceil(ttl / 1000) };
      result(await client.setItem?.(base + nameOf(key), JSON.stringify(stored), options));
    },
    remove: async (key) => {
      result(await client.removeItem?.(base + nameOf(key), {}));
      // A storage hides that a driver failed to remove a file, and a logout would be none. Where
      // others write, a copy that lags behind may still show it, and G2 is not promised.
      if (exclusive && (await read(key)) != null) {
        throw new Error("the storage still has a session that it was to remove");
      }
    },
  };
}

/** The drivers for files return an error in place of throwing it. */
function result(value: unknown): unknown {
  if (value instanceof Error) throw value;
  return value;
}
