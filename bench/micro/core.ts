// The parts of a request one by one: `node bench/micro/core.ts`, nanoseconds of CPU per call, the
// median of interleaved rounds. `--primitives` adds what they stand on.
import { createHash, hash, timingSafeEqual } from "node:crypto";
import { type Intent, noIntent, plan } from "../../src/commit.ts";
import { cookieWriter, findCookies } from "../../src/cookie.ts";
import { defaultCodec } from "../../src/codec.ts";
import { decodeRecord, encodeRecord } from "../../src/record.ts";
import { emptyState, type State } from "../../src/state.ts";
import { MemoryStore } from "../../src/stores/memory.ts";
import { digestOf, idOf, isToken, newCommitId, newToken, sameDigest } from "../../src/token.ts";
import { data, type Size } from "../cases.ts";
import { keep } from "../results.ts";
import { quantile, table } from "../statistics.ts";

const token = newToken();
const header = `theme=dark; _ga=GA1.1.1284.17639; __Host-Http-session=${token}; lang=de-AT`;
const writer = cookieWriter({
  name: "__Host-Http-session",
  path: "/",
  domain: undefined,
  httpOnly: true,
  secure: true,
  sameSite: "lax",
  partitioned: false,
});
const digest = (await digestOf("session", token)).slice();
const other = digest.slice();

function stateOf(size: Size): State {
  const entries = Object.entries(data(size)).map(
    ([key, value]) => [key, defaultCodec.encode(value).slice()] as const,
  );
  return { ...emptyState, entries: new Map(entries) };
}
const states = { small: stateOf("small"), large: stateOf("large") };
const records = {
  small: encodeRecord(states.small, newCommitId()),
  large: encodeRecord(states.large, newCommitId()),
};
const intent: Intent = {
  ...noIntent,
  operations: [{ kind: "set", key: "visits", bytes: defaultCodec.encode(1) }],
};
const situation = {
  exists: true,
  superseded: false,
  presented: true,
  hasData: true,
  now: Date.now(),
  deadlineIn: 1000,
  fixedDeadline: false,
  lifetime: 1000,
};
const visits = defaultCodec.encode(100_001).slice();
const store = new MemoryStore();
await store.create("k", { digest, data: records.small, lifetime: 9e6, idle: 9e5 });
await store.create("large", { digest, data: records.large, lifetime: 9e6, idle: 9e5 });

const parts: Record<string, () => unknown> = {
  "new token": newToken,
  "token: shape": () => isToken(token),
  "token: digest (SHA-256)": () => digestOf("session", token),
  "digest: compare in constant time": () => sameDigest(digest, other),
  "new commit id": newCommitId,
  "cookie: find one of four": () => findCookies(header, "__Host-Http-session"),
  "cookie: write": () => writer.set(token, 86_400),
  "codec: encode a counter": () => defaultCodec.encode(100_001),
  "codec: decode a counter": () => defaultCodec.decode(visits),
  "record: decode, 100 B": () => decodeRecord(records.small),
  "record: decode, 4 KB": () => decodeRecord(records.large),
  "record: encode, 100 B": () => encodeRecord(states.small, digest.subarray(0, 8)),
  "record: encode, 4 KB": () => encodeRecord(states.large, digest.subarray(0, 8)),
  "commit: plan a change": () => plan(intent, situation),
  "MemoryStore: load, 100 B": () => store.load("k"),
  "MemoryStore: load, 4 KB": () => store.load("large"),
};
const secret = `session\0${token.slice(24)}`;
const raw = Buffer.from(records.large);
const primitives: Record<string, () => unknown> = {
  "crypto.hash to a string": () => hash("sha256", secret, "base64url"),
  "crypto.hash to a Buffer": () => hash("sha256", secret, "buffer"),
  "crypto.createHash": () => createHash("sha256").update(secret).digest(),
  timingSafeEqual: () => timingSafeEqual(digest, other),
  idOf: () => idOf(token),
  "a promise, made and resolved": () => Promise.resolve(token),
  "performance.now": () => performance.now(),
  "Date.now": () => Date.now(),
  "copy of 4 KB": () => new Uint8Array(raw),
};
const all = process.argv.includes("--primitives") ? { ...parts, ...primitives } : parts;

let sink: unknown;
const entries = Object.entries(all);
const rounds = new Map<string, number[]>(entries.map(([name]) => [name, []]));
const calls = 10_000;
for (let round = 0; round < 41; round++) {
  for (const [name, run] of entries.toSorted(() => Math.random() - 0.5)) {
    const before = process.cpuUsage();
    for (let i = 0; i < calls; i++) sink = run();
    const { user, system } = process.cpuUsage(before);
    rounds.get(name)?.push(((user + system) * 1000) / calls);
  }
}
if (sink === rounds) throw new Error("unreachable: keeps the results alive");
const results = Object.fromEntries(
  entries.map(([name]) => [name, Math.round(quantile(rounds.get(name) ?? [], 0.5))]),
);
console.log(`ns of CPU per call, Node ${process.version}\n`);
console.log(table(Object.entries(results).map(([name, ns]) => [name, String(ns)])));
keep("core", { nanoseconds: results });
store.close();
