/** One manager's sessions in cookies: which cookies there are, what is in them, and whether it lives. */
import { SessionError } from "../errors.ts";
import type {
  CookieChange,
  Cookies,
  Jar,
  Opened,
  Revocations,
  Sealed,
  SealedRecord,
  SealRequest,
  Soon,
  Unopened,
} from "../sealed.ts";
import type { Ring, RingKey } from "./cookie-keys.ts";
import {
  decodeData,
  encodeData,
  type Parsed,
  parse,
  type Plain,
  prefixOf,
  Sealer,
  soon,
  textLength,
} from "./cookie-seal.ts";
import { Stamps } from "./cookie-stamp.ts";

/** RFC 6265bis section 5.7: a browser ignores a cookie whose name and value have more bytes together. */
const cookieLimit = 4096;
/** Servers and proxies limit all headers together. */
export const mostChunks = 3;

const malformed: Opened = { reason: "malformed" };

export class CookieJar implements Jar {
  readonly revocations: Revocations | undefined;
  readonly #ring: Ring;
  readonly #name: string;
  /** The names of further cookies; the first one's has nothing behind it. */
  readonly #pieces: readonly string[];
  readonly #stampName: string;
  readonly #sealer: Sealer;
  readonly #stamps: Stamps;
  readonly #chunks: number;
  readonly #clock: () => number;

