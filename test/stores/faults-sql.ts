// What happens to visitors when an SQL server, its network or its neighbours fail: the same for every
// engine on a server and each of its clients.
import assert from "node:assert/strict";
import { it } from "node:test";
import { SessionError } from "../../src/errors.ts";
import { SessionManager } from "../../src/manager.ts";
import { type Random, randomFrom } from "../history/plan.ts";
import type { Proxy } from "../servers/proxy.ts";
import { until } from "../servers/resp.ts";
import type { Server } from "../servers/server.ts";
import { seed } from "../support/seed.ts";
import { sleep, type SqlEngine } from "./engines.ts";
import { type Disturb, openSite, type Tally, underLoad } from "./faults-load.ts";
import { networkTests } from "./faults.ts";
import type { Connected, Settings } from "./sql-clients.ts";

export interface Fallible {
  /** The client's name. */
  readonly name: string;
  /** A client of its own with the settings that the documentation recommends. */
  connect(url: string, settings?: Settings): Promise<Connected<unknown>>;
  over(client: unknown): SqlEngine;
  /** One connection past the proxy. */
  admin(sql: string): Promise<readonly Readonly<Record<string, unknown>>[]>;
  /** Sleeps for 0.6 s, as SQL. */
  readonly pause: string;
  /** The client that takes every connection of the server. */
  crowd(url: string, settings?: Settings): Promise<Connected<unknown>>;
  /** Statements that end what other connections are doing, and those connections. */
  strike(random: Random): Promise<readonly string[]>;
  /** Makes the server refuse writes, or take them again. */
  readOnly(on: boolean): Promise<void>;
  readonly replyBytes: number;
  /** The server and the proxy in front of it; there once the tests run. */
  server(): Server;
  proxy(): Proxy;
}

const full = process.env["SCS_FULL"] === "1";
const same = (caught: unknown): unknown => caught;

interface Stage {
  readonly connected: Connected<unknown>;
  readonly store: SqlEngine;
  load(disturb: Disturb): Promise<Tally>;
}

