/** G5, G6 and G7 of an engine that seals sessions into cookies: what clients may do to them. */
import { isSealed, type SealedStore } from "../sealed.ts";
import { type Check, minute, second } from "./bench.ts";
import { encodeRecord } from "../record.ts";
import { emptyState } from "../state.ts";
import { equal, present, rejects } from "./expect.ts";
import { withFormat } from "./forge.ts";
import { begin, isOver, resume, scenario, type World } from "./world.ts";

/** The cookies in a token, by name. */
function cookiesOf(token: string): Map<string, string> {
  return new Map(
    token.split("; ").map((pair) => {
      const at = pair.indexOf("=");
      return [pair.slice(0, at), pair.slice(at + 1)];
    }),
  );
}

function tokenOf(cookies: ReadonlyMap<string, string>): string {
  return Array.from(cookies, ([name, value]) => `${name}=${value}`).join("; ");
}

function engineOf(world: World): SealedStore {
  const { engine } = world.bench;
  if (!isSealed(engine)) throw new Error("This test needs an engine that seals");
  return engine;
}

const checks: readonly Check[] = [
  scenario("G7: a cookie changed at any place is no session", ["G7", "sealed"], async (world) => {
    const a = world.manager();
    const token = await begin(a);
    for (const [name, value] of cookiesOf(token)) {
      for (let i = 0; i < value.length; i++) {
        const changed = value.charAt(i) === "A" ? "B" : "A";
        const cookies = cookiesOf(token).set(
          name,
          value.slice(0, i) + changed + value.slice(i + 1),
        );
        world.events.length = 0;
        await isOver(a, tokenOf(cookies));
        equal(world.seen, ["rejected-cookie"], `events of a change at ${i}`);
      }
    }
    await resume(a, token);
  }),
  scenario("G7: a cookie cut off anywhere is no session", ["G7", "sealed"], async (world) => {
    const a = world.manager();
    const token = await begin(a);
    for (const [name, value] of cookiesOf(token)) {
      for (let length = 0; length < value.length; length++) {
        await isOver(a, tokenOf(cookiesOf(token).set(name, value.slice(0, length))));
      }
      await isOver(a, tokenOf(cookiesOf(token).set(name, `${value}A`)));
      await isOver(a, tokenOf(cookiesOf(token).set(name, value + value)));
    }
  }),
  scenario("G7: another manager's cookie is no session", ["G7", "sealed"], async (world) => {
    const [a, b] = [world.manager(), world.manager({ name: "another" })];
    const c = world.manager({ cookie: { name: "other" } });
    const token = await begin(a);
    await isOver(b, token);
    const [value = ""] = cookiesOf(token).values();
    await isOver(c, `other=${value}`);
    const reasons = world.events.map((event) => ("reason" in event ? event.reason : event.type));
    equal(reasons.slice(-2), ["not-authentic", "not-authentic"], "reasons");
  }),
  scenario("G7: a session of a newer version is a 503", ["G7", "sealed"], async (world) => {
    const a = world.manager();
    const session = await resume(a, await begin(a));
    const { name, transport } = a.settings;
    equal(transport.kind, "cookie", "transport");
    const jar = engineOf(world).bind(a.settings.cookie.name, name, () => {});
    const data = withFormat(encodeRecord(emptyState, new Uint8Array(8)), 200);
    const request = { id: session.id, data, from: undefined, lifetime: minute, idle: undefined };
    const sealed = present(await jar.seal(request, () => []), "a seal");
    const cookies = sealed.cookies.map(({ name: cookie, value }) => `${cookie}=${value ?? ""}`);
    await rejects(a.loadToken(cookies.join("; ")), "unknown-format", "load");
  }),
  scenario(
    "G5: the idle stamp prolongs its own session only, and not past the deadline",
    ["G5", "sealed"],
    async (world) => {
      const times = { lifetime: 10 * second, idleTimeout: 3 * second, touchInterval: 1 } as const;
      const a = world.manager(times);
      const early = 1.5 * second;
      const { tokens, used, other } = await world.bench.within(
        early + times.idleTimeout,
        async () => {
          const stamped = await world.bench.within(times.idleTimeout, async () => {
            const tokens = [await begin(a), await begin(a)];
            await world.bench.wait(early);
            const used = cookiesOf(present((await resume(a, tokens[0] ?? "")).token, "token"));
            equal(used.size, 2, "cookies of a session that was used");
            const [, stamp] = [...used];
            const other = cookiesOf(tokens[1] ?? "").set(...present(stamp, "a stamp"));
            return { tokens, used, other };
          });
          await world.bench.wait(1.8 * second);
          await resume(a, tokenOf(stamped.used));
          return stamped;
        },
      );
      await isOver(a, tokens[0] ?? "");
      await isOver(a, tokenOf(other));
      await world.bench.wait(8 * second);
      await isOver(a, tokenOf(used));
    },
  ),
  scenario("G5: a change does not move the deadline", ["G5", "sealed"], async (world) => {
    const lifetime = 2 * second;
    const a = world.manager({ lifetime });
    const session = await world.bench.within(lifetime, async () => {
      const session = await resume(a, await begin(a));
      await world.bench.wait(1.2 * second);
      session.set("text", "changed");
      await session.commit();
      return session;
    });
    await world.bench.wait(1.2 * second);
    await isOver(a, present(session.token, "token"));
  }),
  scenario("G6: a change that does not fit is no success", ["G6", "sealed"], async (world) => {
    const a = world.manager();
    const token = await begin(a);
    const session = await resume(a, token);
    session.set("text", "x".repeat(20_000));
    await rejects(session.commit(), "too-large", "commit");
    equal(session.get("text"), "hello", "what the session shows");
    equal(session.token, token, "the token");
  }),
];

/** What sessions in cookies must withstand. */
export const cookies: readonly Check[] = checks;
