// Rows that no request of ours wrote: cut off, foreign, edited by hand. Such a row is no session and an
// event, or a session whose times are as they say; never a crash, never in the way of others.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { it } from "node:test";
import { SessionError } from "../../src/errors.ts";
import { SessionManager } from "../../src/manager.ts";
import type { TokenSession } from "../../src/session.ts";
import { hour, named, type SqlEngine } from "./engines.ts";

export interface HostileRows {
  readonly name: string;
  /** The table is there. */
  store(): SqlEngine;
  /** Runs `UPDATE table SET assignments WHERE id = key`. */
  edit(key: string, assignments: string): Promise<void>;
  /** Bytes as SQL. */
  bytes(hex: string): string;
  /** What this server lets a hand write beside what all of them do. */
  readonly damage: Readonly<Record<string, string>>;
  readonly harmless: Readonly<Record<string, string>>;
}

interface Data {
  text: string;
  count: number;
}

export function hostileRowTests({ name, store, edit, bytes, damage, harmless }: HostileRows): void {
  function open() {
    const events: string[] = [];
    const engine = store();
    const sessions = new SessionManager<Data>({
      store: engine,
      name: named("hostile"),
      lifetime: hour,
      idleTimeout: "10m",
      storeTimeout: "20s",
      onEvent: ({ type }) => events.push(type),
    });
    const begin = async (): Promise<TokenSession<Data>> => {
      const session = await sessions.loadToken(undefined);
      session.set("text", "hello");
      session.set("count", 1);
      await session.commit();
      events.length = 0;
      return session;
    };
    const keyOf = ({ id }: TokenSession<Data>): string => `${sessions.settings.name}:${id ?? ""}`;
    const listed = async (): Promise<number> => {
      let n = 0;
      for await (const _ of sessions.iterate()) n++;
      return n;
    };
    return { engine, sessions, events, begin, keyOf, listed };
  }

  it(`${name}: a row that was damaged is no session, reported, and in nobody's way`, async () => {
    const { engine, sessions, events, begin, keyOf, listed } = open();
    await begin();
    const cases: Record<string, string> = {
      "cut off": "data = substr(data, 1, length(data) - 3)",
      empty: `data = ${bytes("")}`,
      "of another program": `data = ${bytes(Buffer.from('{"passport":{"user":1}}').toString("hex"))}`,
      "of two megabytes": `data = ${bytes(randomBytes(2 ** 21).toString("hex"))}`,
      "at the highest version": "version = 2147483647",
      ...damage,
    };
    for (const [what, assignments] of Object.entries(cases)) {
      const session = await begin();
      const inFlight = await sessions.loadToken(session.token);
      await edit(keyOf(session), assignments);
      const found = await sessions.loadToken(session.token);
      assert.equal(found.isNew, true, what);
      assert.deepEqual(found.keys(), [], what);
      assert.deepEqual(events, ["damaged-record"], what);
      inFlight.set("text", "late");
      // A row whose version alone still fits takes the change of a request that had read it whole.
      const outcome = await inFlight.commit().then(
        () => "stored",
        (error: unknown) => (error instanceof SessionError ? error.code : String(error)),
      );
      assert.match(outcome, /^(stored|gone)$/, what);
      if (outcome === "stored") {
        assert.equal((await sessions.loadToken(session.token)).get("text"), "late", what);
        await edit(keyOf(session), assignments);
      }
      events.length = 0;
      assert.equal(await listed(), 1, what);
      assert.deepEqual(events, ["damaged-record"], what);
      await engine.destroy(keyOf(session));
    }
    await sessions.close();
  });

  it(`${name}: any one byte that changed is noticed`, async () => {
    const { engine, sessions, events, begin, keyOf } = open();
    const session = await begin();
    const key = keyOf(session);
    const { data = new Uint8Array(0) } = (await engine.load(key)) ?? {};
    for (let at = 0; at < data.length; at += 3) {
      const changed = Buffer.from(data);
      changed[at] = (changed[at] ?? 0) ^ (1 << (at % 8));
      await edit(key, `data = ${bytes(changed.toString("hex"))}`);
      events.length = 0;
      assert.equal((await sessions.loadToken(session.token)).isNew, true, `byte ${at}`);
      assert.deepEqual(events, ["damaged-record"], `byte ${at}`);
    }
    await edit(key, `data = ${bytes(Buffer.from(data).toString("hex"))}`);
    assert.equal((await sessions.loadToken(session.token)).get("text"), "hello");
    await sessions.close();
  });

  it(`${name}: times that a hand has set hold as far as they go`, async () => {
    const { sessions, events, begin, keyOf, listed } = open();
    const cases: Record<string, string> = { "no idle expiry": "idle = NULL", ...harmless };
    for (const [what, assignments] of Object.entries(cases)) {
      const session = await begin();
      await edit(keyOf(session), assignments);
      const found = await sessions.loadToken(session.token);
      assert.equal(found.get("text"), "hello", what);
      assert.ok(Number.isFinite(found.deadline.getTime()), what);
      assert.ok(Number.isFinite(found.createdAt.getTime()), what);
      found.update("count", (count) => (count ?? 0) + 1);
      await found.commit();
      assert.equal((await sessions.loadToken(session.token)).get("count"), 2, what);
      await listed();
      const ending = await sessions.loadToken(session.token);
      ending.renewToken();
      await ending.commit();
      assert.equal((await sessions.loadToken(session.token)).isNew, true, what);
      assert.deepEqual(
        events.filter((type) => !/^(created|renewed|superseded)$/.test(type)),
        [],
        what,
      );
    }
    await sessions.close();
  });
}
