// A TCP proxy that fails on demand, so that a test can break a connection where it hurts.
import { connect, createServer, type Server as Listener, type Socket } from "node:net";
import { freePort } from "./port.ts";
import type { Address } from "./server.ts";

/** Seen from the client: what it sends, and what it gets. */
export type Direction = "requests" | "replies";

export interface Proxy extends Address {
  /** Open connections. */
  readonly connections: number;
  /** Connections that `cutAfterBytes` has cut. */
  readonly cuts: number;
  /** Bytes passed on so far. */
  readonly bytes: Readonly<Record<Direction, number>>;
  /** Destroys all connections now; new ones are served. */
  cut(): void;
  /**
   * Passes on `count` more bytes in this direction, counted over all connections, then cuts the
   * connection that carried the next one, exactly there. Once; 0 cuts before the next byte, so that
   * with "replies" a request is carried out and its answer never arrives.
   */
  cutAfterBytes(count: number, direction: Direction): void;
  /** Accepts connections and passes nothing on, in either direction, until `resume`. */
  stall(): void;
  /** Passes requests on and throws the replies away. */
  dropReplies(): void;
  /**
   * The open connections pass nothing on any more and do not end, as when the server's machine loses its
   * power or a firewall forgets them; new ones are served. `resume` cuts them.
   */
  freeze(): void;
  /** Stops listening: new connections are refused, open ones stay (`cut` ends those). */
  refuse(): void;
  /**
   * Ends every fault. What `stall` held back is passed on; a connection that lost replies is cut,
   * since TCP never loses bytes in the middle of a stream and then goes on.
   */
  resume(): Promise<void>;
  /** Cuts everything and stops listening. */
  close(): void;
}

interface Pair {
  readonly client: Socket;
  readonly upstream: Socket;
  /** Has lost something. */
  lossy: boolean;
  /** Is being cut, or frozen: passes nothing on any more. */
  over: boolean;
}

/** Listens on a free port of 127.0.0.1; `url` is the target's with the proxy's host and port. */
export async function startProxy(target: {
  readonly host: string;
  readonly port: number;
  readonly url?: string | undefined;
}): Promise<Proxy> {
  const pairs = new Set<Pair>();
  const bytes: Record<Direction, number> = { requests: 0, replies: 0 };
  let stalled = false;
  let dropping = false;
  let limit: { left: number; readonly direction: Direction } | undefined;
  let cuts = 0;

  const destroy = (pair: Pair): void => {
    pairs.delete(pair);
    pair.client.destroy();
    pair.upstream.destroy();
  };
  const cut = (): void => {
    for (const pair of pairs) destroy(pair);
  };

  const pass = (pair: Pair, direction: Direction, chunk: Buffer): void => {
    const [from, to] =
      direction === "requests" ? [pair.client, pair.upstream] : [pair.upstream, pair.client];
    if (pair.over) return;
    if (direction === "replies" && (dropping || pair.lossy)) {
      pair.lossy = true;
      return;
    }
    if (limit?.direction === direction && chunk.length > limit.left) {
      const last = chunk.subarray(0, limit.left);
      limit = undefined;
      cuts += 1;
      bytes[direction] += last.length;
      pair.over = true;
      pairs.delete(pair);
      from.destroy();
      // The bytes before the cut still arrive: closing at once could reset the connection while
      // they lie unread at the other end.
      to.end(last, () => setTimeout(() => to.destroy(), 100).unref());
      return;
    }
    if (limit?.direction === direction) limit.left -= chunk.length;
    bytes[direction] += chunk.length;
    if (!to.write(chunk)) {
      from.pause();
      to.once("drain", () => stalled || from.resume());
    }
  };

  const join = (client: Socket): void => {
    const upstream = connect({ host: target.host, port: target.port, allowHalfOpen: true });
    const pair: Pair = { client, upstream, lossy: false, over: false };
    pairs.add(pair);
    for (const socket of [client, upstream]) socket.setNoDelay(true);
    client.on("data", (chunk: Buffer) => pass(pair, "requests", chunk));
    upstream.on("data", (chunk: Buffer) => pass(pair, "replies", chunk));
    client.on("end", () => upstream.end());
    upstream.on("end", () => client.end());
    for (const socket of [client, upstream]) {
      socket.on("error", () => destroy(pair));
      socket.on("close", () => {
        // Not `destroy`: what was written to the other side has yet to arrive there.
        pairs.delete(pair);
        client.end();
        upstream.end();
      });
      if (stalled) socket.pause();
    }
  };

  let listener: Listener | undefined;
  const listen = (port: number): Promise<number> =>
    new Promise((resolve, reject) => {
      const made = createServer({ allowHalfOpen: true }, join);
      made.once("error", reject);
      made.listen(port, "127.0.0.1", () => {
        listener = made;
        resolve(port);
      });
    });
  const refuse = (): void => {
    listener?.close();
    listener = undefined;
  };

  const port = await listen(await freePort());
  return {
    url: urlThrough(target.url ?? `tcp://${target.host}:${target.port}`, port),
    host: "127.0.0.1",
    port,
    bytes,
    get connections() {
      return pairs.size;
    },
    get cuts() {
      return cuts;
    },
    cut,
    cutAfterBytes: (count, direction) => {
      limit = { left: count, direction };
    },
    stall: () => {
      stalled = true;
      for (const { client, upstream } of pairs) {
        client.pause();
        upstream.pause();
      }
    },
    dropReplies: () => {
      dropping = true;
    },
    freeze: () => {
      for (const pair of pairs) {
        pair.lossy = true;
        pair.over = true;
        pair.client.pause();
        pair.upstream.pause();
      }
    },
    refuse,
    resume: async () => {
      limit = undefined;
      dropping = false;
      stalled = false;
      for (const pair of pairs) {
        if (pair.lossy) destroy(pair);
        pair.client.resume();
        pair.upstream.resume();
      }
      if (listener === undefined) await listen(port);
    },
    close: () => {
      refuse();
      cut();
    },
  };
}

function urlThrough(url: string, port: number): string {
  const through = new URL(url);
  through.hostname = "127.0.0.1";
  through.port = String(port);
  return through.href;
}
