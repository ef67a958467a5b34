// Server processes on one engine, and the client that sends them requests over real sockets.
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { Agent, request as httpRequest } from "node:http";
import { fileURLToPath } from "node:url";
import type { Operation } from "../support/counting.ts";
import type { Source } from "./engines.ts";
import type { Flaw } from "./flaws.ts";
import type { Answer, Exchange, Step } from "./history.ts";

export type Counts = Partial<Record<Operation, number>>;

interface Reply {
  readonly status: number;
  readonly headAt: number;
  readonly cookies: readonly string[];
  readonly body: string;
}

/** Starts the processes; each has set up and checked its engine. */
export async function startFleet(source: Source, processes: number): Promise<Fleet> {
  const started = await Promise.allSettled(
    Array.from({ length: processes }, () => startOne(source)),
  );
  const servers = started.flatMap((each) => (each.status === "fulfilled" ? [each.value] : []));
  const fleet = new Fleet(servers);
  for (const each of started) {
    if (each.status === "fulfilled") continue;
    await fleet.stop();
    throw each.reason;
  }
  return fleet;
}

interface ServerProcess {
  readonly child: ChildProcess;
  readonly port: number;
}

async function startOne(source: Source): Promise<ServerProcess> {
  const { NODE_TEST_CONTEXT: _, ...env } = process.env;
  const child = fork(
    fileURLToPath(new URL("worker.ts", import.meta.url)),
    [JSON.stringify(source)],
    { env, execArgv: [], stdio: ["ignore", "inherit", "inherit", "ipc"] },
  );
  const port = await new Promise<number>((resolve, reject) => {
    child.once("message", (message: { readonly port: number }) => resolve(message.port));
    child.once("exit", (code) => reject(new Error(`a server process ended with ${code}`)));
  });
  return { child, port };
}

export class Fleet {
  readonly #servers: readonly ServerProcess[];
  readonly #agent = new Agent({ keepAlive: true });
  #number = 0;
  #done = 0;

  constructor(servers: readonly ServerProcess[]) {
    this.#servers = servers;
  }

  get processes(): number {
    return this.#servers.length;
  }

  /** How many requests were answered with 200 so far. */
  get done(): number {
    return this.#done;
  }

  /** One request; resolves with its record, whatever came of it. */
  async send(
    process: number,
    step: Step,
    token: string | undefined,
    more: {
      readonly flaw?: Flaw | undefined;
      readonly probe?: boolean | undefined;
      /** Milliseconds after which the client goes away. */
      readonly abortAfter?: number | undefined;
    } = {},
  ): Promise<Exchange> {
    const headers: Record<string, string> = {};
    if (token !== undefined) headers["cookie"] = `session=${token}`;
    if (more.flaw !== undefined) headers["x-flaw"] = more.flaw;
    const base = { number: ++this.#number, process, step, token, probe: more.probe };
    const start = performance.now();
    try {
      const sent = JSON.stringify(step);
      const reply = await this.#request(process, "/", headers, sent, more.abortAfter);
      const { status, headAt, cookies, body } = reply;
      if (cookies.length > 1) throw new Error(`${cookies.length} Set-Cookie of one session`);
      const end = step.how === "stream" ? performance.now() : headAt;
      if (status === 200) this.#done++;
      const cookie = cookies[0]?.match(/^session=([^;]*)/)?.[1];
      return { ...base, start, end, status, answer: answerOf(body), cookie };
    } catch (error) {
      const end = performance.now();
      const answer = { found: false, handed: {}, code: String(error) };
      return { ...base, start, end, status: 0, answer, cookie: undefined };
    }
  }

  /** How often the processes asked their engine for what, since this was last asked. */
  async counts(): Promise<Counts> {
    const sum: Counts = {};
    for (let process = 0; process < this.processes; process++) {
      const { body } = await this.#request(process, "/counts", {}, "");
      for (const [name, count] of Object.entries(JSON.parse(body) as Counts)) {
        sum[name as Operation] = (sum[name as Operation] ?? 0) + count;
      }
    }
    return sum;
  }

  #request(
    process: number,
    path: string,
    headers: Readonly<Record<string, string>>,
    body: string,
    abortAfter?: number,
  ): Promise<Reply> {
    const port = this.#servers[process]?.port ?? 0;
    return new Promise((resolve, reject) => {
      const request = httpRequest({
        host: "127.0.0.1",
        port,
        path,
        method: "POST",
        agent: this.#agent,
        headers,
        timeout: 60_000,
      });
      request.on("error", reject);
      request.on("timeout", () => request.destroy(new Error("no answer within a minute")));
      request.on("response", (response) => {
        const headAt = performance.now();
        let text = "";
        response.setEncoding("utf8");
        response.on("data", (chunk: string) => {
          text += chunk;
        });
        response.on("error", reject);
        response.on("end", () => {
          const cookies = response.headers["set-cookie"] ?? [];
          resolve({ status: response.statusCode ?? 0, headAt, cookies, body: text });
        });
      });
      request.end(body);
      if (abortAfter !== undefined) {
        setTimeout(() => request.destroy(new Error("the client went away")), abortAfter).unref();
      }
    });
  }

  async stop(): Promise<void> {
    this.#agent.destroy();
    await Promise.all(
      this.#servers.map(async ({ child }) => {
        if (child.exitCode !== null) return;
        const exit = once(child, "exit");
        child.disconnect();
        await exit;
      }),
    );
  }
}

function answerOf(body: string): Answer {
  const { found = false, handed = {}, ...rest } = JSON.parse(body) as Partial<Answer>;
  return { found, handed, ...rest };
}
