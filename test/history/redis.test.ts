// Redis that fails while server processes race on it: what it acknowledged is there afterwards.
import assert from "node:assert/strict";
import { after, before, describe, it, type TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { type ClusterServers, startCluster } from "../servers/cluster.ts";
import { type Proxy, startProxy } from "../servers/proxy.ts";
import { startRedis } from "../servers/redis.ts";
import { command, until } from "../servers/resp.ts";
import { type SentinelServers, startSentinel } from "../servers/sentinel.ts";
import type { Server } from "../servers/server.ts";
import { seed as given } from "../support/seed.ts";
import { check, describeViolations } from "./checker.ts";
import { drive } from "./drive.ts";
import type { Situation } from "./effects.ts";
import { OwnTime } from "../support/own-time.ts";
import { type Fleet, startFleet } from "./fleet.ts";
import type { Exchange } from "./history.ts";
import { randomFrom } from "./plan.ts";

const full = process.env["SCS_FULL"] === "1";
const seed = given.seed ?? Math.floor(Math.random() * 2 ** 31);
const clients = full ? ["redis", "ioredis", "iovalkey"] : ["redis"];
/** The default of the manager, in ms. */
const usual = 2000;
/** Where nothing fails: what takes longer then, on any machine, hangs. */
const endless = 15_000;

interface Racing {
  readonly histories: ReadonlyMap<string, Exchange[][]>;
  /** For how long this process stood still, in ms. */
  readonly stalled: number;
}

/** A fleet of two processes for each client, on one server. */
async function fleetsOn(
  url: string,
  suffix: string,
  storeTimeout: number,
  more: object,
): Promise<Map<string, Fleet>> {
  const fleets = new Map<string, Fleet>();
  const started = await Promise.allSettled(
    clients.map(async (name) => {
      const engine = `${name}${suffix}`;
      const source = { engine, url, space: `{h}${name}:`, storeTimeout, ...more };
      fleets.set(engine, await startFleet(source, 2));
    }),
  );
  for (const each of started) {
    if (each.status === "fulfilled") continue;
    for (const fleet of fleets.values()) await fleet.stop();
    throw each.reason;
  }
  return fleets;
}

async function stopAll(fleets: Map<string, Fleet> | undefined): Promise<void> {
  await Promise.all(Array.from(fleets?.values() ?? [], (fleet) => fleet.stop()));
}

/**
 * Races on every fleet while `fault` does its work, and until each has succeeded for a while
 * afterwards.
 */
async function racing(fleets: Map<string, Fleet>, fault: () => Promise<unknown>): Promise<Racing> {
  let over = false;
  const histories = new Map<string, Exchange[][]>();
  const [time, began] = [new OwnTime(), performance.now()];
  const running = Array.from(fleets, async ([engine, fleet]) => {
    const run = { seed, clients: 3, rounds: 1000, until: () => over };
    histories.set(engine, await drive(fleet, run));
  });
  try {
    await sleep(1000);
    await fault();
    for (const [engine, fleet] of fleets) {
      const before = fleet.done;
      await until(`${engine} serves again`, async () => fleet.done > before + 50);
    }
  } finally {
    over = true;
  }
  await Promise.all(running);
  time.stop();
  return { histories, stalled: performance.now() - began - time.now() };
}

/** Nothing is wrong in any history; resolves to how many were answered with each status. */
function judge(
  t: TestContext,
  { histories, stalled }: Racing,
  storeTimeout: number,
  situation: Situation,
): Map<string, Map<number, number>> {
  const all = new Map<string, Map<number, number>>();
  for (const [engine, each] of histories) {
    const violations = each.flatMap((history) => check(history, situation));
    const message = `${engine}, SCS_SEED=${seed}\n${describeViolations(violations)}`;
    assert.equal(violations.length, 0, message);
    const counts = new Map<number, number>();
    for (const { status } of each.flat()) counts.set(status, (counts.get(status) ?? 0) + 1);
    all.set(engine, counts);
    const slowest = Math.max(...each.flat().map(({ start, end }) => end - start));
    // One load and one commit, which may try again: none waits longer than that.
    assert.ok(slowest < 4 * storeTimeout + stalled, `${engine}: an answer took ${slowest} ms`);
    const told = Array.from(counts, ([status, count]) => `${count} times ${status}`).join(", ");
    t.diagnostic(`${engine}: ${told}; the slowest ${slowest.toFixed(0)} ms`);
  }
  return all;
}

describe("Redis with `appendfsync always`", () => {
  let server: Server;
  let proxy: Proxy;
  let fleets: Map<string, Fleet>;
  before(async () => {
    server = await startRedis({ own: true, appendonly: true });
    proxy = await startProxy(server);
    fleets = await fleetsOn(proxy.url, "", usual, {});
  });
  after(async () => {
    await stopAll(fleets);
    proxy?.close();
    await server?.stop();
  });

  it("connections cut in the middle of replies: nothing is lost, nothing is done twice", async (t) => {
    const random = randomFrom(seed);
    const raced = await racing(fleets, async () => {
      for (let cuts = 0; cuts < (full ? 40 : 8); cuts++) {
        const direction = random() < 0.7 ? "replies" : "requests";
        proxy.cutAfterBytes(Math.floor(random() * 400), direction);
        await until("a connection is cut", async () => proxy.cuts > cuts);
        await sleep(100);
      }
      await proxy.resume();
    });
    judge(t, raced, usual, { faults: true });
  });

  it("killed under load: loses nothing acknowledged, and serves again by itself", async (t) => {
    const raced = await racing(fleets, async () => {
      await server.kill();
      await sleep(500);
      await server.restart();
    });
    judge(t, raced, usual, { faults: true });
  });
});

if (full) {
  onCluster();
  onSentinel();
} else {
  console.log("histories on Redis Cluster and Sentinel: run with SCS_FULL=1");
}

/** `WAIT` follows every renewal and destroy; where nothing fails, for as long as a busy machine needs. */
const waits = (timeout: number) => ({ waitForReplicas: { count: 1, timeout } });

/**
 * Resolves to a time up to which all that this primary acknowledged is with all of its replicas: it may
 * acknowledge what no replica has yet, and then lose it.
 */
async function confirmed({ port }: Server): Promise<number> {
  const state = async (of: number) => String(await command(of, "INFO", "replication"));
  const time = performance.now();
  const primary = await state(port);
  const offset = Number(/^master_repl_offset:(\d+)/m.exec(primary)?.[1]);
  const replicas = [...primary.matchAll(/^slave\d+:.*\bport=(\d+)/gm)].map(([, at]) => Number(at));
  assert.ok(offset > 0 && replicas.length > 0, primary);
  for (const replica of replicas) {
    await until("a replica has what was acknowledged", async () => {
      const own = /^slave_repl_offset:(\d+)/m.exec(await state(replica))?.[1];
      return Number(own) >= offset;
    });
  }
  return time;
}

/** Runs a test on fleets of its own. */
async function withFleets(
  starting: Promise<Map<string, Fleet>>,
  test: (fleets: Map<string, Fleet>) => Promise<void>,
): Promise<void> {
  const fleets = await starting;
  try {
    await test(fleets);
  } finally {
    await stopAll(fleets);
  }
}

function onCluster(): void {
  describe("Redis Cluster", () => {
    let cluster: ClusterServers;
    before(async () => {
      cluster = await startCluster();
    });
    after(() => cluster?.stop());

    const slotOf = async (): Promise<number> =>
      Number(await command(cluster.port, "CLUSTER", "KEYSLOT", "{h}"));
    const fleetsHere = (storeTimeout: number, waiting: number) => {
      const url = `redis+cluster://${cluster.host}:${cluster.port}`;
      return fleetsOn(url, " cluster", storeTimeout, waits(waiting));
    };

    it("slots move under load: nothing is lost, no request fails", async (t) => {
      const slot = await slotOf();
      let moves = 0;
      await withFleets(fleetsHere(endless, 10_000), async (fleets) => {
        const raced = await racing(fleets, async () => {
          for (; moves < 4; moves++) {
            const from = await cluster.primary(slot);
            const primaries = await Promise.all([0, 6000, 12_000].map((at) => cluster.primary(at)));
            const to = primaries.find(({ port }) => port !== from.port) ?? assert.fail();
            const { finish } = await cluster.moveSlot(slot, to);
            await sleep(300);
            await finish();
            await sleep(300);
          }
        });
        for (const [engine, counts] of judge(t, raced, endless, { resent: true })) {
          assert.equal(counts.get(503), undefined, engine);
        }
      });
      assert.equal(moves, 4);
    });

    it("a primary is killed under load: what replicas confirmed is kept", async (t) => {
      const slot = await slotOf();
      let from = 0;
      let back = 0;
      await withFleets(fleetsHere(usual, 1000), async (fleets) => {
        const raced = await racing(fleets, async () => {
          from = await confirmed(await cluster.primary(slot));
          await cluster.failOver(slot);
          back = performance.now();
          await sleep(2000);
        });
        judge(t, raced, usual, { faults: true, loss: { from, to: back + 500 } });
      });
    });
  });
}

function onSentinel(): void {
  describe("Redis Sentinel", () => {
    let servers: SentinelServers;
    before(async () => {
      servers = await startSentinel();
    });
    after(() => servers?.stop());

    const fleetsHere = (storeTimeout: number, waiting: number) =>
      fleetsOn(servers.url, " sentinel", storeTimeout, waits(waiting));

    it("races: nothing lost, nothing revived, one good token", async (t) => {
      await withFleets(fleetsHere(endless, 10_000), async (fleets) => {
        judge(t, await racing(fleets, async () => {}), endless, {});
      });
    });

    it("the primary is killed under load: what replicas confirmed is kept", async (t) => {
      let from = 0;
      let back = 0;
      await withFleets(fleetsHere(usual, 1000), async (fleets) => {
        const raced = await racing(fleets, async () => {
          from = await confirmed((await servers.primary()) ?? assert.fail());
          await servers.failOver();
          back = performance.now();
          await sleep(2000);
        });
        judge(t, raced, usual, { faults: true, loss: { from, to: back + 500 } });
      });
    });
  });
}
