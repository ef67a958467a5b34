// The ACL lines of docs/stores/redis.md: enough for everything, and nothing more than is needed.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { type RedisClient, RedisStore } from "../../src/stores/redis.ts";
import { startCluster } from "../servers/cluster.ts";
import { startRedis } from "../servers/redis.ts";
import { command } from "../servers/resp.ts";
import { clustered, type Connected, guarded, standalone } from "./redis-drivers/clients.ts";
import { startSentinel } from "../servers/sentinel.ts";

const full = process.env["SCS_FULL"] === "1";
const page = readFileSync(new URL("../../docs/stores/redis.md", import.meta.url), "utf8");
const user = { username: "app", password: "password" };
const digest = new Uint8Array(32).fill(1);
const other = new Uint8Array(32).fill(2);
const made = { digest, data: digest, lifetime: 60_000, idle: 30_000 };

/** The commands, as `+name`, that the page gives behind this text. */
function documented(behind: string): string[] {
  const at = page.indexOf(behind);
  assert.ok(at >= 0, `docs/stores/redis.md has "${behind}"`);
  const [list = ""] = page.slice(at + behind.length).match(/^(\s*\+[a-z|]+)+/) ?? [];
  const commands = list.split(/\s+/).filter(Boolean);
  assert.ok(commands.length > 0);
  return commands;
}

const line = documented("ACL SETUSER app on >password ~scs:*");
const inCluster = documented("and on a cluster, `");

async function allow(ports: readonly number[], commands: readonly string[]): Promise<void> {
  const rules = ["reset", "on", `>${user.password}`, "~scs:*", ...commands];
  for (const port of ports) await command(port, "ACL", "SETUSER", user.username, ...rules);
}

/** All that a store and its manager ever ask, scripts sent in full and by their hash. */
async function everything(client: RedisClient, name: string, port?: number): Promise<void> {
  const prefix = `scs:${name}`;
  if (port !== undefined) await command(port, "SCRIPT", "FLUSH");
  for (let round = 0; round < 2; round++) {
    const store = new RedisStore(client, { prefix });
    await store.check();
    assert.equal(await store.create("a", made), true);
    // Another store does not know the server's time yet.
    assert.ok(await new RedisStore(client, { prefix }).load("a"));
    const change = { version: 1, digest, data: other };
    assert.equal((await store.update("a", change)).done, true);
    assert.equal((await store.update("a", change)).done, false);
    assert.equal(await store.touch("a", digest, 50_000), true);
    let listed = 0;
    for await (const { key } of store.iterate("")) listed += key === "a" ? 1 : 0;
    assert.equal(listed, 1);
    const waiting = new RedisStore(client, { prefix, waitForReplicas: { count: 1, timeout: 1 } });
    // There may be no replica to wait for; being allowed to wait is what is tested.
    const tolerant = (error: unknown): void => {
      if (!/replicas confirmed/.test(String(error))) throw error;
    };
    const renewal = { version: 2, digest, data: other, newDigest: other };
    await waiting.update("a", renewal).then(() => {}, tolerant);
    await waiting.destroy("a").catch(tolerant);
  }
}

/**
 * What the user was refused, by the server's log. But for what clients try and do without: telling
 * their name, and (ioredis, on a cluster) reading from a replica that is never asked.
 */
