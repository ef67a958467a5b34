// What Redis's server spends on one operation: `node test/servers/run.ts bench/micro/redis-server.ts`, us per
// operation, eight at a time, the median of seven rounds. The main thread's CPU, by INFO cpu; and of that the
// command alone, by INFO commandstats.
import { randomBytes } from "node:crypto";
import { type RedisClient, RedisStore } from "../../src/stores/redis.ts";
import { quantile, table } from "../statistics.ts";

interface Redis {
  sendCommand(args: readonly (string | Uint8Array)[]): Promise<unknown>;
  destroy(): void;
}
const { connect } = (await import(new URL("../engines.mjs", import.meta.url).href)) as {
  readonly connect: { redis(): Promise<Redis> };
};
const client = await connect.redis();
const store = new RedisStore(client as unknown as RedisClient);

const together = 8;
const rounds = 7;
const perRound = 2000;
const digest = new Uint8Array(randomBytes(32));
const idle = 1_200_000;

async function info(section: string): Promise<string> {
  return String(await client.sendCommand(["INFO", section]));
}

async function mainThread(): Promise<number> {
  const text = await info("cpu");
  const of = (name: string): number => Number(new RegExp(`^${name}:(.*)`, "m").exec(text)?.[1]);
  const seconds = of("used_cpu_user_main_thread") + of("used_cpu_sys_main_thread");
  return seconds * 1_000_000;
}

async function measure(
  what: string,
  command: "get" | "set" | "evalsha",
  run: (at: number) => unknown,
): Promise<string[]> {
  const all: number[] = [];
  const own: number[] = [];
  for (let round = 0; round <= rounds; round++) {
    await client.sendCommand(["CONFIG", "RESETSTAT"]);
    const before = await mainThread();
    for (let i = 0; i < perRound / together; i++) {
      await Promise.all(Array.from({ length: together }, (_, at) => run(at)));
    }
    if (round === 0) continue; // it loads the scripts
    all.push(((await mainThread()) - before) / perRound);
    const stats = new RegExp(`^cmdstat_${command}:calls=\\d+,usec=(\\d+)`, "m");
    own.push(Number(stats.exec(await info("commandstats"))?.[1]) / perRound);
  }
  return [what, quantile(all, 0.5).toFixed(1), quantile(own, 0.5).toFixed(1)];
}

async function knows(command: (at: number) => Promise<unknown>): Promise<boolean> {
  return command(0).then(
    () => true,
    () => false,
  );
}

const rows = [["", "main thread", "the command"]];
for (const size of [100, 4096]) {
  const data = new Uint8Array(randomBytes(size));
  const keys = Array.from({ length: together }, () => randomBytes(18).toString("base64url"));
  const versions = keys.map(() => 1);
  for (const key of keys) await store.create(key, { digest, data, lifetime: 36_000_000, idle });
  const update = async (at: number, moved?: number): Promise<void> => {
    const version = versions[at] ?? 0;
    versions[at] = version + 1;
    const change = { version, digest, data, idle: moved };
    if (!(await store.update(keys[at] ?? "", change)).done) throw new Error("not stored");
  };
  const value = Buffer.from(data);
  const ifEqual = (at: number) =>
    client.sendCommand(["SET", `raw:${at}`, value, "IFEQ", value, "KEEPTTL"]);
  const label = size === 100 ? "100 B" : "4 KB";
  rows.push(
    await measure(`SET with EX, ${label}`, "set", (at) =>
      client.sendCommand(["SET", `raw:${at}`, value, "EX", "3600"]),
    ),
    // What a change without a script could cost where the server has it: Valkey 8.1, Redis 8.4.
    (await knows(ifEqual)) ? await measure(`SET with IFEQ, ${label}`, "set", ifEqual) : [],
    await measure(`GET, ${label}`, "get", (at) => client.sendCommand(["GET", `raw:${at}`])),
    await measure(`load, ${label}`, "get", (at) => store.load(keys[at] ?? "")),
    await measure(`create, ${label}`, "evalsha", () => {
      const key = randomBytes(18).toString("base64url");
      return store.create(key, { digest, data, lifetime: 36_000_000, idle });
    }),
    await measure(`update, ${label}`, "evalsha", (at) => update(at)),
    await measure(`update that moves the idle expiry, ${label}`, "evalsha", (at) =>
      update(at, idle),
    ),
  );
}
console.log(table(rows.filter((row) => row.length > 0)));
client.destroy();
