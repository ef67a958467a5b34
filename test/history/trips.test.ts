// Round trips per HTTP request, counted by the server itself: MariaDB's status, PostgreSQL's log of
// statements, Redis' command statistics; by the statements for SQLite, where nothing is sent.
import assert from "node:assert/strict";
import { createServer } from "node:http";
import { DatabaseSync, StatementSync } from "node:sqlite";
import { after, before, describe, it, mock } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { sessionHandler } from "../../src/adapters/node.ts";
import { SessionManager } from "../../src/manager.ts";
import type { Session } from "../../src/session.ts";
import { SQLiteStore } from "../../src/stores/sqlite.ts";
import { startPostgres } from "../servers/postgres.ts";
import { startRedis } from "../servers/redis.ts";
import { command, until } from "../servers/resp.ts";
import type { Server } from "../servers/server.ts";
import { mariadb } from "../servers/sharedServers.ts";
import { type Opened, openEngine } from "./engines.ts";

interface Counted {
  readonly opened: Opened;
  /** How often the engine was asked so far. What asking for this adds is the same each time. */
  count(): Promise<number>;
  stop?(): Promise<void>;
}

const full = process.env["SCS_FULL"] === "1";

// One connection each: what a connection needs once (preparing, the server's time) is not counted.
const connections = 1;
const space = `trips_${process.pid}`;

function sqlite(): Promise<Counted> {
  let statements = 0;
  const prototype = StatementSync.prototype as unknown as Record<string, Run>;
  type Run = (...values: readonly unknown[]) => unknown;
  for (const method of ["run", "all", "get", "iterate"]) {
    const original = prototype[method] ?? assert.fail(method);
    mock.method(prototype, method, function (this: unknown, ...values: readonly unknown[]) {
      statements++;
      return original.apply(this, [...values]);
    });
  }
  const database = new DatabaseSync(":memory:");
  const store = new SQLiteStore(database, { sweepInterval: false });
  const opened = { store, end: () => database.close() };
  return Promise.resolve({ opened, count: async () => statements });
}

async function postgres(engine: string): Promise<Counted> {
  // Each statement is written to the log when it is executed; BEGIN and COMMIT would be as well.
  const server = await startPostgres({
    own: true,
    args: ["--log_statement=all", "--autovacuum=off"],
  });
  const opened = await openEngine({ engine, url: server.url, space, connections, sweep: false });
  const count = async (): Promise<number> =>
    (server.log().match(/LOG: {2}(execute|statement)\b/g) ?? []).length;
  return { opened, count, stop: () => server.stop() };
}

async function mysql(engine: string): Promise<Counted> {
  const { url } = await mariadb();
  const opened = await openEngine({ engine, url, space, connections, sweep: false });
  const count = async (): Promise<number> => {
    // Of this connection, which is the only one. Preparing is a round trip that Questions leaves out.
    const names = "'Questions', 'Com_stmt_prepare', 'Com_stmt_reset'";
    const rows =
      (await opened.raw?.(`SHOW SESSION STATUS WHERE Variable_name IN (${names})`)) ?? [];
    return rows.reduce((sum, row) => sum + Number(row["Value"]), 0);
  };
  return { opened, count };
}

async function redis(engine: string): Promise<Counted> {
  const server: Server = await startRedis({ own: true });
  const opened = await openEngine({ engine, url: server.url, space: `${space}:` });
  const count = async (): Promise<number> => {
    const info = String(await command(server.port, "INFO", "commandstats"));
    const of = (name: string): number =>
      Number(info.match(new RegExp(`^cmdstat_${name}:calls=(\\d+)`, "m"))?.[1] ?? 0);
    const scripts = of("evalsha") + of("eval");
    // Every script asks once for the time, or for a key's end; beyond that, a TIME was sent.
    const sent = of("time") + of("pexpiretime") - scripts;
    return scripts + of("get") + of("del") + sent;
  };
  return { opened, count, stop: () => server.stop() };
}

const engines: Readonly<Record<string, (name: string) => Promise<Counted>>> = {
  "node:sqlite": sqlite,
  pg: postgres,
  mysql2: mysql,
  redis,
  ...(full
    ? { postgres, mariadb: mysql, ioredis: redis, iovalkey: redis, "redis pool": redis }
    : {}),
};

type Values = { n: number; text: string };
type Handler = (session: Session<Values>) => unknown;

const routes: Readonly<Record<string, Handler>> = {
  "/read": (session) => session.get("n"),
  "/all": (session) => session.keys().map((key) => session.get(key)),
  "/set": (session) => session.set("n", 1),
  "/several": (session) => {
    session.set("text", "a");
    session.update("n", (n) => (n ?? 0) + 1);
    session.delete("text");
  },
  "/nothing": (session) => session.pop("text"),
  "/commit": async (session) => {
    session.set("n", 2);
    await session.commit();
  },
  "/login": (session) => {
    session.renewToken();
    session.set("n", 3);
  },
  "/logout": (session) => session.destroy(),
  "/switch": (session) => {
    session.destroy();
    session.set("n", 4);
  },
};

/** The second manager's touchInterval, in ms. */
const interval = 1000;

describe("round trips per request", { concurrency: true }, () => {
  for (const [name, start] of Object.entries(engines)) perRequest(name, start);
});

