/** A machine without a browser gets one line that says what to do. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { findChromium } from "./chromium.ts";

/** With these variables, and as before afterwards. */
async function withEnvironment(
  changes: Record<string, string | undefined>,
  run: () => Promise<void>,
): Promise<void> {
  const before = { ...process.env };
  const set = (name: string, value: string | undefined): void => {
    if (value === undefined) delete process.env[name];
    else process.env[name] = value;
  };
  for (const [name, value] of Object.entries(changes)) set(name, value);
  try {
    await run();
  } finally {
    for (const name of Object.keys(changes)) set(name, before[name]);
  }
}

test("SCS_CHROMIUM names the program, and nothing else is tried", async () => {
  await withEnvironment({ SCS_CHROMIUM: process.execPath }, async () => {
    assert.equal(await findChromium(), process.execPath);
  });
  await withEnvironment({ SCS_CHROMIUM: "/nowhere/chromium" }, () =>
    assert.rejects(findChromium(), {
      message: "SCS_CHROMIUM=/nowhere/chromium is no program that can be run",
    }),
  );
});

async function nothingFound(): Promise<void> {
  // An empty PATH hides the browser, and the programs that would install it.
  await withEnvironment({ SCS_CHROMIUM: undefined, PATH: "/nowhere" }, () =>
    assert.rejects(findChromium(), (error: Error) => {
      assert.match(
        error.message,
        /^no Chromium on this machine: install it \(Debian: chromium\), or /,
      );
      assert.match(error.message, /set SCS_CHROMIUM to its path/);
      assert.equal(error.message.split("\n").length, 1);
      return true;
    }),
  );
}

// Elsewhere the usual places may hold one, whatever the PATH.
if (process.platform === "linux") test("no browser, and no means to install one", nothingFound);
else console.log("no browser: this is tried on Linux");
