/**
 * The nonces of one key, and the keys that XAES-256-GCM derives from their first halves.
 *
 * A first half is drawn once for many messages, and the second half for each, both at random: the
 * format is the same, and a key is derived once per half instead of once per message. Two messages
 * under one first half share their nonce with a probability of 2^-96, and there are few of them
 * (docs/decisions/0014-cookie-seal.md counts).
 *
 * Only derived keys are kept, not promises of them: on workerd those belong to one request.
 */
import type { Soon } from "../sealed.ts";
import { toText } from "./cookie-text.ts";
import { type Cipher, type Derived, nonceLength, prefixLength } from "./cookie-xaes.ts";

/** After so many messages another first half is drawn. */
export const mostMessages = 65_536;
/** So many derived keys are kept to open with. */
export const mostKept = 256;

const restLength = nonceLength - prefixLength;
/** The characters of a text that stand for the first half. */
const prefixText = (prefixLength / 3) * 4;

// A call for 12 random bytes costs ten times what slicing them off a block costs.
const pool = new Uint8Array(restLength * 64);
let poolAt = pool.length;

/** Fresh random bytes, 12 at a time. */
function draw(to: Uint8Array, at: number): void {
  if (poolAt === pool.length) {
    crypto.getRandomValues(pool);
    poolAt = 0;
  }
  for (let i = 0; i < restLength; i++) to[at + i] = pool[poolAt++] ?? 0;
}

/** What messages are sealed with at the moment. */
interface Current {
  readonly prefix: Uint8Array;
  readonly derived: Derived;
  left: number;
}

/** One key of the ring, at work. */
export class DerivedKeys {
  readonly #cipher: Cipher;
  #current: Current | undefined;
  /** By the text of the first half, oldest first. */
  readonly #kept = new Map<string, Derived>();

  constructor(cipher: Cipher) {
    this.#cipher = cipher;
  }

  /** In place: 24 free bytes, plaintext, 16 free bytes become nonce, ciphertext and tag. */
  seal(message: Uint8Array, additional: Uint8Array): Soon<void> {
    const current = this.#current;
    if (current !== undefined && current.left > 0) return use(current, message, additional);
    const prefix = new Uint8Array(prefixLength);
    draw(prefix, 0);
    const derived = this.#cipher.derive(prefix);
    if (derived instanceof Promise) {
      return derived.then((key) => use(this.#begin(prefix, key), message, additional));
    }
    return use(this.#begin(prefix, derived), message, additional);
  }

  #begin(prefix: Uint8Array, derived: Derived): Current {
    this.#keep(toText(prefix), derived);
    return (this.#current = { prefix, derived, left: mostMessages });
  }

  /** The plaintext; undefined when the message, whose text this is, is not authentic. */
  open(text: string, message: Uint8Array, additional: Uint8Array): Soon<Uint8Array | undefined> {
    const known = this.#kept.get(text.slice(0, prefixText));
    if (known !== undefined) return known.open(message, additional);
    const derived = this.#cipher.derive(message);
    if (derived instanceof Promise) {
      return derived.then((key) => this.#openFirst(key, message, additional));
    }
    return this.#openFirst(derived, message, additional);
  }

  #openFirst(
    derived: Derived,
    message: Uint8Array,
    additional: Uint8Array,
  ): Soon<Uint8Array | undefined> {
    // Kept only if it has opened something: what anybody can send must not push out what is used.
    const keep = (plain: Uint8Array | undefined): Uint8Array | undefined => {
      // The text of its own: a part of the cookie's would keep all of that alive.
      if (plain !== undefined) this.#keep(toText(message, 0, prefixLength), derived);
      return plain;
    };
    const plain = derived.open(message, additional);
    return plain instanceof Promise ? plain.then(keep) : keep(plain);
  }

  #keep(prefix: string, derived: Derived): void {
    if (this.#kept.size >= mostKept) {
      for (const [oldest] of this.#kept) {
        this.#kept.delete(oldest);
        break;
      }
    }
    this.#kept.set(prefix, derived);
  }
}

function use(current: Current, message: Uint8Array, additional: Uint8Array): Soon<void> {
  current.left--;
  message.set(current.prefix);
  draw(message, prefixLength);
  return current.derived.seal(message, additional);
}
