/**
 * A response that waits for a commit is the response that Node would have sent: each handler runs on
 * a bare server and behind the gate, and both the bytes and what the handler saw must be equal.
 */
import assert from "node:assert/strict";
import {
  createServer,
  type IncomingMessage,
  type ServerOptions,
  type ServerResponse,
} from "node:http";
import { pipeline, Readable } from "node:stream";
import { describe, it } from "node:test";
import { sessionHandler } from "../../src/adapters/node.ts";
import { get, Host, Part, raw, serving, wait } from "./harness.ts";

type Log = (what: string, value?: unknown) => void;
type Handler = (res: ServerResponse, log: Log, req: IncomingMessage) => unknown;

/** The error's code, or what came back. */
function attempt(work: () => unknown): unknown {
  try {
    const value = work();
    return typeof value === "object" ? "an object" : value;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? String(error);
  }
}

const cases: Record<string, Handler> = {
  "end with a body": (res) => res.end("hello"),
  "end without a body": (res) => res.end(),
  "end with an encoding": (res) => res.end("68656c6c6f", "hex"),
  "end with a callback only": (res, log) => res.end(() => log("ended")),
  "end with chunk and callback": (res, log) => res.end("a", () => log("ended")),
  "end with chunk, encoding, callback": (res, log) => res.end("a", "utf8", () => log("ended")),
  "write and end, callbacks in order": (res, log) => {
    log(
      "write",
      res.write("a", () => log("a")),
    );
    log(
      "write",
      res.write(Buffer.from("b"), () => log("b")),
    );
    log(
      "write",
      res.write("Yw==", "base64", () => log("c")),
    );
    res.end("d", () => log("d"));
    log("ended", [res.writableEnded, res.finished, res.headersSent]);
  },
  "writeHead with an object": (res) =>
    res.writeHead(201, { "X-A": "1", "x-b": ["2", "3"] }).end("x"),
  "writeHead with a flat array": (res) =>
    res.writeHead(201, ["X-A", "1", "Set-Cookie", "a=1", "Set-Cookie", "b=2"]).end("x"),
  "writeHead with pairs": (res) =>
    res
      .writeHead(201, [
        ["X-A", "1"],
        ["X-B", "2"],
      ] as unknown as string[])
      .end("x"),
  "writeHead with a reason and headers": (res) =>
    res.writeHead(299, "Very Good", { "X-A": "1" }).end("x"),
  "writeHead over headers that were set": (res) => {
    res.setHeader("X-A", "old");
    res.setHeader("X-B", "kept");
    res.writeHead(200, { "x-a": "new" }).end("x");
  },
  "a flat array over headers that were set": (res) => {
    res.setHeader("X-A", "old");
    res.writeHead(200, ["x-a", "new"]).end("x");
  },
  "a status assigned after an implicit head": (res, log) => {
    res.on("finish", () => log("finish", res.statusCode));
    res.write("a");
    res.statusCode = 500;
    res.statusMessage = "Too Late";
    res.end("b");
  },
  "a status and message that were set": (res) => {
    res.statusCode = 418;
    res.statusMessage = "Short And Stout";
    res.end("x");
  },
  redirect: (res) => res.writeHead(302, { Location: "/else" }).end(),
  "204": (res) => res.writeHead(204).end(),
  "304 with a body": (res) => {
    res.statusCode = 304;
    log304(res);
  },
  "Content-Length kept": (res) => {
    res.setHeader("Content-Length", 5);
    res.write("he");
    res.end("llo");
  },
  "no Date": (res) => {
    res.sendDate = false;
    res.end();
  },
  flushHeaders: async (res, log) => {
    res.flushHeaders();
    log("sent", res.headersSent);
    await wait(20);
    res.end("late");
  },
  "flushHeaders after write": (res) => {
    res.write("a");
    res.flushHeaders();
    res.end();
  },
  trailers: (res) => {
    res.writeHead(200, { Trailer: "X-Sum" });
    res.write("a");
    res.addTrailers({ "X-Sum": "42" });
    res.end();
  },
  "cork and uncork": (res, log) => {
    res.cork();
    res.write("a", () => log("a"));
    res.write("b", () => log("b"));
    res.uncork();
    res.end("c");
  },
  "corked until end": (res) => {
    res.cork();
    res.write("a");
    res.end("b");
  },
  "early hints and continue come first": (res) => {
    res.writeContinue();
    res.writeEarlyHints({ link: "</a.css>; rel=preload" });
    res.writeProcessing();
    res.end("x");
  },
  pipe: (res) => Readable.from(["a", "b", "c"]).pipe(res),
  pipeline: (res, log) => pipeline(Readable.from(["a", "b"]), res, (error) => log("done", error)),
  "pipe of a large body": (res) => Readable.from(chunks(40, 8192)).pipe(res),
  "changes after the head": (res, log) => {
    res.setHeader("X-0", "0"); // without it Node does not keep the headers given to writeHead
    res.writeHead(200, { "X-A": "1" });
    log("sent", res.headersSent);
    log(
      "set",
      attempt(() => res.setHeader("X-B", "2")),
    );
    log(
      "append",
      attempt(() => res.appendHeader("X-B", "2")),
    );
    log(
      "remove",
      attempt(() => res.removeHeader("X-A")),
    );
    log(
      "setHeaders",
      attempt(() => res.setHeaders(new Map([["x-c", "3"]]))),
    );
    log(
      "again",
      attempt(() => res.writeHead(500)),
    );
    log("get", [res.getHeader("x-a"), res.hasHeader("X-B")]);
    res.statusCode = 500;
    res.end("x");
    log("status", res.statusCode);
  },
  "invalid status code": (res, log) => {
    log(
      "99",
      attempt(() => res.writeHead(99)),
    );
    log(
      "1000",
      attempt(() => res.writeHead(1000)),
    );
    log(
      "text",
      attempt(() => res.writeHead("many" as unknown as number)),
    );
    res.statusCode = 99;
    log(
      "implicit",
      attempt(() => res.end("x")),
    );
    log("sent", res.headersSent);
    res.statusCode = 200;
    res.end("y");
  },
  "invalid headers": (res, log) => {
    log(
      "value",
      attempt(() => res.writeHead(200, { "X-A": "a\nb" })),
    );
    log(
      "name",
      attempt(() => res.writeHead(200, { "X A": "a" })),
    );
    log(
      "undefined",
      attempt(() => res.writeHead(200, { "X-A": undefined })),
    );
    log(
      "odd",
      attempt(() => res.writeHead(200, ["X-A"])),
    );
    log("sent", res.headersSent);
    res.end("y");
  },
  "invalid reason": (res, log) => {
    log(
      "reason",
      attempt(() => res.writeHead(200, "a\nb")),
    );
    res.statusMessage = "ok";
    res.end("y");
  },
  "invalid chunks": (res, log) => {
    const write = (chunk: unknown): unknown => attempt(() => res.write(chunk as string));
    log("null", write(null));
    log("number", write(5));
    log("object", write({}));
    log("undefined", write(undefined));
    log(
      "end",
      attempt(() => res.end(5 as unknown as string)),
    );
    res.end("y");
  },
  "an error page after an invalid chunk": (res, log) => {
    log(
      "null",
      attempt(() => res.write(null)),
    );
    res.statusCode = 404;
    res.end("y");
  },
  "trailers without chunks": (res, log) => {
    res.setHeader("Content-Length", 1);
    res.setHeader("Trailer", "X-A");
    log(
      "head",
      attempt(() => res.writeHead(200)),
    );
    res.removeHeader("Trailer");
    res.end("y");
  },
  "end twice": (res, log) => {
    res.end("x");
    log(
      "again",
      attempt(() => res.end()),
    );
    log("writable", [res.writableEnded, res.writableNeedDrain]);
  },
  "write after end": (res, log) => {
    res.on("error", (error) => log("error", (error as NodeJS.ErrnoException).code));
    res.end("x");
    log(
      "write",
      res.write("y", (error) => log("callback", (error as NodeJS.ErrnoException).code)),
    );
  },
  "a strict Content-Length": (res, log) => {
    res.strictContentLength = true;
    res.writeHead(200, { "Content-Length": 3 });
    log(
      "long",
      attempt(() => res.write("abcdef")),
    );
    res.end("abc");
  },
  "finish and close": (res, log) => {
    res.on("prefinish", () => log("prefinish"));
    res.on("finish", () => log("finish"));
    res.on("close", () => log("close"));
    res.end("x");
  },
  "drain after a full buffer": async (res, log) => {
    const big = "x".repeat(300_000);
    log("big", res.write(big));
    log("need", res.writableNeedDrain);
    await new Promise<void>((resolve) => res.once("drain", resolve));
    log("need", res.writableNeedDrain);
    log("length", res.writableLength);
    res.end("y");
  },
};

