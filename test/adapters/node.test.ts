import assert from "node:assert/strict";
import { createServer, type IncomingMessage, ServerResponse } from "node:http";
import { connect } from "node:net";
import { Readable } from "node:stream";
import { describe, it } from "node:test";
import { sessionHandler, sessionMiddleware } from "../../src/adapters/node.ts";
import { SessionError } from "../../src/errors.ts";
import { gate, get, Host, Part, raw, serving, soon, wait } from "./harness.ts";

type Handler = (req: IncomingMessage, res: ServerResponse, change: (part: Part) => void) => unknown;

const lost = (): Promise<void> =>
  wait(5).then(() => Promise.reject(new SessionError("store-failed", "secret detail")));
const cookie = { name: "Set-Cookie", value: "s=1" };

/** Serves one handler; `change` attaches a part and closes the gate. */
async function answer(handler: Handler, host = new Host(), request = get()): Promise<string> {
  const done: unknown[] = [];
  const listener = sessionHandler(host.manager, (req, res) => {
    const run = async (): Promise<unknown> =>
      handler(req, res, (part) => {
        const carrier = host.carrier(req);
        carrier.attach(part);
        if (part.pending) carrier.intercept(part);
      });
    const handled = run();
    done.push(handled);
    return handled;
  });
  return serving(listener, async ({ port }) => {
    const text = await raw(port, request);
    for (const outcome of await Promise.allSettled(done)) {
      // The adapter answers what a handler throws; a failed assertion is for the test.
      const { reason } = outcome as { reason?: unknown };
      if (reason instanceof assert.AssertionError) throw reason;
    }
    return text;
  });
}

/** A part that was only loaded. */
function reading(): Part {
  const part = new Part();
  part.pending = false;
  return part;
}

/** The methods of a response that are not its class's. */
function own(res: object): string[] {
  const methods = ["writeHead", "writeHeader", "write", "end", "flushHeaders"];
  const native = Object.getPrototypeOf(res) as object;
  return methods.filter((name) => Reflect.get(res, name) !== Reflect.get(native, name));
}

describe("what is laid over a response", () => {
  it("nothing, when the session is not used", async () => {
    let seen: unknown;
    const text = await answer((_req, res) => {
      seen = [own(res), res.listenerCount("close"), res.listenerCount("pipe")];
      res.end("x");
    });
    const bare = await serving(
      (_req, res) => {
        assert.deepEqual(seen, [[], res.listenerCount("close"), 0]);
        res.end("x");
      },
      ({ port }) => raw(port, get()),
    );
    const undated = (answered: string): string => answered.replace(/Date: .*\r\n/, "");
    assert.equal(undated(text), undated(bare));
  });

  /** The methods that are laid over it when read, after the head, when changed, and after the head. */
  async function laidOver(prepare: (res: ServerResponse) => void): Promise<string[][]> {
    const seen: string[][] = [];
    await answer(async (_req, res, change) => {
      prepare(res);
      const part = reading();
      change(part);
      seen.push(own(res));
      res.end("x");
      seen.push(own(res));
    });
    await answer(async (_req, res, change) => {
      prepare(res);
      change(new Part());
      seen.push(own(res));
      res.write("x");
      await wait(30);
      seen.push(own(res));
      res.end();
    });
    await answer((_req, res, change) => {
      prepare(res);
      const part = new Part();
      part.work = undefined;
      change(part);
      res.end("x");
      seen.push(own(res));
    });
    return seen;
  }

  it("nothing, where the methods are the class's: those know", async () => {
    assert.deepEqual(await laidOver(() => {}), [[], [], [], [], []]);
  });

  it("over somebody's: the head, when it was read; all heads, when it was changed", async () => {
    const seen = await laidOver((res) => {
      const flush = res.flushHeaders;
      res.flushHeaders = () => flush.call(res);
    });
    // Node 26, Bun and Deno have no `writeHeader`.
    const heads = ["writeHead", "writeHeader"].filter((name) => name in ServerResponse.prototype);
    const his = "flushHeaders";
    assert.deepEqual(seen, [[...heads, his], [his], [...heads, "write", "end", his], [his], [his]]);
  });

  it("others' methods stay when they were laid over ours", async () => {
    const calls: string[] = [];
    const text = await answer(async (_req, res, change) => {
      change(new Part());
      const write = res.write;
      const wrapper = (...args: unknown[]): boolean => {
        calls.push("write");
        return write.apply(res, args as [string, "utf8"]);
      };
      res.write = wrapper;
      res.write("a");
      await wait(30);
      assert.equal(res.write, wrapper);
      res.write("b");
      res.end("c");
    });
    assert.deepEqual(calls, ["write", "write"]);
    // Node 26 joins the last two.
    assert.match(text, /1\r\na\r\n(1\r\nb\r\n1\r\nc|2\r\nbc)\r\n0/);
  });
});

