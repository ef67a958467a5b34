import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { warnOnce } from "../src/warn.ts";

describe("events, by default", () => {
  it("are printed once per type, if they are warnings or errors", (test) => {
    const warn = test.mock.method(console, "warn", () => {});
    const report = warnOnce();
    report({ type: "created", level: "debug", message: "m", id: "i" });
    report({ type: "superseded", level: "info", message: "m", id: "i" });
    assert.equal(warn.mock.callCount(), 0);
    const cause = new Error("down");
    for (let i = 0; i < 3; i++) {
      report({
        type: "store-failed",
        level: "error",
        message: "failed",
        operation: "load",
        error: cause,
      });
      report({ type: "uncommitted", level: "error", message: "lost", id: undefined });
    }
    assert.deepEqual(
      warn.mock.calls.map((call) => call.arguments),
      [
        ["scs-session: store-failed: failed (reported once; see the option onEvent)", cause],
        ["scs-session: uncommitted: lost (reported once; see the option onEvent)"],
      ],
    );
  });

  it("print every error that a handler threw", (test) => {
    const error = test.mock.method(console, "error", () => {});
    const report = warnOnce();
    for (const cause of [new Error("one"), new Error("two")]) {
      report({
        type: "handler-failed",
        level: "error",
        message: "A request handler threw",
        error: cause,
      });
    }
    assert.equal(error.mock.callCount(), 2);
  });
});
