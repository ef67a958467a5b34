/** The demo as people meet it: a process, real HTTP, real curl where it is installed. */
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { connect, createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test, type TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { Script } from "node:vm";
import { clock, script as countdown } from "../examples/demo/page/countdown.ts";
import { script as live } from "../examples/demo/page/live.ts";
import { cookieOf, run, send, start, type Answer } from "./demo/client.ts";

const hasCurl: boolean = spawnSync("curl", ["--version"]).error === undefined;

/** The two commands of the README, each with a client that keeps cookies. */
type Client = (t: TestContext, port: number) => (path: string, keep: boolean) => Promise<Answer>;

const withNode: Client = (_t, port) => {
  let cookie: string | undefined;
  return async (path, keep) => {
    const answer = await send(port, "GET", path, keep ? {} : { cookie });
    if (keep) cookie = cookieOf(answer);
    return answer;
  };
};

const withCurl: Client = (t, port) => {
  const folder = mkdtempSync(join(tmpdir(), "scs-demo-"));
  t.after(() => rmSync(folder, { recursive: true }));
  return async (path, keep) => {
    const args = ["-i", "-s", "--noproxy", "*", keep ? "-c" : "-b", "cookies"];
    const child = spawn("curl", [...args, `localhost:${port}${path}`], { cwd: folder });
    let text = "";
    child.stdout.setEncoding("utf8").on("data", (part: string) => (text += part));
    assert.deepEqual(await once(child, "close"), [0, null]);
    const [head = "", body = ""] = text.split("\r\n\r\n", 2);
    const [line = "", ...fields] = head.split("\r\n");
    const headers: Record<string, string[]> = {};
    for (const field of fields) {
      const [name = "", value = ""] = field.split(/: (.*)/, 2);
      (headers[name.toLowerCase()] ??= []).push(value);
    }
    return { status: Number(line.split(" ")[1]), headers, body };
  };
};

const clients: [string, Client][] = [["node:http", withNode]];
if (hasCurl) clients.push(["curl", withCurl]);

describe("demo", { concurrency: 2 }, () => {
  for (const [name, client] of clients) {
    test(`/put then /get, with ${name}`, async (t) => {
      const { port } = await start(t);
      const get = client(t, port);

      const put = await get("/put", true);
      assert.equal(put.status, 200);
      assert.equal(put.body, "");
      cookieOf(put);
      const attributes = put.headers["set-cookie"]![0]!.split("; ").slice(1);
      for (const wanted of ["Path=/", "HttpOnly", "SameSite=Lax"]) {
        assert.ok(attributes.includes(wanted), wanted);
      }
      assert.ok(!attributes.includes("Secure"), "development: true");

      const got = await get("/get", false);
      assert.equal(got.status, 200);
      assert.equal(got.body, "Hello from a session!");
      assert.equal(got.headers["set-cookie"], undefined);
    });
  }

  test("the lines to try are printed, with the port that is served", async (t) => {
    const { port, output } = await start(t);
    assert.ok(output().includes(`\n  curl -i -c cookies localhost:${port}/put\n`));
    assert.ok(output().includes(`\n  curl -i -b cookies localhost:${port}/get\n`));
  });

  test("looking creates no session; each form works without script", async (t) => {
    const { port } = await start(t);
    const first = await send(port, "GET", "/");
    assert.equal(first.status, 200);
    assert.equal(first.headers["set-cookie"], undefined);
    assert.match(first.body, /No session yet/);

    const act = async (path: string, cookie?: string, form: Record<string, string> = {}) => {
      const answer = await send(port, "POST", path, { cookie, form });
      assert.equal(answer.status, 303, path);
      return answer;
    };
    const look = async (cookie: string): Promise<string> => {
      const answer = await send(port, "GET", "/", { cookie });
      assert.equal(answer.status, 200);
      assert.equal(answer.headers["set-cookie"], undefined, "looking sends no cookie");
      return answer.body;
    };

    const anonymous = cookieOf(await act("/start"));
    const begun = await look(anonymous);
    assert.match(begun, /Your session has begun/);
    assert.match(begun, /<strong>1 time<\/strong>/);
    assert.match(begun, /data-left="600000" data-total="600000"/, "idle");
    const left = Number(/absolute" data-left="(\d+)" data-total="3600000"/.exec(begun)?.[1]);
    assert.ok(left > 3_500_000 && left <= 3_600_000, `absolute: ${left}`);

    const again = await look(anonymous);
    assert.doesNotMatch(again, /Your session has begun/, "a flash message shows once");
    assert.match(again, /<strong>2 times<\/strong>/);

    await act("/flash", anonymous);
    assert.equal((await send(port, "HEAD", "/", { cookie: anonymous })).status, 200);
    const flashed = await look(anonymous);
    assert.match(flashed, /class="flash" role="status"/, "HEAD did not eat the message");
    assert.match(flashed, /<strong>3 times<\/strong>/, "HEAD did not count");

    const text = `<script>alert("1")</script> & 'x'`;
    await act("/message", anonymous, { message: text });
    const kept = await look(anonymous);
    assert.ok(
      kept.includes("&lt;script&gt;alert(\\&quot;1\\&quot;)&lt;/script&gt; &amp; &#39;x&#39;"),
    );
    assert.ok(!kept.includes("<script>alert"));
    assert.equal((await send(port, "GET", "/get", { cookie: anonymous })).body, text);

    const ada = cookieOf(await act("/login", anonymous, { name: "Ada <i>" }));
    assert.notEqual(ada, anonymous, "logging in renews the token");
    assert.match(await look(ada), /Hello, Ada &lt;i&gt;\./);
    assert.match((await send(port, "GET", "/", { cookie: anonymous })).body, /No session yet/);

    const out = await act("/logout", ada);
    assert.equal(out.headers["location"]?.[0], "/?ended");
    assert.match(out.headers["set-cookie"]?.[0] ?? "", /^session=;.*Max-Age=0/);
    assert.match((await send(port, "GET", "/?ended", { cookie: ada })).body, /has ended/);
  });

  test("a form that is not acceptable is shown again, and starts nothing", async (t) => {
    const { port } = await start(t);
    for (const name of ["", "   ", "x".repeat(41)]) {
      const answer = await send(port, "POST", "/login", { form: { name } });
      assert.equal(answer.status, 422);
      assert.match(answer.body, /aria-invalid="true" aria-describedby="name-problem"/);
      assert.equal(answer.headers["set-cookie"], undefined);
    }
    const large = await send(port, "POST", "/message", { form: { message: "x".repeat(100_000) } });
    assert.equal(large.status, 413);
    const headers = { "Content-Type": "text/plain" };
    const typed = await send(port, "POST", "/message", { form: { message: "x" }, headers });
    assert.equal(typed.status, 415);
  });

  test("requests made by other sites are refused", async (t) => {
    const { port } = await start(t);
    const host = `localhost:${port}`;
    const table: [string, string, Record<string, string>, number][] = [
      ["POST", "/start", { "Sec-Fetch-Site": "same-origin" }, 303],
      ["POST", "/start", { "Sec-Fetch-Site": "none" }, 303],
      ["POST", "/start", { "Sec-Fetch-Site": "cross-site" }, 403],
      ["POST", "/start", { "Sec-Fetch-Site": "same-site" }, 403],
      ["POST", "/start", { "Sec-Fetch-Site": "cross-site", Origin: `http://${host}` }, 403],
      ["POST", "/start", { Origin: `http://${host}` }, 303],
      ["POST", "/start", { Origin: "http://evil.example" }, 403],
      ["POST", "/start", { Origin: `http://localhost:${port + 1}` }, 403],
      ["POST", "/start", { Origin: "null" }, 403],
      ["GET", "/put", { "Sec-Fetch-Site": "cross-site" }, 403],
      ["GET", "/put", { "Sec-Fetch-Site": "none" }, 200],
      ["GET", "/", { "Sec-Fetch-Site": "cross-site" }, 200],
    ];
    for (const [method, path, headers, status] of table) {
      const answer = await send(port, method, path, { headers });
      assert.equal(answer.status, status, `${method} ${path} ${JSON.stringify(headers)}`);
      const started = answer.headers["set-cookie"] !== undefined;
      assert.equal(started, path !== "/" && status < 400);
    }
  });

  test("the page allows nothing but its own script and style", async (t) => {
    const { port } = await start(t);
    const page = await send(port, "GET", "/");
    const policy = page.headers["content-security-policy"]?.[0] ?? "";
    const nonce = /script-src 'nonce-([\w+/=]+)'/.exec(policy)?.[1] ?? "";
    assert.ok(nonce.length >= 22, "128 bits");
    assert.match(policy, /^default-src 'none';/);
    assert.match(policy, /form-action 'self'; base-uri 'none'; frame-ancestors 'none'/);
    assert.equal(page.body.match(/<(script|style)\b/g)?.length, 2);
    assert.equal(page.body.split(`nonce="${nonce}"`).length, 3);
    assert.doesNotMatch(page.body, / style="| on\w+="|(src|href)="https?:/);
    assert.equal(page.headers["x-content-type-options"]?.[0], "nosniff");
    assert.equal(page.headers["cache-control"]?.[0], "no-store");
    const other = await send(port, "GET", "/");
    assert.ok(!other.body.includes(nonce), "a nonce is used once");
  });

  test("the countdown reads well at its edges, and its script is a script", () => {
    const table: [number, string][] = [
      [3_600_000, "1:00:00"],
      [3_599_000, "59:59"],
      [61_500, "01:02"],
      [1, "00:01"],
      [0, "00:00"],
      [-5_000, "00:00"],
      [90_061_000, "25:01:01"],
    ];
    for (const [ms, text] of table) assert.equal(clock(ms), text);
    for (const script of [countdown, live]) {
      assert.doesNotThrow(() => new Script(script));
      assert.doesNotMatch(script, /<\/script|<!--/i, "it is put into the page as it is");
    }
  });

  test("unknown paths and wrong methods", async (t) => {
    const { port } = await start(t);
    for (const path of ["/nothing", "/constructor", "/__proto__", "//", "/put/"]) {
      assert.equal((await send(port, "GET", path)).status, 404, path);
    }
    const table: [string, string, string][] = [
      ["GET", "/login", "POST"],
      ["POST", "/", "GET, HEAD"],
      ["POST", "/put", "GET"],
      ["DELETE", "/get", "GET, HEAD"],
    ];
    for (const [method, path, allow] of table) {
      const answer = await send(port, method, path);
      assert.equal(answer.status, 405, `${method} ${path}`);
      assert.deepEqual(answer.headers["allow"], [allow]);
    }
  });

  test("what cannot start says so in one line and ends with 1", async (t) => {
    const blocker = createServer().listen(0, "localhost");
    t.after(() => blocker.close());
    await once(blocker, "listening");
    const used = String((blocker.address() as AddressInfo).port);
    const table: [string, string[], RegExp][] = [
      [used, [], new RegExp(`port ${used} is in use`)],
      ["http", [], /PORT must be a whole number from 0 to 65535, not "http"/],
      ["65536", [], /PORT must be/],
      ["-1", [], /PORT must be/],
      ["4e3", [], /PORT must be/],
      [
        "0",
        ["--store", "postgres://u:hunter2@127.0.0.1:1/app"],
        /--store postgres: .*ECONNREFUSED/,
      ],
      ["0", ["--store", "mysql://u:hunter2@127.0.0.1:1/app"], /--store mysql: .*ECONNREFUSED/],
      ["0", ["--store", "redis://:hunter2@127.0.0.1:1"], /--store redis: /],
      ["0", ["--store", "redis+cluster://:hunter2@127.0.0.1:1"], /--store redis\+cluster: /],
      ["0", ["--store", "sqlite:no-such-folder/hunter2.db"], /--store sqlite: unable to open/],
      ["0", ["--store", "hunter2://x"], /no engine that the demo knows; there are: memory/],
      ["0", ["--idle", "soon"], /idleTimeout is "soon"/],
      ["0", ["--idle", "2h"], /idleTimeout/],
      ["0", ["--lifetime", "60"], /lifetime is "60", without a unit/],
      ["0", ["--store"], /--store/],
      ["0", ["--stroe", "memory"], /--stroe/],
    ];
    for (const [port, args, line] of table) {
      const { exit, errors, output } = run(t, port, ...args);
      assert.equal(await exit, 1, `${port} ${args.join(" ")}`);
      assert.match(errors(), line);
      assert.equal(errors().split("\n").length, 2, `one line: ${errors()}`);
      assert.doesNotMatch(errors(), /hunter2/, "the URL may hold a password");
      assert.equal(output(), "");
    }
  });

  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    test(`${signal} stops cleanly`, async (t) => {
      // A grace of three seconds is never shorter; without one, a busy machine may take as long.
      let took = Infinity;
      for (let tries = 0; tries < 4 && took > 2500; tries++) {
        const { child, exit, errors, port } = await start(t);
        cookieOf(await send(port, "GET", "/put"));
        const ahead = connect(port, "localhost"); // as browsers do, before there is a request
        t.after(() => ahead.destroy());
        await once(ahead, "connect");
        const before = performance.now();
        child.kill(signal);
        assert.equal(await exit, 0);
        took = performance.now() - before;
        assert.equal(errors(), "");
      }
      assert.ok(took <= 2500, `nothing to wait for, and it took ${took} ms`);
    });
  }

  /** A request that is never finished, so that stopping has something to wait for. */
  async function hang(t: TestContext, port: number): Promise<void> {
    const socket = connect(port, "localhost");
    socket.on("error", () => {}); // the server cuts it
    t.after(() => socket.destroy());
    await once(socket, "connect");
    socket.write("POST /message HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\n");
    socket.write("Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 9\r\n\r\n");
    await once(socket, "data"); // 100 Continue: the request has begun
  }

  test("one Ctrl-C that arrives twice, as under npm, still stops cleanly", async (t) => {
    for (let tries = 1; ; tries++) {
      const { child, exit, output, port } = await start(t);
      await hang(t, port);
      const first = performance.now();
      child.kill("SIGINT");
      while (!output().includes("Stopping.")) await once(child.stdout!, "data");
      child.kill("SIGINT");
      const status = await exit;
      // A machine that stalls between the two makes them two key presses.
      if (status === 130 && performance.now() - first > 500 && tries < 5) continue;
      assert.equal(status, 0, "the unfinished request is cut after the grace");
      return;
    }
  });

  test("a second Ctrl-C forces", async (t) => {
    const { child, exit, output, port } = await start(t);
    await hang(t, port);
    child.kill("SIGINT");
    while (!output().includes("Stopping.")) await once(child.stdout!, "data");
    await sleep(1_000); // more than the half second in which it counts as the same key press
    child.kill("SIGINT");
    assert.equal(await exit, 130);
  });
});
