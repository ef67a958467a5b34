/** Serves on every address of `localhost`, and stops. */
import { lookup } from "node:dns/promises";
import { createServer, type RequestListener, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export interface Listening {
  readonly port: number;
  /** Stops accepting, and resolves when every request in progress is answered. */
  close(): Promise<void>;
}

interface Serving {
  readonly server: Server;
  readonly answering: Set<ServerResponse>;
}

/** Requests in progress get this long to finish. */
const grace = 3_000;

/**
 * Listens on 127.0.0.1 and ::1 alike, whichever the machine has: a browser and curl differ in which
 * one they try first, and with only one of them bound, another program could hold the other.
 * Nothing outside this machine can connect.
 *
 * @throws {Error} With `code` `EADDRINUSE` or `EACCES`, when one of the addresses cannot be had.
 */
export async function listen(port: number, listener: RequestListener): Promise<Listening> {
  const servers: Serving[] = [];
  const close = async (): Promise<void> => {
    await Promise.all(servers.map(stop));
  };
  let bound = port;
  try {
    for (const address of await loopbacks()) {
      const serving = serve(listener);
      try {
        // Port 0 asks the system for a free one: the first address takes it, the others follow.
        bound = await bind(serving.server, bound, address);
        servers.push(serving);
      } catch (error) {
        // The name has an address (::1, mostly) that this machine has not.
        if (!hasCode(error, "EADDRNOTAVAIL", "EAFNOSUPPORT")) throw error;
      }
    }
    if (servers.length === 0) throw new Error("localhost has no address on this machine");
  } catch (error) {
    await close();
    throw error;
  }
  return { port: bound, close };
}

/** True for a system error with one of these codes. */
export function hasCode(error: unknown, ...codes: string[]): boolean {
  return error instanceof Error && "code" in error && (codes as unknown[]).includes(error.code);
}

async function loopbacks(): Promise<string[]> {
  const found = await lookup("localhost", { all: true });
  return [...new Set(found.map((entry) => entry.address))];
}

function bind(server: Server, port: number, address: string): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, address, () => {
      server.off("error", reject);
      resolve((server.address() as AddressInfo).port);
    });
  });
}

/**
 * `close` alone ends idle keep-alive connections, but waits for those that browsers open ahead of
 * need and have sent nothing on; so once nothing is being answered, the rest is cut.
 */
function stop({ server, answering }: Serving): Promise<void> {
  return new Promise((resolve) => {
    const cut = (): void => server.closeAllConnections();
    const timer = setTimeout(cut, grace);
    server.close(() => {
      clearTimeout(timer);
      resolve();
    });
    const check = (): void => {
      if (answering.size === 0) cut();
    };
    for (const response of answering) response.once("close", check);
    check();
  });
}

function serve(listener: RequestListener): Serving {
  const answering = new Set<ServerResponse>();
  const server = createServer((request, response) => {
    answering.add(response);
    response.once("close", () => answering.delete(response));
    return listener(request, response);
  });
  return { server, answering };
}
