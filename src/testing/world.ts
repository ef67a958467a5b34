/** Sessions on the engine under test, as several processes would have them. */
import type { SessionEvent } from "../events.ts";
import { SessionManager } from "../manager.ts";
import type { Options } from "../options.ts";
import type { TokenSession } from "../session.ts";
import { isSealed, type SealedStore } from "../sealed.ts";
import type { Store } from "../store.ts";
import { type Bench, type Check, hour, randomText } from "./bench.ts";
import { equal, present } from "./expect.ts";

/** What the suite's sessions hold. */
export interface Data {
  text: string;
  n: number;
  flash: string;
  secret: string;
  list: { from: number; items: number[] };
  [key: `k${number}`]: number;
}

export type Sessions = SessionManager<Data>;

/** Managers that share one engine and one name, as the processes of one application do. */
export class World {
  readonly bench: Bench;
  readonly name: string;
  readonly events: SessionEvent[] = [];

  constructor(bench: Bench) {
    this.bench = bench;
    this.name = `t${randomText()}`;
  }

  /** One more process. */
  manager(
    options: Partial<Options<Data>> = {},
    store: Store | SealedStore = this.bench.engine,
  ): Sessions {
    return new SessionManager<Data>({
      store,
      name: this.name,
      lifetime: hour,
      development: true,
      // Engines over a network on a busy machine: the tests of timeouts set their own.
      storeTimeout: "10s",
      onEvent: (event) => this.events.push(event),
      ...options,
    });
  }

  /** What is left of a session by its engine's clock, as the next request finds it. In ms. */
  async left(
    session: TokenSession<Data>,
  ): Promise<{ readonly deadlineIn: number; readonly idleIn: number }> {
    if (!isSealed(this.bench.engine)) {
      const { deadlineIn, idleIn } = await this.bench.loaded(this.keyOf(session));
      return { deadlineIn, idleIn: idleIn ?? Infinity };
    }
    const now = Date.now();
    const found = await this.manager({ clock: () => now }).loadToken(session.token);
    const ends = present(found.expires, "the end of a session").getTime();
    return { deadlineIn: found.deadline.getTime() - now, idleIn: ends - now };
  }

  /** The engine's key of a session. */
  keyOf(session: TokenSession<Data>): string {
    return `${this.name}:${session.id}`;
  }

  /** The types of the events so far. */
  get seen(): readonly string[] {
    return this.events.map((event) => event.type);
  }
}

/** A test with processes on one engine. */
export function scenario(
  name: string,
  needs: Check["needs"],
  run: (world: World) => Promise<void>,
): Check {
  return { name, needs, run: (bench) => run(new World(bench)) };
}

/** Stores a new session; its token. */
export async function begin(
  sessions: Sessions,
  data: Partial<Data> = { text: "hello" },
): Promise<string> {
  const session = await sessions.loadToken(undefined);
  for (const [key, value] of Object.entries(data))
    session.set(key as keyof Data & string, value as never);
  await session.commit();
  return present(session.token, "the token of a stored session");
}

/** The session of a token, which must be good. */
export async function resume(sessions: Sessions, token: string): Promise<TokenSession<Data>> {
  const session = await sessions.loadToken(token);
  equal(session.isNew, false, "isNew of a session that should be alive");
  return session;
}

/** Whether the token opens a session now. */
export async function isGood(sessions: Sessions, token: string): Promise<boolean> {
  return !(await sessions.loadToken(token)).isNew;
}

/** Asserts that the token opens nothing and shows nothing. */
export async function isOver(sessions: Sessions, token: string): Promise<void> {
  const session = await sessions.loadToken(token);
  equal(session.isNew, true, "isNew of a session that has ended");
  equal(session.keys(), [], "its keys");
}