function log304(res: ServerResponse): void {
  res.write("ignored");
  res.end();
}

function* chunks(count: number, size: number): Generator<Buffer> {
  for (let i = 0; i < count; i++) yield Buffer.alloc(size, 97 + (i % 26));
}

/** What of a response must be equal: the session's own headers and the date are taken out. */
function comparable(answer: string): string {
  return answer
    .split("\r\n")
    .filter((line) => !/^(Date|Vary|Cache-Control|Set-Cookie: s=)/.test(line))
    .join("\r\n");
}

/** Unordered headers, ordered body: merging headers may move them within the head. */
function sorted(answer: string): string {
  const at = answer.lastIndexOf("\r\n\r\n", answer.indexOf("\r\n\r\n"));
  const [first = "", ...rest] = answer.slice(0, at).split("\r\n");
  return [first, ...rest.sort(), answer.slice(at)].join("\n");
}

async function run(
  handler: Handler,
  gated: boolean,
  options: ServerOptions,
  request: string,
  complete = true,
): Promise<{ answer: string; log: string[] }> {
  const log: string[] = [];
  const note: Log = (what, value) => log.push(`${what} ${JSON.stringify(value)}`);
  const host = new Host();
  const part = new Part("cookie s", () => wait(10));
  part.token = { name: "Set-Cookie", value: "s=1" };
  const failures: unknown[] = [];
  const bare = async (req: IncomingMessage, res: ServerResponse): Promise<void> => {
    if (gated) {
      const carrier = host.carrier(req);
      carrier.attach(part);
      carrier.intercept(part);
    }
    try {
      await handler(res, note, req);
    } catch (error) {
      failures.push(error);
      res.destroy();
    }
  };
  const answer = await serving(
    createServer(options, gated ? sessionHandler(host.manager, bare) : bare),
    async ({ port }) => {
      const text = await raw(port, request);
      await wait(10);
      return text;
    },
  );
  assert.deepEqual(failures, []);
  assert.deepEqual(host.events, []);
  if (gated && complete) {
    assert.match(answer, /\r\nSet-Cookie: s=1\r\n/);
    assert.deepEqual(part.calls, ["finish"]);
  }
  return { answer: sorted(comparable(answer)), log };
}

