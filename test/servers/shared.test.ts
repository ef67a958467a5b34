// One set of servers for a run, and a test file's own where there is none.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { after, it } from "node:test";
import { pathToFileURL } from "node:url";

const temporary = mkdtempSync(join(tmpdir(), "scs-session-shared-"));
chmodSync(temporary, 0o755);
after(() => rmSync(temporary, { recursive: true, force: true }));

const module = pathToFileURL(join(import.meta.dirname, "sharedServers.ts")).href;

/** Runs Node without this run's servers; its exit code, and what it wrote. */
async function node(...args: string[]): Promise<{ code: unknown; output: string }> {
  const env = { ...process.env, TMPDIR: temporary };
  for (const name of Object.keys(env)) {
    if (/^SCS_(?:SHARED|TEST)_|^NODE_TEST_CONTEXT$/.test(name)) delete env[name as never];
  }
  const child = spawn(process.execPath, args, { env, stdio: ["ignore", "pipe", "inherit"] });
  const [output, [code]] = await Promise.all([text(child.stdout), once(child, "exit")]);
  return { code, output };
}

it("run.ts starts the servers once, names them to what it runs, and exits as that does", async () => {
  const script = `
    const { postgres, mariadb, redis } = await import(${JSON.stringify(module)});
    const { connect } = await import("node:net");
    const { once } = await import("node:events");
    const found = await Promise.all([postgres(), mariadb(), redis()]);
    for (const { host, port } of found) {
      const socket = connect(port, host);
      await once(socket, "connect");
      socket.destroy();
    }
    console.log("FOUND " + found.map(({ url, pid }) => url + " " + pid).join(","));
    process.exitCode = 3;
  `;
  const run = join(import.meta.dirname, "run.ts");
  const { code, output } = await node(run, "--input-type=module", "-e", script);
  // No process ids: they came from the environment.
  assert.match(
    output,
    /FOUND postgres:\S+ undefined,mysql:\S+\/scs undefined,redis:\S+ undefined\n/,
  );
  assert.equal(code, 3);
  assert.deepEqual(readdirSync(temporary), []);
});

it("without a run, a test file has one server of its own until its tests are done", async () => {
  const file = join(temporary, "own.test.mjs");
  writeFileSync(
    file,
    `
    import { redis } from ${JSON.stringify(module)};
    import { before, describe, it } from "node:test";
    import { isAlive } from ${JSON.stringify(module.replace("sharedServers", "server"))};
    let first;
    describe("one", () => {
      before(async () => { first = await redis(); });
      it("runs", async () => console.log("FIRST " + isAlive(first.pid)));
      it("is one", async () => console.log("SAME " + (first === await redis())));
    });
    describe("two", () => {
      it("is still there", () => console.log("STILL " + isAlive(first.pid)));
    });
    process.on("exit", () => console.log("EXIT " + isAlive(first.pid)));
    `,
  );
  const { code, output } = await node("--test", "--test-reporter=tap", file);
  rmSync(file);
  assert.deepEqual(output.match(/[A-Z]+ (?:true|false)/g), [
    "FIRST true",
    "SAME true",
    "STILL true",
    "EXIT false",
  ]);
  assert.equal(code, 0);
});
