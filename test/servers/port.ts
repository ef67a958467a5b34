// Free ports for servers that must come back on the same one after a crash.
import { createServer } from "node:net";

// Below the range that systems hand out to outgoing connections (Linux from 32768, others from
// 49152): otherwise a client's socket may take a killed server's port before its restart.
const LOWEST = 15_000;
const COUNT = 15_000;

// Between the look and the server's start a port is only promised: not twice by one process.
const promised = new Set<number>();

/** A port of 127.0.0.1 that nobody listens on at this moment. */
export async function freePort(): Promise<number> {
  for (let attempt = 0; attempt < 100; attempt += 1) {
    const port = LOWEST + Math.floor(Math.random() * COUNT);
    if (promised.has(port)) continue;
    promised.add(port);
    if (await isFree(port)) return port;
  }
  throw new Error("no free port found on 127.0.0.1");
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once("error", () => resolve(false));
    probe.listen(port, "127.0.0.1", () => probe.close(() => resolve(true)));
  });
}
