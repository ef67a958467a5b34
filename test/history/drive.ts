// Carries out plans on a fleet, and gives the history.
import { setTimeout as sleep } from "node:timers/promises";
import type { Fleet } from "./fleet.ts";
import type { Flaw } from "./flaws.ts";
import { type Exchange, idOf, type Step } from "./history.ts";
import { episode, type Episode, type Random, randomFrom } from "./plan.ts";

export interface Run {
  readonly seed: number;
  /** Clients that go through a plan of their own, at the same time. */
  readonly clients: number;
  readonly rounds: number;
  readonly flaw?: Flaw | undefined;
  /** How many requests are given up by their client after a moment, as a fraction. */
  readonly aborts?: number | undefined;
  /** No further round begins once this says so. */
  readonly until?: (() => boolean) | undefined;
}

/** One history per client: no session is shared between clients. */
export async function drive(fleet: Fleet, run: Run): Promise<Exchange[][]> {
  const clients = Array.from({ length: run.clients }, (_, i) => {
    return new Client(fleet, run.seed + i, run).live();
  });
  return await Promise.all(clients);
}

class Client {
  readonly #fleet: Fleet;
  readonly #seed: number;
  readonly #plan: Episode;
  readonly #run: Run;
  readonly #random: Random;
  readonly #history: Exchange[] = [];
  /** Every token ever given out to this client, oldest first. */
  readonly #issued: string[] = [];
  #current: string | undefined;
  #begun = 0;

  constructor(fleet: Fleet, seed: number, run: Run) {
    this.#fleet = fleet;
    this.#seed = seed;
    this.#plan = episode(seed, run.rounds, fleet.processes);
    this.#run = run;
    this.#random = randomFrom(~seed);
  }

  async live(): Promise<Exchange[]> {
    for (const round of this.#plan) {
      if (this.#run.until?.() === true) break;
      if (this.#current === undefined && !(await this.#begin(round[0]?.process ?? 0))) continue;
      const id = idOf(this.#current ?? "");
      const exchanges = await Promise.all(
        round.map(async ({ at, process, step, old, chasers = [] }) => {
          await sleep(at);
          const among = this.#issued[Math.floor((old ?? 0) * this.#issued.length)];
          const token = old === undefined ? this.#current : among;
          const exchange = await this.#send(process, step, token, id);
          await Promise.all(chasers.map((each) => this.#send(each.process, each.step, token, id)));
          return exchange;
        }),
      );
      // After a logout the next session begins. What the logout's own request began is probed only.
      const ended = exchanges.some(
        ({ step, token, answer }) =>
          step.destroy === true && answer?.found === true && idOf(token ?? "") === id,
      );
      if (ended) this.#current = undefined;
    }
    await this.#probe();
    return this.#history;
  }

  async #begin(process: number): Promise<boolean> {
    const value = `e${this.#seed}-begin-${++this.#begun}`;
    const step: Step = { changes: [{ do: "add" }, { do: "pair", value }] };
    const { status, cookie } = await this.#send(process, step, undefined, undefined);
    if (status !== 200 || !cookie) {
      await sleep(50);
      return false;
    }
    this.#current = cookie;
    return true;
  }

  async #send(
    process: number,
    step: Step,
    token: string | undefined,
    id: string | undefined,
  ): Promise<Exchange> {
    const { flaw, aborts = 0 } = this.#run;
    const abortAfter = this.#random() < aborts ? this.#random() * 8 : undefined;
    const exchange = await this.#fleet.send(process, step, token, { flaw, abortAfter });
    this.#history.push(exchange);
    const { cookie } = exchange;
    if (cookie) {
      this.#issued.push(cookie);
      // As a browser; but a session that a late request began does not become the client's.
      if (id !== undefined && idOf(cookie) === id) this.#current = cookie;
    }
    return exchange;
  }

  /** Asks with every token, oldest first, when all else is over. */
  async #probe(): Promise<void> {
    for (const [i, token] of this.#issued.entries()) {
      const { flaw } = this.#run;
      const step: Step = { changes: [], touch: false };
      const process = i % this.#fleet.processes;
      this.#history.push(await this.#fleet.send(process, step, token, { flaw, probe: true }));
    }
  }
}
