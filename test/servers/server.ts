// What all test servers share: a private folder, a port, a start that is over when the server says
// so in its own log, and an end by process id.
import { chownSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { end, exitCode, folder as makeFolder, remove, start } from "./guard.ts";
import type { Certificate } from "./certificate.ts";
import type { Owner } from "./guardian.ts";
import { freePort } from "./port.ts";

export interface Address {
  readonly url: string;
  readonly host: string;
  readonly port: number;
}

export interface Server extends Address {
  /** Undefined while it is not running, and for a server that the tests did not start. */
  readonly pid: number | undefined;
  /** Its private folder; empty for a server that the tests did not start. */
  readonly folder: string;
  /** What it has logged since its last start. */
  log(): string;
  /** Ends it and removes its folder. */
  stop(): Promise<void>;
  /** SIGKILL, as a crash: data folder and port stay for `restart`. */
  kill(): Promise<void>;
  /** Starts it again on the same folder and port; shuts it down in order first if it runs. */
  restart(): Promise<void>;
}

export interface Common {
  /** Start one even if the environment names a running server: for tests that kill or count. */
  readonly own?: boolean | undefined;
  /** More arguments for the server, after the ones it gets anyway. */
  readonly args?: readonly string[] | undefined;
  /** Serve TLS with this certificate (Redis: nothing else). */
  readonly tls?: Certificate | undefined;
}

/** The names of the files that `writeTls` writes. */
export const tlsFiles = { cert: "cert.pem", key: "key.pem" } as const;

/** Writes the certificate into the server's folder, the key for the server's eyes only. */
export function writeTls({ write }: Pick<Place, "write">, tls: Certificate | undefined): void {
  if (tls === undefined) return;
  write(tlsFiles.cert, tls.cert);
  write(tlsFiles.key, tls.key, 0o600);
}

export interface Kind {
  readonly name: string;
  readonly file: string;
  /** Accounts to run as when the tests run as root, which these servers refuse; best first. */
  readonly accounts: readonly string[];
  /** Ends it at once; its data no longer matter. */
  readonly end: NodeJS.Signals;
  /** Shuts it down in order, keeping the data. */
  readonly shutdown: NodeJS.Signals;
  /** In its log once connections are served. The port alone could be another server's. */
  readonly ready: RegExp;
  readonly prepare?: ((place: Place) => Promise<void>) | undefined;
  args(port: number, folder: string): readonly string[] | Promise<readonly string[]>;
  url(port: number): string;
}

export interface Place {
  readonly folder: string;
  readonly owner: Owner | undefined;
  /** Writes a file that the server can read and rewrite; `mode` as in chmod. */
  write(name: string, text: string, mode?: number): string;
  /** Runs a program to its end; throws with its output if that is not 0. */
  run(file: string, args: readonly string[]): Promise<void>;
}

const HOST = "127.0.0.1";
const START_TIMEOUT = 60_000;
/** The port is another's, or the killed predecessor's last process is not quite gone (PostgreSQL). */
const TAKEN = /address (?:is )?(?:already )?in use|pre-existing shared memory block/i;

class Taken extends Error {}

/** Starts a server of this kind; a port that was taken meanwhile is replaced by another. */
export async function startServer(kind: Kind): Promise<Server> {
  const owner = ownerFor(kind.accounts);
  const folder = await makeFolder(kind.name, owner);
  let starts = 0;
  let pid: number | undefined;
  let log = "";

  const write = (name: string, text: string, mode = 0o644): string => {
    const path = join(folder, name);
    writeFileSync(path, text, { mode });
    if (owner !== undefined) chownSync(path, owner.uid, owner.gid);
    return path;
  };
  const launch = async (port: number): Promise<void> => {
    log = join(folder, `start-${++starts}.log`);
    const args = [...(await kind.args(port, folder))];
    pid = await start({ file: kind.file, args, folder, log, owner }, kind.end);
    await ready(kind, pid, log);
  };
  const run = (file: string, args: readonly string[]): Promise<void> =>
    runToEnd(file, args, folder, join(folder, "prepare.log"), owner);
  const halt = async (signal?: NodeJS.Signals): Promise<void> => {
    if (pid !== undefined) await end(pid, signal);
    pid = undefined;
  };

  try {
    await kind.prepare?.({ folder, owner, write, run });
    const launchSomewhere = async (): Promise<number> => {
      const tried = await freePort();
      await launch(tried);
      return tried;
    };
    const port = await retried(5, launchSomewhere, 0);
    return {
      url: kind.url(port),
      host: HOST,
      port,
      folder,
      get pid() {
        return pid !== undefined && exitCode(pid) === undefined ? pid : undefined;
      },
      log: () => readLog(log),
      stop: async () => {
        await halt();
        await remove(folder);
      },
      kill: () => halt("SIGKILL"),
      restart: async () => {
        await halt(kind.shutdown);
        await retried(300, () => launch(port), 100);
      },
    };
  } catch (error) {
    await halt();
    await remove(folder);
    throw error;
  }
}

/** Does it again, after a pause in milliseconds, while something that it needs is taken. */
async function retried<T>(times: number, run: () => Promise<T>, pause: number): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await run();
    } catch (error) {
      if (!(error instanceof Taken) || attempt === times) throw error;
      await sleep(pause);
    }
  }
}

