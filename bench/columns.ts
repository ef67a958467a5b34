// Every column of the tables: a session library on a framework with an engine. A new one is one entry
// here, and for another library one module in peers/ that exports `open`.
import { existsSync } from "node:fs";
import type { Server } from "node:http";
import type { Routes, Size } from "./cases.ts";

/** What one server is opened for. */
export interface Setting {
  readonly column: Column;
  /** The library's idle timeout is on. */
  readonly idle: boolean;
  /** Sees every call of the store. Undefined when the server is measured. */
  readonly count: (() => void) | undefined;
}

/** One server with sessions. */
export interface App {
  readonly server: Server;
  /** Deletes every session, where they would pile up in this process. */
  clear?(): unknown;
  /** The bytes that all sessions take in the engine, where it can tell. */
  bytes?(): Promise<number>;
}

export interface Column {
  readonly id: string;
  readonly library: string;
  readonly framework: "node:http" | "Express" | "Fastify" | "Koa" | "Hono" | "h3";
  readonly engine: "memory" | "cookie" | "redis" | "postgres" | "mysql";
  /** The store or engine, where the library has several. */
  readonly store?: string;
  readonly module: string;
  /** Hundreds of times slower than the others: fewer rounds. */
  readonly slow?: boolean;
  /** In `--quick` runs too. */
  readonly quick: boolean;
}

/** What is measured; the other libraries are what it is compared with. */
export const us = "scs-session";

function column(library: string, framework: string, engine: string, store?: string): Column {
  const id = `${store ?? library}@${framework}${engine === "memory" ? "" : `+${engine}`}`;
  const module =
    library === us ? "./ours.ts" : `./peers/${library.replace("@fastify/", "fastify-")}.mjs`;
  const slow = library === "h3 useSession" || library === "iron-session";
  // The raw drivers and the peers with stores of their own too; MySQL costs what PostgreSQL does.
  // Three that say what others say already are left out as well, for the two minutes.
  const again =
    store === "memorystore" ||
    library === "h3 useSession" ||
    (library === us && framework === "Fastify" && engine === "cookie");
  const quick =
    !again &&
    (engine === "memory" ||
      (engine !== "mysql" && (framework !== "Express" || store !== undefined)));
  return { id, library, framework, engine, store, module, slow, quick } as Column;
}

export const columns: readonly Column[] = [
  column(us, "node:http", "memory"),
  column("express-session", "node:http", "memory"),
  column(us, "Express", "memory"),
  column("express-session", "Express", "memory"),
  column("express-session", "Express", "memory", "memorystore"),
  column(us, "Fastify", "memory"),
  column("@fastify/session", "Fastify", "memory"),
  column(us, "Koa", "memory"),
  column("koa-session", "Koa", "memory"),
  column(us, "Hono", "memory"),
  column("hono-sessions", "Hono", "memory"),

  column(us, "node:http", "cookie"),
  column("iron-session", "node:http", "cookie"),
  column(us, "Express", "cookie"),
  column("cookie-session", "Express", "cookie"),
  column(us, "Fastify", "cookie"),
  column("@fastify/secure-session", "Fastify", "cookie"),
  { ...column("h3 useSession", "h3", "cookie"), module: "./peers/h3.mjs" },

  column(us, "node:http", "redis"),
  column("the raw driver", "node:http", "redis"),
  column(us, "Express", "redis"),
  column("express-session", "Express", "redis", "connect-redis"),
  column(us, "node:http", "postgres"),
  column("the raw driver", "node:http", "postgres"),
  column(us, "Express", "postgres"),
  column("express-session", "Express", "postgres", "connect-pg-simple"),
  column(us, "node:http", "mysql"),
  column("the raw driver", "node:http", "mysql"),
  column(us, "Express", "mysql"),
  column("express-session", "Express", "mysql", "express-mysql-session"),
].map((one) => (one.library === "the raw driver" ? { ...one, module: "./peers/raw.mjs" } : one));

/** No library, and in no table: what `bench/column.ts` can measure besides. */
export const others: readonly Column[] = [
  ["the least", "./peers/least.mjs"],
  ["nothing", "./peers/nothing.mjs"],
].flatMap(([library = "", module = ""]) =>
  ["node:http", "Express", "Fastify", "Koa", "Hono"].map((framework) => ({
    ...column(library, framework, "memory"),
    module,
  })),
);

/** Our adapter or engine for this column; undefined for other libraries. */
const ownFiles = (one: Column): string[] => {
  if (one.library !== us) return [];
  const adapter = one.framework === "node:http" ? "node" : one.framework.toLowerCase();
  return [`adapters/${adapter}.ts`, `stores/${one.engine}.ts`];
};

/** Why a column cannot be measured in this tree; undefined when it can. */
export function missing(one: Column): string | undefined {
  const file = ownFiles(one).find(
    (path) => !existsSync(new URL(`../src/${path}`, import.meta.url)),
  );
  return file === undefined ? undefined : `src/${file} does not exist yet`;
}

/** The size that stands for 4 KB: a cookie holds no more than half of it. */
export function sizeFor(one: Column, size: Size): Size {
  return one.engine === "cookie" && size === "large" ? "half" : size;
}

type Serve = (routes: Routes) => Promise<Server>;

export async function floor(one: Column, size: Size): Promise<Server> {
  const [{ frameworks }, { floorRoutes }] = await Promise.all([
    import(new URL("./frameworks.mjs", import.meta.url).href) as Promise<{
      frameworks: Record<string, Serve>;
    }>,
    import("./cases.ts"),
  ]);
  const serve = frameworks[one.framework] as Serve;
  return serve(floorRoutes(size));
}

export async function open(setting: Setting): Promise<App> {
  const url = new URL(setting.column.module, import.meta.url).href;
  const { open: opener } = (await import(url)) as { open(setting: Setting): Promise<App> };
  return opener(setting);
}
