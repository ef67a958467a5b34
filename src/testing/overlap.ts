/** G1, G3 and G4: what overlapping requests may do to each other. */
import { isSealed } from "../sealed.ts";
import type { Check } from "./bench.ts";
import { minute } from "./bench.ts";
import { codeOf, equal, fail, ok, present, rejects } from "./expect.ts";
import { FaultyStore } from "./faults.ts";
import { begin, isGood, isOver, resume, scenario } from "./world.ts";

const updates: readonly Check[] = [
  scenario("G1: overlapping transactions on different keys all survive", ["G1"], async (world) => {
    const managers = [world.manager(), world.manager(), world.manager()] as const;
    const token = await begin(managers[0]);
    const requests = await Promise.all(
      Array.from({ length: 12 }, (_, i) => resume(managers[i % 3] ?? managers[0], token)),
    );
    await Promise.all(
      requests.map((session, i) => {
        session.set(`k${i}`, i);
        return session.commit();
      }),
    );
    const after = await resume(managers[1], token);
    for (let i = 0; i < 12; i++) equal(after.get(`k${i}`), i, `k${i}`);
    equal(after.get("text"), "hello", "a key that nobody changed");
  }),
  scenario("G1: on one key, one whole value wins", ["G1"], async (world) => {
    const managers = [world.manager(), world.manager()] as const;
    const token = await begin(managers[0]);
    await Promise.all(
      Array.from({ length: 8 }, async (_, from) => {
        const session = await resume(managers[from % 2] ?? managers[0], token);
        session.set("list", { from, items: Array.from({ length: 20 }, () => from) });
        await session.commit();
      }),
    );
    const list = present((await resume(managers[0], token)).get("list"), "the value");
    equal(
      list.items,
      Array.from({ length: 20 }, () => list.from),
      "items of the winner",
    );
  }),
  scenario("G1: update loses none", ["G1"], async (world) => {
    const managers = [world.manager(), world.manager()] as const;
    const token = await begin(managers[0]);
    await Promise.all(
      Array.from({ length: 20 }, async (_, i) => {
        const session = await resume(managers[i % 2] ?? managers[0], token);
        session.update("n", (n) => (n ?? 0) + 1);
        await session.commit();
      }),
    );
    equal((await resume(managers[1], token)).get("n"), 20, "count");
  }),
  scenario(
    "G1: clear removes what is there when it commits, and later keys stay",
    ["G1"],
    async (world) => {
      const [a, b] = [world.manager(), world.manager()];
      const token = await begin(a, { text: "old", n: 1 });
      const clearing = await resume(a, token);
      const setting = await resume(b, token);
      clearing.clear();
      clearing.set("k1", 1);
      setting.set("k2", 2);
      await setting.commit();
      await clearing.commit();
      equal((await resume(b, token)).keys(), ["k1"], "keys after the clear");
      const late = await resume(b, token);
      const again = await resume(a, token);
      again.clear();
      late.set("k3", 3);
      await again.commit();
      await late.commit();
      equal((await resume(a, token)).keys(), ["k3"], "keys after a set that came later");
    },
  ),
  scenario("G1: pop delivers at least once and keeps a newer value", ["G1"], async (world) => {
    const [a, b] = [world.manager(), world.manager()];
    const token = await begin(a, { flash: "one", text: "stays" });
    const first = await resume(a, token);
    const second = await resume(b, token);
    equal(first.pop("flash"), "one", "first pop");
    equal(second.pop("flash"), "one", "second pop, at the same time");
    await first.commit();
    await second.commit();
    equal((await resume(a, token)).keys(), ["text"], "keys when both are done");

    const writer = await resume(a, token);
    writer.set("flash", "two");
    await writer.commit();
    const popping = await resume(a, token);
    const newer = await resume(b, token);
    equal(popping.pop("flash"), "two", "pop");
    newer.set("flash", "three");
    await newer.commit();
    await popping.commit();
    equal((await resume(a, token)).get("flash"), "three", "the value that nobody has seen");
  }),
  scenario("G1: take delivers exactly once", ["G1"], async (world) => {
    const managers = [world.manager(), world.manager()] as const;
    const token = await begin(managers[0], { secret: "state", n: 0 });
    const requests = await Promise.all(
      Array.from({ length: 6 }, (_, i) => resume(managers[i % 2] ?? managers[0], token)),
    );
    const outcomes = await Promise.allSettled(
      requests.map(async (session) => {
        equal(session.take("secret"), "state", "taken");
        session.update("n", (n) => (n ?? 0) + 1);
        await session.commit();
      }),
    );
    equal(outcomes.filter(({ status }) => status === "fulfilled").length, 1, "how many took it");
    for (const outcome of outcomes) {
      if (outcome.status === "rejected")
        equal(codeOf(outcome.reason), "conflict", "code of a loser");
    }
    const after = await resume(managers[0], token);
    equal(after.has("secret"), false, "whether the secret is still there");
    equal(after.get("n"), 1, "how many transactions were stored");
  }),
  scenario(
    "G1: a second commit keeps what others stored during the first",
    ["G1"],
    async (world) => {
      const [a, b] = [world.manager(), world.manager()];
      const token = await begin(a);
      const slow = await resume(a, token);
      const quick = await resume(b, token);
      quick.set("k1", 1);
      await quick.commit();
      slow.set("k2", 2);
      const first = slow.commit();
      slow.set("k3", 3);
      await Promise.all([first, slow.commit()]);
      const after = await resume(b, token);
      equal(after.keys(), ["k1", "k2", "k3", "text"], "keys");
      equal(
        slow.keys(),
        ["k1", "k2", "k3", "text"],
        "keys that the session shows after its commit",
      );
    },
  ),
  scenario(
    "G1: a take that was recorded during a commit is checked against what that found",
    ["G1"],
    async (world) => {
      const [a, b] = [world.manager(), world.manager()];
      const token = await begin(a, { secret: "one" });
      const slow = await resume(a, token);
      const quick = await resume(b, token);
      quick.set("secret", "two");
      await quick.commit();
      slow.set("k1", 1);
      const first = slow.commit();
      equal(slow.take("secret"), "one", "taken while the first commit is under way");
      await first;
      await rejects(slow.commit(), "conflict", "commit of the take");
      equal((await resume(b, token)).get("secret"), "two", "the value that nobody has taken");
    },
  ),
];