describe("headers", () => {
  it("Vary and private on a read, no Set-Cookie", async () => {
    const text = await answer((_req, res, change) => {
      change(reading());
      res.end("x");
    });
    assert.match(text, /\r\nVary: Cookie\r\n/);
    assert.match(text, /\r\nCache-Control: private\r\n/);
    assert.doesNotMatch(text, /Set-Cookie/);
  });

  it("merge with all that writeHead is given", async () => {
    const forms: unknown[][] = [
      [200, { vary: "Accept", "Cache-Control": "max-age=60" }],
      [200, "Fine", { vary: "Accept", "Cache-Control": "max-age=60" }],
      [200, ["vary", "Accept", "Cache-Control", "max-age=60"]],
      [
        200,
        [
          ["vary", "Accept"],
          ["Cache-Control", "max-age=60"],
        ],
      ],
    ];
    for (const form of forms) {
      for (const part of [reading(), new Part()]) {
        const text = await answer((_req, res, change) => {
          change(part);
          res.writeHead(...(form as [number])).end("x");
        });
        assert.match(text, /\r\nvary: Accept, Cookie\r\n/i);
        assert.match(text, /\r\nCache-Control: max-age=60\r\n/);
        assert.equal(text.match(/vary/gi)?.length, 1);
      }
    }
  });

  it("the handler's cookies and ours", async () => {
    const part = new Part();
    part.token = cookie;
    const text = await answer((_req, res, change) => {
      change(part);
      res.writeHead(200, { "Set-Cookie": ["a=1", "b=2"] }).end("x");
    });
    assert.deepEqual(text.match(/Set-Cookie: .*/g), [
      "Set-Cookie: a=1",
      "Set-Cookie: b=2",
      "Set-Cookie: s=1",
    ]);
    assert.match(text, /Cache-Control: no-store/);
  });

  it("a head that Node refuses leaves no second cookie", async () => {
    const part = reading();
    part.token = cookie; // of an explicit commit
    const text = await answer((_req, res, change) => {
      change(part);
      // Deno has another code for it.
      const code = /^ERR_(HTTP_INVALID_STATUS_CODE|INVALID_ARG_TYPE)$/;
      assert.throws(() => res.writeHead(99), { code });
      res.writeHead(200).end("x");
    });
    assert.equal(text.match(/Set-Cookie/g)?.length, 1);
  });

  it("two managers: both cookies, one Vary; one slot twice is refused", async () => {
    const [a, b] = [new Part("cookie a"), new Part("cookie b")];
    a.token = { name: "Set-Cookie", value: "a=1" };
    b.token = { name: "Set-Cookie", value: "b=2" };
    const text = await answer((_req, res, change) => {
      change(a);
      change(b);
      assert.throws(
        () => change(new Part("cookie a")),
        (error) => {
          assert.ok(error instanceof SessionError);
          assert.equal(error.code, "duplicate-manager");
          assert.match(error.message, /another cookie name/);
          return true;
        },
      );
      res.end("x");
    });
    assert.deepEqual(text.match(/Set-Cookie: .*/g), ["Set-Cookie: a=1", "Set-Cookie: b=2"]);
    assert.equal(text.match(/Vary/g)?.length, 1);
  });
});