describe("a response that waits for a commit is Node's own", () => {
  for (const [name, handler] of Object.entries(cases)) {
    it(name, async () => {
      const bare = await run(handler, false, {}, get());
      const gated = await run(handler, true, {}, get());
      assert.deepEqual(gated, bare);
    });
  }

  for (const name of ["end with a body", "pipe", "writeHead with an object"]) {
    it(`${name}, HEAD`, async () => {
      const request = get("/", "HEAD");
      const handler = cases[name] as Handler;
      assert.deepEqual(
        await run(handler, true, {}, request),
        await run(handler, false, {}, request),
      );
    });
  }

  it("an unknown encoding", async () => {
    const handler: Handler = (res, log) => {
      log(
        "write",
        attempt(() => res.write("x", "klingon" as BufferEncoding)),
      );
      res.destroy();
    };
    const bare = await run(handler, false, {}, get(), false);
    assert.deepEqual(bare.log, ['write "ERR_UNKNOWN_ENCODING"']);
    assert.deepEqual((await run(handler, true, {}, get(), false)).log, bare.log);
  });

  it("a body where the server's options forbid one", async () => {
    const options: ServerOptions = { rejectNonStandardBodyWrites: true };
    const handler: Handler = (res, log) => {
      res.writeHead(204);
      log(
        "write",
        attempt(() => res.write("x")),
      );
      res.end();
    };
    const bare = await run(handler, false, options, get());
    assert.match(bare.log.join(), /ERR_HTTP_BODY_NOT_ALLOWED/);
    assert.deepEqual(await run(handler, true, options, get()), bare);
  });
});
