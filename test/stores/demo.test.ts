/** `npm start -- --store <url>` on each engine: a session outlives the process where the engine does. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { cookieOf, send, start } from "../demo/client.ts";
import { mariadb, postgres, redis } from "../servers/sharedServers.ts";

const folder = mkdtempSync(join(tmpdir(), "scs-session-demo-"));
after(() => rmSync(folder, { recursive: true, force: true }));

const urls: Record<string, string> = {
  SQLite: `sqlite:${join(folder, "sessions.db")}`,
  PostgreSQL: (await postgres()).url,
  MySQL: (await mariadb()).url,
  Redis: (await redis()).url,
};

describe("demo --store", () => {
  for (const [name, url] of Object.entries(urls)) {
    test(name, async (t) => {
      const first = await start(t, "--store", url);
      assert.match(first.output(), new RegExp(`sessions: ${name}`));
      const cookie = cookieOf(await send(first.port, "GET", "/put"));
      assert.equal(
        (await send(first.port, "GET", "/get", { cookie })).body,
        "Hello from a session!",
      );
      first.child.kill("SIGINT");
      assert.equal(await first.exit, 0, first.errors());

      const second = await start(t, "--store", url);
      assert.equal(
        (await send(second.port, "GET", "/get", { cookie })).body,
        "Hello from a session!",
      );
      const logout = await send(second.port, "POST", "/logout", {
        cookie,
        form: {},
        headers: { "Sec-Fetch-Site": "same-origin" },
      });
      assert.equal(logout.status, 303);
      assert.equal((await send(second.port, "GET", "/get", { cookie })).body, "");
      second.child.kill("SIGINT");
      assert.equal(await second.exit, 0, second.errors());
      assert.equal(second.errors(), "");
    });
  }
});
