/** Real servers and raw sockets for the adapter tests, and a participant whose commit can be steered. */
import { createServer, type RequestListener, type Server, type ServerOptions } from "node:http";
import { type AddressInfo, connect } from "node:net";
import type { Carrier, HeadEffects, Outcome, Participant } from "../../src/carrier.ts";
import type { SessionEvent } from "../../src/events.ts";
import type { SessionManager } from "../../src/manager.ts";

export interface Running {
  readonly port: number;
  readonly url: string;
  close(): Promise<void>;
}

/** Listens on the loopback interface: on a free port, or a given one. */
export async function listen(
  server: {
    listen(port: number, host: string, done: () => void): unknown;
    address(): unknown;
    close(done?: () => void): unknown;
    closeAllConnections?(): void;
  },
  wanted: number = 0,
): Promise<Running> {
  await new Promise<void>((resolve) => server.listen(wanted, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    port,
    url: `http://127.0.0.1:${port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections?.();
      }),
  };
}

/** Serves `listener` while `use` runs. */
export async function serving<T>(
  listener: RequestListener | Server,
  use: (running: Running) => Promise<T>,
  options: ServerOptions = {},
): Promise<T> {
  const running = await listen(
    typeof listener === "function" ? createServer(options, listener) : listener,
  );
  try {
    return await use(running);
  } finally {
    await running.close();
  }
}

/** Writes raw bytes to the server and reads until it closes the connection. */
export function raw(port: number, text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, "127.0.0.1", () => socket.write(text));
    let answer = "";
    socket.setEncoding("latin1");
    socket.on("data", (chunk: string) => (answer += chunk));
    socket.setTimeout(5000, () => reject(new Error(`No end of the response: ${answer}`)));
    socket.on("close", () => resolve(answer));
    socket.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code !== "ECONNRESET" && error.code !== "EPIPE") reject(error);
    });
  });
}

export function get(path = "/", method = "GET", headers = ""): string {
  return `${method} ${path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n${headers}\r\n`;
}

export const wait = (ms: number): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, ms));

/** Until `condition` holds, at most ten seconds: what then does not hold is for the test to say. */
export async function soon(condition: () => boolean): Promise<void> {
  for (let tries = 0; tries < 500 && !condition(); tries++) await wait(20);
}

/** A promise, and what resolves it. */
export function gate(): { readonly opened: Promise<void>; readonly open: () => void } {
  let open = (): void => {};
  const opened = new Promise<void>((resolve) => (open = resolve));
  return { opened, open: () => open() };
}

/** A session's part in a response, as the contract has it; `finish` does what the test says. */
export class Part implements Participant {
  readonly slot: string;
  readonly calls: string[] = [];
  readonly outcomes: Outcome[] = [];
  token: HeadEffects["token"];
  private = true;
  pending = true;
  makesToken = true;
  /** Undefined: nothing to wait for. */
  work: (() => Promise<void>) | undefined;
  events: SessionEvent[] = [];

  constructor(slot = "cookie s", work: (() => Promise<void>) | undefined = () => wait(5)) {
    this.slot = slot;
    this.work = work;
  }

  finish(outcome: Outcome): Promise<void> | undefined {
    this.calls.push("finish");
    this.outcomes.push(outcome);
    return outcome.status >= 500 ? undefined : this.work?.();
  }
  effects(): HeadEffects {
    return { vary: "Cookie", private: this.private, token: this.token };
  }
  ended(): void {
    this.calls.push("ended");
  }
  report(event: SessionEvent): void {
    this.events.push(event);
  }
}

/** The adapter-facing side of a manager: hands out carriers, collects events. */
export class Host {
  readonly events: SessionEvent[] = [];
  readonly settings: {
    onError: ((error: unknown, request: unknown, response: unknown) => unknown) | undefined;
  } = { onError: undefined };
  readonly #carriers = new WeakMap<object, Carrier>();

  attach(request: object, carrier: Carrier): boolean {
    if (this.#carriers.has(request)) return false;
    this.#carriers.set(request, carrier);
    return true;
  }
  enter<R, A extends readonly unknown[]>(_request: object, work: (...args: A) => R, ...args: A): R {
    return work(...args);
  }
  report(event: SessionEvent): void {
    this.events.push(event);
  }
  carrier(request: object): Carrier {
    const carrier = this.#carriers.get(request);
    if (carrier === undefined) throw new Error("not attached");
    return carrier;
  }
  get manager(): SessionManager<Record<string, unknown>> {
    return this as unknown as SessionManager<Record<string, unknown>>;
  }
}
