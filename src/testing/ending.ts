/** G2 and G5: sessions end when they must, and nothing that has ended comes back. */
import { isSealed } from "../sealed.ts";
import { type Check, minute, rounding, second, slack } from "./bench.ts";
import { between, equal, ok, present, rejects } from "./expect.ts";
import { begin, isGood, isOver, resume, scenario } from "./world.ts";

const resurrections: readonly Check[] = [
  scenario("G2: a late writer does not revive a destroyed session", ["G2", "G6"], async (world) => {
    const [a, b] = [world.manager(), world.manager()];
    const token = await begin(a);
    const late = await resume(b, token);
    const renewing = await resume(b, token);
    const logout = await resume(a, token);
    logout.destroy();
    await logout.commit();
    late.set("text", "late");
    await rejects(late.commit(), "gone", "commit of a late change");
    renewing.renewToken();
    await rejects(renewing.commit(), "gone", "commit of a late renewal");
    await isOver(a, token);
    await isOver(b, token);
    if (!isSealed(world.bench.engine)) {
      await world.bench.missing(world.keyOf(late), "the destroyed record");
    }
  }),
  scenario("G2: a late touch does not revive a destroyed session", ["G2"], async (world) => {
    const times = { idleTimeout: 10 * minute, touchInterval: 1 } as const;
    const [a, b] = [world.manager(times), world.manager(times)];
    const token = await begin(a);
    let now = Date.now();
    const slow = world.manager({ ...times, clock: () => now });
    const late = await resume(slow, token);
    const logout = await resume(b, token);
    logout.destroy();
    await logout.commit();
    now += minute; // by this process's clock, the touch is due
    equal(await late.touch(), false, "touch");
    await isOver(a, token);
  }),
  scenario("G2: logout also ends a session that was renewed in between", ["G2"], async (world) => {
    const [a, b] = [world.manager(), world.manager()];
    const token = await begin(a);
    const logout = await resume(a, token);
    const login = await resume(b, token);
    login.renewToken();
    await login.commit();
    logout.destroy();
    await logout.commit();
    await isOver(a, token);
    await isOver(b, present(login.token, "the renewed token"));
  }),
  scenario(
    "G2: a late writer does not change a renewed session",
    ["G2", "G4", "G6"],
    async (world) => {
      const [a, b] = [world.manager(), world.manager()];
      const token = await begin(a);
      const late = await resume(b, token);
      const login = await resume(a, token);
      login.renewToken();
      login.set("text", "logged in");
      await login.commit();
      late.set("text", "late");
      await rejects(late.commit(), "renewed", "commit under the old token");
      await isOver(a, token);
      const after = await resume(b, present(login.token, "the renewed token"));
      equal(after.get("text"), "logged in", "data");
    },
  ),
  scenario("G2: a late touch under the old token moves nothing", ["G2", "G4"], async (world) => {
    const times = { idleTimeout: 10 * minute, touchInterval: 1 } as const;
    let now = Date.now();
    const a = world.manager({ ...times, clock: () => now });
    const token = await begin(a);
    const late = await resume(a, token);
    const login = await resume(world.manager(times), token);
    login.renewToken();
    await login.commit();
    now += minute;
    equal(await late.touch(), false, "touch");
    await isOver(a, token);
  }),
  scenario(
    "G2: a late writer does not revive an expired session",
    ["G2", "G5", "G6"],
    async (world) => {
      const a = world.manager({ lifetime: second });
      const [token, late] = await world.bench.within(second, async () => {
        const token = await begin(a);
        return [token, await resume(a, token)] as const;
      });
      await world.bench.wait(2 * second);
      late.set("text", "late");
      await rejects(late.commit(), "gone", "commit after the end");
      await isOver(a, token);
    },
  ),
  scenario("G2: an ended or invented token is never adopted", ["G2"], async (world) => {
    const a = world.manager();
    const token = await begin(a);
    const logout = await resume(a, token);
    logout.destroy();
    await logout.commit();
    for (const known of [token, "A".repeat(64), token.slice(0, 24) + "A".repeat(40), "short", ""]) {
      const session = await a.loadToken(known);
      session.set("text", "new");
      await session.commit();
      ok(session.token !== known, "the new session has a token of its own");
      ok(session.id !== known.slice(0, 24), "the new session has an id of its own");
      equal(await isGood(a, known), false, "whether the presented token works now");
    }
  }),
  scenario("G2: changes after destroy build another session", ["G2"], async (world) => {
    const a = world.manager();
    const token = await begin(a, { text: "old", n: 5 });
    const session = await resume(a, token);
    const { id } = session;
    session.destroy();
    session.set("text", "new");
    await session.commit();
    const fresh = present(session.token, "the new token");
    ok(session.id !== id, "the new session has another id");
    await isOver(a, token);
    const after = await resume(a, fresh);
    equal(after.keys(), ["text"], "keys of the new session");
    equal(after.get("text"), "new", "its data");
  }),
  scenario(
    "G2: nothing of a session that is destroyed during a commit is in the next one",
    ["G2"],
    async (world) => {
      const a = world.manager();
      const token = await begin(a, { text: "old", n: 5 });
      const session = await resume(a, token);
      session.set("k1", 1);
      const first = session.commit();
      session.destroy();
      session.set("k2", 2);
      await first;
      equal(session.keys(), ["k2"], "keys that the session shows once the first commit is done");
      await session.commit();
      await isOver(a, token);
      const after = await resume(a, present(session.token, "the new token"));
      equal(after.keys(), ["k2"], "keys of the new session");
    },
  ),
  scenario("G2: the right id with a wrong secret opens and ends nothing", ["G2"], async (world) => {
    const a = world.manager();
    const token = await begin(a);
    const forged = token.slice(0, 24) + "A".repeat(40);
    const session = await a.loadToken(forged);
    equal(session.isNew, true, "isNew of a forged token");
    equal(session.keys(), [], "its keys");
    session.destroy();
    await session.commit();
    equal((await resume(a, token)).get("text"), "hello", "data of the real session");
  }),
];

