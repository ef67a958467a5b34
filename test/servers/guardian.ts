// A process of its own that owns every server and folder of one test process. It is the servers'
// parent, so it knows each of them from the first moment and no process id is ever taken over by
// a stranger unseen. When the test process ends, however it ends (SIGKILL too), the kernel closes
// the channel between the two: the guardian then ends the servers and removes the folders.
import { execFileSync, spawn, type ChildProcess } from "node:child_process";
import {
  chmodSync,
  chownSync,
  closeSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

/** The account a program runs as; absent where the tests do not run as root. */
export interface Owner {
  readonly uid: number;
  readonly gid: number;
}

export interface Program {
  readonly file: string;
  readonly args: readonly string[];
  /** Working directory. */
  readonly folder: string;
  /** Standard output and error go here. */
  readonly log: string;
  readonly owner?: Owner | undefined;
}

export type Order =
  | { readonly do: "folder"; readonly name: string; readonly owner?: Owner | undefined }
  /** Starts a program. `end` is the signal that ends it when its data no longer matter. */
  | { readonly do: "start"; readonly program: Program; readonly end: NodeJS.Signals }
  /** Sends a signal and answers when the process is gone; SIGKILL follows after 5 s. */
  | { readonly do: "end"; readonly pid: number; readonly signal?: NodeJS.Signals | undefined }
  | { readonly do: "remove"; readonly folder: string };

export interface Question {
  readonly id: number;
  readonly order: Order;
}

export type Message =
  | { readonly id: number; readonly value: string | number }
  | { readonly id: number; readonly error: string }
  | { readonly exited: number; readonly code: number };

interface Running {
  readonly child: ChildProcess;
  readonly end: NodeJS.Signals;
  readonly gone: Promise<void>;
}

const running = new Map<number, Running>();
const folders = new Set<string>();
const PATIENCE = 5_000;

function makeFolder(name: string, owner: Owner | undefined): string {
  const folder = mkdtempSync(join(temporary(owner), `scs-session-${name}-`));
  folders.add(folder);
  chmodSync(folder, 0o700); // PostgreSQL refuses a data folder that others can read.
  if (owner !== undefined) chownSync(folder, owner.uid, owner.gid);
  return folder;
}

/** The temporary folder, unless it lies where another account cannot enter (a home of root's). */
function temporary(owner: Owner | undefined): string {
  const folder = tmpdir();
  if (owner === undefined) return folder;
  for (let path = folder; ; path = dirname(path)) {
    if ((statSync(path).mode & 0o001) === 0) return "/tmp";
    if (path === dirname(path)) return folder;
  }
}

async function start(program: Program, end: NodeJS.Signals): Promise<number> {
  const log = openSync(program.log, "a", 0o644);
  const child = spawn(program.file, program.args, {
    cwd: program.folder,
    // Nothing of the caller's settings (PGOPTIONS, MYSQL_HOME, locale) may reach a test server.
    env: { PATH: process.env["PATH"], LC_ALL: "C", TZ: "UTC", HOME: program.folder },
    stdio: ["ignore", log, log],
    ...program.owner,
  });
  closeSync(log);
  // Both listeners before anything is awaited: a program may be gone at once.
  const gone = new Promise<void>((resolve) => {
    child.once("exit", (code) => {
      if (child.pid !== undefined) {
        running.delete(child.pid);
        tell({ exited: child.pid, code: code ?? -1 });
      }
      resolve();
    });
  });
  const failed = new Promise<never>((_, reject) => child.once("error", reject));
  if (child.pid === undefined) return failed;
  failed.catch(() => {});
  running.set(child.pid, { child, end, gone });
  return child.pid;
}

function childrenOf(pid: number): number[] {
  try {
    const listed = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8");
    return listed.trim().split(" ").filter(Boolean).map(Number);
  } catch {
    return []; // Not Linux, or gone.
  }
}

function send(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It went by itself when its parent did.
  }
}

/**
 * With all that it has started: initdb's shell and server would go on writing into a folder that
 * is being removed. PostgreSQL's backends lead sessions of their own, so no process group holds
 * them. Each is stopped before its children are listed, so that it starts no more.
 */
function killTree(pid: number): void {
  send(pid, "SIGSTOP");
  for (const child of childrenOf(pid)) killTree(child);
  send(pid, "SIGKILL");
}

async function end(pid: number, signal?: NodeJS.Signals): Promise<void> {
  const server = running.get(pid);
  if (server === undefined) return;
  const chosen = signal ?? server.end;
  if (chosen === "SIGKILL") killTree(pid);
  else server.child.kill(chosen);
  const timer = setTimeout(() => killTree(pid), PATIENCE);
  await server.gone;
  clearTimeout(timer);
}

/** A killed PostgreSQL (initdb's too) leaves its shared memory segment in the kernel. */
function sweep(folder: string): void {
  try {
    // Line 7 of the lock file, which is there only after a kill: the segment's key and id
    // (src/include/utils/pidfile.h).
    const lock = readFileSync(join(folder, "data", "postmaster.pid"), "utf8");
    const [, id] = lock.split("\n")[6]?.trim().split(/\s+/) ?? [];
    if (id !== undefined) execFileSync("ipcrm", ["-m", id], { stdio: "ignore" });
  } catch {
    // No such file, or no such segment any more: as it should be.
  }
}

function remove(folder: string): void {
  sweep(folder);
  // A backend that has just lost its server may still write one last file: hence the retries.
  rmSync(folder, { recursive: true, force: true, maxRetries: 10 });
  folders.delete(folder);
}

async function obey(order: Order): Promise<string | number> {
  switch (order.do) {
    case "folder":
      return makeFolder(order.name, order.owner);
    case "start":
      return start(order.program, order.end);
    case "end":
      await end(order.pid, order.signal);
      return order.pid;
    case "remove":
      remove(order.folder);
      return order.folder;
  }
}

function tell(message: Message): void {
  if (process.connected) process.send?.(message, undefined, undefined, () => {});
}

let leaving = false;

async function leave(): Promise<void> {
  if (leaving) return;
  leaving = true;
  await Promise.all([...running.keys()].map((pid) => end(pid)));
  for (const folder of folders) {
    try {
      remove(folder);
    } catch {
      // The next one may still go; there is nobody left to tell.
    }
  }
  process.exit();
}

// Only when started as a process by `guard.ts`, which imports the types from here.
if (process.argv[1] === import.meta.filename && process.send !== undefined) {
  process.once("disconnect", () => void leave());
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.on(signal, () => void leave());
  }
  process.on("message", ({ id, order }: Question) => {
    if (leaving) return;
    obey(order).then(
      (value) => tell({ id, value }),
      (error: unknown) => tell({ id, error: String(error) }),
    );
  });
}
