/**
 * What one session shows of its data: the loaded entries with the request's changes on top, encoded,
 * and the values that were decoded from them. It knows nothing of commits.
 */
import { type Codec, defaultCodec, encodeValue } from "./codec.ts";
import { applyOperation, type Operation } from "./commit.ts";
import { copyOf, type MutableEntries, type ReadonlyEntries } from "./entries.ts";
import { SessionError } from "./errors.ts";
import { freezeDeep } from "./frozen.ts";
import { entrySize, mostSize, sizeOf } from "./record.ts";

/** Longer values are decoded once. */
const short = 64;

export class Values {
  readonly #codec: Codec;
  readonly #maxSize: number;
  #entries: ReadonlyEntries;
  #own: MutableEntries | undefined;
  /** What the entries take, once it has been needed; at most, unless `#exact`. */
  #size = -1;
  #exact = false;
  #decoded: Map<string, unknown> | undefined;

  constructor(codec: Codec, maxSize: number, entries: ReadonlyEntries) {
    this.#codec = codec;
    this.#maxSize = maxSize;
    this.#entries = entries;
  }

  /** As they are now: the next change may change them. */
  get entries(): ReadonlyEntries {
    return this.#entries;
  }

  /** For good: later changes are made on a copy. */
  handOver(): ReadonlyEntries {
    this.#own = undefined;
    return this.#entries;
  }

  /** @throws {SessionError} `undecodable` */
  read(key: string): unknown {
    const known = this.#decoded?.get(key);
    if (known !== undefined) return known;
    const bytes = this.#entries.get(key);
    if (bytes === undefined) return undefined;
    const { value, shareable } = this.#decode(key, bytes);
    // Most keys are read once in a request, and the Map would take 184 bytes; decoding a short primitive
    // again takes 0.1 us at most (Node 24). A codec of the application is asked once.
    const cheap = this.#codec === defaultCodec && bytes.length <= short && isPrimitive(value);
    if (shareable && !cheap) (this.#decoded ??= new Map<string, unknown>()).set(key, value);
    return value;
  }

  /** @throws {SessionError} `undecodable` */
  decode(key: string, bytes: Uint8Array): unknown {
    return this.#decode(key, bytes).value;
  }

  #decode(key: string, bytes: Uint8Array): { value: unknown; shareable: boolean } {
    try {
      const codec = this.#codec;
      // A codec of the application may keep or change its argument; ours shares no memory with it.
      return freezeDeep(codec.decode(codec === defaultCodec ? bytes : new Uint8Array(bytes)));
    } catch (cause) {
      throw new SessionError(
        "undecodable",
        `The stored value of ${JSON.stringify(key)} cannot be decoded; set or delete it`,
        { cause },
      );
    }
  }

  /** @throws {SessionError} `invalid-argument`, `unencodable` */
  encode(key: string, value: unknown): Uint8Array {
    if (typeof key !== "string" || !isWellFormed(key)) {
      throw new SessionError("invalid-argument", "A session key is a well-formed string");
    }
    const codec = this.#codec;
    const bytes = encodeValue(codec, key, value);
    if (codec === defaultCodec) return bytes;
    if (!(bytes instanceof Uint8Array)) {
      throw new SessionError("unencodable", "The codec's encode must return a Uint8Array");
    }
    return new Uint8Array(bytes);
  }

  /**
   * Shows a change; `bytes` is the new value, where it has been encoded already.
   *
   * @throws {SessionError} `too-large`: nothing has changed then.
   */
  change(operation: Operation, bytes: Uint8Array | undefined): void {
    if (operation.kind === "clear") {
      this.#size = 0;
      this.#decoded = undefined;
    } else {
      if (bytes === undefined) this.#forgetSize();
      else this.#resize(operation.key, bytes);
      this.#decoded?.delete(operation.key);
    }
    // The function of an update has run already, and must not run again here.
    if (operation.kind === "update" && bytes !== undefined) {
      this.#writable().set(operation.key, bytes);
    } else {
      applyOperation(this.#writable(), operation);
    }
  }

  /** Shows a change that was made before, on top of entries that are newer than it. */
  replay(operation: Operation): void {
    try {
      applyOperation(this.#writable(), operation);
    } catch {
      // An update function that throws on the newest value: its own commit will say so.
    }
  }

  /** Shows other entries from now on. */
  show(entries: ReadonlyEntries): void {
    this.#entries = entries;
    this.#own = undefined;
    this.#forgetSize();
    this.#decoded = undefined;
  }

  /** @throws {SessionError} `too-large` unless these fit beside its own. */
  requireRoom(others: ReadonlyEntries): void {
    const size = sizeOf(new Map([...this.#entries, ...others]));
    if (size <= this.#maxSize) return;
    throw new SessionError(
      "too-large",
      `The merged session would take ${size} bytes; maxSize is ${this.#maxSize}`,
    );
  }

  #writable(): MutableEntries {
    if (this.#own === undefined) this.#entries = this.#own = copyOf(this.#entries);
    return this.#own;
  }

  #forgetSize(): void {
    this.#size = -1;
    this.#exact = false;
  }

  #resize(key: string, bytes: Uint8Array): void {
    const added = entrySize(key, bytes);
    if (!this.#exact) {
      // Nearly always there is room beyond doubt, and nothing has to be measured.
      const most = (this.#size < 0 ? mostSize(this.#entries) : this.#size) + added;
      if (most <= this.#maxSize) {
        this.#size = most;
        return;
      }
      this.#size = sizeOf(this.#entries);
      this.#exact = true;
    }
    const old = this.#entries.get(key);
    const size = this.#size - (old === undefined ? 0 : entrySize(key, old)) + added;
    if (size > this.#maxSize) {
      throw new SessionError(
        "too-large",
        `Storing ${JSON.stringify(key)} (${bytes.length} bytes) makes the session ${size} bytes; maxSize is ${this.#maxSize}`,
      );
    }
    this.#size = size;
  }
}

/** Whether a value cannot be changed by whoever gets it. */
export function isPrimitive(value: unknown): boolean {
  return value === null || (typeof value !== "object" && typeof value !== "function");
}

function isWellFormed(key: string): boolean {
  return !/[\uD800-\uDBFF](?![\uDC00-\uDFFF])|(?<![\uD800-\uDBFF])[\uDC00-\uDFFF]/.test(key);
}
