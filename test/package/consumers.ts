// The declarations as users' compilers see them: the newest and the oldest TypeScript, both kinds
// of module resolution, with and without Node's types, and with libraries checked.
import assert from "node:assert/strict";
import { join } from "node:path";
import { describe, it } from "node:test";
import { root, run, type Tarball } from "./tarball.ts";

/** Needs nothing but the package: core, fetch adapter, memory engine, test helpers. */
const bare = `
import { SessionError, SessionManager, type Session } from "scs-session";
import { sessionMiddleware } from "scs-session/adapters/hono";
import { sessionHandler } from "scs-session/adapters/web";
import { MemoryStore } from "scs-session/stores/memory";
import { createSession } from "scs-session/testing";

type Data = { message: string; visits: number; cart: { sku: string; quantity: number }[] };

export const sessions: SessionManager<Data> = new SessionManager<Data>({
  store: new MemoryStore(),
  lifetime: "24h",
  idleTimeout: "20m",
});

export const handler = sessionHandler(sessions, async (request) => {
  const session: Session<Data> = await sessions.load(request);
  session.set("message", "Hello from a session!");
  const visits: number = session.update("visits", (count) => (count ?? 0) + 1);
  const message: string | undefined = session.get("message");
  const url: string = request.url;
  return new Response([message, visits, url].join(" "));
});
export const response: Response | Promise<Response> = handler(new Request("https://example.com/"));

export const hono: object = sessionMiddleware(sessions);

export async function mistakes(session: Session<Data>): Promise<void> {
  // @ts-expect-error no such key
  session.set("mesage", "typo");
  // @ts-expect-error another type
  session.set("visits", "1");
  // @ts-expect-error values are read-only
  session.get("cart")?.push({ sku: "a", quantity: 1 });
  // @ts-expect-error there may be no value
  const message: string = session.get("message");
  // @ts-expect-error no such option
  new SessionManager<Data>({ store: new MemoryStore(), lifetme: "1h" });
  console.log(message);
}

export async function login(): Promise<number> {
  const { cookie, token } = await createSession(sessions, { message: "hi", visits: 1, cart: [] });
  const session = await sessions.loadToken(token);
  session.renewToken();
  try {
    await session.commit();
  } catch (error) {
    if (error instanceof SessionError && error.code === "renewed") return error.status;
    throw error;
  }
  return cookie.length;
}
`;

/** Needs Node's types. */
const node = `
import { createServer } from "node:http";
import { SessionManager } from "scs-session";
import { sessionMiddleware as express } from "scs-session/adapters/express";
import { sessionPlugin } from "scs-session/adapters/fastify";
import { sessionMiddleware as koa } from "scs-session/adapters/koa";
import { sessionHandler, sessionMiddleware } from "scs-session/adapters/node";
import { MemoryStore } from "scs-session/stores/memory";
import * as adapterSuite from "scs-session/testing/adapter";
import * as storeSuite from "scs-session/testing/store";

type Data = { message: string };
const sessions = new SessionManager<Data>({ store: new MemoryStore() });

export const server = createServer(
  sessionHandler(sessions, async (req, res) => {
    const session = await sessions.load(req);
    const message: string | undefined = session.get("message");
    res.setHeader("Content-Type", "text/plain");
    res.end(message ?? req.url);
  }),
);
export const middlewares: object[] = [express(sessions), koa(sessions), sessionMiddleware(sessions)];
export const plugin: (instance: never, options: { sessions: typeof sessions }, done: () => void) => void = sessionPlugin;
export const suites: object[] = [adapterSuite, storeSuite];
`;

const required = `
import scs = require("scs-session");
import memory = require("scs-session/stores/memory");
export const sessions = new scs.SessionManager<{ message: string }>({
  store: new memory.MemoryStore(),
});
`;

const strict = {
  strict: true,
  exactOptionalPropertyTypes: true,
  noUncheckedIndexedAccess: true,
  skipLibCheck: false,
  noEmit: true,
  target: "es2022",
};

const resolutions = {
  nodenext: { module: "nodenext", moduleResolution: "nodenext" },
  bundler: { module: "esnext", moduleResolution: "bundler" },
};

const compilers = {
  "TypeScript 7.0": "node_modules/typescript/bin/tsc",
  "TypeScript 5.4": "scripts/toolchain/node_modules/typescript/bin/tsc",
};

export function typing(tarball: Tarball): void {
  describe("types", () => {
    for (const [name, compiler] of Object.entries(compilers)) {
      for (const [resolution, options] of Object.entries(resolutions)) {
        const settings = JSON.stringify({ compilerOptions: { ...strict, ...options } });

        it(`compile bare, on ${name}, ${resolution}`, () => {
          const files = { "tsconfig.json": settings, "bare.ts": bare };
          compiles(compiler, tarball.project(files));
        });

        it(`compile with Node's types, on ${name}, ${resolution}`, () => {
          const files = { "tsconfig.json": settings, "bare.ts": bare, "node.ts": node };
          // "types" is left at its default: nothing in TypeScript 7, everything before.
          compiles(compiler, tarball.project(files, ["@types/node", "undici-types"]));
        });
      }
    }

    it("compile for a CommonJS consumer on TypeScript 7.0", () => {
      const settings = { compilerOptions: { ...strict, ...resolutions.nodenext } };
      const files = { "tsconfig.json": JSON.stringify(settings), "required.cts": required };
      compiles(compilers["TypeScript 7.0"], tarball.project(files));
    });

    it("refuse a wrong program", () => {
      const settings = { compilerOptions: { ...strict, ...resolutions.nodenext } };
      const wrong = `import { SessionManager } from "scs-session";\nexport const n: number = SessionManager;\n`;
      const files = { "tsconfig.json": JSON.stringify(settings), "wrong.ts": wrong };
      const { status, output } = compile(compilers["TypeScript 7.0"], tarball.project(files));
      assert.notEqual(status, 0);
      assert.match(output, /wrong\.ts.*TS2322/);
    });
  });
}

function compile(compiler: string, folder: string): ReturnType<typeof run> {
  const args = [join(root, compiler), "--project", folder, "--pretty", "false"];
  return run(process.execPath, args, folder);
}

function compiles(compiler: string, folder: string): void {
  const { status, output } = compile(compiler, folder);
  assert.equal(status, 0, output);
}