describe("the commit and the connection", () => {
  it("nothing leaves before finish is done", async () => {
    let stored = false;
    let early = false;
    const part = new Part("cookie s", async () => {
      await wait(100);
      stored = true;
    });
    const host = new Host();
    await serving(
      sessionHandler(host.manager, (req, res) => {
        host.carrier(req).attach(part);
        host.carrier(req).intercept(part);
        res.write("a");
        res.end("b");
      }),
      ({ port }) =>
        new Promise<void>((resolve) => {
          const socket = connect(port, "127.0.0.1", () => socket.write(get()));
          socket.on("data", () => (early ||= !stored));
          socket.on("close", () => resolve());
        }),
    );
    assert.deepEqual([stored, early], [true, false]);
  });

  it("a queued response has ended, and is not finished", async () => {
    let seen: unknown;
    await answer((_req, res, change) => {
      change(new Part());
      res.end("x");
      seen = [res.headersSent, res.writableEnded, res.writableFinished, res.writableLength];
    });
    assert.deepEqual(seen, [true, true, false, 1]);
  });

  it("pipelined requests are answered in order, and the connection lives on", async () => {
    const host = new Host();
    let prefinished = 0;
    const delays: Record<string, number> = { "/1": 40, "/2": 120, "/3": 5 };
    const text = await serving(
      sessionHandler(host.manager, (req, res) => {
        const part = new Part("cookie s", () => wait(delays[req.url ?? ""] ?? 0));
        host.carrier(req).attach(part);
        host.carrier(req).intercept(part);
        res.on("prefinish", () => prefinished++);
        if (req.url === "/2") res.write("<");
        res.end(`body ${req.url}`);
      }),
      ({ port }) => {
        const keep = (path: string): string => `GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`;
        return raw(port, keep("/1") + keep("/2") + get("/3"));
      },
    );
    assert.deepEqual(text.match(/body \/\d/g), ["body /1", "body /2", "body /3"]);
    assert.equal(text.match(/HTTP\/1\.1 200/g)?.length, 3);
    assert.equal(prefinished, 3);
  });

  it("a client that left before the head is known at head time", async () => {
    const part = new Part();
    const host = new Host();
    let ended: () => void = () => {};
    const done = new Promise<void>((resolve) => (ended = resolve));
    const arrived = gate();
    await serving(
      sessionHandler(host.manager, async (req, res) => {
        host.carrier(req).attach(part);
        host.carrier(req).intercept(part);
        arrived.open();
        await new Promise((resolve) => res.once("close", resolve));
        res.write("x");
        res.end("y");
        await wait(30);
        ended();
      }),
      async ({ port }) => {
        const socket = connect(port, "127.0.0.1", () => socket.write(get()));
        await arrived.opened;
        socket.destroy();
        await done;
      },
    );
    assert.deepEqual(part.outcomes, [{ status: 200, closed: true }]);
    assert.deepEqual(part.calls, ["finish"]);
    assert.deepEqual(host.events, []);
  });

  it("a client that leaves during the commit does not disturb it", async () => {
    let stored = false;
    const [committing, left, finished] = [gate(), gate(), gate()];
    const part = new Part("cookie s", async () => {
      committing.open();
      await left.opened;
      stored = true;
      setTimeout(finished.open, 30);
    });
    const host = new Host();
    await serving(
      sessionHandler(host.manager, (req, res) => {
        host.carrier(req).attach(part);
        host.carrier(req).intercept(part);
        res.once("close", left.open);
        Readable.from(["a", "b"]).pipe(res);
      }),
      async ({ port }) => {
        const socket = connect(port, "127.0.0.1", () => socket.write(get()));
        await committing.opened;
        socket.destroy();
        await finished.opened;
      },
    );
    assert.equal(stored, true);
    assert.deepEqual(part.outcomes, [{ status: 200, closed: false }]);
    assert.deepEqual(host.events, []);
  });

  it("reports the end of a response whose session changed after the head", async () => {
    const part = reading();
    const host = new Host();
    await answer(async (req, res, change) => {
      change(part);
      res.write("x");
      assert.equal(host.carrier(req).headSent, true);
      host.carrier(req).intercept(part);
      res.end();
    }, host);
    await soon(() => part.calls.length > 0);
    assert.deepEqual(part.calls, ["ended"]);
  });

  it("reports it too when the session had changed before the head, and once", async () => {
    const part = new Part();
    const host = new Host();
    await answer(async (req, res, change) => {
      change(part);
      res.write("x");
      await wait(30);
      host.carrier(req).intercept(part);
      host.carrier(req).intercept(part);
      res.end();
    }, host);
    await soon(() => part.calls.includes("ended"));
    await wait(20);
    assert.deepEqual(part.calls, ["finish", "ended"]);
  });
});

