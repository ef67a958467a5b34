// The stores of express-session and the drivers of unstorage that the bridges are tested on: pinned
// in this folder.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import type { ExpressSessionStore } from "../../../src/stores/express.ts";
import type { UnstorageClient } from "../../../src/stores/unstorage.ts";
import { install } from "../../support/install.ts";

const folder = new URL("./", import.meta.url);
const require = createRequire(new URL("package.json", folder));

/** A package's version, for the names of tests. */
export function version(name: string): string {
  const { dependencies } = JSON.parse(readFileSync(new URL("package.json", folder), "utf8")) as {
    dependencies: Record<string, string>;
  };
  return `${name} ${dependencies[name] ?? "?"}`;
}

async function load<Module>(specifier: string): Promise<Module> {
  await install(folder);
  return (await import(pathToFileURL(require.resolve(specifier)).href)) as Module;
}

type StoreClass = new (options?: object) => ExpressSessionStore & {
  close?(): Promise<void>;
};

interface ExpressSession {
  readonly default: { readonly MemoryStore: StoreClass };
}

/** express-session's own, in memory. */
export async function memoryOfExpress(): Promise<ExpressSessionStore> {
  const session = await load<ExpressSession>("express-session");
  return new session.default.MemoryStore();
}

/** A store class of the usual form: a function of the express-session module. */
async function storeClass(name: string): Promise<StoreClass> {
  const session = await load<ExpressSession>("express-session");
  const make = await load<{ readonly default: (session: unknown) => StoreClass }>(name);
  return make.default(session.default);
}

export async function memorystore(): Promise<ExpressSessionStore> {
  return new (await storeClass("memorystore"))({ checkPeriod: 60_000 });
}

/** Files in a folder, without the retries and the log lines that it has by default. */
export async function fileStore(path: string): Promise<ExpressSessionStore> {
  const options = { path, retries: 0, reapInterval: -1, logFn: () => {} };
  return new (await storeClass("session-file-store"))(options);
}

export async function pgStore(conString: string, tableName: string) {
  const options = { conString, tableName, createTableIfMissing: true, pruneSessionInterval: false };
  return new (await storeClass("connect-pg-simple"))(options);
}

/** `client` is one of the package `redis`. */
export async function redisStore(client: unknown, prefix: string): Promise<ExpressSessionStore> {
  const { RedisStore } = await load<{ readonly RedisStore: StoreClass }>("connect-redis");
  return new RedisStore({ client, prefix });
}

/** A driver of unstorage. */
export async function unstorageDriver(name: string, options: object = {}) {
  const make = await load<{ readonly default: (options: object) => UnstorageClient }>(
    `unstorage/drivers/${name}`,
  );
  return make.default(options);
}

/** A storage of unstorage on a driver; in memory without one. */
export async function unstorage(driver?: UnstorageClient): Promise<UnstorageClient> {
  const { createStorage } = await load<{
    readonly createStorage: (options: object) => UnstorageClient;
  }>("unstorage");
  return createStorage({ driver });
}
