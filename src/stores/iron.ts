/**
 * Sessions that iron-session sealed, opened for reading, so that a site can change to this package
 * without logging anybody out. Nothing is ever sealed in that format.
 *
 * A seal of iron 2 is eight parts with `*` between them:
 *
 *     Fe26.2  password id  salt  iv  ciphertext  expiry in ms, or nothing  salt of the MAC  MAC
 *
 * AES-256-CBC and HMAC-SHA256 over the first six parts; keys by PBKDF2-SHA1 with one iteration from
 * password and salt. iron-session puts `~2` behind it, which nothing authenticates and nothing reads.
 */
import { SessionError } from "../errors.ts";
import type {
  CookieChange,
  Cookies,
  Jar,
  Opened,
  Revocations,
  Sealed,
  SealedEngineMaker,
  SealedRecord,
  SealedStore,
  SealRequest,
  Soon,
} from "../sealed.ts";
import type { Abilities } from "../store.ts";
import { fromText, toText } from "./cookie-text.ts";

/** Options of `IronStore`: what was given to iron-session. */
export interface IronStoreOptions {
  /** The cookie's name, another one than that of the new cookie. */
  readonly cookieName: string;
  /** The password, or the passwords by their number. */
  readonly password: string | Readonly<Record<string, string>>;
  /** In milliseconds. Default `Date.now`. */
  readonly clock?: (() => number) | undefined;
}

/** iron-session takes at most this many cookies for one session. */
const mostChunks = 4;
const longest = mostChunks * 4096;
/** iron opens a seal for a minute longer than it says; so do we, that nobody is logged out early. */
const skew = 60_000;

/**
 * Another engine in whose place it is put, for the time of a migration. Requests that carry the new
 * cookie never reach iron-session's: it is opened only where there is none. The first change of such
 * a session seals it into the new cookie and deletes the old one; so does `destroy`.
 *
 * iron-session's cookie is deleted with the attributes of the new one: `path` and `domain` must be
 * those that it was set with (by default `/` and none). Take this engine away once the old cookies
 * have expired, 14 days after iron-session sealed the last one unless it was told otherwise.
 *
 * @example
 * ```ts
 * import { SessionManager } from "scs-session";
 * import { CookieStore } from "scs-session/stores/cookie";
 * import { IronStore } from "scs-session/stores/iron";
 *
 * const key = crypto.getRandomValues(new Uint8Array(32)); // keep it in your secrets
 * const cookies = new CookieStore({ keys: [{ id: "2026-11", key }], revocations: false });
 * export const sessions = new SessionManager({
 *   store: new IronStore(cookies, {
 *     cookieName: "app",
 *     password: "the password that iron-session had, of 32 characters or more",
 *   }),
 * });
 * ```
 */
export class IronStore implements SealedStore {
  readonly sealed = true;
  readonly #inner: SealedStore;
  readonly #reader: Reader;

  /** @throws {SessionError} `invalid-option`; no message repeats the password. */
  constructor(inner: SealedStore, options: IronStoreOptions) {
    if (inner?.sealed !== true) {
      refuse("IronStore takes the engine that new sessions go to: new CookieStore({ keys })");
    }
    const { cookieName, password, clock = Date.now } = options;
    if (typeof cookieName !== "string" || !/^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/.test(cookieName)) {
      refuse("cookieName must be the name of iron-session's cookie");
    }
    const passwords = typeof password === "string" ? { 1: password } : password;
    if (typeof passwords !== "object" || passwords === null) {
      refuse("password must be a string, or an object with passwords by their number");
    }
    const byId = new Map(Object.entries(passwords));
    for (const [id, secret] of byId) {
      if (typeof secret !== "string" || secret.length < 32) {
        refuse(`The password ${id} is shorter than the 32 characters that iron-session asks for`);
      }
    }
    this.#inner = inner;
    this.#reader = { cookieName, passwords: byId, clock };
  }

  get engine(): SealedEngineMaker {
    return this.#inner.engine;
  }

  get abilities(): Abilities {
    return this.#inner.abilities;
  }

  get chunks(): number {
    return this.#inner.chunks;
  }

  bind(cookie: string, manager: string, warn: (message: string) => void): Jar {
    if (cookie === this.#reader.cookieName) {
      refuse(`cookieName is ${cookie}, the name of the new cookie: give that another name`);
    }
    return new IronJar(this.#inner.bind(cookie, manager, warn), this.#reader);
  }

  async check(): Promise<void> {
    await this.#inner.check?.();
  }

  async close(): Promise<void> {
    await this.#inner.close?.();
  }
}

interface Reader {
  readonly cookieName: string;
  readonly passwords: ReadonlyMap<string, string>;
  readonly clock: () => number;
}

class IronJar implements Jar {
  readonly #inner: Jar;
  readonly #reader: Reader;

  constructor(inner: Jar, reader: Reader) {
    this.#inner = inner;
    this.#reader = reader;
  }

  get revocations(): Revocations | undefined {
    return this.#inner.revocations;
  }

  open(value: string | undefined, cookies: Cookies): Soon<Opened | undefined> {
    if (value !== undefined) return this.#inner.open(value, cookies);
    const seal = this.#gather(cookies);
    return seal === undefined ? undefined : openIron(seal, this.#reader);
  }

  /** The seal, from the one cookie or from numbered ones. */
  #gather(cookies: Cookies): string | undefined {
    const { cookieName } = this.#reader;
    let [seal] = cookies(cookieName);
    for (let i = 0; seal === undefined || i > 0; i++) {
      const part = i < mostChunks ? cookies(`${cookieName}.${i}`)[0] : undefined;
      if (part === undefined) break;
      seal = (seal ?? "") + part;
      if (i === mostChunks - 1) break;
    }
    return seal;
  }

