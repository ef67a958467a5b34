/** A story: a few requests on one session, their steps, and the order of everything. Told and checked. */
import type { SessionManager } from "../../src/manager.ts";
import type { TokenSession } from "../../src/session.ts";
import { MemoryStore } from "../../src/stores/memory.ts";
import { ManualClock } from "../../src/testing/clock.ts";
import { codeOf } from "../../src/testing/expect.ts";
import { increment, type Key, marker, Model, type Owner, type Transaction } from "./model.ts";
import { type Fault, ScheduledStore } from "./scheduled.ts";
import { Simulation } from "./simulation.ts";

/** One thing that a handler does. */
export type Step =
  | { readonly do: "set"; readonly key: Key; readonly value: number }
  | { readonly do: "delete" | "pop" | "take" | "update"; readonly key: Key }
  | { readonly do: "clear" | "renew" | "destroy" | "touch" | "commit" | "start commit" }
  | { readonly do: "deadline"; readonly minutes: number };

export interface Request {
  readonly process: 0 | 1;
  readonly steps: readonly Step[];
}

export interface Story {
  readonly requests: readonly Request[];
  /** How far the clock moves, in ms, whenever it gets its turn. */
  readonly clock: readonly number[];
  readonly faults: readonly Fault[];
  readonly order: readonly number[];
}

type Data = Record<string, number>;
type ManagerClass = typeof SessionManager;

const minute = 60_000;
const times = { lifetime: 60 * minute, idleTimeout: 10 * minute } as const;

/** Tells the story; throws with what went wrong, if anything did. */
export async function tell(story: Story, Manager: ManagerClass): Promise<void> {
  const simulation = new Simulation(story.order);
  const model = new Model(times);
  const teller = new Teller(story, simulation, model, Manager);
  try {
    await simulation.run(
      () => teller.tell(),
      () => {
        if (model.violations.length > 0) throw new Error(model.violations.join("\n"));
      },
    );
  } catch (error) {
    throw new Error(`${String(error)}\nOrder of events:\n  ${simulation.log.join("\n  ")}`, {
      cause: error,
    });
  }
}

/** What is known of a token. */
interface Known {
  readonly key: string;
  readonly from: number;
}

class Teller {
  readonly #story: Story;
  readonly #simulation: Simulation;
  readonly #model: Model;
  readonly #clock = new ManualClock();
  readonly #store: MemoryStore;
  readonly #managers: readonly SessionManager<Data>[];
  /** No scheduling and no faults: for the beginning and the end. */
  readonly #quiet: SessionManager<Data>;
  readonly #tokens = new Map<string, Known>();
  /** The browser's cookie. */
  #cookie: string | undefined;
  #fault = -1;

  constructor(story: Story, simulation: Simulation, model: Model, Manager: ManagerClass) {
    this.#story = story;
    this.#simulation = simulation;
    this.#model = model;
    const { now } = this.#clock;
    this.#store = new MemoryStore({ clock: now });
    this.#store.close(); // no sweeper: whatever is there must be dead by itself
    const around = {
      simulation,
      model,
      now,
      fault: () => this.#story.faults[++this.#fault] ?? "none",
    };
    const settings = { ...times, development: true, clock: now, onEvent: () => {} } as const;
    this.#managers = [0, 1].map(
      (process) =>
        new Manager<Data>({
          ...settings,
          store: new ScheduledStore(this.#store, process, around),
        }),
    );
    this.#quiet = new Manager<Data>({ ...settings, store: this.#store });
  }

  async tell(): Promise<void> {
    await this.#begin();
    await Promise.all([
      ...this.#story.requests.map((request, index) => this.#request(request, index)),
      this.#moveClock(),
    ]);
    await this.#end();
  }

