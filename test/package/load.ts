// The installed package at run time: imported, required, on this Node and on Node 20.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";
import { describe, it } from "node:test";
import { run, type Tarball } from "./tarball.ts";

/** A server with a session, and a client that stores and reads; prints what the client saw. */
export const drive = `
export async function drive({ SessionManager, MemoryStore, sessionHandler, createServer }) {
  const sessions = new SessionManager({ store: new MemoryStore(), idleTimeout: "20m" });
  const server = createServer(
    sessionHandler(sessions, async (req, res) => {
      const session = await sessions.load(req);
      if (req.url === "/put") {
        session.set("message", "Hello from a session!");
        res.end();
      } else {
        res.end(session.get("message") ?? "");
      }
    }),
  );
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const origin = "http://127.0.0.1:" + server.address().port;
  const put = await fetch(origin + "/put");
  const cookies = put.headers.getSetCookie();
  const cookie = (cookies[0] ?? "").split(";")[0];
  const get = await fetch(origin + "/get", { headers: { cookie } });
  const seen = {
    put: [put.status, await put.text(), cookies.length],
    cookie: cookie.replace(/=.*/, "=") + cookie.replace(/.*=/, "").length,
    get: [get.status, await get.text(), get.headers.getSetCookie().length],
  };
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  await sessions.close();
  console.log(JSON.stringify(seen));
}
`;

/** What `drive` prints when sessions work. */
const driven = {
  put: [200, "", 1],
  cookie: "__Host-Http-session=64",
  get: [200, "Hello from a session!", 0],
};

const esm = `
import { createServer } from "node:http";
import { SessionManager } from "scs-session";
import { sessionHandler } from "scs-session/adapters/node";
import { MemoryStore } from "scs-session/stores/memory";
import { drive } from "./drive.mjs";
await drive({ SessionManager, MemoryStore, sessionHandler, createServer });
`;

const cjs = `
const { createServer } = require("node:http");
const { SessionManager } = require("scs-session");
const { sessionHandler } = require("scs-session/adapters/node");
const { MemoryStore } = require("scs-session/stores/memory");
const { drive } = require("./drive.mjs");
drive({ SessionManager, MemoryStore, sessionHandler, createServer });
`;

const names = `
import { readFileSync } from "node:fs";
const url = new URL("./node_modules/scs-session/package.json", import.meta.url);
const { exports } = JSON.parse(readFileSync(url, "utf8"));
for (const subpath of Object.keys(exports)) {
  if (subpath.endsWith(".json")) continue;
  const module = await import("scs-session" + subpath.slice(1));
  if (Object.keys(module).length === 0) throw new Error(subpath + " exports nothing");
  if ("default" in module) throw new Error(subpath + " has a default export");
  console.log(subpath);
}
`;

/** A cookie engine, whose half of the core comes from its own entry point. */
const one = `
import { sealedEngine, SessionError, SessionManager } from "scs-session";
import { CookieStore } from "scs-session/stores/cookie";
const key = crypto.getRandomValues(new Uint8Array(32));
const store = new CookieStore({ keys: [{ id: "a", key }], revocations: false });
if (store.engine !== sealedEngine) throw new Error("two copies of the engine");
const sessions = new SessionManager({ store });
const session = await sessions.loadToken(undefined);
session.set("text", "hello");
await session.commit();
const again = await sessions.loadToken(session.token);
if (again.get("text") !== "hello") throw new Error("the session is lost");
again.set("text", "x".repeat(9000));
const error = await again.commit().catch((error) => error);
if (!(error instanceof SessionError) || error.code !== "too-large") throw error;
`;

export function loading(tarball: Tarball): void {
  describe("loading", () => {
    const files = {
      "drive.mjs": drive,
      "esm.mjs": esm,
      "cjs.cjs": cjs,
      "names.mjs": names,
      "one.mjs": one,
    };
    const folder = tarball.project(files);
    const runtimes = new Map([[`Node ${process.versions.node}`, process.execPath]]);
    const old = node20();
    if (old.path === undefined) console.log(`Node 20 was not tried: ${old.reason}`);
    else runtimes.set(old.reason, old.path);

    for (const [name, path] of runtimes) {
      it(`imports on ${name}: a value put is got, and the process ends by itself`, () => {
        works(path, "esm.mjs", folder);
      });

      it(`is required from CommonJS on ${name}`, () => {
        works(path, "cjs.cjs", folder);
      });

      it(`has one copy of what two entry points share on ${name}`, () => {
        const { status, output } = run(path, ["one.mjs"], folder);
        assert.equal(status, 0, output);
      });

      it(`has names behind each subpath on ${name}`, () => {
        const { status, output } = run(path, ["names.mjs"], folder);
        assert.equal(status, 0, output);
      });
    }
  });
}

/** Runs a file that drives a server, and compares what it printed. */
export function works(node: string, file: string, folder: string): void {
  const { status, stdout, output } = run(node, [file], folder);
  assert.equal(status, 0, output);
  // Nothing but the answer: no warning, on either stream.
  assert.equal(output, stdout);
  assert.deepEqual(JSON.parse(stdout), driven);
}

/** The oldest Node that is supported, where this machine has it; else why not. */
function node20(): { readonly path?: string; readonly reason: string } {
  const given = process.env["SCS_NODE20"];
  const file = process.platform === "win32" ? "node.exe" : "node";
  const folders = (process.env["PATH"] ?? "").split(delimiter).map((folder) => join(folder, file));
  const candidates = given === undefined ? ["/usr/bin/node", ...folders] : [given];
  const seen = new Set<string>();
  for (const path of candidates) {
    if (!existsSync(path)) continue;
    const version = spawnSync(path, ["--version"], { encoding: "utf8" }).stdout.trim();
    const [, major, minor] = /^v(\d+)\.(\d+)\./.exec(version) ?? [];
    if (major === "20" && Number(minor) >= 19) return { path, reason: `Node ${version.slice(1)}` };
    seen.add(version);
  }
  if (given !== undefined) throw new Error(`SCS_NODE20 is no Node 20.19 or later: ${given}`);
  return { reason: `SCS_NODE20 is not set, and PATH has only ${[...seen].join(", ")}` };
}
