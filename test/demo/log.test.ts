/** What the demo shows of its inside: every request with its round trips and its cookie. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { describe, test } from "node:test";
import { CookieStore } from "../../src/stores/cookie.ts";
import { createApp } from "../../examples/demo/app.ts";
import { listen } from "../../examples/demo/listen.ts";
import { cookieOf, send, start, type Answer } from "./client.ts";

/** The list's items as `POST /login 303 load update Set-Cookie`, the newest first. */
function rows(html: string): string[] {
  const items = html.split("<li ").slice(1);
  return items.map((item) =>
    item
      .replace(/^[^>]*>|<\/ol>[^]*|<span class="at">[^]*?<\/time>|<span class="who">[^<]*/g, "")
      .replace(/<[^>]*>/g, "")
      .replace(/\s+/g, " ")
      .trim(),
  );
}

function fingerprints(page: string): string[] {
  return [...page.matchAll(/<\/svg>\s*<code>([0-9a-f]{8})<\/code>/g)].map(([, digits]) => digits!);
}

describe("demo, seen from inside", () => {
  test("each request stands there with its round trips and its cookie", async (t) => {
    const { port } = await start(t);
    const act = (path: string, cookie?: string, form = {}): Promise<Answer> =>
      send(port, "POST", path, { cookie, form });
    const see = async (cookie?: string): Promise<string[]> =>
      rows((await send(port, "GET", "/", { cookie })).body);

    const page = "GET / this page";
    assert.deepEqual(await see(), [`${page} no round trip`]);
    const anonymous = cookieOf(await act("/start"));
    assert.deepEqual(await see(anonymous), [
      `${page} load update`,
      "POST /start 303 create Set-Cookie",
      "GET / 200 no round trip",
    ]);
    const ada = cookieOf(await act("/login", anonymous, { name: "Ada" }));
    assert.equal((await see(ada))[1], "POST /login 303 load update Set-Cookie");
    await send(port, "GET", "/get", { cookie: ada });
    assert.equal((await see(ada))[1], "GET /get 200 load", "reading is one round trip, no cookie");
    await act("/logout", ada);
    assert.equal((await see(ada))[1], "POST /logout 303 load destroy Set-Cookie: cleared");
    await send(port, "GET", "/<b>");
    assert.equal((await see())[1], "GET /&lt;b&gt; 404 no round trip");
  });

  test("the race keeps every increment", async (t) => {
    const { port } = await start(t);
    const cookie = cookieOf(await send(port, "POST", "/start", { form: {} }));
    for (const [before, after] of [
      [0, 20],
      [20, 40],
    ]) {
      await send(port, "POST", "/race", { cookie, form: {} });
      const { body } = await send(port, "GET", "/", { cookie });
      assert.ok(body.includes(`20 tabs read ${before} and each added one: ${after}.`));
      assert.match(rows(body)[1] ?? "", /^POST \/race 303 load ×20 update/);
    }
    const none = await send(port, "POST", "/race", { form: {} });
    assert.equal(none.status, 303);
    assert.equal(none.headers["set-cookie"], undefined, "no session, no race");
  });

  test("a login shows both tokens' fingerprints, once, and never a token", async (t) => {
    const { port } = await start(t);
    const anonymous = cookieOf(await send(port, "POST", "/start", { form: {} }));
    const look = async (cookie: string): Promise<string> =>
      (await send(port, "GET", "/", { cookie })).body;
    const [before, ...more] = fingerprints(await look(anonymous));
    assert.ok(before);
    assert.deepEqual(more, []);
    const login = { cookie: anonymous, form: { name: "Ada" } };
    const ada = cookieOf(await send(port, "POST", "/login", login));
    const page = await look(ada);
    const [dead, alive] = fingerprints(page);
    assert.equal(dead, before);
    assert.notEqual(alive, before);
    assert.deepEqual(fingerprints(await look(ada)), [alive]);
    for (const cookie of [anonymous, ada]) {
      const token = cookie.split("=")[1] ?? "";
      assert.ok(!page.includes(token.slice(24)), "the secret half is nowhere on the page");
    }
  });

  test("the list alone: only when it is newer, bounded, without loading the session", async (t) => {
    const { port } = await start(t);
    const cookie = cookieOf(await send(port, "GET", "/put"));
    for (let index = 0; index < 60; index++) await send(port, "GET", "/get");
    const list = await send(port, "GET", "/log", { cookie });
    assert.equal(list.status, 200);
    assert.equal(list.headers["vary"], undefined);
    const version = list.headers["log-version"]?.[0] ?? "";
    assert.equal(rows(list.body).length, 14);
    assert.ok(rows(list.body).every((row) => row === "GET /get 200 no round trip"));
    const same = await send(port, "GET", `/log?version=${version}`, { cookie });
    assert.equal(same.status, 204);
    await send(port, "GET", "/get");
    assert.equal((await send(port, "GET", `/log?version=${version}`, { cookie })).status, 200);
  });

  test("the timeouts are what the command line says", async (t) => {
    const { port } = await start(t, "--idle", "20s", "--lifetime", "2m");
    const cookie = cookieOf(await send(port, "POST", "/start", { form: {} }));
    const { body } = await send(port, "GET", "/", { cookie });
    assert.match(body, /data-left="20000" data-total="20000"/);
    assert.match(body, /absolute" data-left="1[12]\d{4}" data-total="120000"/);
    assert.match(body, /of 20 s/);
    assert.match(body, /of 2 min/);
  });

  test("sessions in cookies: no round trip, a cookie with every change, and no race", async (t) => {
    const store = new CookieStore({
      keys: [{ id: "a", key: randomBytes(32) }],
      revocations: false,
    });
    const app = createApp("cookies", { store, development: true });
    const server = await listen(0, app.listener);
    t.after(async () => {
      await server.close();
      await app.sessions.close();
    });
    const jar = new Map<string, string>();
    const ask = async (method: string, path: string): Promise<Answer> => {
      const cookie = [...jar].map(([name, value]) => `${name}=${value}`).join("; ");
      const form = method === "POST" ? { form: {} } : {};
      const answer = await send(server.port, method, path, { cookie, ...form });
      for (const line of answer.headers["set-cookie"] ?? []) {
        const [, name = "", value = ""] = /^([^=]+)=([^;]*)/.exec(line) ?? [];
        jar.set(name, value);
      }
      return answer;
    };
    await ask("POST", "/start");
    await ask("POST", "/flash");
    const { body } = await ask("GET", "/");
    assert.match(body, /read and removed in one go/);
    assert.equal(rows(body)[1], "POST /flash 303 no round trip Set-Cookie");
    assert.match(body, /action="\/flash"/);
    assert.doesNotMatch(body, /action="\/race"/, "concurrent changes overwrite each other there");
    assert.equal((await ask("POST", "/race")).status, 404);
  });
});
