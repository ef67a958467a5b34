/** G6 and G7: replies that get lost, records that are damaged. */
import { statusOf } from "../errors.ts";
import { type Bench, type Check, minute } from "./bench.ts";
import { codeOf, equal, fail, inTime, ok, present, rejects } from "./expect.ts";
import { FaultyStore } from "./faults.ts";
import { withFormat } from "./forge.ts";
import { begin, isOver, resume, scenario, type World } from "./world.ts";

/** A process whose connection to the engine can be cut, and one whose cannot. */
function cut(world: World, options: Parameters<World["manager"]>[0] = {}) {
  const store = new FaultyStore(world.bench.store);
  return { store, cut: world.manager(options, store), whole: world.manager() };
}

const failures: readonly Check[] = [
  scenario(
    "G6: a destroy of an ended session counts as done, a touch is skipped",
    ["G6", "G2"],
    async (world) => {
      const a = world.manager({ idleTimeout: minute, touchInterval: 1 });
      const token = await begin(a);
      const sessions = [await resume(a, token), await resume(a, token)] as const;
      for (const session of sessions) {
        session.destroy();
        await session.commit();
        equal(session.status, "destroyed", "status");
        equal(session.token, undefined, "token");
        equal(await session.touch(), false, "touch");
      }
      await isOver(a, token);
    },
  ),
  scenario(
    "G6: after a failed commit the session shows nothing that was not stored",
    ["G6", "G1"],
    async (world) => {
      const a = world.manager();
      const token = await begin(a, { secret: "s", text: "stored" });
      const [first, second] = [await resume(a, token), await resume(world.manager(), token)];
      first.take("secret");
      await first.commit();
      second.take("secret");
      second.set("text", "not stored");
      await rejects(second.commit(), "conflict", "second take");
      equal(second.status, "unmodified", "status after the failure");
      equal((await resume(a, token)).get("text"), "stored", "data");
    },
  ),
  scenario("G6: a lost reply to create is recognised", ["G6", "records"], async (world) => {
    const { store, cut: a, whole } = cut(world);
    store.next("create", "lost");
    const token = await begin(a, { n: 1 });
    const session = await resume(whole, token);
    equal(session.get("n"), 1, "data");
    equal((await world.bench.loaded(world.keyOf(session))).version, 1, "version");
    equal(store.calls.create, 2, "how many creates it took");
  }),
  scenario(
    "G6: a lost reply to update is recognised, and applied once",
    ["G6", "records"],
    async (world) => {
      const { store, cut: a, whole } = cut(world);
      const token = await begin(a, { n: 1, secret: "s" });
      const session = await resume(a, token);
      session.update("n", (n) => (n ?? 0) + 1);
      session.take("secret");
      store.next("update", "lost");
      await session.commit();
      const after = await resume(whole, token);
      equal(after.get("n"), 2, "count");
      equal(after.has("secret"), false, "whether the taken secret is still there");
    },
  ),
  scenario(
    "G6: a lost reply to update is recognised after others' changes",
    ["G6", "records"],
    async (world) => {
      const { store, cut: a, whole } = cut(world);
      const token = await begin(a, { n: 1 });
      const session = await resume(a, token);
      session.update("n", (n) => (n ?? 0) + 1);
      store.next("update", "lost");
      store.after("update", async () => {
        for (let i = 0; i < 5; i++) {
          const other = await resume(whole, token);
          other.update("n", (n) => (n ?? 0) + 10);
          await other.commit();
        }
      });
      await session.commit();
      equal((await resume(whole, token)).get("n"), 52, "count");
    },
  ),
  scenario(
    "G6: an update that was not done is applied again, on the newest",
    ["G6", "records"],
    async (world) => {
      const { store, cut: a, whole } = cut(world);
      const token = await begin(a, { n: 1 });
      const session = await resume(a, token);
      const other = await resume(whole, token);
      other.set("n", 10);
      await other.commit();
      session.update("n", (n) => (n ?? 0) + 1);
      store.next("update", "failed", "failed");
      await session.commit();
      equal((await resume(whole, token)).get("n"), 11, "count");
    },
  ),
  scenario(
    "G6: a lost reply to a renewal is recognised",
    ["G6", "G4", "records"],
    async (world) => {
      const { store, cut: a, whole } = cut(world);
      const token = await begin(a);
      const session = await resume(a, token);
      session.renewToken();
      store.next("update", "lost");
      await session.commit();
      ok(session.token !== token, "the token is another");
      await resume(whole, present(session.token, "token"));
      await isOver(whole, token);
    },
  ),
  scenario("G6: a lost reply to destroy is recognised", ["G6", "G2", "records"], async (world) => {
    const { store, cut: a, whole } = cut(world);
    const token = await begin(a);
    const session = await resume(a, token);
    session.destroy();
    store.next("destroy", "lost");
    await session.commit();
    equal(session.status, "destroyed", "status");
    await isOver(whole, token);
  }),
  scenario("G6: an unknown outcome is no success", ["G6", "records"], async (world) => {
    for (const operation of ["create", "update", "destroy"] as const) {
      for (const fault of ["lost", "failed"] as const) {
        const { store, cut: a } = cut(world);
        const token = operation === "create" ? undefined : await begin(a);
        const session = await a.loadToken(token);
        if (operation === "destroy") session.destroy();
        else session.set("text", "changed");
        store.always(operation, fault);
        store.always("load", "failed");
        const what = `commit when every ${operation} is ${fault}`;
        await unavailable(session.commit(), what);
        if (operation === "create") equal(session.token, undefined, `token after a ${what}`);
        if (operation === "update") equal(session.token, token, `token after a ${what}`);
      }
    }
  }),
  scenario(
    "G6: an engine that fails is never an empty session",
    ["G6", "records"],
    async (world) => {
      const { store, cut: a } = cut(world);
      const token = await begin(a);
      store.next("load", "failed");
      await unavailable(a.loadToken(token), "load while the engine fails");
      if (!world.seen.includes("store-failed")) fail("no event `store-failed`");
      equal((await resume(a, token)).get("text"), "hello", "data once the engine answers again");
    },
  ),
  scenario(
    "G6: an engine that never answers fails within the store timeout",
    ["G6", "records"],
    async (world) => {
      for (const operation of ["load", "create", "update", "destroy"] as const) {
        const { store, cut: a, whole } = cut(world, { storeTimeout: 400 });
        const token = await begin(whole);
        const session = await prompt(() => a.loadToken(operation === "create" ? undefined : token));
        if (operation === "destroy") session.destroy();
        else session.set("text", "changed");
        store.always(operation, "hung");
        const work = operation === "load" ? a.loadToken(token) : session.commit();
        const failed = unavailable(work, `hung ${operation}`);
        await inTime(1500, failed, `the failure of a hung ${operation}`);
      }
    },
  ),
  scenario("G6: a touch that fails is an event only", ["G6", "records"], async (world) => {
    const { store, cut: a } = cut(world, { idleTimeout: minute, touchInterval: 1 });
    const token = await begin(a);
    await world.bench.wait(200);
    store.always("touch", "failed");
    equal((await resume(a, token)).get("text"), "hello", "data");
    equal(store.calls.touch, 1, "how many touches were tried");
    if (!world.seen.includes("touch-failed")) fail("no event `touch-failed`");
  }),
];