const reads: readonly Check[] = [
  scenario("G3: what was acknowledged is read by the next request", ["G3"], async (world) => {
    const managers = [world.manager(), world.manager()] as const;
    let token = await begin(managers[0], { n: 0 });
    for (let n = 1; n <= 10; n++) {
      const session = await resume(managers[n % 2] ?? managers[0], token);
      equal(session.get("n"), n - 1, "what the request before stored");
      session.set("n", n);
      if (n % 3 === 0) session.renewToken();
      await session.commit();
      equal(session.get("n"), n, "what the session shows after its commit");
      token = present(session.token, "token");
    }
    const logout = await resume(managers[0], token);
    logout.destroy();
    await logout.commit();
    await isOver(managers[1], token);
  }),
];

const renewals: readonly Check[] = [
  scenario("G4: of parallel renewals exactly one wins", ["G4"], async (world) => {
    const managers = [world.manager(), world.manager(), world.manager()] as const;
    const token = await begin(managers[0]);
    const requests = await Promise.all(
      Array.from({ length: 9 }, (_, i) => resume(managers[i % 3] ?? managers[0], token)),
    );
    const winners: string[] = [];
    await Promise.all(
      requests.map(async (session) => {
        session.renewToken();
        try {
          await session.commit();
          winners.push(present(session.token, "token of a winner"));
        } catch (error) {
          equal(codeOf(error), "renewed", "code of a loser");
        }
      }),
    );
    equal(winners.length, 1, "how many won");
    await isOver(managers[0], token);
    equal((await resume(managers[1], winners[0] ?? "")).get("text"), "hello", "data");
  }),
  scenario("G4: a renewal keeps id and data, and starts a new lifetime", ["G4"], async (world) => {
    const a = world.manager();
    const token = await begin(a);
    const session = await resume(world.manager({ lifetime: 5 * minute }), token);
    const { id } = session;
    session.renewToken();
    await session.commit();
    const renewed = present(session.token, "token");
    ok(renewed !== token, "the token is another");
    const after = await resume(a, renewed);
    // In a cookie it gets another one, so that the old cookie can be told from the new.
    equal(after.id === id, !isSealed(world.bench.engine), "whether the id is the same");
    equal(after.get("text"), "hello", "data");
    const { deadlineIn } = await world.left(after);
    ok(deadlineIn <= 5 * minute + 100, "the deadline is that of the new lifetime");
  }),
  scenario("G4: at every instant exactly one token is good", ["G4", "records"], async (world) => {
    const store = new FaultyStore(world.bench.store);
    const reader = world.manager();
    const writer = world.manager({}, store);
    const tokens = [await begin(reader)];
    for (let round = 0; round < 5; round++) {
      const token = present(tokens.at(-1), "the newest token");
      const session = await resume(writer, token);
      session.renewToken();
      equal(await isGood(reader, token), true, "whether the old token is good before the commit");
      let during: boolean | undefined;
      store.after("update", async () => {
        during = await isGood(reader, token);
      });
      await session.commit();
      equal(during, false, "whether the old token is good once the engine has renewed it");
      tokens.push(present(session.token, "token"));
      const good = await Promise.all(tokens.map((each) => isGood(reader, each)));
      equal(
        good,
        tokens.map((_, i) => i === tokens.length - 1),
        "which tokens are good",
      );
    }
  }),
  scenario(
    "G4: a token renewed a moment ago reads as empty and changes nothing",
    ["G4", "G6"],
    async (world) => {
      const a = world.manager();
      const token = await begin(a);
      const login = await resume(a, token);
      login.renewToken();
      await login.commit();
      const late = await a.loadToken(token);
      equal(late.keys(), [], "keys under the old token");
      late.set("text", "late");
      await rejects(late.commit(), "superseded", "commit under the old token");
      const own = await a.loadToken(token);
      own.renewToken();
      own.set("text", "own");
      await own.commit();
      ok(own.id !== login.id, "its own renewal starts another session");
      const current = await resume(a, present(login.token, "token"));
      equal(current.get("text"), "hello", "data of the renewed session");
      if (!world.seen.includes("superseded")) fail("no event `superseded`");
    },
  ),
];

/** G1, G3 and G4. */
export const overlap: readonly Check[] = [...updates, ...reads, ...renewals];
