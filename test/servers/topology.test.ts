// Redis with failover: both topologies form, fail over, and are gone afterwards.
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { describe, it } from "node:test";
import { startCluster } from "./cluster.ts";
import { command } from "./resp.ts";
import { startSentinel } from "./sentinel.ts";
import { isAlive, type Server } from "./server.ts";

async function stopped(servers: readonly Server[], stop: () => Promise<void>): Promise<void> {
  const pids = servers.map(({ pid }) => pid).filter((pid) => pid !== undefined);
  assert.ok(pids.length > 0);
  await stop();
  assert.deepEqual(pids.filter(isAlive), []);
  assert.deepEqual(
    servers.filter(({ folder }) => existsSync(folder)),
    [],
  );
}

if (process.env["SCS_FULL"] === undefined) {
  console.log("Sentinel and Cluster start in `npm run test:full`");
} else {
  describe("Redis Sentinel", () => {
    it("fails over, and takes the killed primary back", async () => {
      const group = await startSentinel();
      try {
        const first = (await group.primary())!;
        assert.equal(first, group.nodes[0]);
        await command(first.port, "SET", "key", "value");
        assert.equal(await command(first.port, "WAIT", "2", "8000"), 2);
        const next = await group.failOver();
        assert.notEqual(next, first);
        assert.equal(first.pid, undefined);
        assert.equal(await command(next.port, "GET", "key"), "value");
        assert.equal(await command(next.port, "SET", "key", "newer"), "OK");
        await first.restart();
        assert.equal(await group.primary(), next);
      } finally {
        await stopped([...group.nodes, ...group.sentinels], group.stop);
      }
    });
  });

  describe("Redis Cluster", () => {
    it("redirects, fails over, takes the killed primary back, and moves a slot", async () => {
      const group = await startCluster();
      try {
        // CRC16 of "key" is slot 12539, in the last third.
        const slot = Number(await command(group.port, "CLUSTER", "KEYSLOT", "key"));
        assert.equal(slot, 12_539);
        const first = await group.primary(slot);
        assert.equal(first, group.nodes[2]);
        await assert.rejects(command(group.port, "GET", "key"), /MOVED 12539 127\.0\.0\.1:/);
        await command(first.port, "SET", "key", "value");
        assert.equal(await command(first.port, "WAIT", "1", "8000"), 1);
        const next = await group.failOver(slot);
        assert.notEqual(next, first);
        assert.equal(await command(next.port, "GET", "key"), "value");
        assert.equal(await command(next.port, "SET", "key", "newer"), "OK");
        await first.restart();
        assert.equal(await group.primary(slot), next);

        const target = group.nodes[0]!;
        const move = await group.moveSlot(slot, target);
        const asked = new RegExp(`ASK 12539 127\\.0\\.0\\.1:${target.port}`);
        await assert.rejects(command(next.port, "GET", "key"), asked);
        await move.finish();
        const moved = new RegExp(`MOVED 12539 127\\.0\\.0\\.1:${target.port}`);
        await assert.rejects(command(next.port, "GET", "key"), moved);
        assert.equal(await command(target.port, "GET", "key"), "newer");
      } finally {
        await stopped(group.nodes, group.stop);
      }
    });
  });
}