describe("a failing commit", () => {
  it("503 with nothing of the handler's response", async () => {
    const text = await answer((_req, res, change) => {
      res.setHeader("X-Before", "stays");
      res.setHeader("Last-Modified", "Thu, 01 Jan 1970 00:00:00 GMT"); // of a body that does not leave
      change(new Part("cookie s", lost));
      res.setHeader("X-Handler", "1");
      res.setHeader("ETag", '"1"');
      res.addTrailers({ "X-Sum": "1" });
      res.writeHead(200, "Splendid", { "Content-Type": "text/html", "X-Too": "1" });
      res.write("<p>");
      res.end("done");
    });
    assert.match(text, /^HTTP\/1\.1 503 Service Unavailable\r\n/);
    assert.match(text, /\r\n\r\n503 Service Unavailable\n$/);
    assert.match(text, /X-Before: stays/);
    assert.match(text, /Retry-After: 1\r\n/);
    assert.match(text, /Cache-Control: no-store\r\n/);
    assert.doesNotMatch(
      text,
      /Handler|Splendid|html|X-Too|ETag|<p>|done|secret|Modified|X-Sum|Set-Cookie/,
    );
  });

  it("409, for HEAD too", async () => {
    const gone = (): Promise<void> => Promise.reject(new SessionError("gone", "over"));
    const handler: Handler = (_req, res, change) => {
      change(new Part("cookie s", gone));
      res.end("x");
    };
    assert.match(await answer(handler), /^HTTP\/1\.1 409 Conflict\r\n[^]*\r\n\r\n409 Conflict\n$/);
    assert.match(
      await answer(handler, new Host(), get("/", "HEAD")),
      /^HTTP\/1\.1 409 [^]*\r\n\r\n$/,
    );
  });

  it("callbacks get the error, the source of a pipe is let go first", async () => {
    const seen: unknown[] = [];
    const host = new Host();
    const source = new Readable({ read() {} });
    source.push("a");
    host.settings.onError = (_error, _req, res) => {
      seen.push(source.listenerCount("data"));
      (res as ServerResponse).end("page");
    };
    const text = await answer(async (_req, res, change) => {
      change(new Part("cookie s", lost));
      source.pipe(res);
      res.write("b", (error) => seen.push((error as SessionError).code));
      await wait(50);
      source.push("late");
    }, host);
    assert.match(text, /\r\n\r\npage$/);
    assert.deepEqual(seen, [0, "store-failed"]);
  });

  it("a handler that goes on writing does not reach the page, nor crash", async () => {
    const seen: unknown[] = [];
    const host = new Host();
    const text = await answer(async (_req, res, change) => {
      change(new Part("cookie s", lost));
      res.write("one");
      await wait(50);
      seen.push(res.write("two", (error) => seen.push((error as SessionError).code)));
      res.end("three", () => seen.push("end"));
      await wait(5);
    }, host);
    assert.match(text, /503 Service Unavailable\n$/);
    assert.doesNotMatch(text, /one|two|three/);
    assert.deepEqual(seen, [false, "store-failed", "end"]);
    assert.deepEqual(host.events, []);
  });

  it("a handler that fails because of it is no second failure", async () => {
    const host = new Host();
    const part = new Part("cookie s", lost);
    const text = await answer(async (_req, res, change) => {
      change(part);
      await new Promise<void>((resolve, reject) => {
        res.write("one", (error) => (error ? reject(error) : resolve()));
      });
    }, host);
    assert.match(text, /503 Service Unavailable\n$/);
    assert.deepEqual(host.events, []);
  });

  it("onError answers, also past a handler that goes on writing, also later", async () => {
    for (const late of [0, 30]) {
      const host = new Host();
      host.settings.onError = async (error, _req, res) => {
        await wait(late);
        const response = res as ServerResponse;
        response.setHeader("X-Page", "mine");
        response.writeHead(418).write((error as SessionError).code);
        response.end("!");
      };
      const text = await answer(async (_req, res, change) => {
        change(new Part("cookie s", lost));
        res.write("one");
        await wait(15);
        res.write("two");
        res.end();
      }, host);
      assert.match(text, /^HTTP\/1\.1 418 [^]*X-Page: mine[^]*store-failed[^]*!/);
      assert.doesNotMatch(text, /one|two/);
    }
  });

  it("onError that throws gives a plain 500", async () => {
    const host = new Host();
    host.settings.onError = () => {
      throw new Error("secret");
    };
    const text = await answer((_req, res, change) => {
      change(new Part("cookie s", lost));
      res.end("x");
    }, host);
    assert.match(text, /^HTTP\/1\.1 500 [^]*\r\n\r\n500 Internal Server Error\n$/);
  });

  it("of the second manager keeps the first one's cookie; of the first rolls the second back", async () => {
    const [a, b] = [new Part("cookie a"), new Part("cookie b", lost)];
    a.token = { name: "Set-Cookie", value: "a=1" };
    const text = await answer((_req, res, change) => {
      change(a);
      change(b);
      res.end("x");
    });
    assert.match(text, /^HTTP\/1\.1 503 [^]*Set-Cookie: a=1/);
    const [c, d] = [new Part("cookie c", lost), new Part("cookie d")];
    await answer((_req, res, change) => {
      change(c);
      change(d);
      res.end("x");
    });
    assert.deepEqual([c.outcomes[0]?.status, d.outcomes[0]?.status], [200, 500]);
  });

  it("what Node refuses while the queue is sent closes the connection, with an event", async () => {
    const host = new Host();
    const text = await answer((_req, res, change) => {
      change(new Part());
      res.end("x");
      Object.defineProperty(res, "_send", {
        value: () => {
          throw new Error("planted");
        },
      });
    }, host);
    assert.equal(text, "");
    assert.deepEqual(
      host.events.map((event) => event.type),
      ["flush-failed"],
    );
  });
});

