// Nothing stays behind, however the test process ends: each test runs one in a process of its own,
// with a temporary folder of its own that must be empty in the end.
import assert from "node:assert/strict";
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { chmodSync, globSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterEach, beforeEach, describe, it } from "node:test";
import { pathToFileURL } from "node:url";
import { until } from "./resp.ts";
import { isAlive } from "./server.ts";

let temporary = "";
beforeEach(() => {
  temporary = mkdtempSync(join(tmpdir(), "scs-session-crash-"));
  chmodSync(temporary, 0o755); // The servers' accounts pass through it.
});
afterEach(() => rmSync(temporary, { recursive: true, force: true }));

const start = `
  const here = ${JSON.stringify(pathToFileURL(`${import.meta.dirname}/`).href)};
  const { startRedis } = await import(here + "redis.ts");
  const { startPostgres } = await import(here + "postgres.ts");
  const { isAlive } = await import(here + "server.ts");
  const own = { own: true };
`;

/** Runs a script that has `startRedis` and `startPostgres`. */
function run(script: string): ChildProcess {
  const { NODE_TEST_CONTEXT: _, ...env } = process.env;
  return spawn(process.execPath, ["--input-type=module", "-e", start + script], {
    env: { ...env, TMPDIR: temporary },
    stdio: ["ignore", "pipe", "ignore"],
  });
}

async function firstLine(child: ChildProcess): Promise<string> {
  const [line] = (await once(createInterface(child.stdout!), "line")) as [string];
  return line;
}

const isEmpty = async (): Promise<boolean> => readdirSync(temporary).length === 0;

describe("a test process that ends without stopping its servers", () => {
  const ends: Readonly<Record<string, string>> = {
    "process.exit": "process.exit(0)",
    "an uncaught error": 'setTimeout(() => { throw new Error("crash"); })',
    SIGKILL: 'process.kill(process.pid, "SIGKILL")',
    SIGINT: 'process.kill(process.pid, "SIGINT")',
    "nothing left to do": "",
  };
  for (const [how, code] of Object.entries(ends)) {
    it(`${how}: the server and its folder go`, async () => {
      const child = run(`
        const server = await startRedis(own);
        process.stdout.write(server.pid + " " + isAlive(server.pid) + "\\n", () => { ${code} });
      `);
      const ended = once(child, "exit");
      const [pid, alive] = (await firstLine(child)).split(" ");
      assert.equal(alive, "true");
      await ended;
      await until("the server is gone", async () => !isAlive(Number(pid)));
      await until("the folder is gone", isEmpty);
    });
  }

  it("SIGKILL while PostgreSQL makes its data folder: all goes", async () => {
    const child = run("await startPostgres(own);");
    // initdb runs a server of its own through a shell; both write into the folder.
    const started = (): boolean => globSync(`${temporary}/*/data/base/1`).length > 0;
    await until("initdb's server is at work", async () => started());
    child.kill("SIGKILL");
    await until("the folder is gone", isEmpty);
  });

  it("PostgreSQL with a connection's process at work: all goes", async () => {
    const child = run(`
      const { connect } = await import("node:net");
      const server = await startPostgres(own);
      const socket = connect(server.port, server.host);
      // StartupMessage (protocol 3.0, 55.7): a backend process answers it.
      const body = Buffer.from("\\0\\x03\\0\\0user\\0postgres\\0database\\0postgres\\0\\0", "latin1");
      const head = Buffer.alloc(4);
      head.writeInt32BE(body.length + 4);
      socket.write(Buffer.concat([head, body]));
      socket.once("data", () => console.log(server.pid));
    `);
    const pid = Number(await firstLine(child));
    child.kill("SIGKILL");
    await until("the server is gone", async () => !isAlive(pid));
    await until("the folder is gone", isEmpty);
  });
});

it("a server that refuses its arguments fails with its own words and leaves nothing", async () => {
  const child = run(`
    const { readdirSync } = await import("node:fs");
    const error = await startRedis({ own: true, args: ["--no-such-setting", "1"] }).catch(String);
    console.log(JSON.stringify([error, readdirSync(process.env.TMPDIR)]));
  `);
  const [error, left] = JSON.parse(await firstLine(child)) as [string, string[]];
  assert.match(error, /no-such-setting/);
  assert.deepEqual(left, []);
});
