// Keep-alive connections to a node:http server without the kernel: what TCP costs per request (some
// 30 us of CPU, and noisy) would drown the differences that are measured here.
import type { Server } from "node:http";
import { Duplex } from "node:stream";

/** One complete response. */
export interface Answer {
  readonly head: string;
  readonly body: string;
}

/** The server's end of a connection; what the server writes goes to `receive` at once. */
class Socket extends Duplex {
  readonly #receive: (text: string) => void;

  constructor(receive: (text: string) => void) {
    // As in net.Socket: strings are not turned into buffers on the way.
    super({ decodeStrings: false });
    this.#receive = receive;
  }

  override _read(): void {}

  override _write(chunk: string | Buffer, _encoding: string, done: () => void): void {
    this.#receive(typeof chunk === "string" ? chunk : chunk.toString("latin1"));
    done();
  }
}

/** One client: sends the same bytes again and again, the next time when the answer is complete. */
export class Connection {
  readonly #socket: Socket;
  readonly #path: string;
  #request: Buffer;
  /** Throws for an answer that is not what it should be. */
  readonly #check: (answer: Answer) => void;
  readonly #send = (): void => {
    this.#sentAt = performance.now();
    this.#socket.push(this.#request);
  };
  /** Takes over each cookie that an answer sets, as browsers do. */
  readonly #follows: boolean;
  /** Cookies by name; undefined when the client has none. */
  #cookies: Map<string, string> | undefined;
  /** Milliseconds of each request since the last `run`. */
  readonly times: number[] = [];
  #sentAt = 0;
  #received = "";
  #left = 0;
  #done: () => void = () => {};
  #failed: (error: unknown) => void = () => {};

  constructor(
    server: Server,
    path: string,
    cookies: ReadonlyMap<string, string> | undefined,
    follows: boolean,
    check: (answer: Answer) => void,
  ) {
    this.#path = path;
    this.#cookies = cookies && new Map(cookies);
    this.#request = get(path, this.#cookies);
    this.#follows = follows;
    this.#check = check;
    this.#socket = new Socket((text) => this.#receive(text));
    server.emit("connection", this.#socket);
  }

  get cookies(): ReadonlyMap<string, string> | undefined {
    return this.#cookies;
  }

  /** Sends `count` requests, one after another; resolves after the last answer. */
  run(count: number): Promise<void> {
    this.#left = count;
    this.times.length = 0;
    return new Promise((resolve, reject) => {
      this.#done = resolve;
      this.#failed = reject;
      setImmediate(this.#send);
    });
  }

  #receive(text: string): void {
    // Some libraries send the head and the body in several writes.
    this.#received = this.#received === "" ? text : this.#received + text;
    try {
      const answer = complete(this.#received);
      if (answer === undefined) return;
      this.times.push(performance.now() - this.#sentAt);
      this.#received = "";
      this.#check(answer);
      if (this.#follows) this.#follow(answer.head);
    } catch (error) {
      this.#failed(error);
      return;
    }
    // Not from here: the server is in the middle of its own call.
    if (--this.#left > 0) setImmediate(this.#send);
    else this.#done();
  }

  #follow(head: string): void {
    let changed = false;
    for (const line of linesOf(head, "Set-Cookie")) {
      const equals = line.indexOf("=");
      const end = line.indexOf(";", equals);
      changed = true;
      this.#cookies ??= new Map();
      this.#cookies.set(
        line.slice(0, equals),
        line.slice(equals + 1, end === -1 ? undefined : end),
      );
    }
    if (changed) this.#request = get(this.#path, this.#cookies);
  }
}

/** The values of a head's lines of this name. No expression: on a head of 3 KB that takes 2 us. */
export function linesOf(head: string, name: string): string[] {
  const values: string[] = [];
  for (const start of spellings(name)) {
    for (let at = head.indexOf(start); at !== -1; at = head.indexOf(start, at + 1)) {
      const end = head.indexOf("\r\n", at + 2);
      values.push(head.slice(at + start.length, end === -1 ? undefined : end));
    }
  }
  return values;
}

const known = new Map<string, readonly string[]>();

/** Frameworks write one of two. */
function spellings(name: string): readonly string[] {
  let both = known.get(name);
  if (both === undefined) {
    both = [`\r\n${name}: `, `\r\n${name.toLowerCase()}: `];
    known.set(name, both);
  }
  return both;
}

/** The answer, once all of it is there. */
function complete(text: string): Answer | undefined {
  const headEnd = text.indexOf("\r\n\r\n");
  if (headEnd === -1) return undefined;
  const head = text.slice(0, headEnd);
  const body = text.slice(headEnd + 4);
  const [length] = linesOf(head, "Content-Length");
  if (length === undefined) {
    if (!linesOf(head, "Transfer-Encoding").includes("chunked")) {
      throw new Error(`an answer without Content-Length:\n${text}`);
    }
    if (!body.endsWith("0\r\n\r\n")) return undefined;
    return { head, body: body.replace(/[0-9a-f]+\r\n(?:(.*)\r\n|\r\n)/g, "$1") };
  }
  if (body.length > Number(length)) throw new Error(`an answer that is too long:\n${text}`);
  return body.length === Number(length) ? { head, body } : undefined;
}

const headers = [
  "Host: shop.example",
  "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:144.0) Gecko/20100101 Firefox/144.0",
  "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
  "Accept-Language: de-AT,en;q=0.5",
  "Accept-Encoding: gzip, deflate, br, zstd",
  "Cookie: theme=dark; _ga=GA1.1.1284.17639; ",
].join("\r\n");

/** The bytes of one GET, as a browser sends it. Made again for each cookie that changes. */
function get(path: string, own: ReadonlyMap<string, string> | undefined): Buffer {
  let text = `GET ${path} HTTP/1.1\r\n${headers}`;
  if (own !== undefined) for (const [name, value] of own) text += `${name}=${value}; `;
  return Buffer.from(`${text}lang=de-AT\r\n\r\n`, "latin1");
}
