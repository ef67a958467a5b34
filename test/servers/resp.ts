// Just enough of the Redis protocol to form a cluster and to ask a Sentinel, without a client.
// https://redis.io/docs/latest/develop/reference/protocol-spec/ (RESP2)
import { connect } from "node:net";

export type Reply = string | number | null | readonly Reply[];

/** Sends one command on a connection of its own; throws on an error reply and after 10 s. */
export function command(port: number, ...words: readonly string[]): Promise<Reply> {
  const sent = words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`).join("");
  return new Promise((resolve, reject) => {
    const socket = connect(port, "127.0.0.1");
    let received = Buffer.alloc(0);
    const fail = (why: string): void => {
      socket.destroy();
      reject(new Error(`${words.join(" ")} on port ${port}: ${why}`));
    };
    socket.setTimeout(10_000, () => fail("no reply within 10 s"));
    socket.on("error", (error) => fail(error.message));
    socket.on("close", () => fail("connection closed"));
    socket.on("data", (chunk) => {
      received = Buffer.concat([received, chunk]);
      const read = parse(received, 0);
      if (read === undefined) return;
      if (read.value instanceof Error) return fail(read.value.message);
      resolve(read.value);
      socket.destroy();
    });
    socket.write(`*${words.length}\r\n${sent}`);
  });
}

interface Read<T> {
  readonly value: T;
  readonly next: number;
}

/** The reply that starts at `at`; undefined while it is incomplete. */
function parse(bytes: Buffer, at: number): Read<Reply | Error> | undefined {
  const lineEnd = bytes.indexOf("\r\n", at);
  if (lineEnd === -1) return undefined;
  const line = bytes.toString("utf8", at + 1, lineEnd);
  const next = lineEnd + 2;
  switch (String.fromCharCode(bytes[at] ?? 0)) {
    case "+":
      return { value: line, next };
    case "-":
      return { value: new Error(line), next };
    case ":":
      return { value: Number(line), next };
    case "$":
      return bulk(bytes, Number(line), next);
    case "*":
      return list(bytes, Number(line), next);
    default:
      return { value: new Error(`not RESP: ${line}`), next };
  }
}

function bulk(bytes: Buffer, length: number, at: number): Read<string | null> | undefined {
  if (length < 0) return { value: null, next: at };
  const end = at + length;
  return bytes.length < end + 2
    ? undefined
    : { value: bytes.toString("utf8", at, end), next: end + 2 };
}

function list(bytes: Buffer, length: number, at: number): Read<Reply | Error> | undefined {
  if (length < 0) return { value: null, next: at };
  const items: Reply[] = [];
  let next = at;
  for (let index = 0; index < length; index += 1) {
    const item = parse(bytes, next);
    if (item === undefined) return undefined;
    if (item.value instanceof Error) return item;
    items.push(item.value);
    next = item.next;
  }
  return { value: items, next };
}

/** Asks again every 50 ms until `done` holds; an error counts as "not yet". */
export async function until(
  what: string,
  done: () => Promise<boolean>,
  timeout: number = 60_000,
): Promise<void> {
  const giveUp = performance.now() + timeout;
  let last = "";
  for (;;) {
    try {
      if (await done()) return;
    } catch (error) {
      last = `: ${String(error)}`;
    }
    if (performance.now() > giveUp) throw new Error(`not within ${timeout} ms: ${what}${last}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** What a server is, as it says itself: "Redis 7.0.15", "Valkey 9.0.1". */
export async function releaseOf(port: number): Promise<string> {
  const info = String(await command(port, "INFO", "server"));
  // Valkey calls itself redis_version 7.2.4 too.
  const valkey = /^valkey_version:(\S+)/m.exec(info)?.[1];
  if (valkey !== undefined) return `Valkey ${valkey}`;
  return `Redis ${/^redis_version:(\S+)/m.exec(info)?.[1] ?? "of an unknown version"}`;
}
