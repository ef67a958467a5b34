/**
 * Values to bytes, in one walk: it checks, finds repeated references and writes at the same time, so
 * every property, accessors included, is read exactly once and nothing can change between a check
 * and its use. `JSON.stringify` behind a checking walk was slower (docs/decisions/0002-codec.md).
 *
 * The text is JSON. What JSON lacks is an array that starts with a mark, a string with "~" in front:
 *
 *     ["~u"] undefined   ["~N"] NaN   ["~+"] Infinity   ["~-"] -Infinity   ["~z"] -0
 *     ["~n", hex] BigInt      ["~d", ms or null] Date      ["~l", href] URL
 *     ["~m", key, value, ...] Map        ["~s", member, ...] Set
 *     ["~b", type, base64] bytes         ["~r", n] the n-th object of this value, in order of writing
 *     ["~a", "~...", ...] an array that happens to start with a string that looks like a mark
 *
 * Text without any mark needs no second pass when read; the caller's tag byte tells.
 */
import { SessionError } from "./errors.ts";
import { bytesOf, describe, kindOf, natives } from "./kinds.ts";
import { TokenWriter } from "./tokens.ts";

/** Deeper values are refused: the reader's stack stays bounded too. */
export const maxDepth = 500;

/** What was refused and where, for messages that are completed by who knows the key. */
export interface Refusal {
  readonly what: string;
  readonly path: string;
}

const refusals = new WeakMap<object, Refusal>();

/** What an error of this module refused; undefined for all other errors. */
export function refusalOf(error: unknown): Refusal | undefined {
  return typeof error === "object" && error !== null ? refusals.get(error) : undefined;
}

/** The error for a value that cannot be stored. */
export function refuse(refusal: Refusal, options?: { readonly cause: unknown }): SessionError {
  const at = refusal.path === "" ? "" : ` at "${refusal.path}"`;
  const error = new SessionError("unencodable", `Cannot store ${refusal.what}${at}`, options);
  refusals.set(error, refusal);
  return error;
}

/** A position in a path: a property, an index, or a place in a Map or Set. */
type Step = string | number | { readonly place: string };

// Up to this many objects a scan finds a repeated reference faster than a Map does.
const scanned = 64;

const hasOwn = Object.prototype.hasOwnProperty;

/** Writes values. One value at a time: a getter that encodes something else needs another writer. */
export class ValueWriter extends TokenWriter {
  /** Whether a mark was written since the last `reset`. */
  marked = false;
  private readonly path: Step[] = [];
  private seen: (object | undefined)[] = [];
  private seenCount = 0;
  private index: Map<object, number> | undefined;

  /** Forgets every reference to the value, so that nothing is kept alive. */
  reset(): void {
    this.marked = false;
    if (this.seenCount > scanned) this.seen = [];
    else for (let i = 0; i < this.seenCount; i++) this.seen[i] = undefined;
    this.seenCount = 0;
    this.index = undefined;
    this.release();
  }

  /** Any value. `depth` is the number of objects around it. */
  value(value: unknown, position: number, depth: number): number {
    let at = position > this.limit ? this.ensure(position, 0) : position;
    switch (typeof value) {
      case "string":
        return this.string(value, at);
      case "number":
        return this.number(value, at);
      case "object":
        if (value !== null) return this.object(value, at, depth);
        return this.ascii("null", at);
      case "boolean":
        return this.ascii(value ? "true" : "false", at);
      case "undefined":
        return this.mark('["~u"]', at);
      case "bigint":
        at = this.mark('["~n",', at);
        at = this.string(value < 0n ? `-${(-value).toString(16)}` : value.toString(16), at);
        return this.ascii("]", at);
      default:
        throw this.refuse(`a ${typeof value}`, depth);
    }
  }

  private object(value: object, at: number, depth: number): number {
    const known = this.register(value);
    if (known >= 0) return this.ascii(`${known}]`, this.mark('["~r",', at));
    if (depth >= maxDepth) throw this.refuse(`a value nested deeper than ${maxDepth} levels`, 3);
    const prototype: unknown = Object.getPrototypeOf(value);
    if (prototype === Object.prototype || prototype === null) return this.plain(value, at, depth);
    if (prototype === Array.prototype && Array.isArray(value)) return this.array(value, at, depth);
    return this.rich(value, at, depth);
  }

  /** The number under which an object was written before, or -1 the first time. */
  private register(value: object): number {
    const { seen, seenCount: count } = this;
    if (count <= scanned) {
      for (let i = 0; i < count; i++) if (seen[i] === value) return i;
      seen[count] = value;
    } else {
      const index = (this.index ??= new Map(
        seen.slice(0, count).map((one, i) => [one as object, i]),
      ));
      const known = index.get(value);
      if (known !== undefined) return known;
      index.set(value, count);
    }
    this.seenCount = count + 1;
    return -1;
  }

