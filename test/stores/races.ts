// Races between two server processes on one engine: nothing lost, nothing revived, one good token.
import assert from "node:assert/strict";
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { after, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { sleep } from "./engines.ts";
import type { Command, Outcome } from "./racer.ts";

class Racer {
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, (outcome: Outcome) => void>();
  #last = 0;

  constructor(child: ChildProcess) {
    this.#child = child;
    child.on("message", ({ id, outcome }: { id: number; outcome: Outcome }) => {
      this.#waiting.get(id)?.(outcome);
      this.#waiting.delete(id);
    });
    // What a process that died owes is not waited for.
    child.on("exit", () => {
      for (const answer of this.#waiting.values()) answer({ code: "exit" });
    });
  }

  run(command: Command): Promise<Outcome> {
    const id = ++this.#last;
    return new Promise((resolve) => {
      this.#waiting.set(id, resolve);
      this.#child.send({ id, command });
    });
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null) return;
    const exit = once(this.#child, "exit");
    this.#child.disconnect();
    await exit;
  }
}

async function start(...args: readonly string[]): Promise<Racer> {
  const child = fork(fileURLToPath(new URL("racer.ts", import.meta.url)), args, { execArgv: [] });
  await once(child, "message");
  return new Racer(child);
}

const rounds = process.env["SCS_FULL"] === "1" ? 40 : 8;

/** Registers the races of one engine; its table is set up already. */
export function raceTests(name: string, engine: string, url: string, table: string): void {
  describe(`${name}: two processes`, () => {
    let a: Racer;
    let b: Racer;
    before(async () => {
      [a, b] = await Promise.all([start(engine, url, table), start(engine, url, table)]);
      await Promise.all([a.run({ do: "check" }), b.run({ do: "check" })]);
    });
    after(async () => {
      await Promise.all([a.stop(), b.stop()]);
    });

    async function begin(): Promise<string> {
      const { token, code } = await a.run({ do: "begin" });
      assert.equal(code, undefined);
      return token ?? "";
    }

    /** The same command several times in each process, at once. */
    async function both(command: Command, each: number): Promise<Outcome[]> {
      const runs = Array.from({ length: each }, () => [a.run(command), b.run(command)]);
      return await Promise.all(runs.flat());
    }

    const isGood = async (token: string): Promise<boolean> =>
      (await b.run({ do: "read", token })).code === undefined;

    it("`update` loses no step, and no request fails by contention", async () => {
      const token = await begin();
      const times = 5 * rounds;
      const outcomes = await both({ do: "count", token, times }, 3);
      assert.deepEqual(
        outcomes,
        outcomes.map(() => ({ done: times })),
      );
      const { data } = await b.run({ do: "read", token });
      assert.equal(data?.count, times * 6);
    });

    it("changes of different keys all survive", async () => {
      const token = await begin();
      const times = 3 * rounds;
      const outcomes = await Promise.all(
        [a, b, a, b].map((racer, i) => racer.run({ do: "keys", token, from: 1000 * i, times })),
      );
      for (const { code } of outcomes) assert.equal(code, undefined);
      const { data } = await a.run({ do: "read", token });
      const keys = Object.keys(data ?? {}).filter((key) => key.startsWith("k"));
      assert.equal(keys.length, 4 * times);
    });

    it("a logout ends it for writers and touches of both processes", async () => {
      for (let round = 0; round < rounds; round++) {
        const token = await begin();
        const storms = both({ do: "storm", token }, 3);
        await sleep(20 + round * 10);
        assert.equal((await b.run({ do: "destroy", token })).code, undefined);
        assert.equal(await isGood(token), false, "right after the logout");
        for (const { code } of await storms) assert.match(code ?? "", /^(empty|gone)$/);
        assert.equal(await isGood(token), false, "after the last late writer");
      }
    });

    it("of parallel renewals exactly one wins, and its token alone is good", async () => {
      for (let round = 0; round < rounds; round++) {
        const token = await begin();
        const outcomes = await both({ do: "renew", token }, 3);
        const winners = outcomes.filter((outcome) => outcome.token !== undefined);
        const losers = outcomes.filter((outcome) => outcome.token === undefined);
        // One that loads after the renewal is superseded: its own renewal starts another session.
        const fresh: string[] = [];
        for (const { token: each } of winners) {
          if (each?.slice(0, 24) === token.slice(0, 24)) fresh.push(each);
        }
        assert.equal(fresh.length, 1, JSON.stringify(outcomes.map(({ code }) => code)));
        for (const { code } of losers) assert.match(code ?? "", /^(renewed|empty)$/);
        assert.equal(await isGood(fresh[0] ?? ""), true);
        assert.equal(await isGood(token), false);
      }
    });

    it("a logout beats a renewal, in either order", async () => {
      for (let round = 0; round < rounds; round++) {
        const token = await begin();
        const [renewed, ended] = await Promise.all([
          a.run({ do: "renew", token }),
          b.run({ do: "destroy", token }),
        ]);
        if (ended.code === undefined) {
          if (renewed.token !== undefined) assert.equal(await isGood(renewed.token), false);
        } else {
          // It loaded after the renewal, under a token that is no good any more.
          assert.equal(ended.code, "empty");
          assert.equal(await isGood(renewed.token ?? ""), true);
        }
        assert.equal(await isGood(token), false);
      }
    });

    it("`take` delivers to exactly one", async () => {
      for (let round = 0; round < rounds; round++) {
        const token = await begin();
        const outcomes = await both({ do: "take", token }, 3);
        const taken = outcomes.filter(({ code }) => code === undefined);
        assert.equal(taken.length, 1, JSON.stringify(outcomes));
        for (const { code } of outcomes) assert.match(code ?? "nothing", /^(nothing|conflict)$/);
      }
    });
  });
}
