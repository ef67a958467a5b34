// `node test/servers/run.ts <arguments>` runs `node <arguments>` with one PostgreSQL, MariaDB and
// Redis for all of it, and exits as that does. What cannot be started is said here, and again by
// each test that asks for it.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { shared } from "./kinds.ts";

const began = performance.now();
const kinds = Object.values(shared).filter(({ external }) => !process.env[external]);
const settled = await Promise.allSettled(
  kinds.map(async ({ variable, start }) => {
    const server = await start();
    process.env[variable] = server.url;
    return server;
  }),
);
const servers = settled.filter((each) => each.status === "fulfilled").map((each) => each.value);
for (const each of settled) if (each.status === "rejected") console.error(String(each.reason));
const seconds = ((performance.now() - began) / 1000).toFixed(1);
console.log(`servers started in ${seconds} s: ${servers.map(({ url }) => url).join(" ")}`);

const child = spawn(process.execPath, process.argv.slice(2), { stdio: "inherit" });
// Ctrl-C reaches the child as well; this process stays until it has gone, to stop the servers.
process.on("SIGINT", () => {});
process.on("SIGTERM", () => child.kill("SIGTERM"));
const [code] = (await once(child, "exit")) as [number | null];
await Promise.all(servers.map((server) => server.stop()));
process.exitCode = code ?? 1;
