// The proxy's faults, each on plain sockets, against a server that answers every line with its
// length and the line.
import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Server, type Socket } from "node:net";
import { after, afterEach, before, beforeEach, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { startProxy, type Proxy } from "./proxy.ts";

/** What the server has received, over all connections. */
let requests = "";
let target: Server;
let proxy: Proxy;

before(async () => {
  target = createServer((socket) => {
    socket.on("error", () => {});
    let rest = "";
    socket.on("data", (chunk) => {
      requests += chunk.toString();
      rest += chunk.toString();
      const lines = rest.split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) socket.write(`${line.length + 1} ${line}\n`);
    });
  });
  target.listen(0, "127.0.0.1");
  await once(target, "listening");
});
after(() => target.close());

beforeEach(async () => {
  requests = "";
  const { port } = target.address() as AddressInfo;
  proxy = await startProxy({ host: "127.0.0.1", port, url: `redis://user:pw@127.0.0.1:${port}/0` });
});
afterEach(() => proxy.close());

class Client {
  readonly socket: Socket;
  received = "";
  ended = false;

  constructor() {
    this.socket = connect(proxy.port, proxy.host);
    this.socket.on("data", (chunk) => (this.received += chunk.toString()));
    this.socket.on("error", () => (this.ended = true));
    this.socket.on("close", () => (this.ended = true));
    this.socket.on("end", () => (this.ended = true));
  }

  send(text: string): this {
    this.socket.write(text);
    return this;
  }

  async gets(text: string): Promise<void> {
    await soon(() => this.received === text || this.ended);
    assert.equal(this.received, text);
  }

  async ends(): Promise<void> {
    await soon(() => this.ended);
    assert.equal(this.ended, true);
  }
}

async function soon(done: () => boolean): Promise<void> {
  for (let waited = 0; waited < 5_000 && !done(); waited += 10) await sleep(10);
}

describe("the proxy", () => {
  it("passes everything on, under the target's URL with a port of its own", async () => {
    assert.equal(proxy.url, `redis://user:pw@127.0.0.1:${proxy.port}/0`);
    const client = new Client().send("one\n");
    await client.gets("4 one\n");
    assert.deepEqual(proxy.bytes, { requests: 4, replies: 6 });
    assert.equal(proxy.connections, 1);
    client.socket.end();
    await client.ends();
    await soon(() => proxy.connections === 0);
    assert.equal(proxy.connections, 0);
  });

  it("passes a megabyte on, through sockets that fill up", async () => {
    const line = `${"x".repeat(1_000)}\n`;
    const client = new Client();
    client.socket.pause();
    client.send(line.repeat(1_000));
    await sleep(100);
    client.socket.resume();
    const expected = `1001 ${line}`.repeat(1_000);
    await soon(() => client.received.length >= expected.length);
    assert.ok(client.received === expected, `${client.received.length} bytes came`);
  });

  it("cut: ends every connection now, and serves new ones", async () => {
    const clients = [new Client().send("one\n"), new Client().send("one\n")];
    for (const client of clients) await client.gets("4 one\n");
    proxy.cut();
    for (const client of clients) await client.ends();
    await new Client().send("two\n").gets("4 two\n");
  });

  it("cutAfterBytes: in the middle of a reply, once", async () => {
    const client = new Client().send("one\n");
    await client.gets("4 one\n");
    proxy.cutAfterBytes(9, "replies");
    client.send("two\n");
    await client.gets("4 one\n4 two\n");
    client.send("three\n");
    await client.ends();
    assert.equal(client.received, "4 one\n4 two\n6 t");
    assert.equal(requests, "one\ntwo\nthree\n");
    assert.equal(proxy.cuts, 1);
    await new Client().send("four\n").gets("5 four\n");
  });

  it("cutAfterBytes(0): the request arrives, nothing of its reply does", async () => {
    proxy.cutAfterBytes(0, "replies");
    const client = new Client().send("one\n");
    await client.ends();
    assert.equal(client.received, "");
    assert.equal(requests, "one\n");
  });

  it("cutAfterBytes: in the middle of a request", async () => {
    proxy.cutAfterBytes(2, "requests");
    const client = new Client().send("one\n");
    await client.ends();
    await soon(() => requests !== "");
    assert.equal(requests, "on");
    assert.equal(client.received, "");
  });

  it("stall: accepts and holds everything back until resume", async () => {
    const old = new Client().send("one\n");
    await old.gets("4 one\n");
    proxy.stall();
    const young = new Client();
    await once(young.socket, "connect");
    old.send("two\n");
    young.send("three\n");
    await sleep(200);
    assert.equal(requests, "one\n");
    assert.deepEqual([old.ended, young.ended], [false, false]);
    await proxy.resume();
    await old.gets("4 one\n4 two\n");
    await young.gets("6 three\n");
  });

  it("dropReplies: requests arrive, replies do not, and such a connection never goes on", async () => {
    const clean = new Client().send("one\n");
    await clean.gets("4 one\n");
    proxy.dropReplies();
    const lossy = new Client().send("two\n");
    await soon(() => requests === "one\ntwo\n");
    await sleep(100);
    assert.equal(requests, "one\ntwo\n");
    assert.equal(lossy.received, "");
    await proxy.resume();
    await lossy.ends();
    await clean.send("three\n").gets("4 one\n6 three\n");
  });

  it("freeze: open connections fall silent for good, new ones are served", async () => {
    const old = new Client().send("one\n");
    await old.gets("4 one\n");
    proxy.freeze();
    old.send("two\n");
    await new Client().send("three\n").gets("6 three\n");
    await sleep(200);
    assert.deepEqual([old.received, old.ended, requests], ["4 one\n", false, "one\nthree\n"]);
    await proxy.resume();
    await old.ends();
  });

  it("refuse: new connections fail, open ones stay, and resume listens on the same port", async () => {
    const open = new Client().send("one\n");
    await open.gets("4 one\n");
    proxy.refuse();
    const refused = connect(proxy.port, proxy.host);
    const [error] = (await once(refused, "error")) as [NodeJS.ErrnoException];
    assert.equal(error.code, "ECONNREFUSED");
    await open.send("two\n").gets("4 one\n4 two\n");
    await proxy.resume();
    await new Client().send("three\n").gets("6 three\n");
  });

  it("a target that refuses ends the client's connection", async () => {
    const nobody = createServer().listen(0, "127.0.0.1");
    await once(nobody, "listening");
    const { port } = nobody.address() as AddressInfo;
    nobody.close();
    await once(nobody, "close");
    proxy.close();
    proxy = await startProxy({ host: "127.0.0.1", port });
    await new Client().send("one\n").ends();
  });
});
