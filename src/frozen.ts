/**
 * Values read from a session refuse mutation: a change in place would be lost in silence, so it
 * throws. Plain objects and arrays are frozen. Map, Set, Date and URL keep their state in internal
 * slots that freezing does not reach: their mutating methods are shadowed by own properties, not
 * enumerable, so that comparing with an ordinary Map or Date still says equal.
 */

/** What is not looked into: already immutable, or refusing mutation as a whole, or a fresh copy. */
export type Leaf =
  | string
  | number
  | bigint
  | boolean
  | symbol
  | null
  | undefined
  | ((...parameters: never[]) => unknown)
  | Date
  | URL
  | ArrayBuffer
  | ArrayBufferView;

/** A type with everything inside read-only: what a session hands out, and accepts. */
export type DeepReadonly<T> = unknown extends T
  ? T
  : T extends Leaf
    ? T
    : T extends ReadonlyMap<infer K, infer V>
      ? ReadonlyMap<DeepReadonly<K>, DeepReadonly<V>>
      : T extends ReadonlySet<infer V>
        ? ReadonlySet<DeepReadonly<V>>
        : T extends readonly unknown[]
          ? T[number][] extends T
            ? readonly DeepReadonly<T[number]>[]
            : { readonly [I in keyof T]: DeepReadonly<T[I]> }
          : { readonly [K in keyof T]: DeepReadonly<T[K]> };

function refuse(): never {
  throw new TypeError(
    "A value read from a session cannot be changed in place; use session.set or session.update",
  );
}

/** Own properties that shadow the methods of a prototype which change the object. */
function shadows(prototype: object, mutates: (name: string) => boolean): PropertyDescriptorMap {
  const found: PropertyDescriptorMap = {};
  for (const name of Object.getOwnPropertyNames(prototype)) {
    const descriptor = Object.getOwnPropertyDescriptor(prototype, name);
    if (descriptor?.set !== undefined) {
      found[name] = { ...descriptor, set: refuse, enumerable: false, configurable: false };
    } else if (typeof descriptor?.value === "function" && mutates(name)) {
      found[name] = { value: refuse };
    }
  }
  return found;
}

// Map's getOrInsert and getOrInsertComputed are younger than Node 24.
const mapShadows = shadows(Map.prototype, (name) => /^(set|delete|clear|getOrInsert)/.test(name));
const setShadows = shadows(Set.prototype, (name) => /^(add|delete|clear)$/.test(name));
const dateShadows = shadows(Date.prototype, (name) => name.startsWith("set"));
const urlShadows = shadows(URL.prototype, () => false);
const queryShadows = shadows(URLSearchParams.prototype, (name) =>
  /^(append|delete|set|sort)$/.test(name),
);

/** A value made immutable, and whether it may be handed out more than once. */
export interface Frozen {
  readonly value: unknown;
  /**
   * False when it holds what cannot be made immutable, bytes or instances of foreign classes: decode
   * again for the next reader.
   */
  readonly shareable: boolean;
}

/**
 * Freezes a value that nobody else holds, in place, all the way down; cycles are fine. Bytes and
 * instances of foreign classes (which only a custom codec makes) are left as they are.
 */
export function freezeDeep(value: unknown): Frozen {
  if (typeof value !== "object" || value === null) return { value, shareable: true };
  let shareable = true;
  // A stack of our own: stored bytes decide how deep the value is.
  const pending: object[] = [value];
  // What was frozen before we came, or comes a second time, is looked into at most once more.
  let met: Set<object> | undefined;

  for (let object = pending.pop(); object !== undefined; object = pending.pop()) {
    if (Object.isFrozen(object)) {
      met ??= new Set();
      if (met.has(object)) continue;
      met.add(object);
    }
    const prototype: unknown = Object.getPrototypeOf(object);
    if (prototype === Object.prototype || prototype === null) {
      Object.freeze(object);
      for (const key of Object.keys(object)) {
        const item = (object as Record<string, unknown>)[key];
        if (typeof item === "object" && item !== null) pending.push(item);
      }
    } else if (Array.isArray(object)) {
      Object.freeze(object);
      for (const item of object as unknown[]) {
        if (typeof item === "object" && item !== null) pending.push(item);
      }
    } else if (!freezeBuiltIn(object, prototype, pending)) shareable = false;
  }
  return { value, shareable };
}

/** False for what cannot be made immutable. */
function freezeBuiltIn(object: object, prototype: unknown, pending: object[]): boolean {
  switch (prototype) {
    case Date.prototype:
      shadow(object, dateShadows);
      return true;
    case Map.prototype:
      shadow(object, mapShadows);
      for (const [key, item] of object as Map<unknown, unknown>) {
        if (typeof key === "object" && key !== null) pending.push(key);
        if (typeof item === "object" && item !== null) pending.push(item);
      }
      return true;
    case Set.prototype:
      shadow(object, setShadows);
      for (const item of object as Set<unknown>) {
        if (typeof item === "object" && item !== null) pending.push(item);
      }
      return true;
    case URL.prototype:
      shadow((object as URL).searchParams, queryShadows);
      shadow(object, urlShadows);
      return true;
    default:
      return false;
  }
}

function shadow(object: object, properties: PropertyDescriptorMap): void {
  if (!Object.isFrozen(object)) Object.freeze(Object.defineProperties(object, properties));
}
