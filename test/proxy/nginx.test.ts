// Behind nginx: TLS ends there, headers are passed on or not, and a shared cache stands in between.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createServer, type IncomingHttpHeaders } from "node:http";
import { connect } from "node:http2";
import { Agent, request } from "node:https";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { sessionHandler } from "../../src/adapters/node.ts";
import { listen, type Running } from "../adapters/harness.ts";
import { kit } from "../adapters/kit.ts";
import { startNginx } from "../servers/nginx.ts";
import type { Server } from "../servers/server.ts";
import { accept, open } from "../support/socket.ts";
import { tested } from "../support/tested.ts";

interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  /** The `name=value` of each cookie. */
  readonly cookies: readonly string[];
}

// As in production: nothing says that this is development.
const { sessions, events, store } = kit({ development: false });

let committed = (): void => {};
const seen: IncomingHttpHeaders[] = [];

const app = createServer(
  sessionHandler(sessions, async (req, res) => {
    seen.push(req.headers);
    const path = req.url ?? "";
    if (path === "/public") {
      res.setHeader("Cache-Control", "max-age=60");
      res.end(`public ${seen.length}`);
      return;
    }
    const session = await sessions.load(req);
    switch (path) {
      case "/login":
        session.set("text", req.headers["x-user"]?.toString() ?? "");
        session.renewToken();
        break;
      case "/logout":
        session.destroy();
        break;
      case "/visit":
        session.update("visits", (visits) => (visits ?? 0) + 1);
        break;
      case "/upload": {
        let size = 0;
        for await (const chunk of req) size += (chunk as Buffer).length;
        session.set("visits", size);
        res.end("y".repeat(size));
        return;
      }
      case "/overridden":
        // A mistake of the handler's: a personal page that says it may be kept.
        res.setHeader("Cache-Control", "max-age=60");
        break;
      case "/events":
        res.writeHead(200, { "Content-Type": "text/event-stream", "X-Accel-Buffering": "no" });
        res.write("data: one\n\n");
        await new Promise<void>((resolve) => (committed = resolve));
        session.set("text", "streamed");
        await session.commit();
        res.end("data: two\n\n");
        return;
      case "/slow":
        session.set("text", "never sent");
        await new Promise((resolve) => req.socket.once("close", resolve));
        break;
    }
    res.end(`${session.get("text") ?? "nobody"} ${session.get("visits") ?? 0}`);
  }),
);
// nginx keeps its connections: none may end while a request is on its way to it.
app.keepAliveTimeout = 0;
app.on("upgrade", (req, socket) => {
  void sessions.loadCookie(req.headers.cookie).then((session) => {
    accept(req, socket).send(session.get("text") ?? "nobody");
  });
});

tested({
  area: "adapter",
  what: "node",
  with: "nginx in front",
  note: "TLS ended there, default and full headers, buffering, WebSocket, a shared cache",
});

