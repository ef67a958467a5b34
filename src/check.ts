/**
 * Checks of single option values. Each returns the checked value or throws `invalid-option` with a
 * message that names the option, what it holds and what to write instead.
 */
import { SessionError } from "./errors.ts";

/** A length of time: milliseconds, or a number with its unit, such as `"90s"`, `"20m"`, `"1.5h"`, `"30d"`. */
export type Duration = number | `${number}${"s" | "m" | "h" | "d"}`;

/** A size: bytes, or a number with its unit of 1024, such as `"64kb"`. */
export type Size = number | `${number}${"b" | "kb" | "mb"}`;

/** Throws `invalid-option`. */
export function refuse(message: string): never {
  throw new SessionError("invalid-option", message);
}

/** `value` for a message: short, on one line, ASCII, without the inside of objects (they hold keys). */
export function show(value: unknown): string {
  if (typeof value === "function") return "a function";
  if (Array.isArray(value)) return "an array";
  if (typeof value === "object" && value !== null) return "an object";
  if (typeof value !== "string") return String(value);
  const text = JSON.stringify(value.length > 40 ? `${value.slice(0, 40)}…` : value);
  // Lone surrogates and C1 controls too: a message may reach a terminal or a log of one line each.
  return text.replace(
    /[^\x20-\x7e]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/**
 * The named options of `given`, each read once (a getter cannot show one value to the check and
 * another to the manager). Unknown names are refused: a misspelt `secure` must not go unnoticed.
 */
export function read<K extends string>(
  given: unknown,
  known: Readonly<Record<K, unknown>>,
  where: string,
  hints: Readonly<Record<string, string>> = {},
): Record<K, unknown> {
  if (typeof given !== "object" || given === null || Array.isArray(given)) {
    refuse(`${where} must be an object, not ${show(given)}`);
  }
  const prefix = where === "options" ? "" : `${where}.`;
  for (const key of Object.keys(given)) {
    if (Object.hasOwn(known, key)) continue;
    const hint = Object.hasOwn(hints, key) ? hints[key] : undefined;
    const near = nearest(key, Object.keys(known));
    const fix =
      hint ??
      (near === undefined
        ? `known are ${Object.keys(known).join(", ")}`
        : `did you mean ${prefix}${near}?`);
    refuse(`${show(prefix + key)} is not an option: ${fix}`);
  }
  const source = given as Readonly<Record<string, unknown>>;
  const values = Object.create(null) as Record<K, unknown>;
  for (const key of Object.keys(known) as K[]) values[key] = source[key];
  return values;
}

/** The name that a misspelt one most likely stands for, if any is close. */
function nearest(wrong: string, names: readonly string[]): string | undefined {
  let best: string | undefined;
  let least = 3;
  if (wrong.length > 40) return undefined;
  for (const name of names) {
    const steps = distance(wrong.toLowerCase(), name.toLowerCase());
    if (steps < least && steps < name.length / 2) {
      best = name;
      least = steps;
    }
  }
  return best;
}

/** Levenshtein distance. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const change = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(change, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}

export function boolean(value: unknown, name: string, fallback: boolean): boolean {
  if (value === undefined) return fallback;
  if (typeof value === "boolean") return value;
  refuse(`${name} must be true or false, not ${show(value)}`);
}

/** A function, or undefined; what it takes and gives is the compiler's to check. */
export function callback<F>(value: unknown, name: string): F | undefined {
  if (value === undefined || typeof value === "function") return value as F | undefined;
  refuse(`${name} must be a function, not ${show(value)}`);
}

/** An object that has these methods; it is used as it is, so that its methods keep their `this`. */
export function service<T extends object>(
  value: unknown,
  name: string,
  methods: readonly (keyof T & string)[],
  optional: readonly (keyof T & string)[] = [],
): T {
  if ((typeof value !== "object" && typeof value !== "function") || value === null) {
    refuse(`${name} must be an object with the methods ${methods.join(", ")}, not ${show(value)}`);
  }
  const object = value as Readonly<Record<string, unknown>>;
  for (const method of [...methods, ...optional]) {
    const found = object[method];
    if (typeof found === "function" || (found === undefined && optional.includes(method))) continue;
    refuse(`${name}.${method} must be a function, not ${show(found)}`);
  }
  return value as T;
}

const units: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** A hundred years: deadlines stay inside what Date and every engine's time type can hold. */
const LONGEST = 36_500 * 86_400_000;

/** Milliseconds, a whole number of at least 1. */
export function duration(value: unknown, name: string, most: number = LONGEST): number {
  const form = 'a number of milliseconds or a string such as "90s", "20m", "24h" or "30d"';
  let ms: number;
  if (typeof value === "number") {
    ms = value;
  } else if (typeof value === "string") {
    const parts = /^(\d+(?:\.\d+)?)([smhd])$/.exec(value);
    if (parts === null) {
      const unitless = /^\d+(\.\d+)?$/.test(value);
      refuse(`${name} is ${show(value)}${unitless ? ", without a unit" : ""}: it must be ${form}`);
    }
    ms = Number(parts[1]) * (units[parts[2] ?? ""] ?? Number.NaN);
  } else {
    refuse(`${name} must be ${form}, not ${show(value)}`);
  }
  const whole = Math.round(ms);
  if (whole >= 1 && whole <= most) return whole;
  refuse(
    `${name} is ${show(value)}: it must be from 1 ms to ${most} ms (${most / 86_400_000} days)`,
  );
}

const sizes: Readonly<Record<string, number>> = { b: 1, kb: 1024, mb: 1_048_576 };

/** Bytes, a whole number of at least 1. */
export function size(value: unknown, name: string): number {
  const form = 'a number of bytes or a string such as "512b", "64kb" or "1mb"';
  let bytes: number;
  if (typeof value === "number") {
    bytes = value;
  } else if (typeof value === "string") {
    const parts = /^(\d+(?:\.\d+)?)(b|kb|mb)$/.exec(value);
    if (parts === null) refuse(`${name} is ${show(value)}: it must be ${form}`);
    bytes = Number(parts[1]) * (sizes[parts[2] ?? ""] ?? Number.NaN);
  } else {
    refuse(`${name} must be ${form}, not ${show(value)}`);
  }
  const whole = Math.floor(bytes);
  if (whole >= 1 && Number.isSafeInteger(whole)) return whole;
  refuse(`${name} is ${show(value)}: it must be a finite size of at least 1 byte`);
}

/**
 * An RFC 9110 token, as names of cookies and headers must be: section 5.6.2,
 *
 *     tchar = "!" / "#" / "$" / "%" / "&" / "'" / "*" / "+" / "-" / "." / "^" / "_" / "`" / "|" / "~" / DIGIT / ALPHA
 *
 * At most 128 characters, since the name stands in front of every record's key.
 */
export function token(value: unknown, name: string): string {
  if (typeof value !== "string") refuse(`${name} must be a string, not ${show(value)}`);
  if (value.length > 128) refuse(`${name} has ${value.length} characters: at most 128 are allowed`);
  if (/^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/.test(value)) return value;
  refuse(
    `${name} is ${show(value)}: use only ASCII letters, digits and !#$%&'*+-.^_\`|~, and at least one`,
  );
}

/**
 * RFC 6265bis section 4.1.1: `path-value = *av-octet`, `av-octet = %x20-3A / %x3C-7E`. Without the
 * space, since no request path holds one; section 5.6: an attribute of more than 1024 octets is ignored.
 */
export function path(value: unknown, name: string): string {
  if (typeof value !== "string") refuse(`${name} must be a string, not ${show(value)}`);
  if (!value.startsWith("/")) refuse(`${name} is ${show(value)}: it must start with "/"`);
  if (value.length > 1024)
    refuse(`${name} has ${value.length} characters: browsers ignore one of more than 1024`);
  if (/^[\x21-\x3a\x3c-\x7e]+$/.test(value)) return value;
  refuse(
    `${name} is ${show(value)}: use only printable ASCII without spaces and ";" (percent-encode the rest)`,
  );
}

/** A host name, RFC 1123 section 2.1, and `_`, which some internal names have. At most 253 characters. */
export function domain(value: unknown, name: string): string {
  if (typeof value !== "string") refuse(`${name} must be a string, not ${show(value)}`);
  if (value.startsWith(".")) {
    refuse(`${name} is ${show(value)}: leave out the leading dot, subdomains are always included`);
  }
  if (value.length > 253)
    refuse(`${name} has ${value.length} characters: a host name has at most 253`);
  const label = "[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?";
  if (new RegExp(`^${label}(?:\\.${label})*$`).test(value)) return value;
  refuse(
    `${name} is ${show(value)}: it must be a host name such as "example.com", without scheme, port or path ` +
      "(write international names in their xn-- form)",
  );
}

/**
 * Headers that cannot carry a token: they have another meaning to servers, proxies or browsers. The
 * Fetch standard's forbidden request headers (which no script can send) and RFC 9110's own fields.
 */
const taken =
  /^(?:accept.*|access-control-.*|authorization|cache-control|connection|content-.*|cookie2?|date|dnt|etag|expect|expires|forwarded|from|host|if-.*|keep-alive|last-modified|location|origin|pragma|proxy-.*|range|referer|sec-.*|server|set-cookie2?|te|trailer|transfer-encoding|upgrade|user-agent|vary|via|x-forwarded-.*|www-authenticate)$/;

/** The name of a header of the application's own, in lower case. */
export function headerName(value: unknown, name: string): string {
  const lower = token(value, name).toLowerCase();
  if (!taken.test(lower)) return lower;
  refuse(
    `${name} is ${show(value)}, which has a meaning of its own: use one of yours, such as "X-Session"`,
  );
}
