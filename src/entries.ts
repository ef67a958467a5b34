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

type SizeOf = (keyLength: number, valueLength: number) => number;

/** Writes one entry; gives the position behind it. */
export type WriteEntry = (position: number, key: string, value: Uint8Array) => number;

/** At most how many bytes an entry takes: UTF-8 has up to three for each unit of UTF-16. */
export function entryBound(key: string, value: Uint8Array): number {
  return key.length * 3 + value.length + 10;
}

/** Where the entries lie: start and end of the key, start and end of the value, of each in turn. */
export type Places = readonly number[];
const fields = 4;

/** A newer value of one key; undefined where it has been deleted. */
interface Change {
  readonly key: string;
  value: Uint8Array | undefined;
  /** Where the record has the key, or -1. */
  readonly place: number;
}

/** From this many changes on they are found by an index. */
const mostScanned = 16;

/** Entries in the bytes of a record, with changes on top. */
export class Entries implements MutableEntries {
  #bytes: Uint8Array;
  /** Where the first entry starts; each of the others starts where the one before ends. */
  #start: number;
  #places: Places;
  #changes: Change[] | undefined;
  #index: Map<string, Change> | undefined;
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
    copy.#changes = this.#changes?.map((change) => ({ ...change }));
    copy.#size = this.#size;
    return copy;
  }

  get(key: string): Uint8Array | undefined {
    const change = this.#changed(key);
    if (change !== undefined) return change.value;
    const at = this.#find(key);
    return at < 0 ? undefined : this.#value(at);
  }

  has(key: string): boolean {
    const change = this.#changed(key);
    return change === undefined ? this.#find(key) >= 0 : change.value !== undefined;
  }

  set(key: string, value: Uint8Array): void {
    this.#put(key, value);
  }

  delete(key: string): void {
    if (this.has(key)) this.#put(key, undefined);
  }

  #put(key: string, value: Uint8Array | undefined): void {
    let change = this.#changed(key);
    if (change === undefined) {
      change = { key, value, place: this.#find(key) };
      if (change.place < 0) this.#size++;
      if (value === undefined) this.#size--;
      if (this.#changes === undefined) this.#changes = [change];
      else this.#changes.push(change);
      this.#index?.set(key, change);
      return;
    }
    if (change.value === undefined) this.#size++;
    if (value === undefined) this.#size--;
    change.value = value;
  }

  #changed(key: string): Change | undefined {
    const changes = this.#changes;
    if (changes === undefined) return undefined;
    if (changes.length > mostScanned) {
      this.#index ??= new Map(changes.map((change) => [change.key, change]));
      return this.#index.get(key);
    }
    for (const change of changes) if (change.key === key) return change;
    return undefined;
  }

  clear(): void {
    this.#places = [];
    this.#changes = undefined;
    this.#index = undefined;
    this.#size = 0;
  }

  *keys(): Generator<string> {
    for (const [key] of this) yield key;
  }

  *[Symbol.iterator](): Generator<[key: string, value: Uint8Array]> {
    for (let at = 0; at < this.#places.length; at += fields) {
      const key = this.#key(at);
      const change = this.#changed(key);
      if (change === undefined) yield [key, this.#value(at)];
      else if (change.value !== undefined) yield [key, change.value];
    }
    for (const { key, value, place } of this.#changes ?? []) {
      if (value !== undefined && place < 0) yield [key, value];
    }
  }

  /** At most how many bytes `encode` writes. */
  get bound(): number {
    const { length } = this.#places;
    let bound = length === 0 ? 0 : (this.#places[length - 1] as number) - this.#start;
    if (this.#changes === undefined) return bound;
    for (const { key, value } of this.#changes) {
      if (value !== undefined) bound += entryBound(key, value);
    }
    return bound;
  }

  /** Copies what has not changed as it lies, and lets `write` write the rest. */
  encode(target: Uint8Array, position: number, write: WriteEntry): number {
    const places = this.#places;
    const changes = this.#changes;
    let at = position;
    let from = this.#start;
    let to = from;
    for (let place = 0; place < places.length; place += fields) {
      if (changes !== undefined && isAmong(changes, place)) {
        at = this.#copy(target, at, from, to);
        from = places[place + 3] as number;
      }
      to = places[place + 3] as number;
    }
    at = this.#copy(target, at, from, to);
    if (changes === undefined) return at;
    for (const { key, value } of changes) if (value !== undefined) at = write(at, key, value);
    return at;
  }

  #copy(target: Uint8Array, position: number, from: number, to: number): number {
    if (to - from >= longCopy) target.set(this.#bytes.subarray(from, to), position);
    else for (let i = from; i < to; i++) target[position + i - from] = this.#bytes[i] as number;
    return position + to - from;
  }

  /** The sum of what `sizeOf` gives for the lengths of each key and value. */
  measure(sizeOf: SizeOf): number {
    let sum = 0;
    for (let at = 0; at < this.#places.length; at += fields) sum += this.#sizeAt(at, sizeOf);
    if (this.#changes === undefined) return sum;
    for (const { key, value, place } of this.#changes) {
      if (place >= 0) sum -= this.#sizeAt(place, sizeOf);
      if (value !== undefined) sum += sizeOf(key.length, value.length);
    }
    return sum;
  }

  #sizeAt(at: number, sizeOf: SizeOf): number {
    const places = this.#places;
    return sizeOf(this.#length(at), (places[at + 3] as number) - (places[at + 2] as number));
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
    const start = this.#places[at] as number;
    const end = this.#places[at + 1] as number;
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
    const start = this.#places[at] as number;
    const end = this.#places[at + 1] as number;
    for (let i = start; i < end; i++) {
      if ((this.#bytes[i] as number) >= 0x80) return this.#key(at).length;
    }
    return end - start;
  }

  #value(at: number): Uint8Array {
    return this.#bytes.subarray(this.#places[at + 2], this.#places[at + 3]);
  }
}

function isAmong(changes: readonly Change[], place: number): boolean {
  for (const change of changes) if (change.place === place) return true;
  return false;
}

/** Entries of their own, to be changed, with what `entries` hold. */
export function copyOf(entries: ReadonlyEntries): MutableEntries {
  return entries instanceof Entries ? entries.copy() : new Map(entries);
}

/** Whether two values are encoded alike. */
export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}