  async #begin(): Promise<void> {
    const owner: Owner = { process: 2, tokenFrom: 0 };
    const first = this.#model.begin(owner);
    first.changes.push({ kind: "set", key: "a", value: 1 }, { kind: "set", key: "b", value: 1 });
    const session = await this.#quiet.loadToken(undefined);
    session.set("a", 1);
    session.set("b", 1);
    session.set(marker(first.id), first.id);
    await session.commit();
    first.outcome = "done";
    const record = await this.#store.load(this.#keyOf(session));
    if (record === undefined) throw new Error("the first session was not stored");
    this.#model.created(record, this.#clock.now());
    this.#learn(session, first.id);
    this.#cookie = session.token;
  }

  #keyOf(session: TokenSession<Data>): string {
    return `session:${session.id}`;
  }

  #learn(session: TokenSession<Data>, from: number): void {
    const { token } = session;
    if (token !== undefined) this.#tokens.set(token, { key: this.#keyOf(session), from });
  }

  async #moveClock(): Promise<void> {
    for (const ms of this.#story.clock) {
      await this.#simulation.turn(`the clock moves ${ms} ms`);
      this.#clock.advance(ms);
    }
  }

  async #request(request: Request, index: number): Promise<void> {
    const turn = (what: string): Promise<void> =>
      this.#simulation.turn(`request ${index}: ${what}`);
    await turn("start");
    const session = await this.#load(request.process);
    if (session === undefined) return;
    const handler = new Handler(session, request.process, this.#tokenFrom(session), this.#model);
    const commits: Promise<void>[] = [];
    for (const step of [...request.steps, { do: "commit" } as const]) {
      await turn(step.do);
      if (step.do === "commit") await this.#commit(handler);
      else if (step.do === "start commit") commits.push(this.#commit(handler));
      else if (step.do === "touch") await session.touch().catch(() => false);
      else handler.perform(step, this.#clock.now());
    }
    await Promise.all(commits);
  }

  #tokenFrom(session: TokenSession<Data>): number {
    return this.#tokens.get(session.token ?? "")?.from ?? 0;
  }

  async #load(process: 0 | 1): Promise<TokenSession<Data> | undefined> {
    const cookie = this.#cookie;
    const known = this.#tokens.get(cookie ?? "");
    const isGood = (): boolean => {
      const history = this.#model.histories.get(known?.key ?? "");
      return history !== undefined && history.ended === "no" && history.tokenFrom === known?.from;
    };
    const before = isGood();
    let session: TokenSession<Data>;
    try {
      session = await (this.#managers[process] ?? this.#quiet).loadToken(cookie);
    } catch {
      return undefined; // the engine failed: 503, and the handler does not run
    }
    if (!session.isNew && !before) this.#model.violation("a load revived an ended session");
    if (!session.isNew) this.#model.shown(this.#keyOf(session), valuesOf(session), "a load");
    // Expiry is not noticed by the model until somebody looks.
    const alive = known !== undefined && (await this.#store.load(known.key)) !== undefined;
    if (session.isNew && alive && isGood()) this.#model.violation("a load missed a live session");
    return session;
  }

  async #commit(handler: Handler): Promise<void> {
    const transaction = handler.take(this.#clock.now());
    if (transaction === undefined) return;
    const { session } = handler;
    const key = this.#keyOf(session);
    const ends = transaction.destroy && !session.isNew;
    const before = session.token;
    try {
      await session.commit();
      transaction.outcome = "done";
    } catch (error) {
      const code = codeOf(error) ?? String(error);
      transaction.outcome = code === "commit-unknown" ? "unknown" : { code };
    }
    // A commit before this one may have created the session meanwhile, under the id it has now.
    const stored = this.#model.histories.has(key) ? key : this.#keyOf(session);
    this.#model.answered(transaction, stored, this.#clock.now());
    if (transaction.outcome !== "done") return;
    if (session.token !== before) {
      // A commit that was started later may have made the token since; it says so itself.
      if (!this.#tokens.has(session.token ?? "")) this.#learn(session, transaction.id);
      this.#cookie = session.token;
    }
    if (ends && this.#model.histories.get(key)?.ended === "no" && before !== undefined) {
      this.#model.violation(`transaction ${transaction.id}: destroy was acknowledged and not done`);
    }
    if (session.token !== undefined && session.status === "unmodified" && !handler.isBusy) {
      this.#model.shown(this.#keyOf(session), valuesOf(session), "a commit");
    }
  }

  /** When all is quiet, of all tokens ever handed out exactly the newest is good. */
  async #end(): Promise<void> {
    for (const [token, { key, from }] of this.#tokens) {
      const alive = (await this.#store.load(key)) !== undefined;
      const newest = this.#model.histories.get(key)?.tokenFrom === from;
      const session = await this.#quiet.loadToken(token);
      if (session.isNew === (alive && newest)) {
        this.#model.violation(
          `the token of transaction ${from} is ${session.isNew ? "dead" : "good"}`,
        );
      }
      if (!session.isNew) this.#model.shown(key, valuesOf(session), "the end");
    }
  }
}

/** What one handler has recorded since its last commit. */
class Handler {
  readonly session: TokenSession<Data>;
  readonly #owner: Owner;
  readonly #model: Model;
  #open: Transaction | undefined;

  constructor(session: TokenSession<Data>, process: number, tokenFrom: number, model: Model) {
    this.session = session;
    this.#owner = { process, tokenFrom };
    this.#model = model;
  }

  get isBusy(): boolean {
    return this.#open !== undefined;
  }

  #transaction(): Transaction {
    return (this.#open ??= this.#model.begin(this.#owner));
  }

  perform(step: Step, now: number): void {
    const { session } = this;
    switch (step.do) {
      case "set":
        session.set(step.key, step.value);
        this.#transaction().changes.push({ kind: "set", key: step.key, value: step.value });
        break;
      case "delete":
        if (session.has(step.key))
          this.#transaction().changes.push({ kind: "delete", key: step.key });
        session.delete(step.key);
        break;
      case "clear":
        if (session.keys().length > 0) this.#transaction().changes.push({ kind: "clear" });
        session.clear();
        break;
      case "pop":
      case "take": {
        const seen = session[step.do](step.key);
        if (seen !== undefined) {
          this.#transaction().changes.push({ kind: step.do, key: step.key, seen });
        }
        break;
      }
      case "update":
        session.update(step.key, increment);
        this.#transaction().changes.push({ kind: "update", key: step.key });
        break;
      case "renew":
        session.renewToken();
        this.#transaction().renew = true;
        break;
      case "destroy": {
        session.destroy();
        const transaction = this.#transaction();
        Object.assign(transaction, {
          changes: [],
          destroy: true,
          renew: false,
          deadline: undefined,
        });
        break;
      }
      case "deadline":
        session.deadline = now + step.minutes * minute;
        this.#transaction().deadline = now + step.minutes * minute;
        break;
      case "touch":
      case "commit":
      case "start commit":
        break;
    }
  }

  /** Closes the transaction, with its marker. Undefined when nothing was recorded. */
  take(now: number): Transaction | undefined {
    const transaction = this.#open;
    if (transaction === undefined) return undefined;
    this.#open = undefined;
    transaction.at = now;
    const ends = transaction.destroy && transaction.changes.length === 0 && !transaction.renew;
    if (!ends) this.session.set(marker(transaction.id), transaction.id);
    return transaction;
  }
}

function valuesOf(session: TokenSession<Data>): Record<string, unknown> {
  return Object.fromEntries(session.keys().map((key) => [key, session.get(key)]));
}