/** What prepares a test of a short store timeout: on a busy machine not every call is within it. */
async function prompt<T>(work: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await work();
    } catch (error) {
      if (codeOf(error) !== "store-timeout" || tries === 10) throw error;
    }
  }
}

async function unavailable(work: Promise<unknown>, what: string): Promise<void> {
  const codes = ["store-failed", "store-timeout", "commit-unknown"] as const;
  const error = await rejects(work, codes, what);
  equal(statusOf(codeOf(error) as "store-failed"), 503, `status of ${what}`);
}

/** Changes a stored record behind the manager's back. */
async function tamper(
  bench: Bench,
  key: string,
  change: (data: Uint8Array) => Uint8Array,
): Promise<void> {
  const { version, digest, data } = await bench.loaded(key);
  const result = await bench.store.update(key, { version, digest, data: change(data.slice()) });
  equal(result.done, true, "tampering");
}

const damages: readonly Check[] = [
  scenario(
    "G7: a damaged record is no session, reported, and not deleted",
    ["G7", "records"],
    async (world) => {
      const a = world.manager();
      const damage: readonly ((data: Uint8Array) => Uint8Array)[] = [
        (data) => data.map((byte, i) => (i === data.length - 1 ? byte ^ 1 : byte)),
        (data) => data.map((byte, i) => (i === 0 ? byte ^ 1 : byte)),
        (data) => data.map((byte, i) => (i === 10 ? byte ^ 0x80 : byte)),
        (data) => data.slice(0, -1),
        () => new Uint8Array(0),
        () => new Uint8Array(300).fill(255),
      ];
      for (const [index, change] of damage.entries()) {
        const token = await begin(a);
        const key = world.keyOf(await resume(a, token));
        await tamper(world.bench, key, change);
        world.events.length = 0;
        await isOver(a, token);
        equal(world.seen, ["damaged-record"], `events of damage ${index}`);
        await world.bench.loaded(key);
      }
    },
  ),
  scenario(
    "G7: a change that meets a damaged record is no success",
    ["G7", "G6", "records"],
    async (world) => {
      const a = world.manager();
      const token = await begin(a);
      const session = await resume(a, token);
      await tamper(world.bench, world.keyOf(session), () => new Uint8Array(3));
      session.set("text", "changed");
      await rejects(session.commit(), "gone", "commit on a damaged record");
    },
  ),
  scenario(
    "G7: a record of a newer version is a 503, and stays",
    ["G7", "records"],
    async (world) => {
      const a = world.manager();
      const token = await begin(a);
      const session = await resume(a, token);
      const key = world.keyOf(session);
      const before = (await world.bench.loaded(key)).data;
      await tamper(world.bench, key, (data) => withFormat(data, 200));
      await rejects(a.loadToken(token), "unknown-format", "load");
      session.set("text", "changed");
      await rejects(session.commit(), "unknown-format", "commit");
      await tamper(world.bench, key, () => before);
      equal((await resume(a, token)).get("text"), "hello", "data once the old format is back");
    },
  ),
  scenario(
    "G7: a value that cannot be decoded throws when read, and can be replaced",
    ["G7"],
    async (world) => {
      const json = new TextEncoder();
      const text = new TextDecoder();
      const codec = {
        encode: (value: unknown): Uint8Array => json.encode(JSON.stringify(value)),
        decode: (data: Uint8Array): unknown => JSON.parse(text.decode(data)) as unknown,
      };
      const writer = world.manager({
        codec: {
          ...codec,
          encode: (value) => (value === "bad" ? Uint8Array.of(0xff) : codec.encode(value)),
        },
      });
      const a = world.manager({ codec });
      const token = await begin(writer, { text: "good", flash: "bad", secret: "bad" });
      const session = await resume(a, token);
      equal(session.get("text"), "good", "the other value");
      let code: string | undefined;
      try {
        session.get("flash");
      } catch (error) {
        code = codeOf(error);
      }
      equal(code, "undecodable", "code when the value is read");
      session.set("flash", "new");
      session.delete("secret");
      await session.commit();
      const after = await resume(a, present(session.token, "token"));
      equal(after.get("flash"), "new", "the value that replaced it");
      equal(after.keys(), ["flash", "text"], "keys");
    },
  ),
];

/** G6 and G7. */
export const failure: readonly Check[] = [...failures, ...damages];
