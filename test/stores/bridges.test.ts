// The engines on other libraries' stores: the suite for one process on each, the suite of what they
// declare among several, and proof that what they do not declare does not hold.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { SessionManager } from "../../src/manager.ts";
import type { Store } from "../../src/store.ts";
import type { BridgeOptions } from "../../src/stores/bridge.ts";
import { type ExpressSessionStore, ExpressStore } from "../../src/stores/express.ts";
import { type UnstorageClient, UnstorageStore } from "../../src/stores/unstorage.ts";
import { storeSuite } from "../../src/testing/store.ts";
import { releaseOf } from "../servers/resp.ts";
import { postgres, redis } from "../servers/sharedServers.ts";
import { tested } from "../support/tested.ts";
import {
  fileStore,
  memoryOfExpress,
  memorystore,
  pgStore,
  redisStore,
  unstorage,
  unstorageDriver,
  version,
} from "./bridges/backends.ts";
import { driver } from "./drivers.ts";
import { digest, hour, named, record, suite } from "./engines.ts";
import { standalone } from "./redis-drivers/clients.ts";

const folder = mkdtempSync(join(tmpdir(), "scs-session-bridges-"));
const [shared, { url }] = await Promise.all([redis(), postgres()]);
const connected = await standalone["redis"]?.({ host: shared.host, port: shared.port });
const inPostgres = await pgStore(url, named("bridged"));
const { default: pg } = await driver<Pg>("pg");
const client = new pg.Client({ connectionString: url });
await client.connect();
const { rows } = await client.query("SHOW server_version");
await client.end();
const release = `PostgreSQL ${rows[0]?.server_version.split(" ", 1)[0] ?? "?"}`;
after(async () => {
  connected?.end();
  await inPostgres.close?.();
  rmSync(folder, { recursive: true });
});

interface Pg {
  readonly default: {
    readonly Client: new (options: object) => {
      connect(): Promise<void>;
      query(text: string): Promise<{ rows: { server_version: string }[] }>;
      end(): Promise<void>;
    };
  };
}

interface Target {
  readonly what: "ExpressStore" | "UnstorageStore";
  readonly with: string;
  readonly version?: string;
  /** The whole suite, whether or not this run is the full one. */
  readonly whole?: boolean;
  make(options?: BridgeOptions): Store;
}

function express(
  on: Omit<Target, "what" | "make">,
  store: ExpressSessionStore,
): Target & { readonly store: ExpressSessionStore } {
  const make = (options?: BridgeOptions): Store => new ExpressStore(store, options);
  return { what: "ExpressStore", ...on, make, store };
}

function storage(on: Omit<Target, "what" | "make">, client: UnstorageClient): Target {
  const make = (options?: BridgeOptions): Store => new UnstorageStore(client, options);
  return { what: "UnstorageStore", ...on, make };
}

const files = { base: join(folder, "unstorage") };
const targets: readonly Target[] = [
  express(
    { with: `${version("express-session")} (MemoryStore)`, whole: true },
    await memoryOfExpress(),
  ),
  express({ with: version("memorystore") }, await memorystore()),
  express({ with: version("session-file-store") }, await fileStore(join(folder, "files"))),
  express({ with: version("connect-pg-simple"), version: release }, inPostgres),
  express(
    { with: version("connect-redis"), version: await releaseOf(shared.port) },
    await redisStore(connected?.client, named("bridged:")),
  ),
  storage({ with: `${version("unstorage")} (memory)` }, await unstorage()),
  storage(
    { with: `${version("unstorage")} (fs)` },
    await unstorage(await unstorageDriver("fs", files)),
  ),
  storage(
    { with: `${version("unstorage")} (fs-lite), the driver alone` },
    await unstorageDriver("fs-lite", { base: join(folder, "lite") }),
  ),
  storage(
    { with: `${version("unstorage")} (lru-cache), the driver alone` },
    await unstorageDriver("lru-cache", { max: 1e6 }),
  ),
];

for (const { what, with: client, version: server, whole, make } of targets) {
  const name = `${what}, ${client}, one process`;
  const on = { what: `${what}, one process`, with: client, version: server };
  // No queue for connections: more at a time.
  suite(name, on, async () => ({ store: make({ exclusive: true }) }), whole, 40);
  // Of the suite, what G3 and G7 need.
  const among = `${what}, ${client}, several processes`;
  storeSuite({
    describe: (title, body) => describe(title, { concurrency: true }, body),
    it,
    name: among,
    abilities: { iterate: what === "UnstorageStore", shared: true, guarantees: ["G3", "G7"] },
    create: async () => ({ store: make() }),
  });
  tested({
    area: "engine",
    what: `${what}, several processes`,
    with: client,
    version: server,
    note: "the suite for G3 and G7, which is all that it promises",
    suite: among,
  });
}

