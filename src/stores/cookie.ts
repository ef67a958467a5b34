/** Sessions in the client's own cookies, encrypted: no server, and what that cannot give. */
import { SessionError } from "../errors.ts";
import type { Jar, SealedEngineMaker, SealedStore } from "../sealed.ts";
import { sealedEngine } from "../sealed-engine.ts";
import type { Store } from "../store.ts";
import { CookieJar, mostChunks } from "./cookie-jar.ts";
import { type CookieKey, type RevokedKey, type Ring, ringOf } from "./cookie-keys.ts";
import { RevocationList, type UserOf } from "./cookie-revocations.ts";
import { web } from "./cookie-webcrypto.ts";
import { native } from "./cookie-xaes.ts";

export type { CookieKey, RevokedKey } from "./cookie-keys.ts";
export type { UserOf } from "./cookie-revocations.ts";

/** Options of `CookieStore`. */
export interface CookieStoreOptions {
  /**
   * The first key seals, all of them open. Put a new one in front to rotate: sessions are sealed under
   * it at their next change. Take the old one away, or give it an `until`, once the longest lifetime
   * has passed; put `{ id, revoked: true }` in its place to end all its sessions now.
   */
  readonly keys: readonly (CookieKey | RevokedKey)[];
  /**
   * A server-side engine that remembers ended and renewed sessions until their deadline, and nothing
   * else: then a cookie that was copied is dead after logout (ASVS 7.4.1), a renewed token cannot be
   * used again, and of parallel renewals one wins. It costs one round trip per load, and one or two per
   * change. While it is down, loads and changes fail with 503. Default: none, with one warning event;
   * `false` says that you know, without the warning.
   */
  readonly revocations?: Store | false | undefined;
  /**
   * Whose session it is, for `revokeUser`: for example `(get) => get("userId") as string | undefined`.
   * Only with `revocations`.
   */
  readonly user?: UserOf | undefined;
  /**
   * How many cookies of 4096 bytes one session may take: 1 to 3, default 1. Servers and proxies limit all
   * headers together (Node 16 KB, nginx 8 KB), so two is what reaches most of them. Three are
   * refused for a `partitioned` cookie: browsers keep 10 240 bytes of those per site in all.
   */
  readonly chunks?: number | undefined;
  /** The engine's clock, in milliseconds. Default `Date.now`. */
  readonly clock?: (() => number) | undefined;
}

/** What `CookieStore` cannot do is missing: G1 and G3 need a server, and there is nothing to list. */
export interface CookieAbilities {
  readonly iterate: false;
  readonly shared: true;
  readonly guarantees: readonly ("G2" | "G4" | "G5" | "G6" | "G7")[];
}

/**
 * An engine without a server. Read this first:
 *
 * - Two responses under way at the same time overwrite each other's changes: the last one wins (no G1).
 * - Without `revocations`, whoever copied a cookie can go on using it after logout and renewal, until
 *   its deadline (no G2, no G4).
 * - Nothing can be listed or counted, and a session holds about 2.9 KB.
 *
 * Expiry is enforced by what is sealed inside, not by the cookie's Max-Age. A cookie that was changed in
 * any way is no session, with one event.
 *
 * @example
 * ```ts
 * import { SessionManager } from "scs-session";
 * import { CookieStore } from "scs-session/stores/cookie";
 *
 * const key = crypto.getRandomValues(new Uint8Array(32)); // keep it in your secrets
 * export const sessions = new SessionManager({
 *   store: new CookieStore({ keys: [{ id: "2026-11", key }], revocations: false }),
 * });
 * ```
 */
export class CookieStore implements SealedStore {
  readonly sealed = true;
  readonly engine: SealedEngineMaker = sealedEngine;
  readonly abilities: CookieAbilities;
  readonly #ring: Ring;
  readonly chunks: number;
  readonly #clock: () => number;
  readonly #revocations: Store | undefined;
  readonly #user: UserOf | undefined;
  readonly #acknowledged: boolean;
  readonly #lists = new Map<string, RevocationList>();

  /** @throws {SessionError} `invalid-option`; no message repeats a key. */
  constructor(options: CookieStoreOptions) {
    const { keys, revocations, user, chunks = 1, clock = Date.now } = options;
    if (!Number.isInteger(chunks) || chunks < 1 || chunks > mostChunks) {
      refuse(`chunks is ${String(chunks)}; give 1, 2 or 3`);
    }
    if (typeof clock !== "function") refuse("clock must be a function that returns milliseconds");
    if (user !== undefined && typeof user !== "function") refuse("user must be a function");
    if (user !== undefined && !revocations) refuse("user has no effect without revocations");
    this.#revocations =
      revocations === undefined || revocations === false ? undefined : revocations;
    if (this.#revocations !== undefined && typeof this.#revocations.create !== "function") {
      refuse("revocations must be a server-side engine, such as a RedisStore");
    }
    this.#ring = ringOf(keys, native ?? web);
    this.chunks = chunks;
    this.#clock = clock;
    this.#user = user;
    this.#acknowledged = revocations === false;
    this.abilities = Object.freeze({
      iterate: false,
      shared: true,
      guarantees: Object.freeze(
        this.#revocations === undefined
          ? (["G5", "G6", "G7"] as const)
          : (["G2", "G4", "G5", "G6", "G7"] as const),
      ),
    });
  }

  bind(cookie: string, manager: string, warn: (message: string) => void): Jar {
    let revocations: RevocationList | undefined;
    if (this.#revocations !== undefined) {
      revocations = new RevocationList(this.#revocations, manager, this.#clock, this.#user);
      this.#lists.set(manager, revocations);
    } else if (!this.#acknowledged) {
      warn(
        "The cookie engine has no revocations: a copied cookie keeps working after logout and renewal, until its deadline. Give it a server-side engine, or revocations: false if you accept that",
      );
    }
    return new CookieJar(this.#ring, cookie, manager, this.chunks, this.#clock, revocations);
  }

  /**
   * Ends every session that exists now, of all managers on this engine.
   *
   * @throws {SessionError} `unsupported` without `revocations`; what the engine throws.
   */
  async revokeAll(): Promise<void> {
    for (const list of this.#revocable()) await list.revokeBefore(undefined);
  }

  /**
   * Ends every session that this user has now, of all managers on this engine (ASVS 7.4.2).
   *
   * @throws {SessionError} `unsupported` without `revocations` and `user`; what the engine throws.
   */
  async revokeUser(user: string): Promise<void> {
    if (this.#user === undefined) {
      throw new SessionError("unsupported", "revokeUser needs the options revocations and user");
    }
    for (const list of this.#revocable()) await list.revokeBefore(user);
  }

  #revocable(): Iterable<RevocationList> {
    if (this.#revocations === undefined) {
      throw new SessionError("unsupported", "Sessions can be revoked only with revocations");
    }
    if (this.#lists.size === 0) {
      throw new SessionError("unsupported", "No SessionManager uses this engine yet");
    }
    return this.#lists.values();
  }

  async check(): Promise<void> {
    await this.#revocations?.check?.();
  }

  async close(): Promise<void> {
    await this.#revocations?.close?.();
  }
}

function refuse(message: string): never {
  throw new SessionError("invalid-option", message);
}
