// What somebody else wrote under a session's key, and sessions as large as they may be.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, describe, it } from "node:test";
import { SessionError } from "../../src/errors.ts";
import type { SessionEvent } from "../../src/events.ts";
import { SessionManager } from "../../src/manager.ts";
import { RedisStore } from "../../src/stores/redis.ts";
import { redis } from "../servers/sharedServers.ts";
import { type Connected, ioModule, standalone } from "./redis-drivers/clients.ts";

const { host, port } = await redis();
const clients = new Map<string, Connected>();
for (const [name, connect] of Object.entries(standalone)) {
  clients.set(name, await connect({ host, port }));
}
/** Reads and writes the bytes of a key as they are. */
const { Redis } = await ioModule("ioredis");
const raw = new Redis({ host, port }) as unknown as {
  getBuffer(key: string): Promise<Buffer>;
  call(...words: readonly (string | Buffer)[]): Promise<unknown>;
  disconnect(): void;
};
after(() => {
  for (const { end } of clients.values()) end();
  raw.disconnect();
});

type Data = { name: string; n: number; text: string };

interface World {
  readonly sessions: SessionManager<Data>;
  readonly events: SessionEvent[];
  readonly token: string;
  readonly key: string;
}

/** A session of ours, and where it is. */
async function world(name: string): Promise<World> {
  const events: SessionEvent[] = [];
  const prefix = `hostile-${process.pid}-${name}:`;
  const { client } = clients.get(name) ?? assert.fail(name);
  const sessions = new SessionManager<Data>({
    store: new RedisStore(client, { prefix }),
    name: "s",
    lifetime: "1h",
    onEvent: (event) => events.push(event),
  });
  const session = await sessions.loadToken(undefined);
  session.set("name", "alice");
  session.set("n", 1);
  await session.commit();
  events.length = 0;
  const token = session.token ?? assert.fail();
  return { sessions, events, token, key: `${prefix}s:${token.slice(0, 24)}` };
}

/** Whose session it is, "nobody", or the error's code. */
async function whose({ sessions, token }: World): Promise<string> {
  try {
    const session = await sessions.loadToken(token);
    return session.isNew ? "nobody" : `${String(session.get("name"))} ${String(session.get("n"))}`;
  } catch (error) {
    assert.ok(error instanceof SessionError && error.status === 503, String(error));
    return error.code;
  }
}

// What is read is judged behind the client: one of them is enough, unless there is time.
const judged = process.env["SCS_FULL"] === "1" ? [...clients.keys()] : ["redis"];

for (const name of judged) {
  describe(`RedisStore, ${name}: hostile records`, () => {
    it("cut anywhere: nobody's session, and an event", async () => {
      const it = await world(name);
      const whole = await raw.getBuffer(it.key);
      for (let length = 0; length < whole.length; length += length < 64 ? 3 : 11) {
        await raw.call("SET", it.key, whole.subarray(0, length));
        it.events.length = 0;
        assert.equal(await whose(it), "nobody", `${length} of ${whole.length} bytes`);
        assert.deepEqual(
          it.events.map(({ type }) => type),
          ["damaged-record"],
          `${length} of ${whole.length} bytes`,
        );
      }
    });

    it("any byte changed by hand: the session as it was, nobody's, or 503; never another's", async () => {
      const it = await world(name);
      const whole = await raw.getBuffer(it.key);
      const outcomes = new Map<string, number>();
      for (let at = 0; at < whole.length; at++) {
        const changed = Buffer.from(whole);
        changed[at] = (changed[at] ?? 0) ^ (1 << (at % 8));
        await raw.call("SET", it.key, changed);
        const outcome = await whose(it);
        outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
        // Version and times are the engine's own and not under a checksum; all else is.
        const inNumbers = at >= 3 && at < 27;
        if (outcome === "alice 1") assert.ok(inNumbers, `byte ${at} does not matter`);
        else assert.match(outcome, /^(nobody|unknown-format|store-failed)$/, `byte ${at}`);
      }
      assert.ok((outcomes.get("nobody") ?? 0) > whole.length / 2, JSON.stringify([...outcomes]));
    });

    it("foreign values, the record of another session, and 8 MiB of junk: nobody's", async () => {
      const it = await world(name);
      const another = await world(name);
      const foreign: Readonly<Record<string, readonly (string | Buffer)[]>> = {
        "PHP's": ["SET", it.key, 'user|s:5:"admin";'],
        JSON: ["SET", it.key, '{"cookie":{"originalMaxAge":null},"user":"admin"}'],
        "a hash": ["HSET", it.key, "user", "admin"],
        "a list": ["RPUSH", it.key, "admin"],
        "a number": ["SET", it.key, "1"],
        "another's record": ["SET", it.key, await raw.getBuffer(another.key)],
        junk: ["SET", it.key, randomBytes(8 * 2 ** 20)],
      };
      for (const [what, words] of Object.entries(foreign)) {
        await raw.call("DEL", it.key);
        await raw.call(...words);
        it.events.length = 0;
        // A record under the wrong key is a store that mixes things up: no answer at all.
        const expected = what === "another's record" ? "store-failed" : "nobody";
        assert.equal(await whose(it), expected, what);
        assert.equal(it.events.length, 1, `${what}: ${JSON.stringify(it.events)}`);
        assert.equal(await raw.call("EXISTS", it.key), 1, `${what} is left alone`);
      }
      assert.equal(await whose(another), "alice 1");
    });
  });
}

for (const name of clients.keys()) {
  describe(`RedisStore, ${name}: large sessions`, () => {
    it("64 KiB by default, 1 MiB when allowed; above it a clear error, and nothing is stored", async () => {
      const { client } = clients.get(name) ?? assert.fail();
      const prefix = `large-${process.pid}-${name}:`;
      for (const [maxSize, size] of [
        [undefined, 64_000],
        ["1mb", 1_000_000],
      ] as const) {
        const store = new RedisStore(client, { prefix });
        const sessions = new SessionManager<Data>({ store, maxSize, onEvent: () => {} });
        const text = randomBytes(size / 2).toString("hex");
        const session = await sessions.loadToken(undefined);
        session.set("text", text);
        await session.commit();
        const { token } = session;
        const [a, b] = [await sessions.loadToken(token), await sessions.loadToken(token)];
        assert.equal(a.get("text"), text);
        // The second of two changes gets the newest record, all of it, with the conflict.
        a.set("n", 1);
        b.update("n", (n) => (n ?? 0) + 1);
        await a.commit();
        await b.commit();
        assert.equal((await sessions.loadToken(token)).get("n"), 2);
        const tooMuch = await sessions.loadToken(token);
        assert.throws(
          () => tooMuch.set("name", "x".repeat(size / 10)),
          (error) =>
            error instanceof SessionError &&
            error.code === "too-large" &&
            /maxSize is \d+/.test(error.message),
        );
        assert.equal((await sessions.loadToken(token)).has("name"), false);
      }
    });
  });
}
