/** Operations that share a command: who shares one, and what becomes of each when it fails. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { Batcher, type Failure } from "../../src/stores/batcher.ts";

interface Call {
  readonly key: string;
}

/** Answers a call with its key, in capitals where it went alone. */
function world(options: { failure?: Failure; distinct?: boolean } = {}) {
  const commands: string[] = [];
  const given = {
    alone: (call: Call): Promise<string> => Promise.resolve(call.key.toUpperCase()),
    together: (calls: readonly Call[]): Promise<readonly (string | undefined)[]> =>
      Promise.resolve(calls.map(({ key }) => key)),
  };
  const batcher = new Batcher<Call, string>({
    most: 3,
    alone: (call) => {
      commands.push(call.key);
      return given.alone(call);
    },
    together: (calls) => {
      commands.push(calls.map(({ key }) => key).join("+"));
      return given.together(calls);
    },
    failure: () => options.failure ?? "all",
    distinct: options.distinct === true ? ({ key }) => key : undefined,
  });
  const run = (...keys: string[]) =>
    Promise.allSettled(keys.map((key) => batcher.run({ key }))).then((outcomes) =>
      outcomes.map((outcome) =>
        outcome.status === "fulfilled" ? outcome.value : (outcome.reason as Error).message,
      ),
    );
  return { given, commands, run };
}

describe("operations of one turn of the event loop", () => {
  it("share a command; of one turn and the next each has its own", async () => {
    const { commands, run } = world();
    const first = run("a", "b");
    await turn();
    const second = run("c", "d");
    assert.deepEqual(await Promise.all([first, second]), [
      ["a", "b"],
      ["c", "d"],
    ]);
    assert.deepEqual(commands, ["a+b", "c+d"]);
  });

  it("one alone goes as it would without the others", async () => {
    const { commands, run } = world();
    assert.deepEqual(await run("a"), ["A"]);
    assert.deepEqual(commands, ["a"]);
  });

  it("share as many commands as they need", async () => {
    const { commands, run } = world();
    assert.deepEqual(await run("a", "b", "c", "d", "e", "f", "g"), [
      "a",
      "b",
      "c",
      "d",
      "e",
      "f",
      "G",
    ]);
    assert.deepEqual(commands, ["a+b+c", "d+e+f", "g"]);
  });

  it("wait for what the other callbacks of the turn begin", async () => {
    const { commands, run } = world();
    const all = ["a", "b"].map(
      (key) => new Promise((resolve) => process.nextTick(() => resolve(run(key)))),
    );
    await Promise.all(all);
    assert.deepEqual(commands, ["a+b"]);
  });

  it("that must not meet in one command do not", async () => {
    const { commands, run } = world({ distinct: true });
    assert.deepEqual(await run("a", "b", "a", "a"), ["a", "b", "A", "A"]);
    assert.deepEqual(commands, ["a", "a", "a+b"]);
  });
});

describe("a shared command", () => {
  it("leaves what it did not answer to be asked alone", async () => {
    const { given, commands, run } = world();
    given.together = async (calls) => calls.map(({ key }) => (key === "b" ? undefined : key));
    assert.deepEqual(await run("a", "b", "c"), ["a", "B", "c"]);
    assert.deepEqual(commands, ["a+b+c", "b"]);
  });

  it("fails for all, and alone each fails for itself", async () => {
    const { given, run } = world();
    given.together = () => Promise.reject(new Error("connection lost"));
    assert.deepEqual(await run("a", "b"), ["connection lost", "connection lost"]);
    given.together = async (calls) => calls.map(() => undefined);
    given.alone = ({ key }) =>
      key === "a" ? Promise.reject(new Error("a fails")) : Promise.resolve(key);
    assert.deepEqual(await run("a", "b"), ["a fails", "b"]);
  });

  it("that one of them breaks is taken apart, and tried again the next time", async () => {
    const { given, commands, run } = world({ failure: "split" });
    given.together = () => Promise.reject(new Error("one is broken"));
    assert.deepEqual(await run("a", "b"), ["A", "B"]);
    assert.deepEqual(await run("a", "b"), ["A", "B"]);
    assert.deepEqual(commands, ["a+b", "a", "b", "a+b", "a", "b"]);
  });

  it("that the server does not know is not tried again", async () => {
    const { given, commands, run } = world({ failure: "never" });
    given.together = () => Promise.reject(new Error("syntax error"));
    assert.deepEqual(await run("a", "b"), ["A", "B"]);
    assert.deepEqual(await run("a", "b"), ["A", "B"]);
    assert.deepEqual(commands, ["a+b", "a", "b", "a", "b"]);
  });

  it("and one alone that throw reject, and do not end the process", async () => {
    const { given, run } = world();
    given.together = () => {
      throw new Error("closed");
    };
    given.alone = given.together as unknown as typeof given.alone;
    assert.deepEqual(await run("a", "b"), ["closed", "closed"]);
    assert.deepEqual(await run("a"), ["closed"]);
  });
});
