/** Commits that share a write: who fails, and for what reason, when the write does not go as planned. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { SessionManager, type TokenSession } from "../src/index.ts";
import { MemoryStore } from "../src/stores/memory.ts";
import { CountingStore } from "./support/counting.ts";

type Data = { n: number; code: string; k1: number; k2: number };

/** Two processes on one engine, and a session that both have loaded. */
async function world(): Promise<{
  readonly store: CountingStore;
  readonly token: string;
  readonly here: () => Promise<TokenSession<Data>>;
  readonly there: () => Promise<TokenSession<Data>>;
}> {
  const memory = new MemoryStore();
  const store = new CountingStore(memory);
  const options = { onEvent: () => {} };
  const a = new SessionManager<Data>({ ...options, store });
  const b = new SessionManager<Data>({ ...options, store: memory });
  const first = await b.loadToken(undefined);
  first.set("code", "once");
  first.set("n", 0);
  await first.commit();
  const token = first.token ?? assert.fail();
  return { store, token, here: () => a.loadToken(token), there: () => b.loadToken(token) };
}

const outcome = (commit: Promise<void>): Promise<string> =>
  commit.then(
    () => "done",
    (error: { code?: string }) => error.code ?? String(error),
  );

describe("commits that share a write", () => {
  it("a renewal that another process defeats takes no other change with it", async () => {
    const { store, here, there, token } = await world();
    const [busy, login, writer, other] = [await here(), await here(), await here(), await there()];
    busy.update("n", (n) => (n ?? 0) + 1);
    // The login fails as a whole when its code has been used.
    login.take("code");
    login.renewToken();
    writer.set("k1", 1);
    store.before.update = async () => {
      // The first write is under way: the next, with login and writer, meets the other process.
      store.before.update = async () => {
        other.take("code");
        await other.commit();
      };
    };
    const commits = [busy, login, writer].map((session) => outcome(session.commit()));
    assert.deepEqual(await Promise.all(commits), ["done", "conflict", "done"]);
    const after = await there();
    assert.equal(after.token, token);
    assert.equal(after.get("k1"), 1);
    assert.equal(after.get("n"), 1);
  });

  it("what waited behind a renewal fails as it does when the session ends: gone", async () => {
    const { store, here, there } = await world();
    const [busy, login, writer, other] = [await here(), await here(), await here(), await there()];
    busy.update("n", (n) => (n ?? 0) + 1);
    login.renewToken();
    writer.set("k1", 1);
    store.before.update = async () => {
      store.before.update = async () => {
        other.destroy();
        await other.commit();
      };
    };
    const commits = [busy, login, writer].map((session) => outcome(session.commit()));
    assert.deepEqual(await Promise.all(commits), ["done", "gone", "gone"]);
  });

  it("a renewal that is stored refuses what shared its write, once", async () => {
    const { here, there, token } = await world();
    const [busy, login, writer] = [await here(), await here(), await here()];
    busy.set("k2", 2);
    login.renewToken();
    writer.set("k1", 1);
    const commits = [busy, login, writer].map((session) => outcome(session.commit()));
    assert.deepEqual(await Promise.all(commits), ["done", "done", "renewed"]);
    assert.notEqual(login.token, token);
    assert.equal((await there()).has("k1"), false);
  });

  it("nobody joins a write that may be stored already", async () => {
    const { store, here, there } = await world();
    const [busy, login, writer] = [await here(), await here(), await here()];
    busy.set("k2", 2);
    login.renewToken();
    writer.set("k1", 1);
    store.before.update = async () => {
      store.before.update = async () => {
        // The reply to the shared write is lost once; then its id is found in the record.
        store.faults.update = ["lose"];
      };
    };
    const commits = [busy, login, writer].map((session) => outcome(session.commit()));
    assert.deepEqual(await Promise.all(commits), ["done", "done", "renewed"]);
    assert.equal((await there()).has("k1"), false);
  });
});
