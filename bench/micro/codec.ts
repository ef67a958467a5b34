// What the default codec costs next to JSON: `node bench/micro/codec.ts`.
//
// Rounds are interleaved and in a new random order each time, so that drift of the machine falls on
// all; CPU time of this process, medians. `--devalue <path to its index.js>` adds devalue.
import { pathToFileURL } from "node:url";
import { defaultCodec } from "../../src/codec.ts";
import { freezeDeep } from "../../src/frozen.ts";

const item = (i: number) => ({
  sku: `SKU-${1000 + i * 37}`,
  name: i % 3 === 0 ? `Käsespätzle № ${i}` : `Stoneware mug, ${i} oz`,
  quantity: (i % 4) + 1,
  price: 4.95 + i * 3,
  gift: i % 5 === 0,
});
const user = {
  id: "u_8f14e45fceea167a",
  name: "Zoë Müller",
  email: "zoe.mueller@example.org",
  roles: ["customer", "reviewer"],
  locale: "de-AT",
  verified: true,
  lastSeen: 1763904935123,
  preferences: { theme: "dark", newsletter: false, pageSize: 25, coupon: null },
};
const cart = (length: number) => Array.from({ length }, (_, i) => item(i));
const payloads: Record<string, unknown> = {
  "100 B": { id: user.id, name: user.name, roles: ["customer"], since: 1763904935 },
  "1 KB": { user, cart: cart(8), note: "Please ring twice; the bell is shy." },
  "4 KB": {
    user,
    cart: cart(38),
    note: "Bitte zweimal läuten, die Klingel ist schüchtern. ".repeat(4),
  },
};
const small: Record<string, unknown> = { "a user id": "u_8f14e45fceea167a", "a counter": 42 };

type Side = Record<string, () => unknown>;
let sink: unknown;

/** Nanoseconds of CPU per call, the median of the rounds, for each side. */
function measure(sides: Side, rounds = 61): Record<string, number> {
  const entries = Object.entries(sides);
  const times = new Map<string, number[]>(entries.map(([name]) => [name, []]));
  const calibrate = performance.now();
  let calls = 0;
  while (performance.now() - calibrate < 150) {
    for (const [, run] of entries) sink = run();
    calls++;
  }
  const perRound = Math.max(20, Math.ceil((calls / 150) * 6));
  for (let round = 0; round < rounds; round++) {
    const order = entries
      .map((entry) => ({ entry, at: Math.random() }))
      .sort((a, b) => a.at - b.at);
    for (const {
      entry: [name, run],
    } of order) {
      const before = process.cpuUsage();
      for (let i = 0; i < perRound; i++) sink = run();
      const { user: ours, system } = process.cpuUsage(before);
      times.get(name)!.push(((ours + system) * 1000) / perRound);
    }
  }
  return Object.fromEntries(
    [...times].map(([name, list]) => [name, list.sort((a, b) => a - b)[rounds >> 1]!]),
  );
}

interface Devalue {
  stringify(value: unknown): string;
  parse(text: string): unknown;
}
const flag = process.argv.indexOf("--devalue");
const devalue =
  flag > 0
    ? ((await import(pathToFileURL(process.argv[flag + 1]!).href)) as unknown as Devalue)
    : undefined;

console.log(`Node ${process.version}; ns of CPU per call, and ours over the baseline\n`);
for (const [name, value] of Object.entries({ ...small, ...payloads })) {
  const text = JSON.stringify(value);
  const bytes = Buffer.from(text);
  const ours = defaultCodec.encode(value);
  const theirs = devalue?.stringify(value) ?? "";
  console.log(`${name}: ${bytes.length} bytes of JSON, ${ours.length} of ours`);
  const encoding: Side = {
    ours: () => defaultCodec.encode(value),
    "JSON.stringify": () => JSON.stringify(value),
    "Buffer.from(JSON.stringify)": () => Buffer.from(JSON.stringify(value)),
  };
  const decoding: Side = {
    ours: () => defaultCodec.decode(ours),
    "JSON.parse(string)": () => JSON.parse(text) as unknown,
    "JSON.parse(buffer.toString())": () => JSON.parse(bytes.toString()) as unknown,
  };
  if (devalue !== undefined) {
    encoding["devalue.stringify"] = () => devalue.stringify(value);
    decoding["devalue.parse"] = () => devalue.parse(theirs);
  }
  decoding["ours, and frozen"] = () => freezeDeep(defaultCodec.decode(ours)).value;
  for (const [title, sides] of [
    ["encode", encoding],
    ["decode", decoding],
  ] as const) {
    const result = measure(sides);
    for (const [side, time] of Object.entries(result)) {
      const ratio = side.startsWith("ours") ? "" : `  ${(result["ours"]! / time).toFixed(2)}`;
      console.log(`  ${title}  ${side.padEnd(30)} ${time.toFixed(0).padStart(7)}${ratio}`);
    }
  }
}
if (sink === measure) console.log("unreachable: keeps the results alive");