  private plain(value: object, position: number, depth: number): number {
    if (Object.getOwnPropertySymbols(value).length > 0) this.refuseSymbols(value, depth);
    let at = position;
    this.bytes[at++] = 0x7b;
    let empty = true;
    for (const key in value) {
      // Something may have made a property of Object.prototype enumerable.
      if (!hasOwn.call(value, key)) continue;
      this.path[depth] = key;
      if (empty) empty = false;
      else this.bytes[at++] = 0x2c;
      at = this.string(key, at);
      this.bytes[at++] = 0x3a;
      at = this.value((value as Record<string, unknown>)[key], at, depth + 1);
    }
    if (at > this.limit) at = this.ensure(at, 0);
    this.bytes[at++] = 0x7d;
    return at;
  }

  private array(value: readonly unknown[], position: number, depth: number): number {
    let at = position;
    this.bytes[at++] = 0x5b;
    const { length } = value;
    for (let i = 0; i < length; i++) {
      const item = value[i];
      this.path[depth] = i;
      if (i > 0) this.bytes[at++] = 0x2c;
      else if (typeof item === "string" && item.charCodeAt(0) === 0x7e) at = this.mark('"~a",', at);
      // A hole is refused where it is found: an array of a billion holes costs nothing.
      if (item === undefined && !(i in value)) {
        throw this.refuse("a hole in a sparse array (store undefined, or use a Map)", depth + 1);
      }
      at = this.value(item, at, depth + 1);
    }
    if (at > this.limit) at = this.ensure(at, 0);
    this.bytes[at++] = 0x5d;
    return at;
  }

  private rich(value: object, position: number, depth: number): number {
    const kind = kindOf(value);
    let at = position;
    switch (kind) {
      case "object":
        return this.plain(value, at, depth);
      case "array":
        return this.array(value as unknown[], at, depth);
      case "date": {
        const time = natives.time.call(value);
        return this.ascii(Number.isNaN(time) ? "null]" : `${time}]`, this.mark('["~d",', at));
      }
      case "url":
        at = this.string(natives.href.call(value), this.mark('["~l",', at));
        return this.ascii("]", at);
      case "map": {
        at = this.mark('["~m"', at);
        let i = 0;
        for (const [key, item] of natives.entries.call(value)) {
          at = this.member(key, at, depth, `<map key ${i}>`);
          at = this.member(item, at, depth, `<map value ${i++}>`);
        }
        return this.ascii("]", at);
      }
      case "set": {
        at = this.mark('["~s"', at);
        let i = 0;
        for (const item of natives.values.call(value)) {
          at = this.member(item, at, depth, `<set value ${i++}>`);
        }
        return this.ascii("]", at);
      }
      case undefined:
        throw this.refuse(describe(value), depth);
      default: {
        const bytes = bytesOf(value);
        if (bytes === undefined) throw this.refuse("a detached ArrayBuffer", depth);
        at = this.string(base64(bytes), this.ascii(`"${kind}",`, this.mark('["~b",', at)));
        return this.ascii("]", at);
      }
    }
  }

  private member(value: unknown, at: number, depth: number, place: string): number {
    this.path[depth] = { place };
    return this.value(value, this.ascii(",", at), depth + 1);
  }

  private mark(text: string, at: number): number {
    this.marked = true;
    return this.ascii(text, at);
  }

  private number(value: number, at: number): number {
    if (Number.isFinite(value) && !Object.is(value, -0)) return this.finite(value, at);
    const name = value > 0 ? "+" : value < 0 ? "-" : value === 0 ? "z" : "N";
    return this.mark(`["~${name}"]`, at);
  }

  private refuseSymbols(value: object, depth: number): void {
    // Symbols that are not enumerable are other people's bookkeeping, as with all properties.
    const keys = Object.getOwnPropertySymbols(value);
    if (keys.some((key) => Object.prototype.propertyIsEnumerable.call(value, key))) {
      throw this.refuse("an object with a symbol key", depth);
    }
  }

  private refuse(what: string, depth: number): SessionError {
    return refuse({ what, path: pathOf(this.path.slice(0, depth)) });
  }
}

/** Base64 by what every runtime has; in pieces, since arguments of one call are limited. */
function base64(bytes: Uint8Array): string {
  let binary = "";
  for (let i = 0; i < bytes.length; i += 8192) {
    binary += String.fromCharCode(...bytes.subarray(i, i + 8192));
  }
  return btoa(binary);
}

/** Names in a message are shortened: it must stay readable, and hold no data to speak of. */
function pathOf(steps: readonly Step[]): string {
  let path = "";
  for (const step of steps) {
    if (typeof step === "number") path += `[${step}]`;
    else if (typeof step === "object") path += path === "" ? step.place : `.${step.place}`;
    else if (/^[\p{L}_$][\p{L}\p{N}_$]{0,39}$/u.test(step)) path += path === "" ? step : `.${step}`;
    else path += `[${JSON.stringify(step.length > 40 ? `${step.slice(0, 40)}…` : step)}]`;
  }
  return path.length > 200 ? `${path.slice(0, 200)}…` : path;
}
