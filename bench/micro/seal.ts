// Sessions sealed into a cookie: `node bench/micro/seal.ts`, after `npm run bench` has installed the peers
// (or `npm ci --prefix bench`). Each line is the median of seven rounds, microseconds of CPU per call
// (all threads of the process, so that WebCrypto's count too) and of time by the clock, one call at a time.
//
//   seal   a session with these data to the cookie's value
//   open   the cookie's value to the session, and all of its data read
//
// `scs-session` is the whole way: SessionManager, codec, plan, Set-Cookie. The lines below it are parts of
// it: the engine alone, and XAES-256-GCM of as many bytes by node:crypto, by WebCrypto, and beside it
// XChaCha20-Poly1305 of @noble/ciphers, which was the alternative (docs/decisions/0014-cookie-seal.md).
import { createRequire } from "node:module";
import { SessionManager } from "../../src/manager.ts";
import type { Jar, SealedRecord } from "../../src/sealed.ts";
import { CookieStore } from "../../src/stores/cookie.ts";
import { DerivedKeys } from "../../src/stores/cookie-derived.ts";
import { toText } from "../../src/stores/cookie-text.ts";
import { web } from "../../src/stores/cookie-webcrypto.ts";
import { native } from "../../src/stores/cookie-xaes.ts";

/** The peers have no types here: they are installed in bench/ only. */
async function peer(name: string): Promise<never> {
  return (await import(createRequire(new URL("../", import.meta.url)).resolve(name))) as never;
}

interface Data {
  userId: number;
  name: string;
  cart: { sku: string; quantity: number; note: string }[];
}

const small: Data = {
  userId: 4711,
  name: "Ada Lovelace",
  cart: [{ sku: "A-1", quantity: 2, note: "gift" }],
};
const large: Data = {
  ...small,
  cart: Array.from({ length: 44 }, (_, i) => ({
    sku: `SKU-${1000 + i}`,
    quantity: i,
    note: "some words about it",
  })),
};
const sizes = { small, large };
const password = "kfH3-9sLw2_mQx7Zt5Vb8Nc1Rj4Gd6Ya0Pu";
const key = crypto.getRandomValues(new Uint8Array(32));

interface Case {
  seal(): unknown;
  open(): unknown;
  check(): Promise<void>;
}

async function measure(calls: number, run: () => unknown): Promise<[cpu: number, wall: number]> {
  const rounds: [number, number][] = [];
  for (let round = 0; round < 7; round++) {
    const [cpu, start] = [process.cpuUsage(), performance.now()];
    for (let call = 0; call < calls; call++) await run();
    const { user, system } = process.cpuUsage(cpu);
    rounds.push([(user + system) / calls, ((performance.now() - start) * 1000) / calls]);
  }
  const median = (of: (round: [number, number]) => number): number =>
    rounds.map(of).sort((a, b) => a - b)[3] ?? 0;
  return [median(([cpu]) => cpu), median(([, wall]) => wall)];
}

function same(name: string, found: unknown, expected: unknown): void {
  if (JSON.stringify(found) === JSON.stringify(expected)) return;
  throw new Error(`${name} gives back ${JSON.stringify(found)} for ${JSON.stringify(expected)}`);
}

/** SessionManager on CookieStore. */
async function ours(data: Data): Promise<Case> {
  const store = new CookieStore({ keys: [{ id: "k1", key }], revocations: false });
  const sessions = new SessionManager<Data>({ store });
  const seal = async (): Promise<string> => {
    const session = await sessions.loadToken(undefined);
    session.set("userId", data.userId);
    session.set("name", data.name);
    session.set("cart", data.cart);
    await session.commit();
    return session.token ?? "";
  };
  const cookie = await seal();
  const open = async (): Promise<unknown> => {
    const session = await sessions.loadCookie(cookie);
    return { userId: session.get("userId"), name: session.get("name"), cart: session.get("cart") };
  };
  return { seal, open, check: async () => same("scs-session", await open(), data) };
}

/** The engine alone, on as many bytes. */
async function engine(bytes: Uint8Array): Promise<Case> {
  const store = new CookieStore({ keys: [{ id: "k1", key }], revocations: false });
  const jar: Jar = store.bind("__Host-Http-session", "__Host-Http-session", () => {});
  const none = (): readonly string[] => [];
  const request = { id: "A".repeat(24), data: bytes, from: undefined, lifetime: 1e9, idle: 1e8 };
  const value = (await jar.seal(request, none))?.cookies[0]?.value;
  return {
    seal: () => jar.seal(request, none),
    open: () => jar.open(value, none),
    check: async () => {
      const opened = (await jar.open(value, none)) as { readonly record: SealedRecord };
      same("the engine", [...(opened.record.content as Uint8Array)], [...bytes]);
    },
  };
}

async function ironSession(data: Data): Promise<Case> {
  const {
    sealData,
    unsealData,
  }: Record<"sealData" | "unsealData", (what: unknown, how: object) => Promise<unknown>> =
    await peer("iron-session");
  const sealed = await sealData(data, { password });
  const open = (): Promise<unknown> => unsealData(sealed, { password });
  return {
    seal: () => sealData(data, { password }),
    open,
    check: async () => same("iron-session", await open(), data),
  };
}

