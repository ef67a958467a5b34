/** Response headers of node:http and of http2's compatibility API: merge, check, snapshot, restore. */
/// <reference types="node" preserve="true" />
import { type IncomingMessage, ServerResponse, STATUS_CODES } from "node:http";
import type { HeadView } from "../carrier.ts";

/** The part of a response that both protocols share, plus the fields of one that are needed here. */
export interface Response extends Pick<
  ServerResponse,
  | "appendHeader"
  | "destroy"
  | "emit"
  | "end"
  | "flushHeaders"
  | "getHeader"
  | "getHeaderNames"
  | "getHeaders"
  | "hasHeader"
  | "headersSent"
  | "off"
  | "on"
  | "once"
  | "removeHeader"
  | "setHeader"
  | "statusCode"
  | "writableEnded"
  | "writableHighWaterMark"
  | "writableLength"
  | "write"
> {
  writeHead(status: number, ...rest: unknown[]): unknown;
  statusMessage?: string;
  /** The socket or stream is gone. */
  destroyed?: boolean;
  closed?: boolean;
  /** node:http only: names in the case that they were given. */
  getRawHeaderNames?(): string[];
  addTrailers?(trailers: object): void;
  strictContentLength?: boolean;
  finished: boolean;
  /** node:http: the serialised head, set once it is sent. */
  _header: unknown;
  _flush?(): void;
  /** http2 only. */
  stream?: Http2Stream | undefined;
}

/** The members of an http2 stream that are used here. */
export interface Http2Stream {
  readonly headersSent: boolean;
  readonly destroyed: boolean;
  readonly closed: boolean;
  readonly writableNeedDrain: boolean;
  respond(headers: object, options?: object): void;
  sendTrailers(trailers: object): void;
  removeAllListeners(event: string): unknown;
  once(event: string, listener: () => void): unknown;
}

type Value = string | number | readonly string[];

/** The http2 stream of a response, or undefined under HTTP/1. */
export function streamOf(res: Response): Http2Stream | undefined {
  return typeof res.stream?.respond === "function" ? res.stream : undefined;
}

/** The client can no longer be reached. */
export function isClosed(req: { readonly socket?: unknown }, res: Response): boolean {
  const stream = streamOf(res);
  if (stream !== undefined) return stream.destroyed || stream.closed;
  // A pipelined response has no socket before its turn, so the request's is asked too.
  const socket = req.socket as { readonly destroyed?: boolean } | null | undefined;
  return res.destroyed === true || res.closed === true || socket?.destroyed === true;
}

/** What the arguments of `writeHead` say, once its headers have been merged into the response's. */
export interface StatusLine {
  readonly status: number;
  readonly message: string | undefined;
}

/**
 * Merges the headers given to `writeHead` into the response's, so that there is one place to look.
 * All of Node's forms: object, flat array, array of pairs. As in Node 24, what is given replaces what
 * was set, and duplicates inside an array are kept (Node 20 loses them).
 */
export function mergeHead(res: Response, args: readonly unknown[]): StatusLine {
  const [status, reason, last] = args;
  const message = typeof reason === "string" ? reason : undefined;
  const headers = message === undefined ? (last ?? reason) : last;
  if (Array.isArray(headers)) mergeList(res, headers);
  else if (typeof headers === "object" && headers !== null) {
    for (const [name, value] of Object.entries(headers)) {
      if (name !== "") res.setHeader(name, value as Value);
    }
  }
  return { status: status as number, message };
}

function mergeList(res: Response, list: readonly unknown[]): void {
  const flat = Array.isArray(list[0]) ? (list as unknown[][]).flatMap(([k, v]) => [k, v]) : list;
  // Node itself says what is wrong with an odd list.
  if (flat.length % 2 !== 0) rehearse({ method: "GET" }).writeHead(200, flat as string[]);
  for (let at = 0; at < flat.length; at += 2) {
    const name = flat[at] as string;
    if (name && res.hasHeader(name)) res.removeHeader(name);
  }
  for (let at = 0; at < flat.length; at += 2) {
    if (flat[at]) res.appendHeader(flat[at] as string, flat[at + 1] as string);
  }
}

/** A response that goes nowhere, on which Node can throw what it would throw. */
export function rehearse(req: object, options?: object): ServerResponse {
  const Scratch = ServerResponse as new (req: object, options?: object) => ServerResponse;
  // What Node looks at, and not the request itself: on Bun, a second response of one request writes
  // to its connection.
  const { method, headers, httpVersionMajor, httpVersionMinor } = req as Partial<IncomingMessage>;
  const scratch = new Scratch({ method, headers, httpVersionMajor, httpVersionMinor }, options);
  scratch.on("error", () => {});
  return scratch;
}

// RFC 9112 section 4: reason-phrase = 1*( HTAB / SP / VCHAR / obs-text ); Node's own expression.
const badReason = /[^\t -~\u0080-\u00ff]/;

/**
 * Throws at once what Node would throw when this head is sent (header names and values were checked
 * when they were set); returns the status line that will leave.
 */