describe("a handler that throws", () => {
  it("rolls back and gets a plain 500 without the message", async () => {
    for (const sync of [true, false]) {
      const part = new Part();
      part.token = cookie;
      const host = new Host();
      const listener = sessionHandler(host.manager, (req, res) => {
        host.carrier(req).attach(part);
        host.carrier(req).intercept(part);
        res.setHeader("Content-Length", 1000);
        const error = new Error("secret");
        if (sync) throw error;
        return Promise.reject(error);
      });
      const text = await serving(listener, ({ port }) => raw(port, get()));
      assert.match(
        text,
        /^HTTP\/1\.1 500 Internal Server Error\r\n[^]*\r\n\r\n500 Internal Server Error\n$/,
      );
      assert.doesNotMatch(text, /secret/);
      assert.equal(text.match(/Set-Cookie: s=1/g)?.length, 1);
      assert.deepEqual(part.outcomes, [{ status: 500, closed: false }]);
      assert.deepEqual(
        host.events.map((event) => event.type),
        ["handler-failed"],
      );
    }
  });

  it("before it loaded a session", async () => {
    const host = new Host();
    const text = await answer(() => {
      throw new SessionError("store-timeout", "slow");
    }, host);
    assert.match(text, /^HTTP\/1\.1 503 /);
    assert.match(text, /Retry-After: 1/);
  });

  it("is answered by onError", async () => {
    const host = new Host();
    host.settings.onError = (error, _req, res) => {
      (res as ServerResponse).end((error as Error).message);
    };
    const text = await answer(() => {
      throw new Error("shown");
    }, host);
    assert.match(text, /shown/);
  });

  it("after the head: the connection is closed, unless the response is complete", async () => {
    const host = new Host();
    const cut = await answer(async (_req, res) => {
      res.write("a");
      await wait(20);
      throw new Error("late");
    }, host);
    assert.doesNotMatch(cut, /\r\n0\r\n/);
    const whole = await answer(async (_req, res, change) => {
      change(new Part());
      res.end("complete");
      throw new Error("late");
    }, host);
    assert.match(whole, /^HTTP\/1\.1 200 [^]*complete$/);
    assert.deepEqual(
      host.events.map((event) => event.type),
      ["handler-failed", "handler-failed"],
    );
  });
});

