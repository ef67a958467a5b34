/**
 * The calls that a handler makes on its response while the commit is under way, and a response that
 * looks as it does after sending.
 */
/// <reference types="node" preserve="true" />
import type { ServerResponse } from "node:http";
import { slot } from "../slot.ts";
import { rehearse, type Response, type StatusLine, streamOf } from "./node-headers.ts";

/** The methods through which a head can leave. */
export type Method = "writeHead" | "writeHeader" | "write" | "end" | "flushHeaders";

/** Any of them; they are called with the response as `this`. */
export type Call = (this: unknown, ...args: unknown[]) => unknown;

export type Methods = Readonly<Record<Method, Call>>;

/** What a response did before something was laid over it. */
export interface Below {
  pass(method: Method, args: readonly unknown[]): unknown;
}

/** The queue of a response, while it has one. */
const queues = slot<Queue>();

const states = [
  "writableLength",
  "writableNeedDrain",
  "writableFinished",
  "finished",
  "writableEnded",
] as const;

type State = (typeof states)[number];

/** What a class does not let one replace (Bun's): a queued response gets accessors of its own. */
const fixed = new Set<State>();

/**
 * Prepares a class of responses, so that a queued one looks sent. On the class, once: accessors defined
 * on each response give each a shape of its own in V8, and made a change the dearer (bench).
 */
export function prepareQueue(owner: object): void {
  for (const name of states) {
    const found = descriptorOf(owner, name);
    // HTTP/1 keeps `finished` in each response.
    if (found?.get === undefined && name !== "writableNeedDrain") continue;
    if (Object.getOwnPropertyDescriptor(owner, name)?.configurable === false) fixed.add(name);
    else lookSent(owner, name, found);
  }
  const flush: unknown = Reflect.get(owner, "_flush");
  if (typeof flush !== "function") return;
  // A pipelined response gets its socket while it is queued: Node must not take it for complete.
  const replacement = function (this: Response): void {
    const queue = queues.get(this);
    if (queue === undefined) {
      Reflect.apply(flush, this, []);
      return;
    }
    this.finished = false;
    Reflect.apply(flush, this, []);
    this.finished = queue.ended;
  };
  Object.defineProperty(owner, "_flush", {
    configurable: true,
    writable: true,
    value: replacement,
  });
}

function lookSent(owner: object, name: State, found: PropertyDescriptor | undefined): void {
  const get = found?.get;
  Object.defineProperty(owner, name, {
    configurable: true,
    enumerable: found?.enumerable ?? false,
    get(this: object): unknown {
      const queue = queues.get(this);
      return queue === undefined
        ? get?.call(this)
        : queue.state(name, () => get?.call(this) as unknown);
    },
    ...(found?.set && { set: found.set }),
  });
}

