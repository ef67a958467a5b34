/**
 * What an object is, by brand and prototype. A name or a tag can be faked, an internal slot cannot;
 * and a subclass would come back as its base class, so it counts as a class instance.
 */

interface Natives {
  readonly time: (this: unknown) => number;
  readonly entries: (this: unknown) => Iterable<[unknown, unknown]>;
  readonly values: (this: unknown) => Iterable<unknown>;
  readonly mapSize: (this: unknown) => number;
  readonly setSize: (this: unknown) => number;
  readonly href: (this: unknown) => string;
  readonly bufferLength: (this: unknown) => number;
}

/** The getters and methods of the built-ins, which neither a subclass nor an own property replaces. */
export const natives: Natives = {
  time: Date.prototype.getTime,
  entries: Map.prototype.entries,
  values: Set.prototype.values,
  mapSize: getter<number>(Map.prototype, "size"),
  setSize: getter<number>(Set.prototype, "size"),
  href: getter<string>(URL.prototype, "href"),
  bufferLength: getter<number>(ArrayBuffer.prototype, "byteLength"),
};

type View = "DataView" | "ArrayBuffer" | `${string}Array`;
type Kind = "object" | "array" | "date" | "map" | "set" | "url" | View;

/** A constructor of bytes, as far as it is used here. */
export interface BytesConstructor {
  new (buffer: ArrayBuffer): object;
  readonly prototype: object;
  readonly BYTES_PER_ELEMENT?: number;
}

/** Every type of bytes that this runtime has, by name; Float16Array is younger than Node 20. */
export const byteTypes: ReadonlyMap<string, BytesConstructor> = new Map(
  [
    "Uint8Array",
    "Int8Array",
    "Uint8ClampedArray",
    "Uint16Array",
    "Int16Array",
    "Float16Array",
    "Uint32Array",
    "Int32Array",
    "Float32Array",
    "BigUint64Array",
    "BigInt64Array",
    "Float64Array",
    "DataView",
  ].flatMap((name) => {
    const found = (globalThis as Record<string, unknown>)[name];
    return typeof found === "function" ? [[name, found as unknown as BytesConstructor]] : [];
  }),
);

const kinds = new Map<object, Kind>([
  [Date.prototype, "date"],
  [Map.prototype, "map"],
  [Set.prototype, "set"],
  [URL.prototype, "url"],
  [ArrayBuffer.prototype, "ArrayBuffer"],
]);
for (const [name, type] of byteTypes) kinds.set(type.prototype, name as View);
// Node's Buffer is bytes to everybody; it comes back as a Uint8Array.
const buffer = (globalThis as { Buffer?: { prototype: object } }).Buffer;
if (buffer !== undefined) kinds.set(buffer.prototype, "Uint8Array");

/** What can be stored of objects; undefined for instances of classes and all else. */
export function kindOf(value: object): Kind | undefined {
  const prototype = Object.getPrototypeOf(value) as object | null;
  if (prototype === null) return "object";
  const kind = kinds.get(prototype) ?? foreignKind(value, prototype);
  return kind !== undefined && hasBrand(value, kind) ? kind : undefined;
}

/** Built-ins of another realm (`node:vm`, some test runners), told by the length of their chain. */
function foreignKind(value: object, prototype: object): Kind | undefined {
  const above = Object.getPrototypeOf(prototype) as object | null;
  if (above === null) return isRoot(prototype) ? "object" : undefined;
  if (ArrayBuffer.isView(value)) {
    const name = viewName(value);
    const root: unknown = name === "DataView" ? above : Object.getPrototypeOf(above);
    return isRoot(root) && byteTypes.has(name) ? (name as View) : undefined;
  }
  if (!isRoot(above) || above === Object.prototype) return undefined;
  if (Array.isArray(value)) return "array";
  return (["date", "map", "set", "ArrayBuffer"] as const).find((kind) => hasBrand(value, kind));
}

/** Some realm's Object.prototype. */
function isRoot(prototype: unknown): boolean {
  return (
    typeof prototype === "object" &&
    prototype !== null &&
    Object.getPrototypeOf(prototype) === null &&
    Object.hasOwn(prototype, "hasOwnProperty")
  );
}

function hasBrand(value: object, kind: Kind): boolean {
  if (kind === "object") return true;
  if (kind === "array") return Array.isArray(value);
  try {
    if (kind === "date") natives.time.call(value);
    else if (kind === "map") natives.mapSize.call(value);
    else if (kind === "set") natives.setSize.call(value);
    else if (kind === "url") natives.href.call(value);
    else if (kind === "ArrayBuffer") natives.bufferLength.call(value);
    else return ArrayBuffer.isView(value) && viewName(value) === kind;
    return true;
  } catch {
    return false;
  }
}

const typedArray = Object.getPrototypeOf(Uint8Array.prototype) as object;
const typedArrayName = getter<string | undefined>(typedArray, Symbol.toStringTag);

function viewName(value: object): string {
  return typedArrayName.call(value) ?? "DataView";
}

/** A view of the bytes behind a value of one of the byte kinds; undefined when they were transferred. */
export function bytesOf(value: object): Uint8Array | undefined {
  try {
    if (!ArrayBuffer.isView(value)) return new Uint8Array(value as ArrayBuffer);
    return new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
  } catch {
    return undefined;
  }
}

/** An object that cannot be stored, in the words of a message. */
export function describe(value: object): string {
  if (value instanceof Promise) return "a promise (await it first)";
  let name: unknown;
  try {
    name = (value.constructor as { name?: unknown } | undefined)?.name;
  } catch {
    // A getter or proxy that throws has no name.
  }
  const known = typeof name === "string" && name !== "" ? name.slice(0, 60) : "an unnamed class";
  return `an instance of ${known} (store plain data)`;
}

function getter<T>(prototype: object, name: PropertyKey): (this: unknown) => T {
  const found = Object.getOwnPropertyDescriptor(prototype, name)?.get;
  if (found === undefined) throw new TypeError(`This runtime has no getter ${String(name)}`);
  return found as (this: unknown) => T;
}
