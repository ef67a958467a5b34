/**
 * The Lua scripts: create, update, touch, and two rarely used ones. Each names one key, so each is
 * atomic on a cluster too. They read the server's clock and then write, which is deterministic
 * because Redis has replicated effects, not scripts, since version 5.
 *
 * The server expires a key once `now > PXAT`, and a record lives while `now < end`: hence `end - 1`.
 * The scripts check the end all the same, for a key whose expiry somebody took away.
 */

/** `now`, and the header of the record if there is a live one (`live`) or a dead one (`dead`). */
const prelude = `
local call, key = redis.call, KEYS[1]
local t = call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local h = call('GETRANGE', key, 0, 60)
local version, created, deadline, idle, digest
local live, dead = false, false
if #h == 61 and string.sub(h, 1, 3) == 'Sc\\1' then
  version, created, deadline, idle, digest = struct.unpack('>I6I6I6I6c32', h, 4)
  live = now < deadline and (idle == 0 or now < idle)
  dead = not live
end
`;

/** Writes the record: an expression, whose value is SET's reply. A function of Lua's would be made anew by each call. */
const put = (tail: string, data: string, only = ""): string =>
  `call('SET', key, struct.pack('>c3I6I6I6I6', 'Sc\\1', version, created, deadline, idle) .. ${tail} .. ${data}, ` +
  `'PXAT', string.format('%.0f', (idle > 0 and idle or deadline) - 1)${only})`;

/** A script, and its hash as soon as WebCrypto has made it. */
export class Script {
  readonly text: string;
  /** Until it is there, EVAL does, which also loads the script. */
  sha: string | undefined;

  constructor(text: string) {
    this.text = text.trim();
    void this.#hash();
  }

  async #hash(): Promise<void> {
    try {
      const digest = await crypto.subtle.digest("SHA-1", new TextEncoder().encode(this.text));
      this.sha = Array.from(new Uint8Array(digest), (byte) =>
        byte.toString(16).padStart(2, "0"),
      ).join("");
    } catch {
      // A runtime that forbids SHA-1 sends the text each time.
    }
  }
}

/** The scripts of all stores: made when the first store is, so that importing has no effect. */
export interface Scripts {
  /** ARGV: lifetime, idle or "", tail, data that are not in it or "". Replies `now, done`. */
  readonly create: Script;
  /**
   * ARGV: version, lifetime or "", idle or "", tail, data that are not in it or "", and the digest that
   * is expected if it is not the tail's. Replies `now, done, newest value`.
   */
  readonly update: Script;
  /** ARGV: idle, digest. Replies `now, done`. */
  readonly touch: Script;
  /** Replies `now, value`, the value only if the record lives by the server's clock. */
  readonly read: Script;
  /** Writes and removes a key. Replies `now`. */
  readonly probe: Script;
}

let made: Scripts | undefined;

export function scripts(): Scripts {
  made ??= {
    create: new Script(`${prelude}
if dead then call('DEL', key) end
version, created, deadline, idle = 1, now, now + ARGV[1], 0
if ARGV[2] ~= '' then idle = math.min(now + ARGV[2], deadline) end
return {now, ${put("ARGV[3]", "ARGV[4]", ", 'NX'")} and 1 or 0}`),

    update: new Script(`${prelude}
if h == '' or dead then return {now, 0} end
if not live or version ~= tonumber(ARGV[1]) or digest ~= (ARGV[6] or string.sub(ARGV[4], 1, 32)) then
  return {now, 0, call('GET', key)}
end
version = version + 1
if ARGV[2] ~= '' then deadline = now + ARGV[2] end
if ARGV[3] ~= '' then idle = math.max(idle, now + ARGV[3]) end
idle = math.min(idle, deadline)
${put("ARGV[4]", "ARGV[5]")}
return {now, 1}`),

    touch: new Script(`${prelude}
if not live or digest ~= ARGV[2] then return {now, 0} end
local later = math.min(now + ARGV[1], deadline)
if later > idle then
  call('SETRANGE', key, 21, struct.pack('>I6', later))
  call('PEXPIREAT', key, string.format('%.0f', later - 1))
end
return {now, 1}`),

    read: new Script(`${prelude}
if h == '' or dead then return {now} end
return {now, call('GET', key)}`),

    probe: new Script(`
local t = redis.call('TIME')
redis.call('SET', KEYS[1], '', 'PX', 1000)
redis.call('DEL', KEYS[1])
return t[1] * 1000 + math.floor(t[2] / 1000)`),
  };
  return made;
}
