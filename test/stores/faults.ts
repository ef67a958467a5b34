// Connections that break: a reply that was cut is never a success, and never another's. For the
// engines on a server, each through the proxy and with each of its clients.
import assert from "node:assert/strict";
import { it } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { SessionError } from "../../src/errors.ts";
import { SessionManager } from "../../src/manager.ts";
import type { Store, StoreRecord } from "../../src/store.ts";
import { inTime } from "../../src/testing/expect.ts";
import type { Proxy } from "../servers/proxy.ts";
import { until } from "../servers/resp.ts";

export interface Opened {
  readonly store: Store;
  /** Ends the store's timers and its client. */
  end(): Promise<void> | void;
}

export interface Client {
  readonly name: string;
  /** A store whose table is there, over a client of its own, through the proxy; on one connection. */
  open(proxy: Proxy, single?: boolean): Promise<Opened>;
  /** Up to how many bytes a reply of this client's server to one change has. */
  readonly replyBytes: number;
  /** How often replies are cut. Default 25, or 150 with SCS_FULL=1. */
  readonly rounds?: number | undefined;
}

const digest = new Uint8Array(32).fill(1);
const same = (caught: unknown): unknown => caught;
const usualRounds = process.env["SCS_FULL"] === undefined ? 25 : 150;

/** Loads until the client is connected again. */
async function reading<T>(load: () => Promise<T>): Promise<T> {
  let found: T | undefined;
  await until("it can be read", async () => (found = await load()) !== undefined);
  return found ?? assert.fail();
}

/** A stored session's token. A busy machine may let a client give up while it connects: then another. */
async function begun(sessions: SessionManager<{ count: number }>, count: number): Promise<string> {
  let token: string | undefined;
  await until("a session is stored", async () => {
    const session = await sessions.loadToken(undefined);
    session.set("count", count);
    await session.commit();
    token = session.token;
    return true;
  });
  return token ?? assert.fail();
}

/** A record under the key; an attempt of which nobody knows may have made it. */
async function stored(store: Store, key: string, data: Uint8Array): Promise<void> {
  await until(`${key} is stored`, async () => {
    await store.create(key, { digest, data, lifetime: 3_600_000, idle: undefined });
    return true;
  });
}

/** Registers the tests of one client. The proxy is there once they run. */
export function networkTests(client: Client, through: () => Proxy): void {
  const { name, replyBytes, rounds = usualRounds } = client;

  it(`${name}: no change is lost or done twice when replies are cut`, async (t) => {
    const proxy = through();
    const { store, end } = await client.open(proxy);
    const sessions = new SessionManager<{ count: number }>({ store, onEvent: () => {} });
    try {
      const token = await begun(sessions, 0);
      let acknowledged = 0;
      let unknown = 0;
      const cutsBefore = proxy.cuts;
      for (let round = 0; round < rounds; round++) {
        const session = await reading(() => sessions.loadToken(token));
        session.update("count", (count) => (count ?? 0) + 1);
        // Before the reply of the change, in the middle of it, or in that of the next load.
        proxy.cutAfterBytes(Math.floor((round * 0.075 * replyBytes) % replyBytes), "replies");
        try {
          await session.commit();
          acknowledged++;
        } catch (error) {
          assert.ok(error instanceof SessionError && error.status === 503, String(error));
          if (error.code === "commit-unknown") unknown++;
        }
      }
      await proxy.resume();
      const count = (await reading(() => sessions.loadToken(token))).get("count");
      const cuts = proxy.cuts - cutsBefore;
      t.diagnostic(`${rounds} rounds, ${cuts} cuts, ${acknowledged} acknowledged`);
      assert.ok(cuts > 5, `${cuts} cuts`);
      assert.ok(acknowledged > rounds / 4, `${acknowledged} acknowledged`);
      assert.ok(
        Number(count) >= acknowledged && Number(count) <= acknowledged + unknown,
        `${count} counted, ${acknowledged} acknowledged, ${unknown} unknown`,
      );
    } finally {
      await sessions.close();
      await end();
    }
  });

  it(`${name}: a reply never reaches another request`, async (t) => {
    const proxy = through();
    const { store, end } = await client.open(proxy);
    try {
      const data = (index: number) => new Uint8Array(50 + index).fill(index);
      const keys = Array.from({ length: 40 }, (_, index) => `own:${name}:${index}`);
      await Promise.all(keys.map((key, index) => stored(store, key, data(index))));
      let answered = 0;
      for (let round = 0; round < rounds; round++) {
        proxy.cutAfterBytes((round * 997) % 5000, "replies");
        // Over eight turns of the event loop: what begins in one of them may share its command's fate.
        const replies = await Promise.allSettled(
          keys.map(async (key, index) => {
            for (let turns = index % 8; turns > 0; turns--) await turn();
            return store.load(key);
          }),
        );
        for (const [index, reply] of replies.entries()) {
          if (reply.status === "rejected") continue;
          assert.equal(reply.value?.key, keys[index]);
          assert.deepEqual(reply.value?.data, data(index));
          answered++;
        }
      }
      t.diagnostic(`${answered} answered of ${rounds * keys.length}`);
      assert.ok(answered > rounds, `${answered} answered`);
    } finally {
      await proxy.resume();
      await end();
    }
  });

  it(`${name}: a reply that was cut does not spoil the next one`, async () => {
    const proxy = through();
    const { store, end } = await client.open(proxy, true);
    try {
      const key = `cut:${name}`;
      const data = new Uint8Array(50).fill(7);
      await stored(store, key, data);
      let length = 0;
      await until("its reply is measured", async () => {
        await store.load(key);
        const before = proxy.bytes.replies;
        await store.load(key);
        length = proxy.bytes.replies - before;
        return true;
      });
      // Everywhere behind the record, where a client may have it and not know that it is complete.
      const step = process.env["SCS_FULL"] === undefined ? 3 : 1;
      for (let left = 1; left <= 40 && left < length; left += step) {
        const cuts = proxy.cuts;
        proxy.cutAfterBytes(length - left, "replies");
        await Promise.resolve(store.load(key)).catch(() => {});
        if (proxy.cuts === cuts) await proxy.resume();
        let answer: { readonly record: StoreRecord | undefined } | undefined;
        await until(`it loads again, ${left} before the end`, async () => {
          answer = { record: await store.load(key) };
          return true;
        });
        assert.deepEqual(answer?.record?.data, data, `after a cut ${left} before the end`);
      }
    } finally {
      await proxy.resume();
      await end();
    }
  });

  it(`${name}: a server that falls silent is a 503 in time, and then serves again`, async () => {
    const proxy = through();
    const { store, end } = await client.open(proxy);
    const options = { store, storeTimeout: 500, onEvent: () => {} };
    const sessions = new SessionManager<{ count: number }>(options);
    try {
      const token = await begun(sessions, 1);
      let code = "";
      for (let tries = 0; code !== "store-timeout"; tries++) {
        proxy.stall();
        const failed = sessions.loadToken(token).then(() => assert.fail("it was loaded"), same);
        const error = await inTime(2000, failed, "the failure of a load");
        assert.ok(error instanceof SessionError && error.status === 503, String(error));
        // A client that gives up a silent connection after a second may come first on a slow machine.
        assert.ok(tries < 5, error.code);
        ({ code } = error);
        await proxy.resume();
        await until("it serves again", async () => {
          return (await sessions.loadToken(token)).get("count") === 1;
        });
      }
    } finally {
      await proxy.resume();
      await sessions.close();
      await end();
    }
  });
}
