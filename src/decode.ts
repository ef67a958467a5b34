/**
 * Marked JSON (encode.ts) back to values. The bytes may come from an attacker who can write to the
 * store: every mark, length and index is checked, nothing is allocated that the text does not hold,
 * the work is linear in the text, and no key can reach a prototype.
 */
import { maxDepth } from "./encode.ts";
import { byteTypes } from "./kinds.ts";

/** Why a text was refused. Not shown to users: the caller makes a `SessionError` of it. */
export class Malformed extends Error {}

// An IDNA label is decoded in quadratic time by some URL parsers; DNS allows 253 characters.
const longestHost = 1024;

/** Turns parsed JSON with marks into the values meant, in place where possible. */
export function revive(parsed: unknown): unknown {
  return reviveAt(parsed, [], 0);
}

function reviveAt(value: unknown, objects: object[], depth: number): unknown {
  if (typeof value !== "object" || value === null) return value;
  // Marks of leaves are arrays too, one level below the deepest object.
  if (depth > maxDepth) throw new Malformed("too deep");
  if (Array.isArray(value)) {
    const items = value as unknown[];
    const head = items[0];
    if (typeof head === "string" && head.charCodeAt(0) === 0x7e) {
      return reviveMark(head, items, objects, depth);
    }
    objects.push(items);
    reviveItems(items, objects, depth);
    return items;
  }
  objects.push(value);
  const record = value as Record<string, unknown>;
  for (const key of Object.keys(record)) {
    const item = record[key];
    if (typeof item !== "object" || item === null) continue;
    const revived = reviveAt(item, objects, depth + 1);
    if (revived === item) continue;
    // The key is an own property already (JSON.parse defines even "__proto__"), yet an assignment
    // that could reach a setter of a prototype should not exist at all.
    if (key === "__proto__") {
      const descriptor = { value: revived, writable: true, enumerable: true, configurable: true };
      Object.defineProperty(record, key, descriptor);
    } else record[key] = revived;
  }
  return record;
}

function reviveItems(items: unknown[], objects: object[], depth: number): void {
  for (let i = 0; i < items.length; i++) {
    const item = items[i];
    if (typeof item === "object" && item !== null) items[i] = reviveAt(item, objects, depth + 1);
  }
}

function reviveMark(mark: string, items: unknown[], objects: object[], depth: number): unknown {
  const { length } = items;
  switch (mark) {
    case "~u":
      return only(length === 1, undefined);
    case "~N":
      return only(length === 1, Number.NaN);
    case "~+":
      return only(length === 1, Number.POSITIVE_INFINITY);
    case "~-":
      return only(length === 1, Number.NEGATIVE_INFINITY);
    case "~z":
      return only(length === 1, -0);
    case "~n":
      return bigint(only(length === 2, items[1]));
    case "~r": {
      const found = typeof items[1] === "number" ? objects[items[1]] : undefined;
      return only(length === 2 && found !== undefined, found);
    }
    case "~a": {
      const first = items[1];
      only(typeof first === "string" && first.charCodeAt(0) === 0x7e, undefined);
      const list = items.slice(1);
      objects.push(list);
      reviveItems(list, objects, depth);
      return list;
    }
    case "~m": {
      const map = new Map<unknown, unknown>();
      objects.push(map);
      only(length % 2 === 1, undefined);
      for (let i = 1; i < length; i += 2) {
        const key = reviveAt(items[i], objects, depth + 1);
        map.set(key, reviveAt(items[i + 1], objects, depth + 1));
      }
      return only(map.size === (length - 1) / 2, map);
    }
    case "~s": {
      const set = new Set<unknown>();
      objects.push(set);
      for (let i = 1; i < length; i++) set.add(reviveAt(items[i], objects, depth + 1));
      return only(set.size === length - 1, set);
    }
    default: {
      const leaf = reviveLeaf(mark, items);
      objects.push(leaf);
      return leaf;
    }
  }
}

function reviveLeaf(mark: string, items: readonly unknown[]): object {
  const [, first, second] = items;
  if (mark === "~d" && items.length === 2 && (first === null || typeof first === "number")) {
    return new Date(first ?? Number.NaN);
  }
  if (mark === "~l" && items.length === 2 && typeof first === "string") return url(first);
  if (
    mark === "~b" &&
    items.length === 3 &&
    typeof first === "string" &&
    typeof second === "string"
  ) {
    return bytes(first, second);
  }
  throw new Malformed("unknown mark");
}

function only<T>(holds: boolean, value: T): T {
  if (!holds) throw new Malformed("mark with wrong content");
  return value;
}

function bigint(text: unknown): bigint {
  // Hexadecimal is read in linear time by every engine; decimal is not.
  if (typeof text !== "string" || !/^-?[0-9a-f]+$/.test(text)) throw new Malformed("BigInt");
  return text.startsWith("-") ? -BigInt(`0x${text.slice(1)}`) : BigInt(`0x${text}`);
}

function url(href: string): URL {
  const host = /^[^/?#]*\/\/([^/?#]*)/.exec(href)?.[1] ?? "";
  if (host.length - host.lastIndexOf("@") > longestHost) throw new Malformed("host too long");
  return new URL(href);
}

function bytes(name: string, base64: string): object {
  const binary = atob(base64);
  const buffer = new ArrayBuffer(binary.length);
  const view = new Uint8Array(buffer);
  for (let i = 0; i < binary.length; i++) view[i] = binary.charCodeAt(i);
  if (name === "ArrayBuffer") return buffer;
  const type = byteTypes.get(name);
  if (type === undefined) throw new Malformed("unknown type of bytes");
  // A length that is no multiple of the element size throws here.
  return new type(buffer);
}
