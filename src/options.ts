/** User options become checked, frozen settings. The only home of defaults. */
import {
  boolean,
  callback,
  domain,
  duration,
  headerName,
  path,
  read,
  refuse,
  service,
  show,
  size,
  token,
  type Duration,
  type Size,
} from "./check.ts";
import { defaultCodec, type Codec } from "./codec.ts";
import type { CookieAttributes, SameSite } from "./cookie.ts";
import type { SessionEvent } from "./events.ts";
import { refuseContradictions } from "./prefix.ts";
import { isSealed, type SealedStore } from "./sealed.ts";
import type { Store } from "./store.ts";
import { warnOnce } from "./warn.ts";

export type { Duration, Size } from "./check.ts";
export type { SameSite } from "./cookie.ts";

/** Attributes of the session cookie. Contradictions, by which browsers would drop it, are refused. */
export interface CookieOptions {
  /**
   * Default `"__Host-Http-session"`, or `"session"` in development. The prefix makes the browser
   * refuse a cookie of this name that a script or a sibling subdomain made. An RFC 9110 token.
   */
  readonly name?: string | undefined;
  /** Default `"/"`. Another one needs a `name` without `__Host-`; it is no security boundary. */
  readonly path?: string | undefined;
  /** Default none: this host only. With one, all subdomains get the cookie; needs a `name` without `__Host-`. */
  readonly domain?: string | undefined;
  /** Default true: scripts cannot read the cookie. */
  readonly httpOnly?: boolean | undefined;
  /** Default true, or false in development: sent over HTTPS only. */
  readonly secure?: boolean | undefined;
  /** Default `"lax"`: other sites' requests carry the cookie only on top-level navigation by GET. */
  readonly sameSite?: SameSite | undefined;
  /** Default true: the cookie outlives the browser (`Max-Age`); `session.rememberMe` changes it per session. */
  readonly persist?: boolean | undefined;
  /** Default false: a separate cookie per embedding site (CHIPS). Needs `secure`. */
  readonly partitioned?: boolean | undefined;
}

/** Encrypts records at rest. */
export interface Sealer {
  /** `id` is the session's public id: bind it in, so that two records cannot be swapped. */
  seal(bytes: Uint8Array, id: string): Uint8Array | Promise<Uint8Array>;
  /**
   * What was sealed under this id. Undefined when the bytes are not authentic: the record is
   * damaged, which is no session. Throw when the key is unknown or out of reach: that is a 503, and
   * the record stays.
   */
  open(bytes: Uint8Array, id: string): Uint8Array | undefined | Promise<Uint8Array | undefined>;
}

/** What is used of an `AsyncLocalStorage`; one of each manager's own, or shared between managers. */
export interface RequestContext {
  /** Calls `work`, in which and after which, also asynchronously, `getStore()` gives `request`. */
  run<R>(request: object, work: () => R): R;
  getStore(): object | undefined;
}

/** Where the token travels. */
export type Transport = "cookie" | { readonly header: string };

/**
 * Options of a `SessionManager`. `D` is the manager's type of session data; no option depends on it
 * so far.
 *
 * @example
 * ```ts
 * import { MemoryStore } from "scs-session/stores/memory";
 * import type { Options } from "scs-session";
 *
 * export const options: Options = {
 *   store: new MemoryStore(),
 *   lifetime: "12h",
 *   idleTimeout: "30m",
 *   cookie: { name: "__Secure-session", domain: "example.com" },
 * };
 * ```
 */