async function refused(port: number): Promise<string[]> {
  const log = await command(port, "ACL", "LOG");
  const entries = Array.isArray(log) ? log.map((entry) => JSON.stringify(entry)) : [];
  return entries.filter((entry) => !/"object","(client\||readonly)/.test(entry));
}

describe("Redis: a user of least privilege", () => {
  it("the documented line is enough for every client", async (t) => {
    const server = await startRedis({ own: true });
    t.after(() => server.stop());
    const { host, port } = server;
    await allow([port], line);
    for (const [name, connect] of Object.entries(standalone)) {
      const { client, end } = await connect({ host, port, ...user });
      t.after(end);
      await everything(client, name, port);
    }
    assert.deepEqual(await refused(port), []);
  });

  it("and holds no command without use; nothing else is allowed", async (t) => {
    const server = await startRedis({ own: true });
    t.after(() => server.stop());
    const { host, port } = server;
    // The page says whom these two are for, and what is done without the third (below).
    const unused = ["+ping", "+info", "+pexpiretime"];
    for (const left of line.filter((each) => !unused.includes(each))) {
      const rest = line.filter((each) => each !== left);
      await allow([port], rest);
      const { client, end } = await (standalone["redis"] ?? assert.fail())({ host, port, ...user });
      t.after(end);
      await assert.rejects(everything(client, left, port), /NOPERM|can't run|no permissions/, left);
    }
    await allow([port], line);
    const { client, end } = await (standalone["redis"] ?? assert.fail())({ host, port, ...user });
    t.after(end);
    const raw = client as { sendCommand(args: readonly string[]): Promise<unknown> };
    await command(port, "SET", "other", "secret");
    for (const words of [
      ["GET", "other"],
      ["SET", "other", "1"],
      ["DEL", "other"],
      ["EVAL", "return redis.call('GET', KEYS[1])", "1", "other"],
      ["KEYS", "*"],
      ["FLUSHALL"],
      ["CONFIG", "GET", "*"],
      ["ACL", "LIST"],
      ["SHUTDOWN"],
      ["CLUSTER", "NODES"],
    ]) {
      await assert.rejects(raw.sendCommand(words), /NOPERM|No permissions/, words.join(" "));
    }
  });

  it("without PEXPIRETIME, as on Redis 6.2, changes go by the clock", async (t) => {
    const server = await startRedis({ own: true });
    t.after(() => server.stop());
    const { host, port } = server;
    await allow(
      [port],
      line.filter((each) => each !== "+pexpiretime"),
    );
    for (const [name, connect] of Object.entries(standalone)) {
      const { client, end } = await connect({ host, port, ...user });
      t.after(end);
      await everything(client, name, port);
    }
    const log = await refused(port);
    assert.ok(log.length > 0 && log.every((entry) => entry.includes('"object","pexpiretime"')));
  });

  if (!full) {
    console.log("the ACL lines on Redis Cluster and Sentinel: run with SCS_FULL=1");
    return;
  }

  it("the documented lines are enough on a cluster, also while slots move", async (t) => {
    const cluster = await startCluster();
    t.after(() => cluster.stop());
    const { host, port } = cluster;
    const ports = cluster.nodes.map((node) => node.port);
    await allow(ports, [...line, ...inCluster]);
    const connected = new Map<string, Connected>();
    for (const [name, connect] of Object.entries(clustered)) {
      const made = await connect({ host, port, ...user });
      t.after(made.end);
      connected.set(name, made);
      await everything(made.client, name);
    }
    const slot = Number(await command(port, "CLUSTER", "KEYSLOT", "{moves}"));
    const from = await cluster.primary(slot);
    const primaries = await Promise.all([0, 6000, 12_000].map((each) => cluster.primary(each)));
    const to = primaries.find((each) => each.port !== from.port) ?? assert.fail();
    const { finish } = await cluster.moveSlot(slot, to);
    for (const [name, { client }] of connected) await everything(client, `{moves}${name}`);
    await finish();
    for (const [name, { client }] of connected) await everything(client, `{moves}${name}`);
    for (const each of ports) assert.deepEqual(await refused(each), []);
  });

  it("the documented line is enough behind Sentinels", async (t) => {
    const servers = await startSentinel();
    t.after(() => servers.stop());
    const ports = servers.nodes.map((node) => node.port);
    await allow(ports, line);
    for (const [name, connect] of Object.entries(guarded)) {
      const { client, end } = await connect(servers.sentinels, servers.name, user);
      t.after(end);
      await everything(client, name);
    }
    for (const each of ports) assert.deepEqual(await refused(each), []);
  });
});