  seal(request: SealRequest, cookies: Cookies): Soon<Sealed | undefined> {
    const sealed = this.#inner.seal(request, cookies);
    const add = (made: Sealed | undefined): Sealed | undefined =>
      made === undefined
        ? undefined
        : { ...made, cookies: [...made.cookies, ...this.#old(cookies)] };
    return sealed instanceof Promise ? sealed.then(add) : add(sealed);
  }

  /** A session in the old cookie has no idle expiry before its first change. */
  stamp(record: SealedRecord, idle: number): Soon<Sealed | undefined> {
    if (record.content instanceof Uint8Array) return this.#inner.stamp(record, idle);
    return { record, cookies: [] };
  }

  clear(cookies: Cookies): readonly CookieChange[] {
    return [...this.#inner.clear(cookies), ...this.#old(cookies)];
  }

  *#old(cookies: Cookies): Iterable<CookieChange> {
    const { cookieName } = this.#reader;
    const names = [cookieName];
    for (let i = 0; i < mostChunks; i++) names.push(`${cookieName}.${i}`);
    for (const name of names) {
      if (cookies(name).length > 0) yield { name, value: undefined };
    }
  }
}

const encoder = new TextEncoder();

async function openIron(value: string, reader: Reader): Promise<Opened> {
  if (value.length > longest) return { reason: "malformed" };
  const [seal = ""] = value.split("~", 1);
  const parts = seal.split("*");
  const [prefix, passwordId, salt, iv, text, expiry, macSalt, mac] = parts;
  if (parts.length !== 8 || prefix !== "Fe26.2" || passwordId === undefined) {
    return { reason: "malformed" };
  }
  const password = reader.passwords.get(passwordId);
  if (password === undefined) return { reason: "unknown-key" };
  const [macBytes, ivBytes, sealed] = [bytesOf(mac), bytesOf(iv), bytesOf(text)];
  if (macBytes === undefined || ivBytes?.length !== 16 || sealed === undefined) {
    return { reason: "malformed" };
  }
  const signed = encoder.encode(seal.slice(0, seal.lastIndexOf("*", seal.lastIndexOf("*") - 1)));
  const hmac = { name: "HMAC", hash: "SHA-256" };
  const macKey = await crypto.subtle.importKey(
    "raw",
    await derive(password, macSalt ?? ""),
    hmac,
    false,
    ["verify"],
  );
  if (!(await crypto.subtle.verify("HMAC", macKey, macBytes, signed))) {
    return { reason: "not-authentic" };
  }
  const now = reader.clock();
  const deadline = expiry === "" ? undefined : Number(expiry) + skew;
  if (deadline !== undefined && !(now < deadline)) return { reason: "expired" };
  const values = await decrypt(await derive(password, salt ?? ""), ivBytes, sealed);
  if (values === undefined) return { reason: "malformed" };
  return { record: await recordOf(seal, values, deadline, now) };
}

async function derive(password: string, salt: string): Promise<ArrayBuffer> {
  const key = await crypto.subtle.importKey("raw", encoder.encode(password), "PBKDF2", false, [
    "deriveBits",
  ]);
  return crypto.subtle.deriveBits(
    { name: "PBKDF2", hash: "SHA-1", salt: encoder.encode(salt), iterations: 1 },
    key,
    256,
  );
}

async function decrypt(
  raw: ArrayBuffer,
  iv: Uint8Array<ArrayBuffer>,
  sealed: Uint8Array<ArrayBuffer>,
): Promise<Readonly<Record<string, unknown>> | undefined> {
  try {
    const key = await crypto.subtle.importKey("raw", raw, "AES-CBC", false, ["decrypt"]);
    const plain = await crypto.subtle.decrypt({ name: "AES-CBC", iv }, key, sealed);
    const value: unknown = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(plain));
    if (typeof value !== "object" || value === null || Array.isArray(value)) return undefined;
    return value as Record<string, unknown>;
  } catch {
    return undefined;
  }
}

/** The id is the seal's own hash, so that a revocation list knows it again. */
async function recordOf(
  seal: string,
  values: Readonly<Record<string, unknown>>,
  deadline: number | undefined,
  now: number,
): Promise<SealedRecord> {
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", encoder.encode(seal)));
  return {
    id: toText(hash.subarray(0, 18)),
    content: values,
    age: 0,
    deadlineIn: deadline === undefined ? undefined : deadline - now,
    idleIn: undefined,
    // When it was issued nobody knows: a not-before time that is set at all ends it.
    at: {
      created: now,
      issued: 0,
      deadline: deadline ?? Number.MAX_SAFE_INTEGER,
      idle: undefined,
    },
  };
}

/** base64url without padding, of any length; undefined also where unused bits are set. */
function bytesOf(text: string | undefined): Uint8Array<ArrayBuffer> | undefined {
  if (text === undefined || text === "" || text.length % 4 === 1) return undefined;
  const missing = (4 - (text.length % 4)) % 4;
  const bytes = fromText(text + "A".repeat(missing));
  const end = (bytes?.length ?? 0) - missing;
  if (bytes === undefined || bytes.subarray(end).some((byte) => byte !== 0)) return undefined;
  return new Uint8Array(bytes.subarray(0, end));
}

function refuse(message: string): never {
  throw new SessionError("invalid-option", message);
}