export interface Options<_D extends object = Record<string, unknown>> {
  /** The engine that keeps the records, or seals them into cookies. */
  readonly store: Store | SealedStore;
  /**
   * Names this manager's records and is bound into its tokens, so that several managers can share
   * one engine. An RFC 9110 token of at most 128 characters. Default: the name of the cookie or
   * header. Changing it ends all sessions.
   */
  readonly name?: string | undefined;
  /** Absolute timeout, counted from creation or renewal. Milliseconds, or `s`, `m`, `h`, `d`. Default `"24h"`, at most 36500 days. */
  readonly lifetime?: Duration | undefined;
  /** Inactivity timeout, shorter than `lifetime`. Default: none. */
  readonly idleTimeout?: Duration | undefined;
  /**
   * The idle expiry moves at most this often, so a session ends between `idleTimeout -
   * touchInterval` and `idleTimeout` after its last use. Shorter than `idleTimeout`, and only with
   * one. Default: a tenth of `idleTimeout`, at most one minute.
   */
  readonly touchInterval?: Duration | undefined;
  /** The cookie's attributes; not together with a `transport` of `{ header }`. */
  readonly cookie?: CookieOptions | undefined;
  /**
   * Default false. True drops `Secure` and the name's prefix, for browsers that refuse such cookies
   * on `http://localhost` (Safari). Nothing is inferred from the request or the environment.
   */
  readonly development?: boolean | undefined;
  /** Turns one value into bytes and back, synchronously. Default: `defaultCodec`. */
  readonly codec?: Codec | undefined;
  /** Encrypts whole records. Default: none. */
  readonly sealer?: Sealer | undefined;
  /** Default `"cookie"`. `{ header: name }`: the token comes in that request header and goes in the response header of that name. */
  readonly transport?: Transport | undefined;
  /** How long `load` or a commit may take in the engine before it fails with 503. Default `"2s"`, at most 24 days. */
  readonly storeTimeout?: Duration | undefined;
  /** Most bytes of one encoded session, above which `set` or the commit throws `too-large`. Bytes, or `b`, `kb`, `mb` (1024). Default `"64kb"`. */
  readonly maxSize?: Size | undefined;
  /** Called with everything worth logging. Default: the first warning or error of each type goes to `console`, and all that handlers throw. */
  readonly onEvent?: ((event: SessionEvent) => void) | undefined;
  /** Makes the error response in place of the adapter's. Default: a plain page with the error's status. */
  readonly onError?: ((error: unknown, request: unknown, response: unknown) => unknown) | undefined;
  /** Makes `sessions.current()` work: `new AsyncLocalStorage()` of `node:async_hooks`. Default: none. */
  readonly context?: RequestContext | undefined;
  /** The current time in milliseconds since 1970, for tests. Default `Date.now`. */
  readonly clock?: (() => number) | undefined;
}

/** What the rest of the package works with: checked, complete, frozen. Times in milliseconds, sizes in bytes. */
export interface Settings {
  readonly store: Store | SealedStore;
  readonly name: string;
  readonly lifetime: number;
  readonly idleTimeout: number | undefined;
  /** 0 without an idle timeout. */
  readonly touchInterval: number;
  readonly cookie: CookieAttributes;
  readonly persist: boolean;
  readonly transport:
    | { readonly kind: "cookie" }
    | {
        readonly kind: "header";
        /** In lower case. */
        readonly name: string;
      };
  readonly codec: Codec;
  readonly sealer: Sealer | undefined;
  readonly storeTimeout: number;
  readonly maxSize: number;
  readonly onEvent: (event: SessionEvent) => void;
  readonly onError: Options["onError"];
  readonly context: RequestContext | undefined;
  readonly clock: () => number;
  readonly development: boolean;
}

const defaults = {
  lifetime: "24h",
  touchInterval: 60_000,
  storeTimeout: "2s",
  maxSize: "64kb",
  cookieName: "__Host-Http-session",
  developmentName: "session",
  path: "/",
  sameSite: "lax",
} as const;

/** The longest delay of a timer: a longer one fires at once, on every runtime. 24.8 days. */
const LONGEST_TIMER = 2_147_483_647;

