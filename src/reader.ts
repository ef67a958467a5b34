/** Reads the fields of a record (record.ts). Reading beyond the end fails, and throws nothing. */
import { Entries } from "./entries.ts";

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

export class Reader {
  readonly #data: Uint8Array;
  at: number;
  failed = false;

  constructor(data: Uint8Array, at: number) {
    this.#data = data;
    this.at = at;
  }

  varint(): number {
    let value = 0;
    let scale = 1;
    for (let i = 0; i < 7; i++) {
      const byte = this.#data[this.at++];
      if (byte === undefined) break;
      value += (byte & 127) * scale;
      if (byte < 128) return value;
      scale *= 128;
    }
    this.failed = true;
    return 0;
  }

  /** As `take`, for bytes that nobody may ask for. */
  skip(length: number): void {
    this.at += length;
    if (this.at > this.#data.length) this.failed = true;
  }

  take(length: number): Uint8Array {
    const end = this.at + length;
    if (end > this.#data.length) {
      this.failed = true;
      return this.#data.subarray(0, 0);
    }
    const bytes = this.#data.subarray(this.at, end);
    this.at = end;
    return bytes;
  }

  /** Where the entries are. Undefined when one is malformed, or a key comes twice. */
  entries(count: number): Entries | undefined {
    const places: number[] = [];
    const first = this.at;
    for (let i = 0; i < count; i++) {
      const length = this.varint();
      const start = this.at;
      const end = start + length;
      if (end > this.#data.length || !this.#isText(start, end)) return undefined;
      this.at = end;
      const size = this.varint();
      const from = this.at;
      this.at += size;
      if (this.failed || this.at > this.#data.length) return undefined;
      for (let other = 0; other < places.length; other += 4) {
        if (this.#equal(places[other] as number, places[other + 1] as number, start, end)) {
          return undefined;
        }
      }
      places.push(start, end, from, this.at);
    }
    return new Entries(this.#data, first, places);
  }

  #isText(start: number, end: number): boolean {
    for (let i = start; i < end; i++) {
      if ((this.#data[i] as number) >= 0x80) {
        return decodeUtf8(this.#data.subarray(start, end)) !== undefined;
      }
    }
    return true;
  }

  #equal(start: number, end: number, otherStart: number, otherEnd: number): boolean {
    if (end - start !== otherEnd - otherStart) return false;
    for (let i = 0; i < end - start; i++) {
      if (this.#data[start + i] !== this.#data[otherStart + i]) return false;
    }
    return true;
  }

  /** As `entries`, for many. */
  map(count: number): Map<string, Uint8Array> | undefined {
    const entries = new Map<string, Uint8Array>();
    for (let i = 0; i < count; i++) {
      const key = this.key();
      const value = this.take(this.varint());
      if (this.failed || key === undefined || entries.has(key)) return undefined;
      entries.set(key, value);
    }
    return entries;
  }

  key(): string | undefined {
    const length = this.varint();
    const start = this.at;
    const bytes = this.take(length);
    if (this.failed) return undefined;
    let text = "";
    if (length < 64) {
      for (let i = start; i < this.at; i++) {
        const code = this.#data[i] ?? 0;
        if (code >= 128) return decodeUtf8(bytes);
        text += String.fromCharCode(code);
      }
      return text;
    }
    return decodeUtf8(bytes);
  }
}

function decodeUtf8(bytes: Uint8Array): string | undefined {
  try {
    return decoder.decode(bytes);
  } catch {
    return undefined; // not UTF-8: the caller reports the entry as malformed
  }
}
