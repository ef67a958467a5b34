/** Sessions in the client's own cookies, encrypted: no server, and what that cannot give. */
import { SessionError } from "../errors.ts";
import type {
  CookieChange,
  Cookies,
  Jar,
  Opened,
  Revocations,
  Sealed,
  SealedRecord,
  SealedStore,
  SealRequest,
  Soon,
} from "../sealed.ts";
import type { Store } from "../store.ts";
import { type CookieKey, type RevokedKey, type Ring, type RingKey, ringOf } from "./cookie-keys.ts";
import { RevocationList, type UserOf } from "./cookie-revocations.ts";
import {
  decodeData,
  decodeStamp,
  encodeData,
  encodeStamp,
  type Parsed,
  parse,
  type Plain,
  prefixOf,
  Sealer,
  textLength,
} from "./cookie-seal.ts";
import { native, web } from "./cookie-xaes.ts";

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
   * headers together (Node 16 KB, nginx 8 KB), so two is what reaches most of them.
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

/** RFC 6265bis section 5.7: a browser ignores a cookie whose name and value have more bytes together. */
const cookieLimit = 4096;
const mostChunks = 3;

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
  readonly abilities: CookieAbilities;
  readonly #ring: Ring;
  readonly #chunks: number;
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
    this.#chunks = chunks;
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
    return new CookieJar(this.#ring, cookie, manager, this.#chunks, this.#clock, revocations);
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

class CookieJar implements Jar {
  readonly revocations: Revocations | undefined;
  readonly #ring: Ring;
  readonly #name: string;
  readonly #sealer: Sealer;
  readonly #chunks: number;
  readonly #clock: () => number;

  constructor(
    ring: Ring,
    cookie: string,
    manager: string,
    chunks: number,
    clock: () => number,
    revocations: Revocations | undefined,
  ) {
    this.#ring = ring;
    this.#name = cookie;
    this.#sealer = new Sealer(ring, cookie, manager);
    this.#chunks = chunks;
    this.#clock = clock;
    this.revocations = revocations;
  }

  open(value: string | undefined, cookies: Cookies): Soon<Opened | undefined> {
    if (value === undefined) return undefined;
    const parsed = parse(value);
    if (parsed === undefined) return { reason: "malformed" };
    const key = this.#key(parsed.keyId);
    if (typeof key === "string") return { reason: key };
    const text = this.#gather(parsed, cookies);
    if (text === undefined) return { reason: "malformed" };
    return soon(this.#sealer.open("data", key, parsed.count, text), (bytes) => {
      if (bytes === undefined) return { reason: "malformed" };
      if (bytes === false) return { reason: "not-authentic" };
      const plain = decodeData(bytes);
      if (plain === undefined) return { reason: "malformed" };
      return soon(this.#stamped(plain.id, cookies), (idle) => this.#live(plain, idle));
    });
  }

  #key(id: string): RingKey | "unknown-key" | "retired-key" {
    const key = this.#ring.byId.get(id);
    if (key === undefined) return this.#ring.byId.has(id) ? "retired-key" : "unknown-key";
    return this.#clock() < key.until ? key : "retired-key";
  }

  /** The whole text, from one cookie or several; a missing or doubtful piece is none. */
  #gather(parsed: Parsed, cookies: Cookies): string | undefined {
    let { text } = parsed;
    if (parsed.count > mostChunks) return undefined;
    for (let i = 1; i < parsed.count; i++) {
      const values = cookies(this.#piece(i));
      if (values.length !== 1) return undefined;
      text += values[0] ?? "";
    }
    return text.length > mostChunks * cookieLimit ? undefined : text;
  }

  /** The latest idle expiry among the stamps of this session; anything else there is ignored. */
  #stamped(id: string, cookies: Cookies): Soon<number> {
    let latest: Soon<number> = 0;
    for (const value of cookies(this.#stampName).slice(0, 2)) {
      const parsed = parse(value);
      const key = parsed === undefined ? undefined : this.#key(parsed.keyId);
      if (parsed?.count !== 1 || key === undefined || typeof key === "string") continue;
      const opened = this.#sealer.open("idle", key, 1, parsed.text);
      const before: Soon<number> = latest;
      latest = soon(opened, (bytes) => {
        const stamp = bytes === undefined || bytes === false ? undefined : decodeStamp(bytes);
        const idle = stamp?.id === id ? stamp.idle : 0;
        return soon(before, (other) => Math.max(other, idle));
      });
    }
    return latest;
  }

  #live(plain: Plain, stamped: number): Opened {
    const { id, created, issued, deadline, data } = plain;
    const latest = Math.max(plain.idle ?? 0, stamped);
    const idle = latest === 0 ? undefined : Math.min(latest, deadline);
    const at = { created, issued, deadline, idle };
    const now = this.#clock();
    if (!isLive(at, now)) return { reason: "expired" };
    return { record: recordOf(id, data, at, now) };
  }

  seal(request: SealRequest, cookies: Cookies): Soon<Sealed | undefined> {
    const { id, data, from } = request;
    const now = this.#clock();
    if (from !== undefined && !isLive(from.at, now)) return undefined;
    const { lifetime = (from?.at.deadline ?? now) - now } = request;
    const deadline = now + lifetime;
    const moved = request.idle === undefined ? 0 : now + request.idle;
    const latest = Math.max(from?.at.idle ?? 0, moved);
    const at = {
      created: from?.at.created ?? now,
      issued: from?.id === id ? from.at.issued : now,
      deadline,
      idle: latest === 0 ? undefined : Math.min(latest, deadline),
    };
    const count = this.#count(data.length);
    return soon(this.#sealer.seal("data", count, encodeData({ id, ...at, data })), (text) => ({
      record: recordOf(id, data, at, now),
      cookies: [...this.#pieces(text, count), ...this.#stale(cookies, count, from?.id !== id)],
    }));
  }

  /** How many cookies it takes. */
  #count(dataLength: number): number {
    const length = textLength(dataLength);
    for (let count = 1; count <= this.#chunks; count++) {
      if (length <= this.#room(count)) return count;
    }
    const { name, whole } = { name: this.#name.length, whole: this.#room(this.#chunks) };
    throw new SessionError(
      "too-large",
      `The session's ${dataLength} bytes take ${length} characters once sealed, and ${whole} fit into ${this.#chunks === 1 ? "its cookie" : `its ${this.#chunks} cookies`}: browsers keep ${cookieLimit} bytes of name (${name}) and value. Store less${this.#chunks < 2 ? ", allow chunks" : ""}, or use a server-side engine`,
    );
  }

  /** The characters of text that fit into this many cookies. */
  #room(count: number): number {
    return this.#first(count) + (count - 1) * (cookieLimit - this.#piece(1).length);
  }

  /** Those that fit into the first one. */
  #first(count: number): number {
    return cookieLimit - this.#name.length - prefixOf(this.#sealer.keyId, count).length;
  }

  *#pieces(text: string, count: number): Iterable<CookieChange> {
    let at = this.#first(count);
    yield { name: this.#name, value: prefixOf(this.#sealer.keyId, count) + text.slice(0, at) };
    for (let i = 1; i < count; i++) {
      const name = this.#piece(i);
      const end = at + cookieLimit - name.length;
      yield { name, value: text.slice(at, end) };
      at = end;
    }
  }

  /** Deletes pieces that a larger session left behind, and another session's stamp. */
  *#stale(cookies: Cookies, count: number, stamp: boolean): Iterable<CookieChange> {
    for (let i = count; i < mostChunks; i++) {
      const name = this.#piece(i);
      if (cookies(name).length > 0) yield { name, value: undefined };
    }
    if (stamp && cookies(this.#stampName).length > 0) {
      yield { name: this.#stampName, value: undefined };
    }
  }

  stamp(record: SealedRecord, idle: number): Soon<Sealed | undefined> {
    const now = this.#clock();
    const { deadline } = record.at;
    if (!isLive(record.at, now)) return undefined;
    const moved = Math.min(deadline, Math.max(record.at.idle ?? 0, now + idle));
    const at = { ...record.at, idle: moved };
    return soon(this.#sealer.seal("idle", 1, encodeStamp(record.id, moved)), (text) => ({
      record: recordOf(record.id, record.content, at, now),
      cookies: [{ name: this.#stampName, value: prefixOf(this.#sealer.keyId, 1) + text }],
    }));
  }

  clear(cookies: Cookies): readonly CookieChange[] {
    return [{ name: this.#name, value: undefined }, ...this.#stale(cookies, 1, true)];
  }

  #piece(index: number): string {
    return `${this.#name}.${index}`;
  }

  get #stampName(): string {
    return `${this.#name}.idle`;
  }
}

function isLive(at: SealedRecord["at"], now: number): boolean {
  return now < at.deadline && (at.idle === undefined || now < at.idle);
}

function recordOf(
  id: string,
  content: SealedRecord["content"],
  at: SealedRecord["at"],
  now: number,
): SealedRecord {
  return {
    id,
    content,
    age: Math.max(0, now - at.created),
    deadlineIn: at.deadline - now,
    idleIn: at.idle === undefined ? undefined : at.idle - now,
    at,
  };
}

/** What comes of a value now, or of a promise later. */
function soon<A, B>(value: Soon<A>, then: (value: A) => Soon<B>): Soon<B> {
  return value instanceof Promise ? value.then(then) : then(value);
}

function refuse(message: string): never {
  throw new SessionError("invalid-option", message);
}
