// Races between server processes on each engine, over real sockets: the history of every request is
// checked for what may never be. SCS_SEED=<seed> sends the same plans again.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { mariadb, postgres, redis } from "../servers/sharedServers.ts";
import { install } from "../support/install.ts";
import { seed as given } from "../support/seed.ts";
import { tested } from "../support/tested.ts";
import { check, describeViolations, type Kind, type Violation } from "./checker.ts";
import { drive } from "./drive.ts";
import type { Source } from "./engines.ts";
import { type Fleet, startFleet } from "./fleet.ts";
import type { Flaw } from "./flaws.ts";
import { sustain } from "./sustain.ts";

const full = process.env["SCS_FULL"] === "1";
const processes = full ? 4 : 2;
const seed = given.seed ?? Math.floor(Math.random() * 2 ** 31);
const replay = `SCS_SEED=${seed} ${full ? "SCS_FULL=1 " : ""}`;

const folder = mkdtempSync(join(tmpdir(), "scs-session-history-"));
after(() => rmSync(folder, { recursive: true, force: true }));

const space = `h_${process.pid}_${seed}`;
const [pg, mysql, kv] = await Promise.all([postgres(), mariadb(), redis()]);
const urls: Record<string, string> = {
  "node:sqlite": join(folder, "sessions.db"),
  pg: pg.url,
  mysql2: mysql.url,
  redis: kv.url,
  ...(full
    ? {
        postgres: pg.url,
        mariadb: mysql.url,
        "redis pool": kv.url,
        ioredis: kv.url,
        iovalkey: kv.url,
      }
    : {}),
};

if (full) {
  // Its own folder: no other test needs it, and not every machine can have it.
  try {
    await install(new URL("../stores/better-sqlite3/", import.meta.url));
    urls["better-sqlite3"] = join(folder, "better.db");
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    tested({ area: "engine", what: "SQLiteStore", with: "better-sqlite3", reason });
  }
}

/** By the first letters of a client's name: whose store it is. */
const stores: Readonly<Record<string, string>> = {
  node: "SQLiteStore",
  better: "SQLiteStore",
  pg: "PostgresStore",
  postgres: "PostgresStore",
  mysql2: "MySQLStore",
  mariadb: "MySQLStore",
};

function sourceOf(engine: string, url: string): Source {
  const own = `${space}_${engine.replaceAll(/\W/g, "_")}`;
  return { engine, url, space: url.startsWith("redis") ? `${own}:` : own };
}

for (const [engine, url] of Object.entries(urls)) {
  const title = `${engine}, ${processes} server processes`;
  const what = stores[/^\w+/.exec(engine)?.[0] ?? ""] ?? "RedisStore";
  const note = `races between ${processes} server processes`;
  tested({ area: "engine", what, with: engine, note, suite: title });
  describe(title, () => {
    let fleet: Fleet;
    before(async () => {
      fleet = await startFleet(sourceOf(engine, url), processes);
    });
    after(() => fleet?.stop());

    it("G1-G4, G6: nothing lost, nothing revived, one good token", async (t) => {
      const run = { seed, clients: full ? 6 : 3, rounds: full ? 18 : 8 };
      const histories = await drive(fleet, run);
      const violations = histories.flatMap((history) => check(history));
      assert.equal(violations.length, 0, `${replay}\n${describeViolations(violations)}`);
      const all = histories.flat();
      const count = (status: number): number =>
        all.filter((exchange) => exchange.status === status).length;
      // Races did happen: requests lost, each for a reason that the checker has found.
      assert.ok(count(200) > 100 && count(409) > 10, `${count(200)} done, ${count(409)} lost`);
      t.diagnostic(
        `${all.length} requests on ${run.clients} clients' sessions: ${count(409)} lost a race`,
      );
    });

    it("G6: clients that go away in the middle get nothing of another's, and lose nothing", async (t) => {
      const run = { seed: seed + 100, clients: full ? 6 : 3, rounds: full ? 12 : 6, aborts: 0.4 };
      const histories = await drive(fleet, run);
      const violations = histories.flatMap((history) => check(history, { aborts: true }));
      assert.equal(violations.length, 0, `${replay}\n${describeViolations(violations)}`);
      const all = histories.flat();
      const aborted = all.filter(({ status }) => status === 0).length;
      assert.ok(aborted > 10 && all.length - aborted > 100, `${aborted} of ${all.length}`);
      t.diagnostic(`${all.length} requests, ${aborted} given up`);
    });

    it("under continuous load on one session, every request succeeds", async (t) => {
      const { history, counts, seconds, slowest } = await sustain(fleet, {
        seed,
        connections: 4,
        milliseconds: full ? 3000 : 800,
        least: 150,
      });
      const failed = history.filter(({ status }) => status !== 200);
      assert.deepEqual(failed.slice(0, 3), [], `${replay}: ${failed.length} failed`);
      const violations = check(history);
      assert.equal(violations.length, 0, `${replay}\n${describeViolations(violations)}`);
      const changes = history.filter(({ step }) => step.changes.length > 0).length;
      assert.ok(changes > 50, `${changes} changes`);
      const writes = counts.update ?? 0;
      t.diagnostic(
        `${changes} changes in ${seconds.toFixed(1)} s, ${writes} store writes sent: ` +
          `${(writes / changes).toFixed(2)} per change; the slowest request ${slowest.toFixed(0)} ms`,
      );
    });
  });
}

/** What each broken engine must be found by. */
const flaws: Readonly<Record<Flaw, Kind>> = {
  "update upserts": "dead token",
  "update ignores the version": "lost change",
  "renewal ignores the digest": "renewed twice",
  "update acknowledges conflicts": "lost change",
  "load is cached": "lost change",
  "destroy is late": "dead token",
  "touch revives": "dead token",
};

describe("the checker finds a broken engine:", { concurrency: true }, () => {
  let fleet: Fleet;
  before(async () => {
    const url = join(folder, "broken.db");
    fleet = await startFleet({ engine: "node:sqlite", url, space: "broken" }, 2);
  });
  after(() => fleet?.stop());

  for (const [flaw, kind] of Object.entries(flaws) as [Flaw, Kind][]) {
    it(flaw, async (t) => {
      const found: Violation[] = [];
      let tries = 0;
      const until = performance.now() + 60_000;
      while (!found.some((each) => each.kind === kind) && performance.now() < until) {
        const run = { seed: seed + 1000 * tries++, clients: 2, rounds: 6, flaw };
        for (const history of await drive(fleet, run)) found.push(...check(history));
      }
      const kinds = [...new Set(found.map((each) => each.kind))].sort();
      assert.ok(kinds.includes(kind), `${replay}: found only ${kinds.join(", ")}`);
      t.diagnostic(`found in run ${tries}: ${kinds.join(", ")}`);
    });
  }
});
