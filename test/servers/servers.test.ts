// The private servers themselves: each starts, answers, comes back after a kill, and is gone once
// stopped. Without clients: a server's first bytes are enough.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { connect } from "node:net";
import { after, before, describe, it } from "node:test";
import { startMariaDB } from "./mariadb.ts";
import { startPostgres } from "./postgres.ts";
import { startRedis } from "./redis.ts";
import { command } from "./resp.ts";
import { isAlive, type Server } from "./server.ts";

const own = { own: true } as const;

/** The first bytes that a server sends, after `request` if there is one. */
async function firstBytes(server: Server, request?: Buffer | string): Promise<Buffer> {
  const socket = connect(server.port, server.host);
  try {
    if (request !== undefined) socket.write(request);
    const [chunk] = (await once(socket, "data", { signal: AbortSignal.timeout(20_000) })) as [
      Buffer,
    ];
    return chunk;
  } finally {
    socket.destroy();
  }
}

const greets: Readonly<Record<string, (server: Server) => Promise<void>>> = {
  postgres: async (server) => {
    // SSLRequest: length 8, code 80877103; the answer is one byte, S or N (protocol 3.0, 55.7).
    const request = Buffer.from([0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f]);
    assert.match((await firstBytes(server, request)).toString("latin1"), /^[SN]$/);
  },
  mariadb: async (server) => {
    // Initial handshake packet: three bytes of length, sequence 0, protocol 10, the version.
    const packet = await firstBytes(server);
    assert.deepEqual([packet[3], packet[4]], [0, 10]);
    assert.match(packet.toString("latin1", 5, 40), /MariaDB/);
  },
  redis: async (server) => {
    assert.equal((await firstBytes(server, "PING\r\n")).toString(), "+PONG\r\n");
  },
};

describe("a private server of each kind", () => {
  let servers: Server[] = [];
  before(async () => {
    const starts = [startPostgres(own), startMariaDB(own), startRedis(own)];
    servers = await Promise.all(starts);
  });
  after(() => Promise.all(servers.map((server) => server.stop())));

  for (const [index, [name, greet]] of Object.entries(greets).entries()) {
    it(`${name} answers, before and after a crash and a restart, on one port`, async () => {
      const server = servers[index]!;
      const first = server.pid!;
      await greet(server);
      await server.kill();
      assert.equal(server.pid, undefined);
      assert.equal(isAlive(first), false);
      await assert.rejects(firstBytes(server), { code: "ECONNREFUSED" });
      await server.restart();
      await greet(server);
      const second = server.pid!;
      await server.restart();
      await greet(server);
      assert.equal(new Set([first, second, server.pid]).size, 3);
    });

    it(`${name} listens on 127.0.0.1 only, and its folder is private`, async () => {
      const server = servers[index]!;
      // Linux answers on all of 127.0.0.0/8; other systems on 127.0.0.1 only.
      const other = process.platform === "linux" ? "127.0.0.2" : "::1";
      const elsewhere = connect(server.port, other);
      const [error] = (await once(elsewhere, "error")) as [NodeJS.ErrnoException];
      assert.equal(error.code, "ECONNREFUSED");
      assert.equal(statSync(server.folder).mode & 0o777, 0o700);
    });

    it(`${name} leaves no process and no folder when stopped`, async () => {
      const server = servers[index]!;
      const { folder } = server;
      const pid = server.pid!;
      assert.ok(existsSync(folder));
      await server.stop();
      assert.equal(isAlive(pid), false);
      assert.equal(existsSync(folder), false);
      await assert.rejects(firstBytes(server), { code: "ECONNREFUSED" });
    });
  }
});

it("PostgreSQL that was killed and stopped leaves no shared memory segment", async () => {
  const server = await startPostgres(own);
  const lock = readFileSync(join(server.folder, "data", "postmaster.pid"), "utf8");
  const [, segment = ""] = (lock.split("\n")[6] ?? "").trim().split(/\s+/);
  const { stdout: running } = await promisify(execFile)("ipcs", ["-m"]);
  assert.match(running, new RegExp(`^\\S+ +${segment} `, "m"));
  await server.kill();
  await server.stop();
  const { stdout: stopped } = await promisify(execFile)("ipcs", ["-m"]);
  assert.doesNotMatch(stopped, new RegExp(`^\\S+ +${segment} `, "m"));
});

describe("what a Redis keeps", () => {
  for (const appendonly of [true, false]) {
    it(`${appendonly ? "everything" : "nothing"} after SIGKILL, appendonly ${appendonly}`, async () => {
      const server = await startRedis({ ...own, appendonly });
      try {
        assert.equal(await command(server.port, "SET", "key", "väl\r\nue"), "OK");
        await server.kill();
        await server.restart();
        assert.equal(await command(server.port, "GET", "key"), appendonly ? "väl\r\nue" : null);
      } finally {
        await server.stop();
      }
    });
  }
});

describe("where a server comes from", () => {
  const withVariable = async (name: string, value: string, run: () => Promise<void>) => {
    const old = process.env[name];
    process.env[name] = value;
    try {
      await run();
    } finally {
      if (old === undefined) delete process.env[name];
      else process.env[name] = old;
    }
  };

  it("one that the environment names is used as it is and not touched", async () => {
    await withVariable("SCS_TEST_POSTGRES", "postgres://me@db.example/app", async () => {
      const server = await startPostgres();
      assert.deepEqual([server.host, server.port, server.pid], ["db.example", 5432, undefined]);
      assert.equal(server.url, "postgres://me@db.example/app");
      await assert.rejects(server.kill(), /SCS_TEST_POSTGRES was not started by these tests/);
      await assert.rejects(server.restart(), /SCS_TEST_POSTGRES was not started by these tests/);
      await server.stop();
    });
  });

  it("a named folder without the programs fails with one line that says what to do", async () => {
    await withVariable("SCS_REDIS_BIN", import.meta.dirname, async () => {
      await assert.rejects(startRedis(own), (error: Error) => {
        assert.match(error.message, /^no redis-server in SCS_REDIS_BIN=.*SCS_TEST_REDIS[^\n]*$/);
        return true;
      });
    });
  });
});
