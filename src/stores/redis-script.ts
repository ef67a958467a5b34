/**
 * The Lua scripts: create, update, touch, and two rarely used ones. Each names one key, so each is
 * atomic on a cluster too. They read the server's clock and then write, which is deterministic
 * because Redis has replicated effects, not scripts, since version 5.
 *
 * Data go through Lua once, as an argument: Redis's hashes every byte of every string, 1.4 ns each, so the
 * times are put into a value once it is stored, rather than in front of it before
 * (docs/decisions/0026-redis-changes.md).
 *
 * The server expires a key once `now > PXAT`, and a record lives while `now < end`: hence `end - 1`.
 * The scripts check the end all the same, for a key whose expiry somebody took away or changed.
 */

/** The key, and the header of what is stored under it. */
const look = `
local call, key = redis.call, KEYS[1]
local h = call('GETRANGE', key, 0, 60)
`;

/** `now`, by the server's clock. */
const clock = `
local t = call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
`;

/** What a live record's header says (`live`), or a dead one's (`dead`). */
const judge = `
local created, deadline, idle
local live, dead = false, false
if #h == 61 and string.sub(h, 1, 3) == 'Sc\\1' then
  created, deadline, idle = struct.unpack('>I6I6I6', h, 10)
  live = now < deadline and (idle == 0 or now < idle)
  dead = not live
end
`;

/** When the server lets go of the key. Numbers go to a command with 17 digits. */
const expiry = `'PXAT', (idle > 0 and idle or deadline) - 1`;

/** Puts the times into the value, which came without. */
const times = `call('SETRANGE', key, 9, struct.pack('>I6I6I6', created, deadline, idle))`;

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
  /** ARGV: value, lifetime, idle or "". Replies `now, done`. */
  readonly create: Script;
  /**
   * ARGV: value, lifetime or "", idle or "", and the digest that is expected if it is not the value's. Replies
   * `now, done, newest value`; or only 1: done.
   */
  readonly update: Script;
  /** ARGV: idle, digest. Replies `now, done`. */
  readonly touch: Script;
  /** Replies `now, value`, the value only if the record lives by the server's clock. */
  readonly read: Script;
  /** Writes and removes a key. Replies `now`, too. */
  readonly probe: Script;
}

let made: Scripts | undefined;

export function scripts(): Scripts {
  made ??= {
    create: new Script(`
local call, key = redis.call, KEYS[1]
${clock}
local created, deadline, idle = now, now + ARGV[2], 0
if ARGV[3] ~= '' then idle = math.min(now + ARGV[3], deadline) end
while not call('SET', key, ARGV[1], ${expiry}, 'NX') do
  ${look}${judge}
  if not dead then return {now, 0} end
  call('DEL', key)
end
${times}
return {now, 1}`),

    // Where no time moves, and the key's own expiry is the record's end, it lives as long as it is there, and no
    // clock is needed. PEXPIRETIME came with Redis 7, and users may lack the right to it: then the clock says.
    update: new Script(`${look}
local sub, value = string.sub, ARGV[1]
local same = #h == 61 and sub(h, 1, 9) == sub(value, 10, 18) and sub(h, 28, 59) == (ARGV[4] or sub(value, 28, 59))
local ends = same and ARGV[2] == '' and ARGV[3] == '' and redis.pcall('PEXPIRETIME', key)
if type(ends) == 'number' then
  local deadline, idle = struct.unpack('>I6I6', h, 16)
  if ends + 1 == (idle > 0 and idle or deadline) then
    call('SET', key, value, 'KEEPTTL')
    call('SETRANGE', key, 9, sub(h, 10, 27))
    return 1
  end
end
${clock}${judge}
if h == '' or dead then return {now, 0} end
if not live or not same then return {now, 0, call('GET', key)} end
if ARGV[2] ~= '' then deadline = now + ARGV[2] end
if ARGV[3] ~= '' then idle = math.max(idle, now + ARGV[3]) end
idle = math.min(idle, deadline)
call('SET', key, value, ${expiry})
${times}
return {now, 1}`),

    touch: new Script(`${look}${clock}${judge}
if not live or string.sub(h, 28, 59) ~= ARGV[2] then return {now, 0} end
local later = math.min(now + ARGV[1], deadline)
if later > idle then
  call('SETRANGE', key, 21, struct.pack('>I6', later))
  call('PEXPIREAT', key, later - 1)
end
return {now, 1}`),

    read: new Script(`${look}${clock}${judge}
if h == '' or dead then return {now} end
return {now, call('GET', key)}`),

    probe: new Script(`
local t = redis.call('TIME')
redis.call('SET', KEYS[1], '', 'PX', 1000)
redis.call('DEL', KEYS[1])
return {t[1] * 1000 + math.floor(t[2] / 1000)}`),
  };
  return made;
}
