import { find } from "./find.ts";
import {
  external,
  startServer,
  tlsFiles,
  writeTls,
  type Common,
  type Kind,
  type Server,
} from "./server.ts";

export interface RedisOptions extends Common {
  /** Writes and flushes every change before its reply, so that a SIGKILL loses nothing; else off. */
  readonly appendonly?: boolean | undefined;
}

/** A Redis of the tests' own: no password, nothing kept over a restart unless `appendonly`. */
export async function startRedis(options: RedisOptions = {}): Promise<Server> {
  const named = external("SCS_TEST_REDIS", options);
  if (named !== undefined) return named;
  return startServer(await redisKind(options));
}

/** Redis settings by name, as in its configuration file. */
export type Flags = Readonly<Record<string, string | number>>;

export function flags(settings: Flags): string[] {
  return Object.entries(settings).flatMap(([name, value]) => [`--${name}`, String(value)]);
}

/** How to start one; Sentinel and Cluster start several. */
export async function redisKind(
  options: RedisOptions = {},
  more: (folder: string) => Flags | Promise<Flags> = () => ({}),
): Promise<Kind> {
  return {
    ...(await redisProgram()),
    ready: /Ready to accept connections/,
    prepare: async (place) => writeTls(place, options.tls),
    args: async (port, folder) => [
      ...flags(options.tls === undefined ? { port } : tlsFlags(port, folder)),
      ...flags({ bind: "127.0.0.1", dir: folder, save: "" }),
      ...flags({ appendonly: options.appendonly === true ? "yes" : "no", appendfsync: "always" }),
      ...flags(await more(folder)),
      ...(options.args ?? []),
    ],
    url: (port) => `redis${options.tls === undefined ? "" : "s"}://127.0.0.1:${port}`,
  };
}

function tlsFlags(port: number, folder: string): Flags {
  return {
    port: 0,
    "tls-port": port,
    "tls-cert-file": `${folder}/${tlsFiles.cert}`,
    "tls-key-file": `${folder}/${tlsFiles.key}`,
    "tls-ca-cert-file": `${folder}/${tlsFiles.cert}`,
    "tls-auth-clients": "no",
  };
}

/** What holds for Redis and for Sentinel, which is the same program. */
export async function redisProgram(): Promise<
  Pick<Kind, "name" | "file" | "accounts" | "end" | "shutdown">
> {
  const [file = ""] = await find({
    programs: ["redis-server"],
    folderVariable: "SCS_REDIS_BIN",
    urlVariable: "SCS_TEST_REDIS",
    packages: ["redis-server", "redis-tools"],
  });
  const accounts = ["redis", "nobody"];
  return { name: "redis", file, accounts, end: "SIGKILL", shutdown: "SIGTERM" };
}