// Written as records so that the compiler compares them with the interfaces.
const known: Record<keyof Options, true> = {
  store: true,
  name: true,
  lifetime: true,
  idleTimeout: true,
  touchInterval: true,
  cookie: true,
  development: true,
  codec: true,
  sealer: true,
  transport: true,
  storeTimeout: true,
  maxSize: true,
  onEvent: true,
  onError: true,
  context: true,
  clock: true,
};
const knownOfCookie: Record<keyof CookieOptions, true> = {
  name: true,
  path: true,
  domain: true,
  httpOnly: true,
  secure: true,
  sameSite: true,
  persist: true,
  partitioned: true,
};

/** What other libraries call it. */
const hints = {
  secret: "tokens are random and need no secret; leave it out",
  maxAge: 'write lifetime, for example "24h"',
  ttl: 'write lifetime, for example "24h"',
  rolling: "write idleTimeout for a timeout that moves with use",
  resave: "nothing is written when nothing changed; leave it out",
  saveUninitialized: "nothing is stored before the first change; leave it out",
} as const;
const hintsOfCookie = {
  maxAge: "the cookie lasts as long as the session; write lifetime beside cookie",
  expires: "the cookie lasts as long as the session; write lifetime beside cookie",
  signed: "tokens are random and need no signature; leave it out",
} as const;

/**
 * Checks the options and fills in the defaults. Each option is read once.
 *
 * @throws {SessionError} `invalid-option`, with a message that says the fix.
 */
export function settle(options: Options): Settings {
  const given = read(options, known, "options", hints);
  const development = boolean(given.development, "development", false);
  const transport = settleTransport(given.transport);
  const { attributes, persist } = settleCookie(given.cookie, development, transport.kind);
  const name = transport.kind === "header" ? transport.name : attributes.name;
  const times = settleTimes(given.lifetime, given.idleTimeout, given.touchInterval);
  const store = settleStore(given.store);
  if (isSealed(store)) {
    if (transport.kind === "header") {
      refuse(
        "transport { header } does not fit a store that keeps sessions in cookies: leave it out",
      );
    }
    if (attributes.partitioned && store.chunks > 2) {
      refuse(
        "cookie.partitioned does not fit a store with chunks 3: browsers keep 10 240 bytes of partitioned cookies per site; give it chunks 2",
      );
    }
    if (given.sealer !== undefined) {
      refuse("sealer has no effect with a store that seals sessions into cookies: leave it out");
    }
  }
  return Object.freeze({
    store,
    name: given.name === undefined ? name : token(given.name, "name"),
    ...times,
    cookie: attributes,
    persist,
    transport,
    codec:
      given.codec === undefined
        ? defaultCodec
        : service<Codec>(given.codec, "codec", ["encode", "decode"]),
    sealer:
      given.sealer === undefined
        ? undefined
        : service<Sealer>(given.sealer, "sealer", ["seal", "open"]),
    storeTimeout: duration(
      or(given.storeTimeout, defaults.storeTimeout),
      "storeTimeout",
      LONGEST_TIMER,
    ),
    maxSize: size(or(given.maxSize, defaults.maxSize), "maxSize"),
    onEvent: callback<Settings["onEvent"]>(given.onEvent, "onEvent") ?? warnOnce(),
    onError: callback<NonNullable<Settings["onError"]>>(given.onError, "onError"),
    context:
      given.context === undefined
        ? undefined
        : service<RequestContext>(given.context, "context", ["run", "getStore"]),
    clock: callback<Settings["clock"]>(given.clock, "clock") ?? (() => Date.now()),
    development,
  });
}

/** Only undefined means "not given": null is a mistake, not a wish for the default. */
function or(value: unknown, fallback: unknown): unknown {
  return value === undefined ? fallback : value;
}

function settleStore(value: unknown): Store | SealedStore {
  if (value === undefined) {
    refuse(
      'store is missing: pass an engine, for example new MemoryStore() from "scs-session/stores/memory"',
    );
  }
  const methods = ["load", "create", "update", "touch", "destroy"] as const;
  const store =
    typeof value === "object" && value !== null && isSealed(value)
      ? service<SealedStore>(value, "store", ["bind", "engine"], ["check", "close"])
      : service<Store>(value, "store", methods, ["iterate", "check", "close"]);
  const abilities: unknown = store.abilities;
  if (typeof abilities !== "object" || abilities === null) {
    refuse(`store.abilities must be an object, not ${show(abilities)}`);
  }
  const guarantees: unknown = store.abilities.guarantees;
  if (!Array.isArray(guarantees)) {
    refuse(`store.abilities.guarantees must be an array, such as ["G3"], not ${show(guarantees)}`);
  }
  return store;
}

