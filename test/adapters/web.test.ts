import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { sessionHandler } from "../../src/adapters/web.ts";
import { SessionError } from "../../src/errors.ts";
import { Host, Part, wait } from "./harness.ts";

const url = "http://localhost/";
const cookie = { name: "Set-Cookie", value: "s=1" };
const lost = (): Promise<void> => Promise.reject(new SessionError("store-failed", "secret"));

/** Runs one handler with the parts attached; `pending` ones count as changed. */
function run(
  parts: readonly Part[],
  respond: (request: Request) => Response | Promise<Response>,
  host = new Host(),
  request = new Request(url),
): Promise<Response> {
  return sessionHandler(host.manager, (given: Request) => {
    for (const part of parts) {
      host.carrier(given).attach(part);
      if (part.pending) host.carrier(given).intercept(part);
    }
    return respond(given);
  })(request);
}

describe("the fetch-style adapter", () => {
  it("returns the very response when the session is not used, and passes arguments on", async () => {
    const response = new Response("x");
    const seen: unknown[] = [];
    const handler = sessionHandler(new Host().manager, (_request, env: string, ctx: number) => {
      seen.push(env, ctx);
      return response;
    });
    assert.equal(await handler(new Request(url), "env", 7), response);
    assert.deepEqual(seen, ["env", 7]);
  });

  it("commits before the response, and adds one cookie to the handler's", async () => {
    const part = new Part();
    part.token = cookie;
    const headers = new Headers([
      ["Set-Cookie", "a=1"],
      ["Set-Cookie", "b=2"],
      ["Vary", "Accept"],
    ]);
    const response = await run(
      [part],
      () => new Response("x", { status: 201, statusText: "Made", headers }),
    );
    assert.deepEqual(part.outcomes, [{ status: 201, closed: false }]);
    assert.deepEqual(response.headers.getSetCookie(), ["a=1", "b=2", "s=1"]);
    assert.equal(response.headers.get("vary"), "Accept, Cookie");
    assert.equal(response.headers.get("cache-control"), "no-store");
    assert.deepEqual(
      [response.status, response.statusText, await response.text()],
      [201, "Made", "x"],
    );
  });

  it("rewraps a response with immutable headers, and never touches a shared one", async () => {
    const part = new Part();
    part.token = cookie;
    const redirect = await run([part], () => Response.redirect("http://localhost/else", 303));
    assert.equal(redirect.status, 303);
    assert.equal(redirect.headers.get("location"), "http://localhost/else");
    assert.deepEqual(redirect.headers.getSetCookie(), ["s=1"]);
    const shared = new Response(null, { status: 304 });
    const other = new Part();
    other.token = cookie;
    assert.equal((await run([other], () => shared)).headers.get("set-cookie"), "s=1");
    assert.equal(shared.headers.get("set-cookie"), null);
  });

  it("a failing commit replaces the response and cancels its body", async () => {
    let cancelled = false;
    const body = new ReadableStream({
      cancel: () => {
        cancelled = true;
      },
    });
    const response = await run([new Part("cookie s", lost)], () => {
      return new Response(body, { headers: { "X-Handler": "1", "Content-Type": "text/html" } });
    });
    assert.equal(response.status, 503);
    assert.equal(response.headers.get("retry-after"), "1");
    assert.equal(response.headers.get("x-handler"), null);
    assert.equal(response.headers.get("cache-control"), "no-store");
    assert.equal(await response.text(), "503 Service Unavailable\n");
    assert.equal(cancelled, true);
  });

  it("onError's response is used, with our headers; else the built-in page", async () => {
    const host = new Host();
    host.settings.onError = (error) => new Response((error as SessionError).code, { status: 418 });
    const part = new Part("cookie s", lost);
    part.token = cookie; // of an earlier explicit commit
    const response = await run([part], () => new Response("x"), host);
    assert.equal(response.status, 418);
    assert.equal(await response.text(), "store-failed");
    assert.equal(response.headers.get("set-cookie"), "s=1");
    host.settings.onError = () => undefined;
    assert.equal(
      (await run([new Part("cookie s", lost)], () => new Response("x"), host)).status,
      503,
    );
    host.settings.onError = () => Promise.reject(new Error("secret"));
    assert.equal(
      (await run([new Part("cookie s", lost)], () => new Response("x"), host)).status,
      500,
    );
  });

  it("status 500 rolls back; an error rolls back and goes on", async () => {
    const failing = new Part();
    await run([failing], () => new Response("x", { status: 500 }));
    assert.equal(failing.outcomes[0]?.status, 500);
    const thrown = new Part();
    const error = new Error("mine");
    await assert.rejects(
      run([thrown], () => Promise.reject(error)),
      (caught) => caught === error,
    );
    assert.deepEqual(thrown.outcomes, [{ status: 500, closed: false }]);
  });

  it("the failure of a load becomes 503; a mistake in the program goes on", async () => {
    const down = (): never => {
      throw new SessionError("store-timeout", "slow");
    };
    assert.equal((await run([], down)).status, 503);
    const mistake = new SessionError("unencodable", "cart[2]");
    await assert.rejects(
      run([], () => Promise.reject(mistake)),
      (caught) => caught === mistake,
    );
  });

  it("101 is returned untouched", async () => {
    // Node's Response refuses 101: this is what Deno and workerd hand out.
    const upgrade = Object.defineProperty(new Response(null), "status", { value: 101 });
    const part = new Part();
    part.token = cookie;
    assert.equal(await run([part], () => upgrade), upgrade);
    assert.deepEqual(part.outcomes, [{ status: 101, closed: true }]);
  });

  it("an aborted request is a closed connection", async () => {
    const aborter = new AbortController();
    const part = new Part();
    const request = new Request(url, { signal: aborter.signal });
    await run(
      [part],
      () => {
        aborter.abort();
        return new Response("x");
      },
      new Host(),
      request,
    );
    assert.deepEqual(part.outcomes, [{ status: 200, closed: true }]);
  });

  it("asks for the request's signal once a token may be made, since it costs something", async () => {
    for (const [tokens, expected] of [
      [[false, false], 0],
      [[false, true], 1],
      [[true, true], 1],
    ] as const) {
      const part = new Part();
      const request = new Request(url);
      let asked = 0;
      const { signal } = request;
      Object.defineProperty(request, "signal", { get: () => (asked++, signal) });
      const host = new Host();
      let before = -1;
      const respond = (): Response => {
        for (const makesToken of tokens) {
          part.makesToken = makesToken;
          host.carrier(request).intercept(part);
        }
        before = asked;
        return new Response("x");
      };
      part.pending = false;
      await run([part], respond, host, request);
      assert.deepEqual([before, asked], [expected, expected], String(tokens));
    }
  });

  it("a response that has the headers already is returned itself", async () => {
    const part = new Part();
    const headers = { Vary: "Accept, Cookie", "Cache-Control": "max-age=60" };
    const response = new Response("x", { headers });
    assert.equal(await run([part], () => response), response);
    const other = new Part();
    other.token = cookie;
    const copy = await run([other], () => response);
    assert.notEqual(copy, response);
    assert.equal(response.headers.get("set-cookie"), null);
    assert.equal(response.headers.get("cache-control"), "max-age=60");
    assert.equal(copy.headers.get("cache-control"), "no-store");
  });

  it("two managers, nested: one commit point, both cookies, on error pages too", async () => {
    const [a, b] = [new Host(), new Host()];
    const first = new Part("cookie a");
    first.token = { name: "Set-Cookie", value: "a=1" };
    const second = new Part("cookie b", lost);
    const inner = sessionHandler(b.manager, (request: Request) => {
      a.carrier(request).attach(first);
      b.carrier(request).attach(second);
      assert.throws(() => b.carrier(request).attach(new Part("cookie a")), {
        code: "duplicate-manager",
      });
      return new Response("x", { headers: { "X-Handler": "1" } });
    });
    const response = await sessionHandler(a.manager, inner)(new Request(url));
    assert.equal(response.status, 503);
    assert.deepEqual(response.headers.getSetCookie(), ["a=1"]);
    assert.equal(response.headers.get("x-handler"), null);
    assert.equal(response.headers.get("vary"), "Cookie");
  });

  it("after a failure the next manager's part rolls back", async () => {
    const [first, second] = [new Part("cookie a", lost), new Part("cookie b")];
    await run([first, second], () => new Response("x"));
    assert.deepEqual([first.outcomes[0]?.status, second.outcomes[0]?.status], [200, 500]);
  });

  it("mounted twice: commits once", async () => {
    const host = new Host();
    const part = new Part();
    const inner = sessionHandler(host.manager, (request: Request) => {
      host.carrier(request).attach(part);
      return new Response("x");
    });
    await sessionHandler(host.manager, inner)(new Request(url));
    assert.deepEqual(part.calls, ["finish"]);
  });

  it("a change left after the head is reported, once it had time to be committed", async (test) => {
    test.mock.timers.enable({ apis: ["setTimeout"] });
    const host = new Host();
    const [left, committed] = [new Part("cookie a"), new Part("cookie b")];
    left.work = committed.work = undefined;
    const request = new Request(url);
    await run([left, committed], () => new Response("x"), host, request);
    const carrier = host.carrier(request);
    assert.equal(carrier.headSent, true);
    test.mock.timers.tick(60_000);
    assert.deepEqual(left.calls, ["finish"]);
    carrier.intercept(left);
    carrier.intercept(committed);
    committed.pending = false;
    test.mock.timers.tick(5000);
    assert.deepEqual(left.calls, ["finish", "ended"]);
    assert.deepEqual(committed.calls, ["finish"]);
    test.mock.timers.reset(); // Deno does not do it by itself
  });

  it("waits for the commit", async () => {
    let stored = false;
    const part = new Part("cookie s", async () => {
      await wait(20);
      stored = true;
    });
    await run([part], () => new Response("x"));
    assert.equal(stored, true);
  });
});
