/** Starts the demo as a process, and talks to it. */
import assert from "node:assert/strict";
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { request } from "node:http";
import type { TestContext } from "node:test";
import { fileURLToPath } from "node:url";

const server: string = fileURLToPath(new URL("../../examples/demo/server.ts", import.meta.url));

export interface Run {
  readonly child: ChildProcess;
  readonly output: () => string;
  readonly errors: () => string;
  /** Exit status, or the signal that killed it. */
  readonly exit: Promise<number | string>;
}

/** On `port`; killed when the test ends. */
export function run(t: TestContext, port: string, ...args: string[]): Run {
  const child = spawn(process.execPath, [server, ...args], {
    env: { ...process.env, PORT: port },
    stdio: ["ignore", "pipe", "pipe"],
  });
  t.after(() => child.kill("SIGKILL"));
  let output = "";
  let errors = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => (output += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (errors += text));
  const exit = once(child, "close").then(([code, signal]) => (code ?? signal) as number | string);
  return { child, output: () => output, errors: () => errors, exit };
}

/** On a free port, once it serves. */
export async function start(
  t: TestContext,
  ...args: string[]
): Promise<Run & { readonly port: number }> {
  const started = run(t, "0", ...args);
  const failed = started.exit.then((status) => {
    throw new Error(`the demo ended with ${status}: ${started.errors()}`);
  });
  failed.catch(() => {}); // a later exit is the test's business
  for (;;) {
    const port = /http:\/\/localhost:(\d+)[^]*Ctrl-C/.exec(started.output())?.[1];
    if (port !== undefined) return { ...started, port: Number(port) };
    await Promise.race([once(started.child.stdout!, "data"), failed]);
  }
}

export interface Answer {
  readonly status: number;
  /** Lower-case names; several of one name are a list. */
  readonly headers: Record<string, string[]>;
  readonly body: string;
}

export interface Sent {
  readonly cookie?: string | undefined;
  readonly form?: Record<string, string> | string;
  readonly headers?: Record<string, string>;
}

/** One request on a connection of its own; no redirect is followed. */
export function send(port: number, method: string, path: string, sent: Sent = {}): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const headers: Record<string, string> = { ...sent.headers };
    if (sent.cookie !== undefined) headers["Cookie"] = sent.cookie;
    let body = "";
    if (sent.form !== undefined) {
      headers["Content-Type"] ??= "application/x-www-form-urlencoded";
      body = new URLSearchParams(sent.form).toString();
    }
    const options = { host: "localhost", port, method, path, headers, agent: false };
    const outgoing = request(options, (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (part: string) => (text += part));
      response.on("error", reject);
      response.on("end", () => {
        const got = Object.entries(response.headersDistinct).map(([k, v]) => [k, v ?? []]);
        resolve({
          status: response.statusCode ?? 0,
          headers: Object.fromEntries(got) as Record<string, string[]>,
          body: text,
        });
      });
    });
    outgoing.on("error", reject);
    outgoing.end(body);
  });
}

/** `name=value` of the session cookie that an answer sets. */
export function cookieOf(answer: Answer): string {
  const set = answer.headers["set-cookie"] ?? [];
  assert.equal(set.length, 1, "exactly one Set-Cookie");
  const cookie = /^session=[\w-]{64}(?=;)/.exec(set[0] ?? "")?.[0];
  assert.ok(cookie, set[0]);
  return cookie;
}