describe("mounted twice or as middleware", () => {
  it("of two managers, the one that failed answers", async () => {
    const [outer, inner] = [new Host(), new Host()];
    const page = (name: string) => (_error: unknown, _req: unknown, res: unknown) =>
      (res as ServerResponse).end(`page of ${name}`);
    outer.settings.onError = page("outer");
    inner.settings.onError = page("inner");
    const listener = sessionHandler(
      outer.manager,
      sessionHandler(inner.manager, (req, res) => {
        for (const host of [outer, inner]) {
          const part = new Part(
            host === outer ? "cookie a" : "cookie b",
            host === outer ? undefined : lost,
          );
          host.carrier(req).attach(part);
          host.carrier(req).intercept(part);
        }
        res.end("x");
      }),
    );
    assert.match(await serving(listener, ({ port }) => raw(port, get())), /page of inner$/);
  });

  it("the built-in page stands in for error handling that throws", async () => {
    const host = new Host();
    const use = sessionMiddleware(host.manager);
    const text = await serving(
      createServer((req, res) => {
        use(req, res, (error) => {
          // As Polka 0.5 does with an error that has a code.
          if (error !== undefined) res.writeHead((error as SessionError).code as unknown as number);
          const part = new Part("cookie s", lost);
          host.carrier(req).attach(part);
          host.carrier(req).intercept(part);
          res.end("x");
        });
      }),
      ({ port }) => raw(port, get()),
    );
    assert.match(text, /^HTTP\/1\.1 503 Service Unavailable\r\n[^]*503 Service Unavailable\n$/);
    assert.deepEqual(host.events, []);
  });

  it("an error handler may change another session; the failed one is not committed again", async () => {
    const host = new Host();
    const use = sessionMiddleware(host.manager);
    const [failing, fresh, reads] = [new Part("cookie a", lost), new Part("cookie b"), reading()];
    const text = await serving(
      createServer((req, res) => {
        use(req, res, (error) => {
          const carrier = host.carrier(req);
          if (error === undefined) carrier.attach(reads);
          const part = error === undefined ? failing : fresh;
          carrier.attach(part);
          carrier.intercept(part);
          res.end(error === undefined ? "x" : "error page");
        });
      }),
      ({ port }) => raw(port, get()),
    );
    assert.match(text, /error page$/);
    assert.deepEqual(failing.calls, ["finish"]);
    assert.deepEqual(fresh.calls, ["finish"]);
    assert.deepEqual(reads.calls, ["finish"]);
  });

  it("the inner handler passes through", async () => {
    const host = new Host();
    const part = new Part();
    const inner = sessionHandler(host.manager, (req, res) => {
      host.carrier(req).attach(part);
      host.carrier(req).intercept(part);
      res.end("x");
    });
    const text = await serving(sessionHandler(host.manager, inner), ({ port }) => raw(port, get()));
    assert.match(text, /200 OK/);
    assert.deepEqual(part.calls, ["finish"]);
  });

  it("a failing commit goes to next", async () => {
    const host = new Host();
    const use = sessionMiddleware(host.manager);
    const text = await serving(
      createServer((req, res) => {
        use(req, res, (error) => {
          if (error !== undefined) {
            res.statusCode = (error as SessionError).status;
            res.end(`next ${(error as SessionError).code} ${String(res.getHeader("X-Handler"))}`);
            return;
          }
          const part = new Part("cookie s", lost);
          host.carrier(req).attach(part);
          host.carrier(req).intercept(part);
          res.setHeader("X-Handler", "1");
          res.statusMessage = "Splendid";
          res.end("x");
        });
      }),
      ({ port }) => raw(port, get()),
    );
    assert.match(text, /^HTTP\/1\.1 503 Service Unavailable\r\n[^]*next store-failed undefined$/);
  });
});
