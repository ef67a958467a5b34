// The conformance suite finds each small bug planted in the manager, by a test whose name says what
// is wrong. The engine is the sound MemoryStore of the same copy.
import { describe, it } from "node:test";
import type { storeSuite } from "../../src/testing/store.ts";
import type { MemoryStore } from "../../src/stores/memory.ts";
import { ManualClock } from "../../src/testing/clock.ts";
import { assertFails, collect } from "./collect.ts";
import { mutate } from "./mutate.ts";

interface Bug {
  readonly file: string;
  readonly from: string;
  readonly to: string;
  /** The tests that must find it. */
  readonly finders: readonly string[];
}

const different = "G1: overlapping transactions on different keys all survive";
const oneGood = "G4: at every instant exactly one token is good";
const noSuccess = "G6: an unknown outcome is no success";
const damaged = "G7: a damaged record is no session, reported, and not deleted";

const bugs: Readonly<Record<string, Bug>> = {
  "changes are not applied again after a conflict": {
    file: "stored-executor.ts",
    from: "taken.view !== undefined && newest.state === loaded.state",
    to: "taken.view !== undefined",
    finders: [different, "G1: update loses none"],
  },
  "a view that others' changes have overtaken is written": {
    file: "stored-executor.ts",
    from: "newest.state === loaded.state\n",
    to: "taken.intent.operations.length > 0\n",
    finders: ["G1: a second commit keeps what others stored during the first"],
  },
  "changes are acknowledged after a conflict": {
    file: "batch.ts",
    from: "base = found;",
    to: "this.#succeed(queue, found, attempts); return true;",
    finders: [
      different,
      "G1: update loses none",
      "G2: a late writer does not change a renewed session",
    ],
  },
  "take is treated as pop": {
    file: "commit.ts",
    from: 'return operation.kind === "pop";',
    to: "return true;",
    finders: ["G1: take delivers exactly once"],
  },
  "pop removes whatever is there": {
    file: "commit.ts",
    from: "if (now !== undefined && sameBytes(now, operation.seen)) {",
    to: "if (now !== undefined) {",
    finders: ["G1: pop delivers at least once and keeps a newer value"],
  },
  "clear does nothing when applied again": {
    file: "commit.ts",
    from: "entries.clear();\n",
    to: "\n",
    finders: ["G1: clear removes what is there when it commits, and later keys stay"],
  },
  "a superseded token starts a session at once": {
    file: "commit.ts",
    from: 'if (!intent.renew || intent.destroy) return { fail: "superseded" };',
    to: "",
    finders: ["G4: a token renewed a moment ago reads as empty and changes nothing"],
  },
  "the digest is not compared on load": {
    file: "stored-engine.ts",
    from: "if (known) return",
    to: "if (known || origin !== undefined) return",
    finders: ["G2: the right id with a wrong secret opens and ends nothing", oneGood],
  },
  "a renewal keeps the old digest": {
    file: "stored-executor.ts",
    from: "this.#commit(origin, taken, token, newDigest),",
    to: "this.#commit(origin, taken, token, newDigest.length > 0 ? undefined : newDigest),",
    finders: [oneGood, "G4: a renewal keeps id and data, and starts a new lifetime"],
  },
  "a commit under the old token is applied to the renewed session": {
    file: "batch.ts",
    from: "if (!sameDigest(member.job.base.digest, current.digest)) throw renewed();",
    to: "",
    finders: [
      "G2: a late writer does not change a renewed session",
      "G4: of parallel renewals exactly one wins",
    ],
  },
  "changes after destroy go to the same session": {
    file: "commit.ts",
    from: "if (!exists || intent.destroy) {",
    to: "if (!exists) {",
    finders: ["G2: changes after destroy build another session"],
  },
  "a change of an ended session is acknowledged": {
    file: "batch.ts",
    from: "if (found === undefined) throw gone();",
    to: "if (found === undefined) { this.#succeed(queue, base, attempts); return true; }",
    finders: [
      "G2: a late writer does not revive a destroyed session",
      "G2: a late writer does not revive an expired session",
      "G7: a change that meets a damaged record is no success",
    ],
  },
  "an unknown outcome of an update is reported as success": {
    file: "batch.ts",
    from: "const record = sent.done === undefined ? await this.#reload(sent.error) : sent.record;",
    to:
      "let record; try { record = sent.done === undefined ? await this.#reload(sent.error) : sent.record; } " +
      "catch { this.#succeed(queue, this.#after(base, next), attempts); return true; }",
    finders: [noSuccess],
  },
  "an unknown outcome of a destroy is reported as success": {
    file: "writer.ts",
    from: 'await retryOrThrow(this.#options, "destroy", error, ++failures, until);',
    to: "return void ++failures;",
    finders: [noSuccess, "G6: an engine that never answers fails within the store timeout"],
  },
  "a retry does not recognise its own update": {
    file: "batch.ts",
    from: "hasCommit(found.state, this.#commitId) ||",
    to: "hasCommit(found.state, new Uint8Array(8)) ||",
    finders: [
      "G6: a lost reply to update is recognised, and applied once",
      "G6: a lost reply to update is recognised after others' changes",
    ],
  },
  "a retry does not recognise its own create": {
    file: "writer.ts",
    from: "return found !== undefined && sameDigest(found.digest, record.digest);",
    to: "return found === undefined;",
    finders: ["G6: a lost reply to create is recognised"],
  },
  "an update whose outcome is unknown is not tried again": {
    file: "batch.ts",
    from: "++failures > maxFailures) throw this.#unknown(sent.error)",
    to: "++failures > 0) throw this.#unknown(sent.error)",
    finders: [
      "G6: a lost reply to update is recognised, and applied once",
      "G6: a lost reply to a renewal is recognised",
    ],
  },
  "an engine that fails is an empty session": {
    file: "stored-engine.ts",
    from: 'throw this.#failed("load", error);',
    to: "return nothing;",
    finders: [
      "G6: an engine that fails is never an empty session",
      "G6: an engine that never answers fails within the store timeout",
    ],
  },
  "the store timeout comes late": {
    file: "timeouts.ts",
    from: "this.#limit - this.#tick",
    to: "this.#limit * 6",
    finders: ["G6: an engine that never answers fails within the store timeout"],
  },
  "a touch that fails fails the request": {
    file: "manager.ts",
    from: "await session.touch();\n    } catch (error) {",
    to: "await session.touch();\n    } catch (error) {\n      if (error !== undefined) throw error;",
    finders: ["G6: a touch that fails is an event only"],
  },
  "use is not written down": {
    file: "expiry.ts",
    from: "if (idleTimeout === undefined) return false;",
    to: "if (idleTimeout !== undefined) return false;",
    finders: ["G5: use moves the idle expiry, and idling ends the session"],
  },
  "the deadline depends on the process's clock": {
    file: "stored-executor.ts",
    from: "steps.lifetime ?? this.#shared.settings.lifetime",
    to: "(steps.lifetime ?? this.#shared.settings.lifetime) + this.#shared.settings.clock() - Date.now()",
    finders: [
      "G5: a process whose clock is wrong neither ends nor prolongs a session",
      "G5: a process whose clock is wrong sees sessions end in time",
    ],
  },
  "a renewal moves a deadline set by hand": {
    file: "commit.ts",
    from: "situation.fixedDeadline",
    to: "situation.deadlineIn < 0",
    finders: ["G5: a deadline set by hand holds, also for a renewal"],
  },
  "the checksum is not compared": {
    file: "record.ts",
    from: "return found === checksum(view, byteOffset + 6, byteOffset + length);",
    to: "return found >= 0;",
    finders: [damaged],
  },
  "a damaged record is deleted": {
    file: "stored-engine.ts",
    from: "if (origin === undefined) return nothing;",
    to: "if (origin === undefined) { void this.#store.destroy(this.#shared.prefix + id); return nothing; }",
    finders: [damaged],
  },
  "an unknown format is a damaged record": {
    file: "record.ts",
    from: "if (data[6] !== format) {",
    to: 'if (data[6] !== format) return { damaged: "unknown format" };\n  if (data[6] !== format) {',
    finders: ["G7: a record of a newer version is a 503, and stays"],
  },
};

describe("a bug in the manager is found:", () => {
  for (const [name, bug] of Object.entries(bugs)) {
    it(name, async () => {
      const { module, dispose } = await mutate(bug.file, bug.from, bug.to);
      try {
        const suite = await module<{ storeSuite: typeof storeSuite }>("testing/store.ts");
        const engine = await module<{ MemoryStore: typeof MemoryStore }>("stores/memory.ts");
        const tests = collect(suite.storeSuite, async () => {
          const clock = new ManualClock();
          return {
            store: new engine.MemoryStore({ clock: clock.now }),
            advance: (ms) => clock.advance(ms),
          };
        });
        for (const finder of bug.finders) await assertFails(tests, finder);
      } finally {
        await dispose();
      }
    });
  }
});
