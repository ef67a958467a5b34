// Plans: which requests to send on a session, when and to which process, from one number.
import type { Change, Step } from "./history.ts";

/** One request of a plan. */
export interface Planned {
  /** Milliseconds after the start of its round. */
  readonly at: number;
  readonly process: number;
  readonly step: Step;
  /** Which of the tokens issued so far: the newest when undefined, else this fraction of the list. */
  readonly old?: number | undefined;
  /** Sent as soon as this one is answered, under the same token. */
  readonly chasers?: readonly { readonly process: number; readonly step: Step }[] | undefined;
}

/** One client's life: rounds one after the other, the requests of a round at once. */
export type Episode = readonly (readonly Planned[])[];

export type Random = () => number;

/** Numbers from 0 to 1 that follow from the seed (mulberry32). */
export function randomFrom(seed: number): Random {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

const registers = 6;

/** The plan of one client. The same seed, rounds and processes give the same plan. */
export function episode(seed: number, rounds: number, processes: number): Episode {
  const planner = new Planner(randomFrom(seed), processes, `e${seed}`);
  return Array.from({ length: rounds }, (_, i) => planner.round(i));
}

class Planner {
  readonly #random: Random;
  readonly #processes: number;
  readonly #name: string;
  #values = 0;

  constructor(random: Random, processes: number, name: string) {
    this.#random = random;
    this.#processes = processes;
    this.#name = name;
  }

  round(index: number): Planned[] {
    // All kinds in turn, so that a short plan has each; what happens in them is drawn.
    switch (index % 6) {
      case 1:
        return this.#renewals();
      case 3:
        return this.#takes();
      case 4:
        return this.#late();
      case 5:
        return this.#logout();
      default:
        return this.#several(this.#between(6, 12), () => this.#writer()).map((each) =>
          this.#maybe(0.3) ? { ...each, chasers: [this.#reader()] } : each,
        );
    }
  }

  /** Under a token that has just been renewed or ended: a reader and a writer of each process. */
  #chased(requests: readonly Planned[]): Planned[] {
    return requests.map((each) => ({
      ...each,
      chasers: Array.from({ length: this.#processes }, (_, process) => process).flatMap(
        (process) => [
          { process, step: { changes: [], touch: this.#maybe(0.5) } },
          { process, step: { changes: this.#changes() } },
        ],
      ),
    }));
  }

  #reader(): { readonly process: number; readonly step: Step } {
    return { process: this.#process(), step: { changes: [], touch: this.#maybe(0.5) } };
  }

  /** One renewal wins; writers and readers go on under the old token and the new. */
  #renewals(): Planned[] {
    return [
      ...this.#chased(this.#several(this.#between(2, 4), () => this.#renewal())),
      ...this.#several(this.#between(3, 6), () => this.#writer()),
    ];
  }

  #takes(): Planned[] {
    const key = this.#maybe(0.5) ? "secret" : "flash";
    const change: Change = { do: this.#maybe(0.7) ? "take" : "pop", key };
    const first = { at: 0, process: this.#process(), step: { changes: [this.#set(key)] } };
    const later = this.#several(this.#between(3, 6), () => ({ changes: [change] }));
    const others = this.#several(this.#between(1, 3), () => this.#writer());
    return [first, ...[...later, ...others].map((each) => ({ ...each, at: each.at + 10 }))];
  }

  /** Requests under tokens of before, among those under the newest. */
  #late(): Planned[] {
    const step = (): Step => {
      if (this.#maybe(0.15)) return { destroy: true, changes: [] };
      return this.#maybe(0.15) ? this.#renewal() : this.#writer();
    };
    const late = this.#several(this.#between(3, 6), step);
    return [
      ...late.map((each) => ({ ...each, old: this.#random() })),
      ...this.#several(this.#between(3, 6), () => this.#writer()),
    ];
  }

  /** A logout against late writers and renewals; now and then the next session begins with it. */
  #logout(): Planned[] {
    const next = this.#maybe(0.3) ? [this.#set("k0"), this.#set("k1")] : [];
    const destroys = this.#several(this.#maybe(0.3) ? 2 : 1, () => ({
      destroy: true,
      changes: next.map((change) => ({ ...change, value: this.#value() })),
      pause: this.#pause(),
    }));
    const renewals = this.#several(this.#between(0, 2), () => this.#renewal());
    return [
      ...this.#chased(destroys),
      ...renewals,
      ...this.#several(this.#between(5, 9), () => this.#writer()),
    ];
  }

  #renewal(): Step {
    const changes = this.#maybe(0.5) ? [this.#set("k0"), { do: "add" } as const] : [];
    // As a login, which checks a password between load and renewal: they overlap.
    const pause = 4 + Math.floor(this.#random() * 12);
    return { renew: true, changes, pause, how: this.#how() };
  }

  #writer(): Step {
    const touch = this.#maybe(0.7);
    if (this.#maybe(0.2)) return { changes: [], touch };
    const pause = this.#pause();
    // What is rolled back must never be seen.
    if (this.#maybe(0.1)) return { changes: this.#changes(), touch, pause, how: "fail" };
    if (this.#maybe(0.15)) {
      return { changes: this.#changes(), touch, pause, how: "stream" };
    }
    return { changes: this.#changes(), touch, pause, how: this.#how() };
  }

  #how(): Step["how"] {
    return this.#maybe(0.2) ? "explicit" : undefined;
  }

  #changes(): Change[] {
    const key = `k${Math.floor(this.#random() * registers)}`;
    const drawn = this.#random();
    if (drawn < 0.03) return [{ do: "clear" }, this.#set(key)];
    if (drawn < 0.3) return [this.#set(key)];
    if (drawn < 0.6) return [{ do: "add" }, this.#set(key)];
    if (drawn < 0.75) return [{ do: "pair", value: this.#value() }];
    if (drawn < 0.8) return [{ do: "delete", key }, { do: "add" }];
    if (drawn < 0.87) return [this.#set("flash"), { do: "add" }];
    if (drawn < 0.94) return [{ do: "pop", key: "flash" }];
    return [{ do: "take", key: "secret" }, { do: "add" }];
  }

  #set(key: string): Change & { readonly do: "set" } {
    return { do: "set", key, value: this.#value() };
  }

  #value(): string {
    return `${this.#name}-${++this.#values}`;
  }

  #pause(): number | undefined {
    return this.#maybe(0.6) ? Math.floor(this.#random() * 12) : undefined;
  }

  #process(): number {
    return Math.floor(this.#random() * this.#processes);
  }

  #several(count: number, step: () => Step): Planned[] {
    return Array.from({ length: count }, () => ({
      at: Math.floor(this.#random() * 8),
      process: this.#process(),
      step: step(),
    }));
  }

  #between(least: number, most: number): number {
    return least + Math.floor(this.#random() * (most - least + 1));
  }

  #maybe(chance: number): boolean {
    return this.#random() < chance;
  }
}