  constructor(
    ring: Ring,
    cookie: string,
    manager: string,
    chunks: number,
    clock: () => number,
    revocations: Revocations | undefined,
  ) {
    this.#ring = ring;
    this.#name = cookie;
    this.#pieces = Array.from({ length: mostChunks }, (_, i) =>
      i === 0 ? cookie : `${cookie}.${i}`,
    );
    this.#stampName = `${cookie}.idle`;
    this.#sealer = new Sealer(ring, cookie, manager);
    this.#stamps = new Stamps(this.#sealer, (id) => this.#key(id));
    this.#chunks = chunks;
    this.#clock = clock;
    this.revocations = revocations;
  }

  open(value: string | undefined, cookies: Cookies): Soon<Opened | undefined> {
    if (value === undefined) return undefined;
    const parsed = parse(value);
    if (parsed === undefined) return malformed;
    const key = this.#key(parsed.keyId);
    if (typeof key === "string") return { reason: key };
    const text = this.#gather(parsed, cookies);
    if (text === undefined) return malformed;
    const bytes = this.#sealer.open("data", key, parsed.count, text);
    return bytes instanceof Promise
      ? bytes.then((later) => this.#opened(later, cookies))
      : this.#opened(bytes, cookies);
  }

  #opened(bytes: Uint8Array | false | undefined, cookies: Cookies): Soon<Opened> {
    if (bytes === undefined) return malformed;
    if (bytes === false) return { reason: "not-authentic" };
    const plain = decodeData(bytes);
    if (plain === undefined) return malformed;
    const stamps = cookies(this.#stampName);
    if (stamps.length === 0) return this.#live(plain, 0);
    if (plain.idle !== undefined && this.#clock() < plain.idle) {
      // It lives without the stamp, which costs as much to open as the session did.
      const unopened = this.#stamps.unopened(stamps);
      if (unopened !== undefined) return this.#live(plain, 0, unopened);
    }
    return soon(this.#stamps.open(plain.id, stamps), (idle) => this.#live(plain, idle));
  }

  #key(id: string): RingKey | "unknown-key" | "retired-key" {
    const key = this.#ring.byId.get(id);
    if (key === undefined) return this.#ring.byId.has(id) ? "retired-key" : "unknown-key";
    return this.#clock() < key.until ? key : "retired-key";
  }

  /** The whole text, from one cookie or several; a missing or doubtful piece is none. */
  #gather(parsed: Parsed, cookies: Cookies): string | undefined {
    let { text } = parsed;
    if (parsed.count > mostChunks) return undefined;
    for (let i = 1; i < parsed.count; i++) {
      const values = cookies(this.#piece(i));
      if (values.length !== 1) return undefined;
      text += values[0] ?? "";
    }
    return text.length > mostChunks * cookieLimit ? undefined : text;
  }

  #live(plain: Plain, stamped: number, unopened?: Unopened): Opened {
    const { id, created, issued, deadline, data } = plain;
    const latest = Math.max(plain.idle ?? 0, stamped);
    const idle = latest === 0 ? undefined : Math.min(latest, deadline);
    const at = { created, issued, deadline, idle };
    const now = this.#clock();
    if (!isLive(at, now)) return { reason: "expired" };
    return { record: recordOf(id, data, at, now, unopened) };
  }

  /** The session if it lives; by its stamp, if need be, which may not have been opened yet. */
  #alive(record: SealedRecord): Soon<SealedRecord | undefined> {
    if (isLive(record.at, this.#clock())) return record;
    const { id, content, at, unopened } = record;
    if (unopened === undefined) return undefined;
    return soon(this.#stamps.open(id, unopened.stamps), (stamped) => {
      const now = this.#clock();
      const idle = Math.min(stamped, at.deadline);
      const opened = recordOf(id, content, { ...at, idle }, now);
      return isLive(opened.at, now) ? opened : undefined;
    });
  }

  seal(request: SealRequest, cookies: Cookies): Soon<Sealed | undefined> {
    const { from } = request;
    if (from === undefined) return this.#seal(request, undefined, cookies);
    return soon(this.#alive(from), (alive) =>
      alive === undefined ? undefined : this.#seal(request, alive, cookies),
    );
  }

  #seal(request: SealRequest, from: SealedRecord | undefined, cookies: Cookies): Soon<Sealed> {
    const { id, data } = request;
    const now = this.#clock();
    const { lifetime = (from?.at.deadline ?? now) - now } = request;
    const deadline = now + lifetime;
    const moved = request.idle === undefined ? 0 : now + request.idle;
    const latest = Math.max(from?.at.idle ?? 0, moved);
    const at = {
      created: from?.at.created ?? now,
      issued: from?.id === id ? from.at.issued : now,
      deadline,
      idle: latest === 0 ? undefined : Math.min(latest, deadline),
    };
    const { count, length } = this.#fit(data.length);
    const record = recordOf(id, data, at, now);
    const text = this.#sealer.seal("data", count, encodeData({ id, ...at, data }, length));
    return soon(text, (sealed) => ({
      record,
      cookies: this.#cookies(sealed, count, cookies, from?.id !== id),
    }));
  }

  /** How many cookies it takes, and how many characters of text: padded, as far as there is room. */
  #fit(dataLength: number): { count: number; length: number } {
    const { padded, least } = textLength(dataLength);
    for (let count = 1; count <= this.#chunks; count++) {
      const room = this.#room(count);
      if (least <= room) return { count, length: Math.min(padded, room - (room % 4)) };
    }
    const one = this.#chunks === 1;
    throw new SessionError(
      "too-large",
      `The session's ${dataLength} bytes take ${least} characters once sealed, and ${this.#room(this.#chunks)} fit into ` +
        `its ${one ? "cookie" : `${this.#chunks} cookies`}: browsers keep ${cookieLimit} bytes of name (${this.#name.length}) and value. ` +
        `Store less${one ? ", allow chunks" : ""}, or use a server-side engine`,
    );
  }

  /** The characters of text that fit into this many cookies. */
  #room(count: number): number {
    return this.#first(count) + (count - 1) * (cookieLimit - this.#piece(1).length);
  }

  /** Those that fit into the first one. */
  #first(count: number): number {
    return cookieLimit - this.#name.length - prefixOf(this.#sealer.keyId, count).length;
  }

  /** What carries the text, and what deletes pieces that a larger session left behind. */
  #cookies(text: string, count: number, cookies: Cookies, stamp: boolean): CookieChange[] {
    const prefix = prefixOf(this.#sealer.keyId, count);
    if (count === 1) {
      const changes: CookieChange[] = [{ name: this.#name, value: prefix + text }];
      return this.#clear(changes, cookies, 1, stamp);
    }
    let at = this.#first(count);
    const changes: CookieChange[] = [{ name: this.#name, value: prefix + text.slice(0, at) }];
    for (let i = 1; i < count; i++) {
      const name = this.#piece(i);
      const end = at + cookieLimit - name.length;
      changes.push({ name, value: text.slice(at, end) });
      at = end;
    }
    return this.#clear(changes, cookies, count, stamp);
  }

  /** Adds what deletes pieces from `count` on, and another session's stamp. */
  #clear(changes: CookieChange[], cookies: Cookies, count: number, stamp: boolean): CookieChange[] {
    for (let i = count; i < mostChunks; i++) {
      const name = this.#piece(i);
      if (cookies(name).length > 0) changes.push({ name, value: undefined });
    }
    if (stamp && cookies(this.#stampName).length > 0) {
      changes.push({ name: this.#stampName, value: undefined });
    }
    return changes;
  }

  stamp(record: SealedRecord, idle: number): Soon<Sealed | undefined> {
    return soon(this.#alive(record), (alive) =>
      alive === undefined ? undefined : this.#stamp(alive, idle),
    );
  }

  #stamp(record: SealedRecord, idle: number): Soon<Sealed> {
    const now = this.#clock();
    const { deadline } = record.at;
    const moved = Math.ceil(Math.min(deadline, Math.max(record.at.idle ?? 0, now + idle)));
    const at = { ...record.at, idle: moved };
    return soon(this.#stamps.make(record.id, moved), (value) => ({
      record: recordOf(record.id, record.content, at, now),
      cookies: [{ name: this.#stampName, value }],
    }));
  }

  clear(cookies: Cookies): readonly CookieChange[] {
    return this.#clear([{ name: this.#name, value: undefined }], cookies, 1, true);
  }

  #piece(index: number): string {
    return this.#pieces[index] ?? "";
  }
}

function isLive(at: SealedRecord["at"], now: number): boolean {
  return now < at.deadline && (at.idle === undefined || now < at.idle);
}

function recordOf(
  id: string,
  content: SealedRecord["content"],
  at: SealedRecord["at"],
  now: number,
  unopened?: Unopened,
): SealedRecord {
  return {
    id,
    content,
    age: Math.max(0, now - at.created),
    deadlineIn: at.deadline - now,
    idleIn: at.idle === undefined ? undefined : at.idle - now,
    claimedIn: unopened && Math.min(unopened.until, at.deadline) - now,
    at,
    unopened,
  };
}
