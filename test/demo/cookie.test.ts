/** `npm start -- --store cookie:`: sessions outlive the process under the same key. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { send, start } from "./client.ts";

test("the demo with sessions in cookies", async (t) => {
  delete process.env["SESSION_KEY"];
  const first = await start(t, "--store", "cookie:");
  assert.match(first.output(), /sessions: cookies/);
  const [, key = ""] = /SESSION_KEY=([\w-]{43})\n/.exec(first.output()) ?? [];
  assert.notEqual(key, "");
  const put = await send(first.port, "GET", "/put");
  const [cookie = ""] = (put.headers["set-cookie"]?.[0] ?? "").split(";");
  assert.match(cookie, /^session=v1\.demo\./);
  assert.equal((await send(first.port, "GET", "/get", { cookie })).body, "Hello from a session!");
  first.child.kill("SIGINT");
  assert.equal(await first.exit, 0, first.errors());

  process.env["SESSION_KEY"] = key;
  t.after(() => delete process.env["SESSION_KEY"]);
  const second = await start(t, "--store", "cookie:");
  assert.doesNotMatch(second.output(), /SESSION_KEY/);
  assert.equal((await send(second.port, "GET", "/get", { cookie })).body, "Hello from a session!");
  const logout = await send(second.port, "POST", "/logout", {
    cookie,
    form: {},
    headers: { "Sec-Fetch-Site": "same-origin" },
  });
  assert.equal(logout.status, 303);
  assert.equal((await send(second.port, "GET", "/get", { cookie })).body, "");
  second.child.kill("SIGINT");
  assert.equal(await second.exit, 0, second.errors());
  // The cookie of before the logout was tried again.
  assert.match(second.errors(), /^scs-session: rejected-cookie: .*\(revoked\).*\n$/);
});

test("a key that is too short is one clear line", async (t) => {
  process.env["SESSION_KEY"] = "short";
  t.after(() => delete process.env["SESSION_KEY"]);
  await assert.rejects(
    start(t, "--store", "cookie:"),
    /cookie: The secret of key demo has 5 bytes/,
  );
});