const expiries: readonly Check[] = [
  scenario(
    "G5: a session ends at its absolute deadline, however much it is used",
    ["G5"],
    async (world) => {
      const a = world.manager({
        lifetime: 1.6 * second,
        idleTimeout: 1.4 * second,
        touchInterval: 1,
      });
      const token = await world.bench.within(1.4 * second, async () => {
        const token = await begin(a);
        await world.bench.wait(0.7 * second);
        const session = await resume(a, token);
        session.set("text", "used");
        await session.commit();
        return token;
      });
      await world.bench.wait(2.2 * second);
      await isOver(a, token);
    },
  ),
  scenario("G5: use moves the idle expiry, and idling ends the session", ["G5"], async (world) => {
    const times = { idleTimeout: 1.5 * second, touchInterval: 1 } as const;
    const [a, b] = [world.manager(times), world.manager(times)];
    const [early, late] = [0.8 * second, 0.9 * second];
    const again = await world.bench.within(early + times.idleTimeout, async () => {
      const used = await world.bench.within(times.idleTimeout, async () => {
        const token = await begin(a);
        await world.bench.wait(early);
        return await resume(b, token);
      });
      await world.bench.wait(late);
      return await resume(a, present(used.token, "token")); // 1.7 s old, used 0.9 s ago
    });
    await world.bench.wait(2.2 * second);
    await isOver(a, present(again.token, "token"));
  }),
  scenario(
    "G5: a process whose clock is wrong neither ends nor prolongs a session",
    ["G5"],
    async (world) => {
      const times = { lifetime: 5 * minute, idleTimeout: 2 * minute, touchInterval: 1 } as const;
      const right = world.manager(times);
      for (const error of [-10 * minute, 10 * minute]) {
        const wrong = world.manager({ ...times, clock: () => Date.now() + error });
        for (const [maker, user] of [
          [wrong, right],
          [right, wrong],
        ] as const) {
          const token = await begin(maker);
          const session = await resume(user, token);
          session.set("text", "changed");
          await session.commit();
          const left = await world.left(session);
          between(left.deadlineIn, 5 * minute - slack, 5 * minute + rounding, "deadlineIn");
          between(left.idleIn, 2 * minute - slack, 2 * minute + rounding, "idleIn");
          await resume(maker, present(session.token, "token"));
        }
      }
    },
  ),
  scenario(
    "G5: a process whose clock is wrong sees sessions end in time",
    ["G5"],
    async (world) => {
      const times = { lifetime: 1.5 * second } as const;
      const managers = [-10 * minute, 0, 10 * minute].map((error) =>
        world.manager({ ...times, clock: () => Date.now() + error }),
      );
      const tokens = await world.bench.within(times.lifetime, async () => {
        const begun: string[] = [];
        for (const sessions of managers) begun.push(await begin(sessions));
        for (const sessions of managers) for (const token of begun) await resume(sessions, token);
        return begun;
      });
      await world.bench.wait(2.7 * second);
      for (const sessions of managers) for (const token of tokens) await isOver(sessions, token);
    },
  ),
  scenario("G5: a deadline set by hand holds, also for a renewal", ["G5"], async (world) => {
    const a = world.manager({ idleTimeout: 30 * minute });
    const token = await begin(a);
    const session = await resume(a, token);
    session.deadline = Date.now() + 10 * minute;
    await session.commit();
    const again = await resume(a, present(session.token, "token"));
    again.renewToken();
    await again.commit();
    const left = await world.left(again);
    between(left.deadlineIn, 10 * minute - slack, 10 * minute + rounding, "deadlineIn");
    between(left.idleIn, 1, left.deadlineIn + 1, "idleIn");
  }),
];

/** G2 and G5. */
export const ending: readonly Check[] = [...resurrections, ...expiries];