/** Registers them for one client. */
export function faultTests(target: Fallible): void {
  const { name } = target;

  async function open(url: string, settings?: Settings) {
    const connected = await target.connect(url, settings);
    const store = target.over(connected.client);
    // On a busy machine the first connection may take longer than a client's patience.
    await until("the table is there", () => store.setUp().then(() => true));
    const end = async (): Promise<void> => {
      store.close();
      await connected.end();
    };
    return { connected, store, end };
  }

  /** A site whose client goes through the proxy. */
  async function stage(
    settings: Settings & { storeTimeout?: number },
    play: (stage: Stage) => Promise<void>,
  ): Promise<void> {
    const { storeTimeout = 1000, ...rest } = settings;
    const { connected, store, end } = await open(target.proxy().url, rest);
    const site = await openSite(store, { storeTimeout });
    try {
      await play({
        connected,
        store,
        load: (disturb) => underLoad({ ...site, name }, disturb),
      });
    } finally {
      await target.proxy().resume();
      await site.close();
      await end();
    }
  }

  networkTests(
    {
      name,
      open: ({ url }, single) => open(url, single ? { max: 1 } : {}),
      replyBytes: target.replyBytes,
    },
    target.proxy,
  );

  it(`${name}: SIGKILL under load loses nothing that was acknowledged`, async () => {
    await stage({}, async ({ load }) => {
      await load(async (_, tally) => {
        await until("visitors are served", async () => tally.served > 100);
        await target.server().kill();
        await until("visitors are refused", async () => tally.refused > 8);
        await target.server().restart();
      });
    });
  });

  it(`${name}: a network that cuts, stalls, loses and refuses, under load`, async () => {
    await stage({ timeout: 500, storeTimeout: 500 }, async ({ load }) => {
      const proxy = target.proxy();
      const cuts = proxy.cuts;
      await load(async (_, tally) => {
        const enough = (): boolean =>
          proxy.cuts >= cuts + 20 && tally.served > 0 && tally.refused > 0;
        const giveUp = performance.now() + 60_000;
        for (let round = 0; !enough() && performance.now() < giveUp; round++) {
          proxy.cutAfterBytes((round % 40) * 50, round % 4 === 3 ? "requests" : "replies");
          await sleep(20);
        }
        assert.ok(enough(), `${proxy.cuts - cuts} cuts; ${JSON.stringify(tally)}`);
        for (const fault of ["stall", "dropReplies", "refuse", "cut"] as const) {
          proxy[fault]();
          await sleep(fault === "stall" ? 700 : 150);
          await proxy.resume();
          await sleep(50);
        }
      });
    });
  });

  it(`${name}: visitors that hang up, timeouts and killed statements mix up no replies`, async () => {
    await stage({ storeTimeout: 100, max: 4 }, async ({ load }) => {
      await load(async (visitors, tally) => {
        // The others wait, so that there is always somebody who would notice.
        for (const visitor of visitors.slice(4)) visitor.patience = 80;
        const random = randomFrom(seed.seed ?? Math.floor(Math.random() * 2 ** 31));
        let struck = 0;
        const enough = (): boolean => struck > 30 && tally.aborted > 30 && tally.refused > 10;
        const giveUp = performance.now() + 60_000;
        for (let round = 0; !enough() && performance.now() < giveUp; round++) {
          for (const statement of await target.strike(random)) {
            if (random() < 0.7) continue;
            // What it is to end may have ended by itself.
            await target.admin(statement).then(
              () => struck++,
              () => {},
            );
          }
          if (round % 8 === 7) {
            // Longer than the store timeout: the replies come when nobody waits for them any more.
            target.proxy().stall();
            await sleep(150);
            await target.proxy().resume();
          }
          await sleep(20);
        }
        assert.ok(enough(), `${struck} struck; ${JSON.stringify(tally)}`);
      });
    });
  });

  it(`${name}: a pool whose connections are all held elsewhere`, async () => {
    await stage(
      { max: 2, storeTimeout: 300, timeout: 5000 },
      async ({ connected, store, load }) => {
        await load(async (_, tally) => {
          await until("visitors are served", async () => tally.served > 8);
          const { refused } = tally;
          // Twice as many as connections: postgres puts several on one.
          const hold = () => Promise.all([1, 2, 3, 4].map(() => connected.run(target.pause)));
          for (let round = 0; round < 10 && tally.refused === refused; round++) await hold();
          assert.ok(tally.refused > refused, JSON.stringify(tally));
        });
        await store.check();
      },
    );
  });

  if (full) {
    it(`${name}: connections that die in silence are given up and replaced`, async () => {
      await stage({ timeout: 700, max: 4 }, async ({ load }) => {
        await load(async (_, tally) => {
          await until("visitors are served", async () => tally.served > 50);
          target.proxy().freeze();
          await sleep(1000);
        });
      });
    });

    it(`${name}: a server that has no connection left`, async () => {
      const { url } = target.server();
      const hogs = await target.crowd(url, { max: 60, timeout: 20_000 });
      const { store, end } = await open(url, { timeout: 20_000, max: 1 });
      const openLate = async () => {
        const { client, end: endClient } = await target.connect(url);
        // The client gives up first, and says why.
        const options = { storeTimeout: "10s", onEvent: () => {} } as const;
        const sessions = new SessionManager({ store: target.over(client), ...options });
        return { sessions, end: () => sessions.close().then(endClient) };
      };
      await store.check();
      let late = await openLate();
      let left = false;
      const over = Promise.all(
        Array.from({ length: 60 }, async () => {
          while (!left) await Promise.resolve(hogs.run(target.pause)).catch(() => sleep(20));
        }),
      );
      try {
        // Some clients connect before they are asked to, and until the crowd has every connection one
        // comes free now and then: each try is a new one, and is refused at both calls or does not count.
        let load: unknown;
        let check: unknown;
        await until("none is left", async () => {
          await late.end();
          late = await openLate();
          const { sessions } = late;
          load = await sessions.loadToken("A".repeat(64)).then(() => undefined, same);
          check = await sessions.check().then(() => undefined, same);
          return load !== undefined && check !== undefined;
        });
        assert.ok(load instanceof SessionError && load.status === 503, String(load));
        assert.ok(check instanceof SessionError && check.code === "store-failed", String(check));
        assert.match(check.message, /^[^\n]*(too many|timeout|connection)[^\n]*$/i);
        // Who has connections goes on.
        await store.check();
        left = true;
        await over;
        const { sessions } = late;
        // The pool of mariadb waits up to ten seconds between its attempts.
        await until("it serves again", () => sessions.check().then(() => true), 40_000);
      } finally {
        left = true;
        await over;
        await Promise.all([late.end(), hogs.end(), end()]);
      }
    });
  }

  it(`${name}: a server that turns read-only serves what only reads`, async () => {
    await stage({}, async ({ store, load }) => {
      await load(async (_, tally) => {
        await until("visitors are served", async () => tally.served > 50);
        await target.readOnly(true);
        try {
          // Connections learn of it one after the other: each try may be another one's.
          await until("it refuses, and says why", async () => {
            const error: unknown = await store.check().then(() => undefined, same);
            return error instanceof SessionError && /read.only/.test(error.message);
          });
          const { served, refused } = tally;
          await until("who reads is served, who writes is not", async () => {
            return tally.served > served + 10 && tally.refused > refused + 10;
          });
        } finally {
          await target.readOnly(false);
        }
      });
    });
  });
}
