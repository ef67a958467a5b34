/**
 * The entries of a session: what a record's bytes hold, looked up where they lie, and what has been
 * changed since. Most requests read one key or two; making a string, a view and a place in a Map for
 * each of the others cost more than all else that loading does.
 */

/** Entries to read. A Map is one, too. */
export interface ReadonlyEntries {
  readonly size: number;
  get(key: string): Uint8Array | undefined;
  has(key: string): boolean;
  keys(): Iterable<string>;
  [Symbol.iterator](): Iterator<[key: string, value: Uint8Array]>;
}

/** Entries to change. */
export interface MutableEntries extends ReadonlyEntries {
  set(key: string, value: Uint8Array): unknown;
  delete(key: string): unknown;
  clear(): void;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
/** From this many bytes on `set` beats a loop. */
const longCopy = 48;

/** Where the entries lie: start and end of the key, start and end of the value, of each in turn. */
export type Places = readonly number[];
const fields = 4;

/** Entries in the bytes of a record, with changes on top. */
export class Entries implements MutableEntries {
  #bytes: Uint8Array;
  /** Where the first entry starts; each of the others starts where the one before ends. */
  #start: number;
  #places: Places;
  /** Newer values; undefined for what has been deleted. */
  #changes: Map<string, Uint8Array | undefined> | undefined;
  #size: number;

  /** `places` must lie within `bytes`, which must not change any more; keys must differ. */
  constructor(bytes: Uint8Array, start: number, places: Places) {
    this.#bytes = bytes;
    this.#start = start;
    this.#places = places;
    this.#size = places.length / fields;
  }

  get size(): number {
    return this.#size;
  }

