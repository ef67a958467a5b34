// Visitors of a real HTTP server with sessions on one engine. Each keeps account of what it was told,
// and fails when it is told something else later.
import assert from "node:assert/strict";
import { createServer } from "node:http";
import { sessionHandler } from "../../src/adapters/node.ts";
import type { SessionEvent } from "../../src/events.ts";
import { SessionManager } from "../../src/manager.ts";
import type { Options } from "../../src/options.ts";
import type { Store } from "../../src/store.ts";
import { listen } from "../adapters/harness.ts";
import { type Random, randomFrom } from "../history/plan.ts";
import { OwnTime } from "../support/own-time.ts";
import { seed } from "../support/seed.ts";
import { sleep } from "./engines.ts";

export interface SiteData {
  who: string;
  count: number;
}

export interface Site {
  readonly url: string;
  readonly storeTimeout: number;
  readonly sessions: SessionManager<SiteData>;
  /** How often each type of event came. */
  readonly events: ReadonlyMap<SessionEvent["type"], number>;
  close(): Promise<void>;
}

/** Serves begin, count, renew and logout, each a change of the session, and read. */
export async function openSite(
  store: Store,
  options: Partial<Options<SiteData>> & { port?: number } = {},
): Promise<Site> {
  const { port = 0, ...more } = options;
  const events = new Map<SessionEvent["type"], number>();
  const sessions = new SessionManager<SiteData>({
    store,
    development: true,
    storeTimeout: 1000,
    idleTimeout: "10m",
    touchInterval: 1,
    onEvent: ({ type }) => events.set(type, (events.get(type) ?? 0) + 1),
    ...more,
  });
  const server = createServer(
    sessionHandler(sessions, async (req, res) => {
      const url = new URL(req.url ?? "/", "http://localhost");
      const session = await sessions.load(req);
      const who = session.get("who") ?? null;
      if (url.pathname === "/begin") {
        session.set("who", url.searchParams.get("who") ?? "");
        session.set("count", 0);
      } else if (who !== null) {
        if (url.pathname === "/count") session.update("count", (count) => (count ?? 0) + 1);
        if (url.pathname === "/renew") session.renewToken();
        if (url.pathname === "/logout") session.destroy();
      }
      res.end(JSON.stringify({ who, count: session.get("count") ?? null }));
    }),
  );
  const running = await listen(server, port);
  return {
    url: running.url,
    storeTimeout: sessions.settings.storeTimeout,
    sessions,
    events,
    close: async () => {
      await running.close();
      await sessions.close();
    },
  };
}

interface Answer {
  readonly status: number;
  readonly who?: string | null;
  readonly count?: number | null;
  readonly cookie?: string | undefined;
}

/** What all visitors of a test saw. */
export interface Tally {
  /** Requests that were answered with 200. */
  served: number;
  /** With 503. */
  refused: number;
  /** Requests whose visitor hung up. */
  aborted: number;
  /** The longest wait for an answer, in ms of this process's own time. */
  slowest: number;
}

export class Visitor {
  readonly #url: string;
  readonly #tally: Tally;
  readonly #time: OwnTime;
  readonly #random: Random;
  readonly #name: string;
  #sessions = 0;
  #cookie: string | undefined;
  #who = "";
  /** Counts that were acknowledged, and those that may have happened. */
  #sure = 0;
  #possible = 0;
  /** A renewal or logout of this session may have happened, or may yet. */
  #doubtful = false;
  /** What must open nothing any more. */
  readonly #ended: string[] = [];
  /** The next requests are given up after a random time below this, in ms. */
  patience: number | undefined;
  /** How often it was served. */
  served = 0;

  constructor(url: string, tally: Tally, time: OwnTime, random: Random, name: string) {
    this.#url = url;
    this.#tally = tally;
    this.#time = time;
    this.#random = random;
    this.#name = name;
  }

  /** One more request, or two at once. */
  async step(): Promise<void> {
    const roll = this.#random();
    if (this.#cookie === undefined) await this.#begin();
    else if (roll < 0.08) await this.#end("/renew");
    else if (roll < 0.14) await this.#end("/logout");
    else if (roll < 0.3) await this.#read();
    else if (roll < 0.5) await Promise.all([this.#count(), this.#count()]);
    else await this.#count();
  }

  /** Whether the store holds exactly what was acknowledged. */
  async audit(): Promise<void> {
    this.patience = undefined;
    if (this.#cookie !== undefined) {
      await this.#answered(async () => ({ status: (await this.#read()) ? 200 : 503 }));
    }
    for (const cookie of this.#ended.slice(-20)) {
      const { who } = await this.#answered(() => this.#ask("/read", cookie));
      assert.equal(who, null, `${this.#name}: a session that has ended opens again`);
    }
  }

  /** Asks until it is served: a short store timeout may refuse one on a busy machine. */
  async #answered(ask: () => Promise<Answer>): Promise<Answer> {
    const giveUp = performance.now() + 20_000;
    for (;;) {
      const answer = await ask();
      if (answer.status === 200) return answer;
      assert.ok(performance.now() < giveUp, `${this.#name}: not served any more`);
    }
  }

  async #begin(): Promise<void> {
    const who = `${this.#name}.${++this.#sessions}`;
    const answer = await this.#ask(`/begin?who=${who}`, undefined);
    if (answer.status !== 200) return;
    assert.ok(answer.cookie, "a new session has a cookie");
    this.#cookie = answer.cookie;
    this.#who = who;
    this.#sure = this.#possible = 0;
    this.#doubtful = false;
  }

  async #count(): Promise<void> {
    const cookie = this.#cookie;
    const answer = await this.#ask("/count", cookie);
    if (answer.status !== 200) this.#possible++;
    else if (this.#isMine(answer, cookie)) this.#sure++;
  }

  /** Whether there was an answer. */
  async #read(): Promise<boolean> {
    const cookie = this.#cookie;
    const answer = await this.#ask("/read", cookie);
    if (answer.status !== 200) return false;
    if (!this.#isMine(answer, cookie)) return true;
    const { count = null } = answer;
    assert.ok(
      count !== null && count >= this.#sure && count <= this.#sure + this.#possible,
      `${this.#who}: ${count} counted, ${this.#sure} acknowledged, ${this.#possible} unknown`,
    );
    return true;
  }

  async #end(path: "/renew" | "/logout"): Promise<void> {
    const cookie = this.#cookie;
    const answer = await this.#ask(path, cookie);
    if (answer.status !== 200) this.#doubtful = true;
    else if (this.#isMine(answer, cookie)) {
      if (cookie !== undefined) this.#ended.push(cookie);
      if (path === "/renew") assert.ok(answer.cookie, "a renewal has a cookie");
      this.#cookie = path === "/renew" ? answer.cookie : undefined;
    }
  }

