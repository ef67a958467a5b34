// The figures behind three choices in src/: `node bench/micro/primitives.ts`, nanoseconds of CPU per call.
//   slot.ts      a private field on an object of somebody else, against a WeakMap
//   record.ts    the checksum's share: decoding a record with one value of 4 KB, beside CRC-32 by table
//   timeouts.ts  a timer for each operation, against an operation of the memory engine
import { decodeRecord, encodeRecord } from "../../src/record.ts";
import { emptyState } from "../../src/state.ts";
import { slot } from "../../src/slot.ts";
import { MemoryStore } from "../../src/stores/memory.ts";

async function measure(name: string, calls: number, run: () => unknown): Promise<void> {
  const rounds: number[] = [];
  for (let round = 0; round < 7; round++) {
    const before = process.cpuUsage();
    for (let call = 0; call < calls; call++) await run();
    const { user, system } = process.cpuUsage(before);
    rounds.push(((user + system) * 1000) / calls);
  }
  rounds.sort((a, b) => a - b);
  console.log(name.padEnd(52), (rounds[3] ?? 0).toFixed(0).padStart(7));
}

/** Many at once, so that awaiting costs nothing. */
const batch = 1000;
const many = (work: () => void) => (): void => {
  for (let i = 0; i < batch; i++) work();
};

class Request {
  headers = {};
  url = "/";
}
const stamped = slot<object>();
const mapped = new WeakMap<object, object>();
let sink: unknown;

console.log(`Node ${process.version}; each line marked x1000 is for ${batch} calls`);
await measure(
  "x1000 slot: set and get, value refers to key",
  200,
  many(() => {
    const request = new Request();
    stamped.set(request, { request });
    sink = stamped.get(request);
  }),
);
await measure(
  "x1000 WeakMap: set and get, value refers to key",
  200,
  many(() => {
    const request = new Request();
    mapped.set(request, { request });
    sink = mapped.get(request);
  }),
);

for (const length of [64, 128]) {
  await measure(
    `x1000 new Uint8Array(${length})`,
    20,
    many(() => {
      sink = new Uint8Array(length);
    }),
  );
}
const slab = new Uint8Array(64 * 1024);
await measure(
  "x1000 a view of 128 bytes of a slab",
  20,
  many(() => {
    sink = slab.subarray(128, 256);
  }),
);

const value = new Uint8Array(4096).map((_, i) => i);
const record = encodeRecord({ ...emptyState, entries: new Map([["a", value]]) }, value.slice(0, 8));
const table = Uint32Array.from({ length: 256 }, (_, i) => {
  let crc = i;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
  return crc >>> 0;
});
await measure(
  "x1000 decodeRecord, 4 KB (XXH32 included)",
  20,
  many(() => {
    sink = decodeRecord(record);
  }),
);
await measure(
  "x1000 CRC-32 by table, 4 KB",
  20,
  many(() => {
    let crc = -1;
    for (const byte of record) crc = (crc >>> 8) ^ (table[(crc ^ byte) & 255] ?? 0);
    sink = crc;
  }),
);

await measure(
  "x1000 setTimeout and clearTimeout",
  100,
  many(() => {
    clearTimeout(setTimeout(() => {}, 2000));
  }),
);
const store = new MemoryStore();
await store.create("k", {
  digest: value.slice(0, 32),
  data: value.slice(0, 100),
  lifetime: 9e6,
  idle: 9e5,
});
await measure(
  "x1000 MemoryStore.load, 100 B",
  100,
  many(() => {
    sink = store.load("k");
  }),
);
if (sink === undefined) throw new Error("nothing was measured");
store.close();