function perRequest(name: string, start: (name: string) => Promise<Counted>): void {
  // One test after the other: they count.
  describe(name, { concurrency: 1 }, () => {
    let counted: Counted;
    let origin: string;
    let overhead = 0;
    let warm = "";
    const managers: SessionManager<Values>[] = [];
    const server = createServer((request, response) => {
      const { pathname, searchParams } = new URL(request.url ?? "/", "http://localhost");
      const sessions = managers[Number(searchParams.get("manager") ?? 0)] ?? assert.fail();
      sessionHandler(sessions, async () => {
        const handler = routes[pathname];
        if (handler !== undefined) await handler(await sessions.load(request));
        if (searchParams.has("fail")) response.statusCode = 500;
        response.end();
      })(request, response);
    });

    before(async () => {
      counted = await start(name);
      await counted.opened.store.setUp?.();
      const { store } = counted.opened;
      const options = { store, development: true, storeTimeout: "20s", onEvent: () => {} } as const;
      const idleTimeout = "10m";
      managers.push(
        new SessionManager<Values>({ ...options, idleTimeout, touchInterval: "1m" }),
        new SessionManager<Values>({ ...options, idleTimeout, touchInterval: interval }),
        new SessionManager<Values>({ ...options }),
      );
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
      const address = server.address();
      origin = `http://127.0.0.1:${typeof address === "object" ? address?.port : ""}`;
      // Statements are prepared, scripts and the server's time known.
      warm = await ask("/set");
      for (const path of ["/read", "/set", "/login"]) warm = await ask(path, warm);
      await ask("/set?manager=2", await ask("/set?manager=2"));
      await store.touch("none", new Uint8Array(32), 1000);
      await ask("/logout", await ask("/set"));
      const zero = await counted.count();
      overhead = (await counted.count()) - zero;
    });

    after(async () => {
      server.close();
      server.closeAllConnections();
      await counted?.opened.end();
      await counted?.stop?.();
      mock.restoreAll();
    });

    /** Resolves to the token that the answer gave, else to the one that was sent. */
    async function ask(path: string, token = ""): Promise<string> {
      const cookie = token === "" ? {} : { Cookie: `session=${token}` };
      const response = await fetch(origin + path, { method: "POST", headers: cookie });
      assert.equal(response.status, path.includes("fail") ? 500 : 200, path);
      await response.arrayBuffer();
      return response.headers.get("Set-Cookie")?.match(/^session=([^;]*)/)?.[1] ?? token;
    }

    async function trips(run: () => Promise<unknown>): Promise<number> {
      const first = await counted.count();
      await run();
      return (await counted.count()) - first - overhead;
    }

    /** After a reply that took long, RedisStore asks for the server's time once more: not in what follows. */
    async function settled(): Promise<void> {
      await until("a read is one round trip", async () => {
        return (await trips(() => ask("/read", warm))) === 1;
      });
    }

    it("0 untouched, 1 to read, 2 to change, 1 to begin, 2 to end", async () => {
      let token = "";
      const expect = async (count: number, path: string, sent?: string): Promise<void> => {
        const given = sent ?? token;
        let answer = "";
        await settled();
        const found = await trips(async () => {
          answer = await ask(path, given);
        });
        assert.equal(found, count, `${path} with ${given === "" ? "no token" : "a token"}`);
        if (sent === undefined) token = answer;
      };
      await expect(0, "/untouched", "");
      await expect(0, "/read", "");
      await expect(0, "/read", "malformed");
      await expect(1, "/read", "A".repeat(64));
      await expect(1, "/set"); // the first change begins a session
      assert.equal(token.length, 64);
      await expect(0, "/untouched");
      await expect(1, "/read");
      await expect(1, "/all");
      await expect(1, "/nothing");
      await expect(2, "/set");
      await expect(2, "/several");
      await expect(2, "/commit");
      await expect(1, "/set?fail");
      await expect(2, "/login");
      await expect(1, "/read");
      await expect(3, "/switch"); // ends one session and begins another
      await expect(2, "/logout");
      await expect(0, "/read");
    });

    it("ten requests at once that change one session share its writes", async () => {
      const token = await ask("/set");
      let found = 0;
      let took = Infinity;
      // Requests that come in while a slow reply is out may ask for the time: such a round says nothing.
      for (let tries = 0; tries < 5 && took > 100; tries++) {
        await settled();
        const started = performance.now();
        found = await trips(() =>
          Promise.all(Array.from({ length: 10 }, () => ask("/several", token))),
        );
        took = found <= 20 ? 0 : performance.now() - started;
      }
      assert.ok(found >= 11 && found <= 20, `${found} round trips`);
    });

    it("use is written down once per touchInterval, and not at all without idleTimeout", async () => {
      const [token, changed] = [await ask("/set?manager=1"), await ask("/set?manager=1")];
      const without = await ask("/set?manager=2");
      const started = performance.now();
      const reads = 15;
      let found = 0;
      for (let i = 0; i < reads; i++) {
        await settled();
        found += await trips(() => ask("/read?manager=1", token));
      }
      const due = Math.floor((performance.now() - started) / interval) + 1;
      assert.ok(found >= reads && found - reads <= due, `${found - reads} touches, ${due} due`);
      await sleep(interval + 200);
      const expect = async (count: number, path: string, sent: string, why: string) => {
        await settled();
        assert.equal(await trips(() => ask(path, sent)), count, `${path}: ${why}`);
      };
      await expect(0, "/untouched?manager=1", token, "no session is asked for");
      await expect(2, "/read?manager=1", token, "a due touch");
      await expect(3, "/set?manager=1", changed, "a due touch, a change");
      await expect(1, "/read?manager=2", without, "no idle timeout");
      await expect(2, "/set?manager=2", without, "no idle timeout");
    });
  });
}