/** Two engines that do not know of each other, as in two processes, on one back end. */
async function processes(): Promise<{
  readonly a: ExpressStore;
  readonly b: ExpressStore;
  /** From now on, `b` waits before its next write until `a` has done this. */
  before(run: () => Promise<unknown>): void;
}> {
  const store = await memoryOfExpress();
  let first: (() => Promise<unknown>) | undefined;
  const late: ExpressSessionStore = {
    get: (sid, done) => store.get(sid, done),
    destroy: (sid, done) => store.destroy(sid, done),
    set: (sid, session, done) => {
      const run = first;
      first = undefined;
      void Promise.resolve(run?.()).then(() => store.set(sid, session, done));
    },
  };
  return {
    a: new ExpressStore(store),
    b: new ExpressStore(late),
    before: (run) => void (first = run),
  };
}

describe("what the bridges do not declare for several processes", () => {
  const change = { version: 1, digest, data: Uint8Array.of(1) };

  it("G1 and G6: both updates are reported as done, and one is lost", async () => {
    const { a, b, before } = await processes();
    await a.create("k", record());
    before(() => a.update("k", { ...change, data: Uint8Array.of(2) }));
    assert.deepEqual(await b.update("k", change), { done: true });
    const found = await a.load("k");
    assert.equal(found?.version, 2, "after two updates");
    assert.deepEqual(found?.data, Uint8Array.of(1));
  });

  it("G2: a late writer brings a destroyed session back", async () => {
    const { a, b, before } = await processes();
    await a.create("k", record());
    before(() => a.destroy("k"));
    assert.deepEqual(await b.update("k", change), { done: true });
    assert.equal((await a.load("k"))?.version, 2);
  });

  it("G4: two renewals are both done, and one of the tokens is not good", async () => {
    const { a, b, before } = await processes();
    const [one, two] = [new Uint8Array(32).fill(1), new Uint8Array(32).fill(2)];
    await a.create("k", record());
    const results: unknown[] = [];
    before(async () => results.push(await a.update("k", { ...change, newDigest: one })));
    results.push(await b.update("k", { ...change, newDigest: two }));
    assert.deepEqual(results, [{ done: true }, { done: true }]);
    assert.deepEqual((await a.load("k"))?.digest, two);
  });

  it("G5: a process whose clock is ahead ends a live session", async (t) => {
    const { a, b } = await processes();
    await a.create("k", record(5 * 60_000));
    const { now } = Date;
    t.mock.method(Date, "now", () => now() + 10 * 60_000);
    assert.equal(await b.load("k"), undefined);
    t.mock.restoreAll();
    assert.equal((await a.load("k"))?.version, 1);
  });

  it("a manager says so once, and of an engine that promises all seven nothing", async () => {
    const { a } = await processes();
    const events: unknown[] = [];
    const onEvent = (event: object): void => void events.push(event);
    const sessions = new SessionManager({ store: a, onEvent });
    const session = await sessions.loadToken(undefined);
    session.set("a", 1);
    await session.commit();
    const [event, ...others] = events.filter(
      (each) => (each as { type: string }).type === "missing-guarantees",
    ) as { level: string; missing: string[]; message: string }[];
    assert.deepEqual(others, []);
    assert.equal(event?.level, "warn");
    assert.deepEqual(event?.missing, ["G1", "G2", "G4", "G5", "G6"]);
    assert.match(event?.message ?? "", /a session that has ended can come back \(G2\)/);
    const store = new ExpressStore(await memoryOfExpress(), { exclusive: true });
    const before = events.length;
    await new SessionManager({ store, onEvent }).loadToken(undefined);
    assert.equal(events.length, before);
  });
});

describe("one process", () => {
  it("two engines on one back end know of each other", async () => {
    const store = await memoryOfExpress();
    const engines = [1, 2, 3].map(() => new ExpressStore(store, { exclusive: true }));
    const [first = new ExpressStore(store)] = engines;
    await first.create("k", record());
    const change = { version: 1, digest, data: Uint8Array.of(1) };
    const results = await Promise.all(engines.map((each) => each.update("k", change)));
    assert.equal(results.filter(({ done }) => done).length, 1);
  });

  it("sessions on every back end, through a manager", async () => {
    for (const { make, with: client } of targets) {
      const sessions = new SessionManager<{ n: number }>({
        store: make({ exclusive: true }),
        lifetime: hour,
        idleTimeout: hour / 2,
      });
      const session = await sessions.loadToken(undefined);
      session.set("n", 0);
      await session.commit();
      const { token } = session;
      await Promise.all(
        Array.from({ length: 10 }, async () => {
          const each = await sessions.loadToken(token);
          each.update("n", (n = 0) => n + 1);
          await each.commit();
        }),
      );
      const last = await sessions.loadToken(token);
      assert.equal(last.get("n"), 10, client);
      await sessions.check();
      last.destroy();
      await last.commit();
      assert.equal((await sessions.loadToken(token)).isNew, true, client);
      await sessions.close();
    }
  });
});
