// The test process's side of the guardian: one per process, started with the first server.
import { fork, type ChildProcess } from "node:child_process";
import { join } from "node:path";
import type { Message, Order, Owner, Program } from "./guardian.ts";

interface Waiting {
  readonly order: Order;
  readonly resolve: (value: string | number) => void;
  readonly reject: (error: Error) => void;
}

let guardian: ChildProcess | undefined;
let lastId = 0;
const waiting = new Map<number, Waiting>();
/** Exit codes by process id. The guardian answers a start before it reports that program's end. */
const exits = new Map<number, number>();

function started(): ChildProcess {
  if (guardian !== undefined) return guardian;
  const { NODE_TEST_CONTEXT: _, NODE_OPTIONS: __, ...env } = process.env;
  const child = fork(join(import.meta.dirname, "guardian.ts"), {
    // A session of its own: Ctrl-C reaches the tests, and the guardian outlives them.
    detached: true,
    // It must hold no pipe of the tests' open: the test runner waits for those to close.
    stdio: ["ignore", "ignore", "ignore", "ipc"],
    execArgv: [],
    env,
  });
  child.on("message", (message: Message) => receive(message));
  child.on("exit", () => {
    guardian = undefined;
    for (const { reject } of waiting.values()) reject(new Error("the servers' guardian has ended"));
    waiting.clear();
  });
  child.unref();
  child.channel?.unref();
  guardian = child;
  return child;
}

function receive(message: Message): void {
  if ("exited" in message) {
    exits.set(message.exited, message.code);
    return;
  }
  const asked = waiting.get(message.id);
  waiting.delete(message.id);
  if (waiting.size === 0) guardian?.channel?.unref();
  if ("error" in message) {
    asked?.reject(new Error(message.error));
    return;
  }
  // Systems use process ids again: what an earlier bearer of this one left does not count.
  if (asked?.order.do === "start") exits.delete(Number(message.value));
  asked?.resolve(message.value);
}

function ask(order: Order): Promise<string | number> {
  const child = started();
  const id = ++lastId;
  return new Promise((resolve, reject) => {
    waiting.set(id, { order, resolve, reject });
    // An answer that is due keeps this process alive; a server that merely runs does not.
    child.channel?.ref();
    child.send({ id, order });
  });
}

/** A private folder that is removed with the server, or when this process ends. */
export async function folder(name: string, owner: Owner | undefined): Promise<string> {
  return String(await ask({ do: "folder", name, owner }));
}

/** Starts a program that ends with this process; `end` ends it when its data no longer matter. */
export async function start(program: Program, end: NodeJS.Signals): Promise<number> {
  return Number(await ask({ do: "start", program, end }));
}

/** The exit code of a program that has ended, -1 after a signal; undefined while it runs. */
export function exitCode(pid: number): number | undefined {
  return exits.get(pid);
}

/** Ends a process; resolves when it is gone. Without a signal: the one given to `start`. */
export async function end(pid: number, signal?: NodeJS.Signals): Promise<void> {
  await ask({ do: "end", pid, signal });
}

export async function remove(path: string): Promise<void> {
  await ask({ do: "remove", folder: path });
}