async function h3(data: Data): Promise<Case> {
  type Sealed = (event: object, config: object, sealed?: unknown) => Promise<unknown>;
  const { sealSession, unsealSession }: Record<"sealSession" | "unsealSession", Sealed> =
    await peer("h3");
  const config = { password, name: "h3" };
  const event = { context: { sessions: { h3: { id: "id", createdAt: Date.now(), data } } } };
  const sealed = await sealSession(event, config);
  const open = async (): Promise<unknown> =>
    ((await unsealSession(event, config, sealed)) as { readonly data: unknown }).data;
  return {
    seal: () => sealSession(event, config),
    open,
    check: async () => same("h3", await open(), data),
  };
}

async function secureSession(data: Data): Promise<Case> {
  interface Fastify {
    register(plugin: unknown, options: object): void;
    ready(): Promise<void>;
    createSecureSession(data: object): { data(): unknown };
    encodeSecureSession(session: object): string;
    decodeSecureSession(cookie: string): { data(): unknown };
  }
  const { default: fastify }: { readonly default: () => Fastify } = await peer("fastify");
  const { default: plugin }: { readonly default: unknown } = await peer("@fastify/secure-session");
  const app = fastify();
  app.register(plugin, { key: Buffer.from(key) });
  await app.ready();
  const seal = (): string => app.encodeSecureSession(app.createSecureSession({ ...data }));
  const sealed = seal();
  const open = (): unknown => app.decodeSecureSession(sealed).data();
  return {
    seal,
    open,
    check: async () =>
      same("@fastify/secure-session", { ...(open() as object), __ts: undefined }, data),
  };
}

async function cipher(kind: "node:crypto" | "WebCrypto", bytes: Uint8Array): Promise<Case> {
  const one = new DerivedKeys((kind === "WebCrypto" ? web : (native ?? web)).key(key));
  const about = new Uint8Array(80);
  const seal = (): Uint8Array | Promise<Uint8Array> => {
    const message = new Uint8Array(24 + bytes.length + 16);
    message.set(bytes, 24);
    const sealing = one.seal(message, about);
    return sealing instanceof Promise ? sealing.then(() => message) : message;
  };
  const sealed = await seal();
  const text = toText(sealed.subarray(0, 12));
  return {
    seal,
    open: () => one.open(text, sealed, about),
    check: async () => same(kind, [...((await one.open(text, sealed, about)) ?? [])], [...bytes]),
  };
}

async function noble(bytes: Uint8Array): Promise<Case> {
  interface Cipher {
    encrypt(bytes: Uint8Array): Uint8Array;
    decrypt(bytes: Uint8Array): Uint8Array;
  }
  const {
    xchacha20poly1305,
  }: { xchacha20poly1305(key: Uint8Array, nonce: Uint8Array, about: Uint8Array): Cipher } =
    await peer("@noble/ciphers/chacha.js");
  const about = new Uint8Array(80);
  const nonce = (): Uint8Array => crypto.getRandomValues(new Uint8Array(24));
  const first = nonce();
  const sealed = xchacha20poly1305(key, first, about).encrypt(bytes);
  return {
    seal: () => xchacha20poly1305(key, nonce(), about).encrypt(bytes),
    open: () => xchacha20poly1305(key, first, about).decrypt(sealed),
    check: async () =>
      same("@noble/ciphers", [...xchacha20poly1305(key, first, about).decrypt(sealed)], [...bytes]),
  };
}

console.log(`Node ${process.version}, ${process.arch}; microseconds per call: CPU (by the clock)`);
for (const [name, data] of Object.entries(sizes)) {
  const json = JSON.stringify(data).length;
  const bytes = crypto.getRandomValues(new Uint8Array(json));
  console.log(
    `\n${name}: ${json} bytes of JSON`.padEnd(44),
    "seal".padStart(18),
    "open".padStart(18),
  );
  const cases: Record<string, Case> = {
    "scs-session": await ours(data),
    "@fastify/secure-session": await secureSession(data),
    "iron-session": await ironSession(data),
    h3: await h3(data),
    "  the engine alone": await engine(bytes),
    "  XAES-256-GCM, node:crypto": await cipher("node:crypto", bytes),
    "  XAES-256-GCM, WebCrypto": await cipher("WebCrypto", bytes),
    "  XChaCha20-Poly1305, @noble/ciphers": await noble(bytes),
  };
  for (const [label, one] of Object.entries(cases)) {
    await one.check();
    const cells: string[] = [];
    for (const run of [one.seal, one.open]) {
      const [, slow] = await measure(50, run);
      const calls = Math.max(10, Math.min(2000, Math.round(100_000 / slow)));
      await measure(calls, run); // until it is compiled
      const [cpu, wall] = await measure(calls, run);
      cells.push(`${cpu.toFixed(1)} (${wall.toFixed(1)})`.padStart(18));
    }
    console.log(label.padEnd(43), ...cells);
  }
}
