/** The ring of keys: checked, in order, the first one seals. */
import { SessionError } from "../errors.ts";
import { DerivedKeys } from "./cookie-derived.ts";
import { type Crypto, keyLength } from "./cookie-xaes.ts";

/** One key of the ring. */
export interface CookieKey {
  /** Stands in every cookie, so that the right key is tried and no other. At most 32 of `A-Za-z0-9_-`. */
  readonly id: string;
  /**
   * 32 random bytes, or a secret of at least 32 bytes (text, or more than 32 bytes), which is stretched with
   * HKDF-SHA256.
   */
  readonly key: string | Uint8Array;
  /** When the key retires: from then on it opens nothing. Default: never. Not for the first key. */
  readonly until?: Date | undefined;
}

/** A key that must not be used any more: what it sealed is refused, and reported as such. */
export interface RevokedKey {
  readonly id: string;
  readonly revoked: true;
}

/** A key that works. */
export interface RingKey {
  readonly id: string;
  readonly keys: DerivedKeys;
  /** In ms since 1970; Infinity when it does not retire. */
  readonly until: number;
}

/** All keys by id; undefined for one that was revoked. */
export interface Ring {
  readonly first: RingKey;
  readonly byId: ReadonlyMap<string, RingKey | undefined>;
}

const idShape = /^[A-Za-z0-9_-]{1,32}$/;
const mostKeys = 32;
/**
 * What random keys never fall below, 16 bytes in hex included: estimated bits, and different pairs of
 * neighbours (they have 29 of 31, give or take one).
 */
const leastBits = 80;
const leastPairs = 20;
const encoder = new TextEncoder();

/** Secrets that stand in other projects' documentation. */
const published =
  /complex_password_at_least_32|keyboard cat|change.?(?:me|this)|your.{0,3}(?:secret|password|key)|(?:secret|password).{0,3}(?:here|goes)|at.?least.?32/i;

/** @throws {SessionError} `invalid-option`, which never repeats a key. */
export function ringOf(keys: readonly (CookieKey | RevokedKey)[], crypto: Crypto): Ring {
  if (!Array.isArray(keys) || keys.length === 0) {
    refuse(
      'keys must hold at least one { id, key }, the newest first, e.g. [{ id: "2026-11", key }]',
    );
  }
  if (keys.length > mostKeys) refuse(`keys holds ${keys.length} keys; at most ${mostKeys}`);
  const byId = new Map<string, RingKey | undefined>();
  const seen = new Map<string, string>();
  for (const [index, given] of (keys as readonly unknown[]).entries()) {
    if (typeof given !== "object" || given === null) refuse(`keys[${index}] must be { id, key }`);
    const { id, key, until, revoked } = given as Partial<CookieKey & { revoked: unknown }>;
    if (typeof id !== "string" || !idShape.test(id)) {
      refuse(`keys[${index}].id must be 1 to 32 characters of A-Z a-z 0-9 _ -, such as "2026-11"`);
    }
    if (byId.has(id)) refuse(`keys holds the id ${id} twice: give every key an id of its own`);
    if (revoked === true) {
      if (index === 0) refuse(`The first key, ${id}, is revoked: put a new key before it`);
      byId.set(id, undefined);
      continue;
    }
    if (revoked !== undefined) refuse(`The key ${id} may have revoked: true, or no revoked`);
    const { bytes, stretch } = materialOf(key, id);
    const text = bytes.join();
    const other = seen.get(text);
    if (other !== undefined) refuse(`The keys ${other} and ${id} are the same: make a new one`);
    seen.set(text, id);
    const retires = retirementOf(until, id, index === 0);
    const cipher = stretch ? crypto.secret(bytes) : crypto.key(bytes);
    byId.set(id, { id, keys: new DerivedKeys(cipher), until: retires });
  }
  const [first] = byId.values();
  return { first: first as RingKey, byId };
}

function retirementOf(until: unknown, id: string, first: boolean): number {
  if (until === undefined) return Number.POSITIVE_INFINITY;
  if (first) refuse(`The first key, ${id}, seals, and cannot have until: put a new key before it`);
  if (until instanceof Date && !Number.isNaN(until.getTime())) return until.getTime();
  return refuse(`until of the key ${id} must be a Date`);
}

const advice = "make one with: node -p \"crypto.randomBytes(32).toString('base64url')\"";

function materialOf(key: unknown, id: string): { bytes: Uint8Array; stretch: boolean } {
  if (typeof key === "string") {
    const bytes = encoder.encode(key);
    if (bytes.length < keyLength) {
      refuse(`The secret of key ${id} has ${bytes.length} bytes; it needs 32 or more: ${advice}`);
    }
    const symbols = Array.from(key, (char) => char.codePointAt(0) ?? 0);
    if (isGuessable(symbols) || published.test(key)) {
      refuse(`The secret of key ${id} is too easy to guess (not random): ${advice}`);
    }
    return { bytes, stretch: true };
  }
  if (!(key instanceof Uint8Array)) {
    return refuse(`The key ${id} must be a Uint8Array of 32 bytes or a string, not ${typeof key}`);
  }
  if (key.length < keyLength) {
    refuse(`The key ${id} has ${key.length} bytes; it needs 32: ${advice}`);
  }
  // A copy: what the caller does to its array later must not matter.
  const bytes = new Uint8Array(key);
  if (bytes.length === keyLength && bytes.every((byte) => byte >= 0x20 && byte < 0x7f)) {
    // Once in 2^45 for random bytes.
    refuse(`The key ${id} is text in 32 bytes: give it as a string, which is stretched`);
  }
  if (isGuessable(bytes)) refuse(`The key ${id} is not random: ${advice}`);
  return { bytes, stretch: bytes.length > keyLength };
}

function isGuessable(symbols: ArrayLike<number>): boolean {
  const all = Array.from(symbols);
  const pairs = new Set(all.slice(1).map((symbol, i) => `${all[i] ?? 0} ${symbol}`));
  return bits(all) < leastBits || pairs.size < leastPairs;
}

/**
 * A bound from above, coarse on purpose: the length of the shortest unit whose repetition it is, times
 * Shannon's entropy of the symbols, or of the steps between them, whichever is less. Random keys are
 * far above the limit; `aaaa`, `12345678`, a repeated word and 0, 1, 2, 3 are below it.
 */
function bits(all: readonly number[]): number {
  const unit = all.slice(0, periodOf(all));
  const steps = unit.slice(1).map((symbol, i) => symbol - (unit[i] ?? 0));
  return unit.length * Math.min(entropy(unit), steps.length === 0 ? 0 : entropy(steps));
}

function periodOf(symbols: readonly number[]): number {
  for (let period = 1; period < symbols.length; period++) {
    if (symbols.every((symbol, i) => i < period || symbol === symbols[i - period])) return period;
  }
  return symbols.length;
}

function entropy(symbols: readonly number[]): number {
  const counts = new Map<number, number>();
  for (const symbol of symbols) counts.set(symbol, (counts.get(symbol) ?? 0) + 1);
  let sum = 0;
  for (const count of counts.values()) sum -= count * Math.log2(count / symbols.length);
  return sum / symbols.length;
}

function refuse(message: string): never {
  throw new SessionError("invalid-option", message);
}
