// SQLiteStore when its process is killed, its file is locked, full, gone or damaged.
import assert from "node:assert/strict";
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import {
  copyFileSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { after, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { SessionManager } from "../../src/manager.ts";
import { SQLiteStore } from "../../src/stores/sqlite.ts";
import { freePort } from "../servers/port.ts";
import { until } from "../servers/resp.ts";
import { record, refused, sleep } from "./engines.ts";
import { openSite, type Site, underLoad } from "./faults-load.ts";
import { hostileRowTests } from "./faults-rows.ts";

const folder = mkdtempSync(join(tmpdir(), "scs-session-faults-"));
const open: DatabaseSync[] = [];
after(() => {
  for (const each of open) each.close();
  rmSync(folder, { recursive: true });
});

let files = 0;
function connect(path: string = join(folder, `${++files}.db`)): DatabaseSync {
  const db = new DatabaseSync(path);
  open.push(db);
  return db;
}

async function onSite(
  path: string,
  run: (site: Site, db: DatabaseSync, store: SQLiteStore) => Promise<void>,
): Promise<void> {
  const db = connect(path);
  const store = new SQLiteStore(db, { sweepInterval: 100, busyTimeout: 500 });
  await store.setUp();
  const site = await openSite(store);
  try {
    await run(site, db, store);
  } finally {
    await site.close();
  }
}

const name = "node:sqlite";
const full = process.env["SCS_FULL"] === "1";

describe("SQLiteStore: faults", () => {
  const rows = connect();
  before(() => new SQLiteStore(rows).setUp());
  hostileRowTests({
    name,
    store: () => new SQLiteStore(rows),
    edit: async (key, assignments) => {
      rows.exec(`UPDATE scs_sessions SET ${assignments} WHERE id = '${key}'`);
    },
    bytes: (hex) => `x'${hex}'`,
    damage: {
      "of version 0": "version = 0",
      "of a negative version": "version = -5",
      "of a version that no number of JavaScript holds": "version = 9223372036854775807",
      "with a digest of one byte": "digest = x'07'",
      "with a digest too long": "digest = zeroblob(33)",
      "without a digest": "digest = x''",
    },
    harmless: {
      "no end": "deadline = 9223372036854775807, idle = 9223372036854775807",
      "created before all times": "created = -9223372036854775808",
      "created after all times": "created = 9223372036854775807",
    },
  });

  it(`${name}: a table takes bytes and whole numbers only`, async () => {
    const store = new SQLiteStore(rows);
    await store.create("strict", record());
    for (const assignments of ["data = 'text'", "digest = 'text'", "version = 'x'", "idle = 1.5"]) {
      assert.throws(
        () => rows.exec(`UPDATE scs_sessions SET ${assignments} WHERE id = 'strict'`),
        /cannot store/,
        assignments,
      );
    }
    store.close();
  });

  it(`${name}: SIGKILL under load loses nothing that was acknowledged`, async () => {
    const path = join(folder, "killed.db");
    const port = await freePort();
    let site: ChildProcess;
    const start = async (): Promise<void> => {
      const script = fileURLToPath(new URL("faults-site.ts", import.meta.url));
      site = fork(script, [path, String(port)], { execArgv: [] });
      await once(site, "message");
    };
    await start();
    const target = { url: `http://127.0.0.1:${port}`, storeTimeout: 1000, name };
    await underLoad(target, async (_, tally) => {
      for (let round = 0; round < (full ? 5 : 1); round++) {
        const { served, aborted } = tally;
        await until("visitors are served", async () => tally.served > served + 50);
        const exit = once(site, "exit");
        site.kill("SIGKILL");
        await exit;
        await until("visitors notice", async () => tally.aborted > aborted + 8);
        await start();
      }
    });
    const exit = once(site!, "exit");
    site!.disconnect();
    await exit;
  });

  it(`${name}: another process that keeps the write lock holds up nobody who only reads`, async () => {
    const path = join(folder, "locked.db");
    const other = connect(path);
    await onSite(path, async (site, _db, store) => {
      await store.create("read", record());
      let ticks = 0;
      const timer = setInterval(() => ticks++, 20);
      await underLoad({ ...site, name }, async (visitors, tally) => {
        for (const visitor of visitors.slice(5)) visitor.patience = 300;
        await until("visitors are served", async () => tally.served > 50);
        other.exec("BEGIN IMMEDIATE");
        try {
          const { refused: refusals } = tally;
          // With SQLite's own waiting it would stand still for those 500 ms each time, and not only when
          // the machine does.
          for (let tries = 0; tries === 0 || (ticks < 5 && tries < 5); tries++) {
            ticks = 0;
            await assert.rejects(store.check(), refused("store-failed", /database is locked/));
          }
          assert.ok(ticks >= 5, `${ticks} turns of the timer`);
          for (let i = 0; i < 10; i++) assert.equal((await store.load("read"))?.version, 1);
          await until("who writes is refused", async () => tally.refused > refusals + 2);
        } finally {
          other.exec("COMMIT");
        }
      });
      clearInterval(timer);
      // Waited for, and not in vain, unless this process stood still for too long.
      for (let tries = 1; ; tries++) {
        other.exec("BEGIN IMMEDIATE");
        const start = performance.now();
        const check = store.check().then(() => undefined, String);
        await sleep(100);
        other.exec("COMMIT");
        const late = performance.now() - start >= 450;
        const error = await check;
        if (error === undefined) break;
        assert.ok(late && tries < 10, error);
      }
    });
  });

  it(`${name}: a change that only met a lock is tried again, and never of unknown outcome`, async () => {
    const path = join(folder, "refused.db");
    const [own, other] = [connect(path), connect(path)];
    const store = new SQLiteStore(own, { busyTimeout: 100 });
    await store.setUp();
    const sessions = new SessionManager<{ n: number }>({ store, storeTimeout: "20s" });
    const session = await sessions.loadToken(undefined);
    session.set("n", 1);
    await session.commit();
    session.set("n", 2);
    other.exec("BEGIN IMMEDIATE");
    const commit = session.commit();
    // Several times as long as the engine waits.
    await sleep(500);
    other.exec("COMMIT");
    await commit;
    assert.equal((await sessions.loadToken(session.token)).get("n"), 2);
    await sessions.close();
  });

  it(`${name}: a full disk is store-full, loses nothing, and lets people log out`, async () => {
    await onSite(join(folder, "full.db"), async (site, db, store) => {
      const pages = () => Number(Object.values(db.prepare("PRAGMA page_count").get() ?? {})[0]);
      await store.create("ending", record());
      await underLoad({ ...site, name }, async (_, tally) => {
        await until("visitors are served", async () => tally.served > 50);
        db.exec(`PRAGMA max_page_count = ${pages()}`);
        const big = { ...record(), data: new Uint8Array(100_000) };
        await assert.rejects(store.create("big", big), refused("store-full", /is full/));
        const change = { version: 1, digest: record().digest, data: big.data };
        await assert.rejects(store.update("ending", change), refused("store-full", /is full/));
        assert.equal((await store.load("ending"))?.version, 1);
        await store.destroy("ending");
        assert.equal(await store.load("ending"), undefined);
        const { served } = tally;
        await until("visitors go on", async () => tally.served > served + 20);
        db.exec("PRAGMA max_page_count = 1000000");
        assert.equal(await store.create("big", big), true);
      });
    });
  });

  it(`${name}: a damaged file is one clear line, and works again from a copy`, async () => {
    const path = join(folder, "damaged.db");
    const copy = join(folder, "copy.db");
    const begin = connect(path);
    const first = new SQLiteStore(begin);
    await first.setUp();
    const sessions = new SessionManager<{ user: string }>({ store: first, onEvent: () => {} });
    const session = await sessions.loadToken(undefined);
    session.set("user", "ada");
    await session.commit();
    for (let i = 0; i < 300; i++) await first.create(`k${i}`, record());
    await sessions.close();
    open.splice(open.indexOf(begin), 1);
    begin.close();
    copyFileSync(path, copy);

    const breakages: Record<string, [() => void, RegExp]> = {
      "overwritten pages": [
        () => writeFileSync(path, readFileSync(path).fill(0x5a, 4096)),
        /malformed/,
      ],
      "cut off": [() => truncateSync(path, 9000), /malformed/],
      "another program's": [() => writeFileSync(path, "z".repeat(9000)), /not a database/],
    };
    for (const [what, [damage, said]] of Object.entries(breakages)) {
      copyFileSync(copy, path);
      damage();
      const store = new SQLiteStore(connect(path));
      const after = new SessionManager<{ user: string }>({ store, onEvent: () => {} });
      await assert.rejects(after.loadToken(session.token), { code: "store-failed", status: 503 });
      await assert.rejects(after.check(), refused("store-failed", said), what);
      await after.close();
      open.pop()?.close();
    }
    copyFileSync(copy, path);
    const store = new SQLiteStore(connect(path));
    const restored = new SessionManager<{ user: string }>({ store, onEvent: () => {} });
    assert.equal((await restored.loadToken(session.token)).get("user"), "ada");
    await restored.check();
    await restored.close();
  });

  it(`${name}: a process does not notice that its file was deleted, as documented`, async () => {
    const path = join(folder, "unnoticed.db");
    const store = new SQLiteStore(connect(path));
    await store.setUp();
    rmSync(path);
    assert.equal(await store.create("a", record()), true);
    assert.equal((await store.load("a"))?.version, 1);
    await store.check();
    store.close();
  });

  it(`${name}: a file that was deleted is 503 and one clear line until setUp`, async () => {
    const path = join(folder, "deleted.db");
    const before = connect(path);
    const old = new SQLiteStore(before);
    await old.setUp();
    await old.create("a", record());
    open.splice(open.indexOf(before), 1);
    before.close();
    rmSync(path);
    const store = new SQLiteStore(connect(path));
    const sessions = new SessionManager({ store, onEvent: () => {} });
    await assert.rejects(sessions.loadToken("A".repeat(64)), { code: "store-failed", status: 503 });
    await assert.rejects(sessions.check(), refused("store-failed", /no table .* run setUp\(\)/));
    await store.setUp();
    await sessions.check();
    assert.equal((await sessions.loadToken("A".repeat(64))).isNew, true);
    await sessions.close();
  });
});