describe("nginx", () => {
  let upstream: Running;
  let nginx: Server;
  let ca = "";
  let agent: Agent;

  before(async () => {
    upstream = await listen(app);
    nginx = await startNginx({
      http: `
        upstream app { server 127.0.0.1:${upstream.port}; keepalive 16; }
        proxy_cache_path cache keys_zone=pages:1m;
        client_max_body_size 10m;`,
      server: `
        # The usual first configuration: the app sees HTTP/1.0 and a loopback Host.
        location /default/ { proxy_pass http://127.0.0.1:${upstream.port}/; }
        location /headers/ {
          proxy_pass http://app/;
          proxy_http_version 1.1;
          proxy_set_header Connection "";
          proxy_set_header Host $host;
          proxy_set_header X-Forwarded-Proto $scheme;
          proxy_set_header X-Forwarded-For $remote_addr;
        }
        location /sockets/ {
          proxy_pass http://app/;
          proxy_http_version 1.1;
          proxy_set_header Upgrade $http_upgrade;
          proxy_set_header Connection "upgrade";
        }
        location /cached/ {
          proxy_pass http://app/;
          proxy_cache pages;
          proxy_cache_key $uri;
          proxy_cache_valid 200 10m;
          add_header X-Cache $upstream_cache_status;
        }
        location /unvarying/ {
          proxy_pass http://app/;
          proxy_cache pages;
          proxy_cache_key $uri;
          proxy_cache_valid 200 10m;
          proxy_ignore_headers Vary;
        }
        location /ignoring/ {
          proxy_pass http://app/;
          proxy_cache pages;
          proxy_cache_key $uri;
          proxy_cache_valid 200 10m;
          proxy_ignore_headers Cache-Control Set-Cookie Vary;
          add_header X-Cache $upstream_cache_status;
        }`,
    });
    ca = readFileSync(join(nginx.folder, "cert.pem"), "utf8");
    agent = new Agent({ ca, keepAlive: true, maxSockets: 16 });
  });
  after(async () => {
    agent?.destroy();
    await nginx?.stop();
    await upstream?.close();
    await sessions.close();
  });

  function ask(
    path: string,
    cookie?: string,
    more: { headers?: Record<string, string>; body?: string } = {},
  ): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const headers = { ...(cookie !== undefined && { cookie }), ...more.headers };
      const method = more.body === undefined ? "GET" : "POST";
      const asked = request(nginx.url + path, { agent, headers, method }, (response) => {
        let body = "";
        response.setEncoding("utf8").on("data", (chunk: string) => (body += chunk));
        response.on("error", reject);
        response.on("end", () => {
          const set = response.headers["set-cookie"] ?? [];
          const cookies = set.map((line) => line.split(";")[0] ?? "");
          resolve({ status: response.statusCode ?? 0, headers: response.headers, body, cookies });
        });
      });
      asked.on("error", reject);
      asked.end(more.body);
    });
  }

  async function login(place: string, user: string): Promise<string> {
    const { cookies } = await ask(`${place}/login`, undefined, { headers: { "x-user": user } });
    assert.equal(cookies.length, 1);
    return cookies[0] ?? "";
  }

  for (const place of ["/default", "/headers"]) {
    it(`${place}: login, read and logout, with the same cookie whatever the app can see`, async () => {
      const answer = await ask(`${place}/login`, undefined, { headers: { "x-user": "ada" } });
      const [line = ""] = answer.headers["set-cookie"] ?? [];
      assert.match(line, /^__Host-Http-session=[\w-]{64};/);
      for (const part of ["Path=/", "Max-Age=86400", "HttpOnly", "Secure", "SameSite=Lax"]) {
        assert.ok(line.split("; ").includes(part), `${part} in ${line}`);
      }
      assert.equal(answer.headers["cache-control"], "no-store");
      const headers = seen.at(-1) ?? {};
      const proxied = place === "/headers";
      assert.equal(headers["x-forwarded-proto"], proxied ? "https" : undefined);
      assert.equal(headers.host, proxied ? "localhost" : `127.0.0.1:${upstream.port}`);
      const [cookie = ""] = answer.cookies;
      assert.equal((await ask(`${place}/page`, cookie)).body, "ada 0");
      assert.equal((await ask(`${place}/page`)).body, "nobody 0");
      const out = await ask(`${place}/logout`, cookie);
      assert.match(out.headers["set-cookie"]?.[0] ?? "", /Max-Age=0/);
      assert.equal((await ask(`${place}/page`, cookie)).body, "nobody 0");
    });
  }

  it("over HTTP/2 the browser may send its cookies in pieces", async () => {
    const cookie = await login("/headers", "ada");
    const client = connect(nginx.url, { ca });
    // RFC 9113 section 8.2.3: one field for each cookie.
    const stream = client.request({ ":path": "/headers/page", cookie: ["a=1", cookie, "b=2"] });
    let body = "";
    for await (const chunk of stream.setEncoding("utf8")) body += String(chunk);
    client.close();
    assert.equal(body, "ada 0");
  });

  it("100 parallel requests of one session, over the same connections, lose nothing", async () => {
    const cookie = await login("/headers", "ada");
    const asked = Array.from({ length: 100 }, () => ask("/headers/visit", cookie));
    for (const { status } of await Promise.all(asked)) assert.equal(status, 200);
    assert.equal((await ask("/headers/page", cookie)).body, "ada 100");
  });

  it("large bodies, both ways", async () => {
    const cookie = await login("/headers", "ada");
    const size = 3_000_000;
    for (const place of ["/default", "/headers"]) {
      const { status, body } = await ask(`${place}/upload`, cookie, { body: "x".repeat(size) });
      assert.deepEqual([status, body.length], [200, size]);
    }
    assert.equal((await ask("/headers/page", cookie)).body, `ada ${size}`);
  });

  it("server-sent events arrive one by one, and a commit during them is stored", async () => {
    const cookie = await login("/headers", "ada");
    const chunks: string[] = [];
    await new Promise<void>((resolve, reject) => {
      const asked = request(`${nginx.url}/headers/events`, { agent, headers: { cookie } });
      asked.on("error", reject);
      asked.on("response", (response) => {
        response.setEncoding("utf8").on("data", (chunk: string) => {
          chunks.push(chunk);
          committed();
        });
        response.on("end", resolve);
      });
      asked.end();
    });
    assert.deepEqual(chunks, ["data: one\n\n", "data: two\n\n"]);
    assert.equal((await ask("/headers/page", cookie)).body, "streamed 0");
  });

  it("a WebSocket upgrade reads the session", async () => {
    const cookie = await login("/headers", "ada");
    const socket = await open(`${nginx.url}/sockets/`, { cookie }, ca);
    assert.equal(await socket.next(), "ada");
    socket.end();
  });

  it("a client that leaves is passed on: its new session rolls back", async () => {
    const { create } = store.calls;
    const asked = request(`${nginx.url}/headers/slow`, { agent: false, ca });
    asked.on("error", () => {});
    asked.end();
    const arrived = seen.length;
    while (seen.length === arrived) await new Promise((resolve) => setTimeout(resolve, 20));
    asked.destroy();
    const rolledBack = (): boolean =>
      events.some((event) => event.type === "rolled-back" && event.reason === "closed");
    for (let tries = 0; tries < 100 && !rolledBack(); tries++) {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    assert.equal(rolledBack(), true);
    assert.equal(store.calls.create, create);
  });

  describe("a shared cache", () => {
    it("keeps what looks at no session, for everybody", async () => {
      const first = await ask("/cached/public");
      const second = await ask("/cached/public", await login("/headers", "ada"));
      assert.deepEqual([first.headers["x-cache"], second.headers["x-cache"]], ["MISS", "HIT"]);
      assert.equal(second.body, first.body);
    });

    it("never serves one visitor's session, or its cookie, to another", async () => {
      const ada = await login("/cached", "ada");
      const bob = await login("/cached", "bob");
      assert.notEqual(ada, bob);
      for (const path of ["/cached/page", "/cached/overridden", "/cached/visit"]) {
        // The cache is asked in every order: a visitor, another, nobody, and again.
        for (const [cookie, user] of [
          [ada, "ada"],
          [bob, "bob"],
          [undefined, "nobody"],
          [ada, "ada"],
          [undefined, "nobody"],
          [bob, "bob"],
        ] as const) {
          const { body, cookies } = await ask(path, cookie);
          assert.equal(body.split(" ")[0], user, `${path} for ${user}`);
          if (cookie !== undefined) assert.deepEqual(cookies, []);
        }
      }
    });

    it("that was told to ignore Vary still keeps nothing of a session", async () => {
      for (const user of ["ada", "bob"]) {
        const cookie = await login("/unvarying", user);
        assert.equal((await ask("/unvarying/page", cookie)).body, `${user} 0`);
      }
    });

    it("that was told to ignore Cache-Control, Set-Cookie and Vary does: the guide warns of it", async () => {
      const ada = await login("/headers", "ada");
      assert.equal((await ask("/ignoring/page", ada)).body, "ada 0");
      const stranger = await ask("/ignoring/page");
      assert.deepEqual([stranger.body, stranger.headers["x-cache"]], ["ada 0", "HIT"]);
    });
  });
});