function descriptorOf(from: object, name: string): PropertyDescriptor | undefined {
  for (let at: object | null = from; at !== null; at = Object.getPrototypeOf(at) as object | null) {
    const found = Object.getOwnPropertyDescriptor(at, name);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** A call that Node takes whatever the server's options: the queue is not needed to judge it. */
export function isSimple(
  req: object,
  res: Response,
  method: Method,
  args: readonly unknown[],
): boolean {
  if (isStrict(req, res)) return false;
  if (method !== "end" && method !== "write") return true;
  const chunk = args[0];
  const encoding = args[1];
  if (typeof chunk === "string") return encoding === undefined || typeof encoding === "function";
  if (chunk instanceof Uint8Array) return true;
  return method === "end" && (chunk === undefined || typeof chunk === "function");
}

interface Queued {
  readonly method: Method;
  readonly args: readonly unknown[];
}

export class Queue {
  readonly #res: Response;
  readonly #line: StatusLine;
  readonly #calls: Queued[] = [];
  /** Node judges each call at once where the server's options make it strict about bodies. */
  readonly #rehearsal: ServerResponse | undefined;
  #bytes = 0;
  #needDrain = false;
  ended = false;

  constructor(req: object, res: Response, line: StatusLine) {
    this.#res = res;
    this.#line = line;
    this.#rehearsal = strictRehearsal(req, res, line);
    this.#freeze();
  }

  /** Records a call of a method other than `writeHead`, with the same throws and result as Node. */
  add(method: Method, args: readonly unknown[]): unknown {
    if (method === "write") return this.#write(args);
    if (method === "end") this.#end(args);
    else if (method === "flushHeaders") this.#rehearsal?.flushHeaders();
    else this.#rehearsal?.writeHead(this.#line.status);
    this.#calls.push({ method, args });
    return method === "flushHeaders" ? undefined : this.#res;
  }

  #write(args: readonly unknown[]): boolean {
    const [chunk, encoding] = args;
    const size = sizeOf(chunk, encoding);
    if (!this.ended) {
      this.#rehearsal?.write(chunk, encoding as BufferEncoding);
      this.#bytes += size;
    }
    this.#calls.push({ method: "write", args });
    if (this.ended) return false;
    const room = this.#res.writableLength < this.#res.writableHighWaterMark;
    if (!room) this.#needDrain = true;
    return room;
  }

  #end(args: readonly unknown[]): void {
    const [chunk, encoding] = args;
    const given = typeof chunk !== "function" && chunk !== undefined && chunk !== null;
    // Over HTTP/1, end(0) and end("") are an end without a chunk.
    const hasChunk = given && (streamOf(this.#res) !== undefined || Boolean(chunk));
    const size = hasChunk ? sizeOf(chunk, encoding) : 0;
    if (this.ended) return;
    this.#rehearsal?.end(...((hasChunk ? [chunk, encoding] : []) as [string, BufferEncoding]));
    this.#bytes += size;
    this.ended = true;
    if (streamOf(this.#res) === undefined) this.#res.finished = true;
  }

  /** From here on Node's own methods throw as they do once the head has been sent. */
  #freeze(): void {
    const res = this.#res;
    queues.set(res, this);
    const stream = streamOf(res);
    if (stream === undefined) res._header = "queued";
    const holder = stream ?? res;
    // Bun has it from elsewhere than `_header`.
    if (stream !== undefined || !res.headersSent) {
      Object.defineProperty(holder, "headersSent", { configurable: true, value: true });
    }
    for (const name of fixed) {
      if (!Object.hasOwn(res, name)) lookSent(res, name, descriptorOf(res, name));
    }
  }

  /** The response is again what it was before the first head call. */
  #thaw(): void {
    const res = this.#res;
    queues.set(res, undefined);
    const stream = streamOf(res);
    const holder = stream ?? res;
    if (Object.hasOwn(holder, "headersSent")) {
      delete (holder as { headersSent?: boolean }).headersSent;
    }
    if (stream !== undefined) return;
    res._header = null;
    res.finished = false;
  }

  /** What a property of the response says while it is queued. */
  state(name: State, native: () => unknown): unknown {
    switch (name) {
      case "writableLength":
        return (native() as number) + this.#bytes;
      case "writableNeedDrain":
        return this.#needDrain && !this.ended && this.#res.destroyed !== true;
      case "writableFinished":
        // Node 20 derives it from `finished`, which is true before anything has been written.
        return streamOf(this.#res) === undefined ? false : native();
      case "finished":
      case "writableEnded":
        return this.ended || native();
    }
  }

  /** Makes the calls, in order, on what was there before. What Node throws, it throws. */
  replay(below: Below): void {
    const res = this.#res;
    this.#thaw();
    // Assigned after the head: has no effect on it, but stays visible (to loggers).
    const later = res.statusCode;
    res.statusCode = this.#line.status;
    if (streamOf(res) === undefined) res.statusMessage = this.#line.message ?? "";
    for (const { method, args } of this.#calls) below.pass(method, args);
    if (later !== this.#line.status) res.statusCode = later;
    const stream = streamOf(res);
    const native = stream ?? (res as unknown as { readonly writableNeedDrain: boolean });
    if (this.#needDrain && !this.ended && !native.writableNeedDrain) {
      process.nextTick(() => {
        if (!res.writableEnded && !isGone(res)) res.emit("drain");
      });
    }
  }

  /** Forgets the calls, which the caller makes itself. */
  release(): void {
    this.#thaw();
  }

  /** Forgets the calls; their callbacks get the error. */
  drop(error: unknown): void {
    this.#thaw();
    for (const { args } of this.#calls) callBack(args, error);
  }
}

/** Gives an error to the callback among a method's arguments, as Node does: on the next tick. */
export function callBack(args: readonly unknown[], error: unknown): void {
  const callback = args.find((argument) => typeof argument === "function");
  if (callback !== undefined) process.nextTick(callback, error);
}

function isGone(res: Response): boolean {
  return res.destroyed === true || streamOf(res)?.destroyed === true;
}

/** The size of a chunk in bytes; for what is no chunk, the error that Node throws. */
function sizeOf(chunk: unknown, encoding: unknown): number {
  if (typeof chunk === "string") {
    const name = typeof encoding === "string" ? (encoding as BufferEncoding) : "utf8";
    // Unknown encodings: this throws as the socket's write does.
    return Buffer.isEncoding(name)
      ? Buffer.byteLength(chunk, name)
      : Buffer.from(chunk, name).length;
  }
  if (chunk instanceof Uint8Array) return chunk.byteLength;
  rehearse({ method: "GET" }).write(chunk);
  return 0;
}

/** Whether the server refuses bodies that do not fit the response. */
function refusesBodies(req: object): boolean {
  type Served = {
    readonly socket?: { readonly server?: { rejectNonStandardBodyWrites?: boolean } };
  };
  return (req as Served).socket?.server?.rejectNonStandardBodyWrites === true;
}

function isStrict(req: object, res: Response): boolean {
  return streamOf(res) === undefined && (refusesBodies(req) || res.strictContentLength === true);
}

function strictRehearsal(req: object, res: Response, line: StatusLine): ServerResponse | undefined {
  if (!isStrict(req, res)) return undefined;
  const rejectNonStandardBodyWrites = refusesBodies(req);
  const scratch = rehearse(req, { rejectNonStandardBodyWrites });
  for (const name of res.getHeaderNames()) {
    scratch.setHeader(name, res.getHeader(name) as string);
  }
  scratch.strictContentLength = res.strictContentLength === true;
  scratch.statusCode = line.status;
  return scratch;
}