export function checkHead(req: object, res: Response, line: StatusLine): StatusLine {
  if (streamOf(res) !== undefined) {
    res.statusCode = line.status;
    return { status: res.statusCode, message: undefined };
  }
  const status = line.status | 0;
  const message = line.message ?? res.statusMessage;
  const odd =
    status < 100 ||
    status > 999 ||
    (message !== undefined && badReason.test(message)) ||
    res.hasHeader("Trailer");
  if (odd) {
    const scratch = rehearse(req);
    for (const name of res.getHeaderNames()) scratch.setHeader(name, res.getHeader(name) as Value);
    if (message !== undefined) scratch.statusMessage = message;
    scratch.writeHead(line.status);
  }
  // Visible after `writeHead`, as in Node.
  res.statusCode = status;
  res.statusMessage = message || STATUS_CODES[status] || "unknown";
  return { status, message: res.statusMessage };
}

/** Linked, since most heads have two of them and an array that grows makes room for 17. */
interface HeaderChange {
  readonly name: string;
  readonly before: Value | undefined;
  readonly earlier: HeaderChange | undefined;
}

/** The view for `applyEffects`; `undo` takes back what was applied, for a head that Node refused. */
export class Headers implements HeadView {
  readonly #res: Response;
  /** What was there before, the last change first. */
  #changes: HeaderChange | undefined;
  /** What was looked at last, and has not been changed since: it is set next, most of the time. */
  #seen: string | undefined;
  #value: Value | undefined;

  constructor(res: Response) {
    this.#res = res;
  }

  get(name: string): string | undefined {
    const value = this.#res.getHeader(name);
    this.#seen = name;
    this.#value = value;
    if (value === undefined || typeof value === "string") return value;
    return Array.isArray(value) ? value.join(", ") : String(value);
  }

  set(name: string, value: string): void {
    this.#remember(name);
    this.#res.setHeader(name, value);
  }

  append(name: string, value: string): void {
    this.#remember(name);
    this.#res.appendHeader(name, value);
  }

  #remember(name: string): void {
    const value = name === this.#seen ? this.#value : this.#res.getHeader(name);
    this.#seen = undefined;
    const before = Array.isArray(value) ? (value.slice() as string[]) : value;
    this.#changes = { name, before, earlier: this.#changes };
  }

  undo(): void {
    for (let change = this.#changes; change !== undefined; change = change.earlier) {
      const { name, before } = change;
      if (before === undefined) this.#res.removeHeader(name);
      else this.#res.setHeader(name, before);
    }
    this.#changes = undefined;
  }
}

/** What `removeHeader` and the body's framing leave behind in a node:http response; http2 has the first. */
interface Flags {
  sendDate: boolean;
  strictContentLength: boolean;
  shouldKeepAlive: boolean;
  useChunkedEncodingByDefault: boolean;
  _removedConnection: boolean;
  _removedContLen: boolean;
  _removedTE: boolean;
}

/** Headers and status at one moment. */
export interface Snapshot {
  /** By their names in lower case. */
  readonly headers: Readonly<Record<string, Value>>;
  readonly status: number;
  readonly message: string | undefined;
  readonly kept: Readonly<Partial<Flags>>;
}

/** Takes a snapshot. It is taken on every change, and asking for names and values apart takes Node half as long again. */
export function snapshot(res: Response): Snapshot {
  const headers = res.getHeaders() as Record<string, Value>;
  // `appendHeader` appends in place.
  for (const name in headers) {
    const value = headers[name];
    if (Array.isArray(value)) headers[name] = value.slice() as string[];
  }
  const http2 = streamOf(res) !== undefined;
  const message = http2 ? undefined : res.statusMessage;
  return { headers, status: res.statusCode, message, kept: flagsOf(res, http2) };
}

// By name, not in a loop: it is done on every change.
function flagsOf(res: Response, http2: boolean): Snapshot["kept"] {
  const flags = res as unknown as Flags;
  const { sendDate } = flags;
  if (http2) return { sendDate };
  return {
    sendDate,
    strictContentLength: flags.strictContentLength,
    shouldKeepAlive: flags.shouldKeepAlive,
    useChunkedEncodingByDefault: flags.useChunkedEncodingByDefault,
    _removedConnection: flags._removedConnection,
    _removedContLen: flags._removedContLen,
    _removedTE: flags._removedTE,
  };
}

/** Puts everything back; names in the case that they were given, if they are still there. */
export function restore(res: Response, to: Snapshot): void {
  const names = res.getRawHeaderNames?.() ?? res.getHeaderNames();
  const given = new Map(names.map((name) => [name.toLowerCase(), name]));
  for (const name of names) res.removeHeader(name);
  for (const [name, value] of Object.entries(to.headers)) {
    res.setHeader(given.get(name) ?? name, value);
  }
  Object.assign(res, to.kept);
  res.statusCode = to.status;
  if (streamOf(res) === undefined) Object.assign(res, { statusMessage: to.message });
  dropTrailers(res);
}

/** Trailers belong to the response that did not leave. */
function dropTrailers(res: Response): void {
  const stream = streamOf(res);
  if (stream === undefined) {
    res.addTrailers?.({});
    return;
  }
  // http2 has no way to take a trailer back, but sends them only from this event.
  stream.removeAllListeners("wantTrailers");
  stream.once("wantTrailers", () => stream.sendTrailers({}));
}
