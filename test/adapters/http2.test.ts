import assert from "node:assert/strict";
import {
  connect,
  createServer,
  type Http2ServerRequest,
  type Http2ServerResponse,
  type IncomingHttpHeaders,
} from "node:http2";
import { Readable } from "node:stream";
import { describe, it } from "node:test";
import { sessionHandler } from "../../src/adapters/node.ts";
import { SessionError } from "../../src/errors.ts";
import { Host, listen, Part, wait } from "./harness.ts";

type Handler = (res: Http2ServerResponse, log: (what: unknown) => void) => unknown;

interface Answer {
  readonly headers: IncomingHttpHeaders;
  readonly trailers: IncomingHttpHeaders | undefined;
  readonly body: string;
  readonly log: unknown[];
}

/** One request over HTTP/2, behind the gate when there is a part. */
async function ask(
  handler: Handler,
  part?: Part,
  method = "GET",
  host = new Host(),
): Promise<Answer> {
  const log: unknown[] = [];
  const wrapped = (req: Http2ServerRequest, res: Http2ServerResponse): unknown => {
    if (part !== undefined) {
      host.carrier(req).attach(part);
      if (part.pending) host.carrier(req).intercept(part);
    }
    return handler(res, (what) => log.push(what));
  };
  const running = await listen(
    createServer(part === undefined ? wrapped : sessionHandler(host.manager, wrapped)),
  );
  const client = connect(running.url);
  try {
    const stream = client.request({ ":path": "/", ":method": method });
    let headers: IncomingHttpHeaders = {};
    let trailers: IncomingHttpHeaders | undefined;
    let body = "";
    stream.on("response", (given) => (headers = given));
    stream.on("trailers", (given) => (trailers = given));
    stream.setEncoding("utf8");
    stream.on("data", (chunk: string) => (body += chunk));
    await new Promise<void>((resolve, reject) => {
      stream.on("close", () => resolve());
      stream.on("error", reject);
    });
    await wait(10);
    assert.deepEqual(host.events, []);
    return { headers, trailers, body, log };
  } finally {
    client.destroy();
    await running.close();
  }
}

/** Without what is ours or changes with time. */
function plain({ headers, ...rest }: Answer): unknown {
  const kept = Object.entries(headers).filter(
    ([name]) => !["date", "vary", "cache-control", "set-cookie"].includes(name),
  );
  return { ...rest, headers: Object.fromEntries(kept) };
}

function attempt(work: () => unknown): unknown {
  try {
    work();
    return "fine";
  } catch (error) {
    return (error as NodeJS.ErrnoException).code;
  }
}

const cases: Record<string, Handler> = {
  end: (res) => res.end("hello"),
  "write and end": (res, log) => {
    res.write("a", () => log("a"));
    log([res.headersSent, res.writableEnded, res.finished]);
    res.end("b", () => log("b"));
    log([res.headersSent, res.writableEnded, res.finished]);
  },
  "writeHead with an object": (res) => res.writeHead(201, { "x-a": "1" }).end("x"),
  redirect: (res) => res.writeHead(302, { location: "/else" }).end(),
  "204": (res) => res.writeHead(204).end(),
  pipe: (res) => Readable.from(["a", "b", "c"]).pipe(res),
  flushHeaders: async (res) => {
    (res as unknown as { flushHeaders(): void }).flushHeaders();
    await wait(20);
    res.end("x");
  },
  trailers: (res) => {
    res.write("a");
    res.addTrailers({ "x-sum": "42" });
    res.end();
  },
  "early hints": (res) => {
    res.writeEarlyHints({ link: "</a.css>; rel=preload" });
    res.end("x");
  },
  "after the head": (res, log) => {
    res.writeHead(200, { "x-a": "1" });
    log(attempt(() => res.setHeader("x-b", "1")));
    log(attempt(() => res.appendHeader("x-b", "1")));
    log(attempt(() => res.removeHeader("x-a")));
    log(attempt(() => res.writeHead(500)));
    res.statusCode = 500;
    res.end("x");
    log(res.statusCode);
  },
  invalid: (res, log) => {
    log(attempt(() => (res.statusCode = 99)));
    log(attempt(() => res.writeHead(200, { "x-a": undefined as unknown as string })));
    res.end("x");
  },
};

describe("http2", () => {
  for (const [name, handler] of Object.entries(cases)) {
    it(name, async () => {
      const part = new Part("cookie s", () => wait(10));
      part.token = { name: "Set-Cookie", value: "s=1" };
      const gated = await ask(handler, part);
      assert.deepEqual(plain(gated), plain(await ask(handler)));
      assert.deepEqual(gated.headers["set-cookie"], ["s=1"]);
      assert.equal(gated.headers.vary, "Cookie");
      assert.deepEqual(part.calls, ["finish"]);
    });
  }

  it("chunks and drain", async () => {
    const body = (): Readable => Readable.from(Array.from({ length: 60 }, () => "x".repeat(8192)));
    const { body: text } = await ask((res) => body().pipe(res), new Part());
    assert.equal(text.length, 60 * 8192);
  });

  it("a session that was only read", async () => {
    const part = new Part();
    part.pending = false;
    const { headers } = await ask((res) => res.end("x"), part);
    assert.deepEqual([headers.vary, headers["cache-control"]], ["Cookie", "private"]);
    assert.deepEqual(part.calls, []);
  });

  it("a failing commit", async () => {
    const part = new Part("cookie s", () =>
      wait(5).then(() => Promise.reject(new SessionError("gone", "x"))),
    );
    const { headers, body, trailers } = await ask((res) => {
      res.setHeader("x-handler", "1");
      res.addTrailers({ "x-sum": "42" });
      res.write("one");
      res.end("two");
    }, part);
    assert.equal(headers[":status"], 409);
    assert.equal(headers["x-handler"], undefined);
    assert.equal(body, "409 Conflict\n");
    assert.equal(trailers?.["x-sum"], undefined);
  });

  it("HEAD", async () => {
    const { headers, body } = await ask((res) => res.end("x"), new Part(), "HEAD");
    assert.deepEqual([headers[":status"], body], [200, ""]);
  });
});