function settleTimes(
  lifetimeGiven: unknown,
  idleGiven: unknown,
  touchGiven: unknown,
): Pick<Settings, "lifetime" | "idleTimeout" | "touchInterval"> {
  const lifetime = duration(or(lifetimeGiven, defaults.lifetime), "lifetime");
  if (idleGiven === undefined) {
    if (touchGiven !== undefined)
      refuse("touchInterval has no effect without idleTimeout: set both or neither");
    return { lifetime, idleTimeout: undefined, touchInterval: 0 };
  }
  const idleTimeout = duration(idleGiven, "idleTimeout");
  if (idleTimeout >= lifetime) {
    refuse(
      `idleTimeout (${show(idleGiven)}) must be shorter than lifetime (${show(or(lifetimeGiven, defaults.lifetime))}), ` +
        "since the session ends at whichever comes first: shorten idleTimeout or lengthen lifetime",
    );
  }
  if (touchGiven === undefined) {
    return {
      lifetime,
      idleTimeout,
      touchInterval: Math.min(Math.floor(idleTimeout / 10), defaults.touchInterval),
    };
  }
  const touchInterval = duration(touchGiven, "touchInterval");
  if (touchInterval >= idleTimeout) {
    refuse(
      `touchInterval (${show(touchGiven)}) must be shorter than idleTimeout (${show(idleGiven)}), ` +
        "or sessions in use would end: leave it out for a tenth of idleTimeout",
    );
  }
  return { lifetime, idleTimeout, touchInterval };
}

function settleTransport(value: unknown): Settings["transport"] {
  if (value === undefined || value === "cookie") return Object.freeze({ kind: "cookie" });
  if (typeof value !== "object" || value === null) {
    refuse(`transport must be "cookie" or { header: name }, not ${show(value)}`);
  }
  const header = read(value, { header: true }, "transport").header;
  const name = headerName(header, "transport.header");
  return Object.freeze({ kind: "header", name });
}

function settleCookie(
  value: unknown,
  development: boolean,
  transport: "cookie" | "header",
): { readonly attributes: CookieAttributes; readonly persist: boolean } {
  const given = read(value === undefined ? {} : value, knownOfCookie, "cookie", hintsOfCookie);
  if (transport === "header" && Object.values(given).some((option) => option !== undefined)) {
    refuse(
      "cookie options have no effect with transport { header }: leave out cookie or transport",
    );
  }
  if (development && given.secure === true) {
    refuse("development drops Secure, but cookie.secure is true: leave out one of them");
  }
  const sameSite = or(given.sameSite, defaults.sameSite);
  if (sameSite !== "lax" && sameSite !== "strict" && sameSite !== "none") {
    refuse(`cookie.sameSite must be "lax", "strict" or "none", not ${show(sameSite)}`);
  }
  const name = development ? defaults.developmentName : defaults.cookieName;
  const attributes = Object.freeze({
    name: given.name === undefined ? name : token(given.name, "cookie.name"),
    path: given.path === undefined ? defaults.path : path(given.path, "cookie.path"),
    domain: given.domain === undefined ? undefined : domain(given.domain, "cookie.domain"),
    httpOnly: boolean(given.httpOnly, "cookie.httpOnly", true),
    secure: boolean(given.secure, "cookie.secure", !development),
    sameSite,
    partitioned: boolean(given.partitioned, "cookie.partitioned", false),
  });
  refuseContradictions(attributes, given.name === undefined, development);
  return { attributes, persist: boolean(given.persist, "cookie.persist", true) };
}