  /** Whether the answer was made for this visitor's session; it may be none only if in doubt. */
  #isMine({ who }: Answer, cookie: string | undefined): boolean {
    if (who === this.#who) return true;
    assert.equal(who, null, `${this.#who} was answered as ${who}`);
    assert.ok(this.#doubtful, `${this.#who}: an acknowledged session is gone`);
    if (this.#cookie === cookie) this.#cookie = undefined;
    return false;
  }

  async #ask(path: string, cookie: string | undefined): Promise<Answer> {
    const start = this.#time.now();
    const signal =
      this.patience === undefined
        ? null
        : AbortSignal.timeout(Math.ceil(this.#random() * this.patience));
    const headers = cookie === undefined ? {} : { cookie };
    let response: Response;
    let text: string;
    try {
      response = await fetch(this.#url + path, { method: "POST", headers, signal });
      text = await response.text();
    } catch (error) {
      // Of the site's own process when it is killed, too.
      this.#tally.aborted++;
      assert.match(String(error), /TimeoutError|fetch failed|terminated/);
      await sleep(10);
      return { status: 0 };
    }
    this.#tally.slowest = Math.max(this.#tally.slowest, this.#time.now() - start);
    const cookies = response.headers.getSetCookie();
    const { status } = response;
    if (status !== 200) {
      assert.ok(status === 503 || (status === 409 && this.#doubtful), `${path}: ${status} ${text}`);
      assert.deepEqual(cookies, [], `a cookie with ${status}`);
      this.#tally.refused++;
      await sleep(20);
      return { status };
    }
    assert.ok(cookies.length <= 1);
    this.#tally.served++;
    this.served++;
    const { who, count } = JSON.parse(text) as { who: string | null; count: number | null };
    return { status, who, count, cookie: cookies[0]?.split(";", 1)[0] };
  }
}

export interface Load {
  readonly url: string;
  readonly storeTimeout: number;
  readonly visitors?: number | undefined;
  /** For the session names. */
  readonly name: string;
}

/** What breaks the server while visitors are at it. */
export type Disturb = (visitors: readonly Visitor[], tally: Readonly<Tally>) => Promise<void>;

/**
 * Lets visitors in, breaks something while they are at it, and waits until each has been served again,
 * by nothing but the application's own means. Then it looks whether all is there that was promised.
 */
export async function underLoad(
  { url, storeTimeout, visitors: count = 8, name }: Load,
  disturb: Disturb,
): Promise<Tally> {
  const tally: Tally = { served: 0, refused: 0, aborted: 0, slowest: 0 };
  const time = new OwnTime();
  const first = seed.seed ?? Math.floor(Math.random() * 2 ** 31);
  const visitors = Array.from(
    { length: count },
    (_, i) => new Visitor(url, tally, time, randomFrom(first + i), `${name}${i}`),
  );
  let over = false;
  const work = Promise.all(
    visitors.map(async (visitor) => {
      while (!over) await visitor.step();
    }),
  );
  const fault = disturb(visitors, tally);
  try {
    await Promise.race([work, fault]);
    for (const visitor of visitors) visitor.patience = undefined;
    const before = visitors.map(({ served }) => served);
    const giveUp = performance.now() + 30_000;
    const isServed = (): boolean =>
      visitors.every(({ served }, i) => served > (before[i] ?? 0) + 3);
    while (!isServed() && performance.now() < giveUp) {
      await Promise.race([work, sleep(50)]);
    }
    assert.ok(isServed(), "every visitor is served again");
  } finally {
    over = true;
    // Also when a visitor has failed: what breaks the server goes on for its time.
    await Promise.allSettled([work, fault]);
  }
  await work;
  for (const visitor of visitors) await visitor.audit();
  time.stop();
  // A load, its touch, and a commit that is sent, looked up and sent again; the rest is a busy machine.
  const longest = 4 * storeTimeout + 2000;
  assert.ok(tally.slowest < longest, `an answer took ${Math.round(tally.slowest)} ms`);
  return tally;
}
