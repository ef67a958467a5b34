/**
 * The idle stamp: a cookie of its own that says until when a session lives without another use, so that
 * a read never sends data back.
 *
 *     v1.<key id>.<claim>.<text>
 *
 * The text is sealed as that of data is (cookie-seal.ts), and holds id (18) and idle expiry (6). The claim is
 * the idle expiry once more, in whole seconds, base 36, for whoever need not know for sure; it must agree
 * with what is sealed.
 */
import type { Soon, Unopened } from "../sealed.ts";
import type { RingKey } from "./cookie-keys.ts";
import {
  bucket,
  format,
  idLength,
  readId,
  readTime,
  type Sealer,
  soon,
  writeId,
  writeTime,
} from "./cookie-seal.ts";
import { nonceLength } from "./cookie-xaes.ts";

const plainLength = idLength + 6;
const head = /^v1\.([A-Za-z0-9_-]{1,32})\.([1-9a-z][0-9a-z]{0,8})\./;

/** A stamp taken apart, before anything in it is trusted. */
interface Parsed {
  readonly keyId: string;
  readonly claim: string;
  readonly text: string;
}

function parse(value: string): Parsed | undefined {
  const parts = head.exec(value);
  if (parts === null) return undefined;
  const [start, keyId = "", claim = ""] = parts;
  return { keyId, claim, text: value.slice(start.length) };
}

/** Never more than there is. */
function claimOf(idle: number): string {
  return Math.floor(idle / 1000).toString(36);
}

/** Makes and opens the stamps of one cookie of one manager. */
export class Stamps {
  readonly #sealer: Sealer;
  readonly #keyOf: (id: string) => RingKey | string;

  /** @param keyOf what a key may open; a text for one that may not */
  constructor(sealer: Sealer, keyOf: (id: string) => RingKey | string) {
    this.#sealer = sealer;
    this.#keyOf = keyOf;
  }

  /** What the one stamp claims, unproven; undefined for none, another form or more than one. */
  unopened(stamps: readonly string[]): Unopened | undefined {
    const [stamp, another] = stamps;
    const parsed = stamp === undefined || another !== undefined ? undefined : parse(stamp);
    return parsed && { stamps, until: Number.parseInt(parsed.claim, 36) * 1000 };
  }

  /** The latest idle expiry among the stamps of this session; anything else there is ignored. */
  open(id: string, stamps: readonly string[]): Soon<number> {
    let latest: Soon<number> = 0;
    for (const value of stamps.slice(0, 2)) {
      const parsed = parse(value);
      const key = parsed === undefined ? undefined : this.#keyOf(parsed.keyId);
      if (parsed === undefined || key === undefined || typeof key === "string") continue;
      const opened = this.#sealer.open("idle", key, 1, parsed.text);
      const before: Soon<number> = latest;
      latest = soon(opened, (bytes) => {
        const stamp = bytes === undefined || bytes === false ? undefined : decode(bytes);
        const idle = stamp?.id === id && claimOf(stamp.idle) === parsed.claim ? stamp.idle : 0;
        return soon(before, (other) => Math.max(other, idle));
      });
    }
    return latest;
  }

  /** The value of the cookie. `idle` is in whole milliseconds. */
  make(id: string, idle: number): Soon<string> {
    const prefix = `${format}.${this.#sealer.keyId}.${claimOf(idle)}.`;
    return soon(this.#sealer.seal("idle", 1, encode(id, idle)), (text) => prefix + text);
  }
}

function encode(id: string, idle: number): Uint8Array {
  const bytes = new Uint8Array(2 * bucket);
  writeId(bytes, nonceLength, id);
  writeTime(bytes, nonceLength + idLength, idle);
  return bytes;
}

/** Undefined for bytes that `encode` did not write. */
function decode(bytes: Uint8Array): { id: string; idle: number } | undefined {
  if (bytes.length < plainLength) return undefined;
  return { id: readId(bytes, 0), idle: readTime(bytes, idLength) };
}