async function ready(kind: Kind, pid: number, log: string): Promise<void> {
  const giveUp = performance.now() + START_TIMEOUT;
  for (;;) {
    const text = readLog(log);
    if (exitCode(pid) !== undefined) {
      const Failure = TAKEN.test(text) ? Taken : Error;
      throw new Failure(`${kind.name} ended while starting:\n${lastLines(text)}`);
    }
    if (kind.ready.test(text)) return;
    if (performance.now() > giveUp) {
      await end(pid, "SIGKILL");
      throw new Error(`${kind.name} did not start within a minute:\n${lastLines(text)}`);
    }
    await sleep(10);
  }
}

async function runToEnd(
  file: string,
  args: readonly string[],
  folder: string,
  log: string,
  owner: Owner | undefined,
): Promise<void> {
  const pid = await start({ file, args, folder, log, owner }, "SIGKILL");
  for (;;) {
    const code = exitCode(pid);
    if (code === 0) return;
    if (code !== undefined) throw new Error(`${file} failed:\n${lastLines(readLog(log))}`);
    await sleep(10);
  }
}

function readLog(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

function lastLines(text: string): string {
  return text.trimEnd().split("\n").slice(-10).join("\n");
}

function ownerFor(accounts: readonly string[]): Owner | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const lines = readFileSync("/etc/passwd", "utf8").split("\n");
  for (const account of accounts) {
    const [, , uid, gid] = lines.find((line) => line.startsWith(`${account}:`))?.split(":") ?? [];
    if (uid !== undefined && gid !== undefined) return { uid: Number(uid), gid: Number(gid) };
  }
  throw new Error(`run the tests as a user other than root, or add one of: ${accounts.join(", ")}`);
}

/** The server that an environment variable names, unless the tests want one of their own. */
export function external(variable: string, options: Common): Server | undefined {
  const url = options.own === true ? undefined : process.env[variable];
  if (url === undefined || url === "") return undefined;
  const refuse = (what: string) => (): Promise<never> =>
    Promise.reject(new Error(`${what}: the server of ${variable} was not started by these tests`));
  return {
    ...addressOf(url),
    pid: undefined,
    folder: "",
    log: () => "",
    stop: async () => {},
    kill: refuse("kill"),
    restart: refuse("restart"),
  };
}

const defaultPorts: Readonly<Record<string, number>> = {
  "postgres:": 5432,
  "postgresql:": 5432,
  "mysql:": 3306,
  "mariadb:": 3306,
};

/** Whether a process of this id exists. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

export function addressOf(url: string): Address {
  const { protocol, hostname, port } = new URL(url);
  const host = hostname.replace(/^\[|\]$/g, "");
  return { url, host, port: port === "" ? (defaultPorts[protocol] ?? 6379) : Number(port) };
}
