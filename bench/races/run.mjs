/**
 * `npm run races`: the comparison table of the README, by running it. Prints it, writes it to
 * results.md beside this file, and fails when scs-session does not do what the README says of it.
 *
 * Plain JavaScript, since the peers are installed on first use and not part of the type check.
 */
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { Gates } from "./gates.mjs";
import { scenarios } from "./scenarios.mjs";
import { Watch } from "./watch.mjs";

const here = fileURLToPath(new URL(".", import.meta.url));
const host = "127.0.0.1";

// npm writes this file as the last step of an install.
if (!existsSync(`${here}node_modules/.package-lock.json`)) {
  console.log("races: installing the peers (npm ci in bench/races)");
  const windows = process.platform === "win32";
  const args = ["ci", "--no-audit", "--no-fund", "--ignore-scripts"];
  const { status } = spawnSync("npm", args, { cwd: here, stdio: "inherit", shell: windows });
  if (status !== 0) process.exit(status ?? 1);
}

// What a library throws outside of any request belongs into its cell, and ends no other run.
const strays = [];
process.on("unhandledRejection", (error) => strays.push(error));
process.on("uncaughtException", (error) => strays.push(error));

const modules = ["express", "fastify", "koa", "hono", "iron", "scs"];
const loaded = await Promise.all(modules.map((name) => import(`./peers/${name}.mjs`)));
const peers = loaded.flatMap((module) => module.peers ?? [module.peer]);

const rows = [];
for (const scenario of scenarios) {
  const cells = [];
  for (const peer of peers) cells.push(await cellOf(scenario, peer));
  rows.push([scenario.title, ...cells]);
  console.log(`\n${scenario.title}`);
  for (const [index, peer] of peers.entries()) {
    console.log(`  ${peer.title.padEnd(28)}  ${cells[index]}`);
  }
}
writeFileSync(`${here}results.md`, report());

const wrong = scenarios.filter((scenario, index) => rows[index].at(-1) !== scenario.expected);
for (const { title, expected } of wrong) {
  console.error(`\nraces: scs-session does not do what it claims: ${title}: ${expected}`);
}
process.exitCode = wrong.length === 0 ? 0 : 1;

async function cellOf(scenario, peer) {
  const outcomes = new Set();
  for (let round = 0; round < (scenario.rounds ?? 1); round += 1) {
    outcomes.add(await once(scenario, peer));
  }
  return [...outcomes].join(" / ");
}

async function once(scenario, peer) {
  const watch = new Watch();
  const gates = new Gates();
  const server = await peer.serve(watch, gates);
  await new Promise((resolve) => server.listen(0, host, resolve));
  try {
    const origin = `http://${host}:${server.address().port}`;
    strays.length = 0;
    const cell = await scenario.run({ origin, watch, gates, peer });
    return strays.length === 0 ? cell : `${cell} (and an uncaught error)`;
  } catch (error) {
    throw new Error(`${peer.title}: ${scenario.title}`, { cause: error });
  } finally {
    server.close();
    server.closeAllConnections();
  }
}

function versionOf(peer) {
  const path = peer.package === undefined ? "../../" : `node_modules/${peer.package}/`;
  return JSON.parse(readFileSync(`${here}${path}package.json`, "utf8")).version;
}

function report() {
  const line = (cells) => `| ${cells.join(" | ")} |`;
  return `${[
    "# Races and failures, by running them",
    "",
    "Written by `npm run races`; not edited by hand.",
    "",
    `- ${new Date().toISOString().slice(0, 10)}, Node ${process.versions.node}, ${process.platform} ${process.arch}`,
    ...peers.map((peer) => `- ${peer.title} ${versionOf(peer)}: ${peer.setup}`),
    "- Every peer runs the same routes (app.mjs) over HTTP on loopback, driven by one client whose",
    "  overlapping requests share one cookie jar. The order of overlapping requests is fixed by gates,",
    "  not by timers; the first four rows ran five times each on new servers, and a cell shows every",
    "  outcome that came up.",
    "- A *text store* keeps JSON text, as stores outside of the process commonly do. The MemoryStores of",
    "  @fastify/session and hono-sessions keep the very objects they are given, so that a value comes",
    "  back as it was, and in hono-sessions overlapping requests share one object.",
    "- The counter is read, awaited and written, except on scs-session: there it is",
    "  `session.update(key, fn)`. With `get` and `set`, the last writer of one key wins there too.",
    "- The store fails on writes: each rejects, or calls back, with an error.",
    "- *Log in with a dump*: every string that the store was given, and every pair of them, is tried as",
    "  the cookie.",
    "",
    line(["", ...peers.map((peer) => peer.title)]),
    line(["---", ...peers.map(() => "---")]),
    ...rows.map(line),
  ].join("\n")}\n`;
}