  /** Entries of their own, to be changed. */
  copy(): Entries {
    const copy = new Entries(this.#bytes, this.#start, this.#places);
    if (this.#changes !== undefined) copy.#changes = new Map(this.#changes);
    copy.#size = this.#size;
    return copy;
  }

  get(key: string): Uint8Array | undefined {
    const changes = this.#changes;
    if (changes !== undefined) {
      const changed = changes.get(key);
      if (changed !== undefined || changes.has(key)) return changed;
    }
    const at = this.#find(key);
    return at < 0 ? undefined : this.#value(at);
  }

  has(key: string): boolean {
    const changes = this.#changes;
    if (changes !== undefined && changes.has(key)) return changes.get(key) !== undefined;
    return this.#find(key) >= 0;
  }

  set(key: string, value: Uint8Array): void {
    if (!this.has(key)) this.#size++;
    (this.#changes ??= new Map()).set(key, value);
  }

  delete(key: string): void {
    if (!this.has(key)) return;
    this.#size--;
    (this.#changes ??= new Map()).set(key, undefined);
  }

  clear(): void {
    this.#places = [];
    this.#changes = undefined;
    this.#size = 0;
  }

  *keys(): Generator<string> {
    for (const [key] of this) yield key;
  }

  *[Symbol.iterator](): Generator<[key: string, value: Uint8Array]> {
    const changes = this.#changes;
    const met = new Set<string>();
    for (let at = 0; at < this.#places.length; at += fields) {
      const key = this.#key(at);
      met.add(key);
      if (changes === undefined || !changes.has(key)) yield [key, this.#value(at)];
      else {
        const value = changes.get(key);
        if (value !== undefined) yield [key, value];
      }
    }
    if (changes === undefined) return;
    for (const [key, value] of changes) {
      if (value !== undefined && !met.has(key)) yield [key, value];
    }
  }

  /** The bytes that lie unchanged in the record, entry after entry, and the entries on top of them. */
  parts(): { readonly kept: readonly number[]; readonly changed: readonly [string, Uint8Array][] } {
    const { length } = this.#places;
    const end = length === 0 ? this.#start : (this.#places[length - 1] as number);
    const changed: [string, Uint8Array][] = [];
    if (this.#changes === undefined) return { kept: [this.#start, end], changed };
    const dropped: number[] = [];
    for (const [key, value] of this.#changes) {
      if (value !== undefined) changed.push([key, value]);
      const at = this.#find(key);
      if (at >= 0) dropped.push(at);
    }
    if (dropped.length > 1) dropped.sort((a, b) => a - b);
    const kept = [this.#start];
    for (const at of dropped) {
      kept.push(at === 0 ? this.#start : (this.#places[at - 1] as number));
      kept.push(this.#places[at + 3] as number);
    }
    kept.push(end);
    return { kept, changed };
  }

  /** How many bytes `parts` has, without the changed ones; an upper bound. */
  get keptLength(): number {
    const { length } = this.#places;
    return length === 0 ? 0 : (this.#places[length - 1] as number) - this.#start;
  }

  /** Copies a part of the record. */
  copyInto(target: Uint8Array, position: number, from: number, to: number): number {
    if (to - from >= longCopy) target.set(this.#bytes.subarray(from, to), position);
    else for (let i = from; i < to; i++) target[position + i - from] = this.#bytes[i] as number;
    return position + to - from;
  }

  /** The sum of what `sizeOf` gives for each value and the length of its key. */
  measure(sizeOf: (keyLength: number, valueLength: number) => number): number {
    let sum = 0;
    const places = this.#places;
    for (let at = 0; at < places.length; at += fields) {
      sum += sizeOf(this.#length(at), (places[at + 3] as number) - (places[at + 2] as number));
    }
    if (this.#changes === undefined) return sum;
    for (const [key, value] of this.#changes) {
      const at = this.#find(key);
      if (at >= 0) {
        sum -= sizeOf(this.#length(at), (places[at + 3] as number) - (places[at + 2] as number));
      }
      if (value !== undefined) sum += sizeOf(key.length, value.length);
    }
    return sum;
  }

  /** The place of a key, or -1. */
  #find(key: string): number {
    const places = this.#places;
    const bytes = this.#bytes;
    const { length } = key;
    next: for (let at = 0; at < places.length; at += fields) {
      const start = places[at] as number;
      if ((places[at + 1] as number) - start < length) continue;
      for (let i = 0; i < length; i++) {
        const code = key.charCodeAt(i);
        if (code >= 0x80) return this.#findEncoded(encoder.encode(key));
        if (bytes[start + i] !== code) continue next;
      }
      if ((places[at + 1] as number) - start === length) return at;
    }
    return -1;
  }

  #findEncoded(key: Uint8Array): number {
    const places = this.#places;
    for (let at = 0; at < places.length; at += fields) {
      const start = places[at] as number;
      if ((places[at + 1] as number) - start !== key.length) continue;
      if (key.every((byte, i) => this.#bytes[start + i] === byte)) return at;
    }
    return -1;
  }

  #key(at: number): string {
    const [start, end] = [this.#places[at] as number, this.#places[at + 1] as number];
    let text = "";
    for (let i = start; i < end; i++) {
      const code = this.#bytes[i] as number;
      if (code >= 0x80) return decoder.decode(this.#bytes.subarray(start, end));
      text += String.fromCharCode(code);
    }
    return text;
  }

  /** The length of a key in UTF-16, as that of a string. */
  #length(at: number): number {
    const [start, end] = [this.#places[at] as number, this.#places[at + 1] as number];
    for (let i = start; i < end; i++) {
      if ((this.#bytes[i] as number) >= 0x80) return this.#key(at).length;
    }
    return end - start;
  }

  #value(at: number): Uint8Array {
    return this.#bytes.subarray(this.#places[at + 2], this.#places[at + 3]);
  }
}

/** Entries of their own, to be changed, with what `entries` hold. */
export function copyOf(entries: ReadonlyEntries): MutableEntries {
  return entries instanceof Entries ? entries.copy() : new Map(entries);
}
