/** As much of WebSocket (RFC 6455) as the tests need: short text messages, and the close. */
import { createHash } from "node:crypto";
import type { IncomingMessage } from "node:http";
import { request } from "node:https";
import { request as plainRequest } from "node:http";
import type { Duplex } from "node:stream";

const guid = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/** The server's side: answers the upgrade. */
export function accept(req: IncomingMessage, socket: Duplex): ServerSocket {
  const key = req.headers["sec-websocket-key"] ?? "";
  const answer = createHash("sha1")
    .update(key + guid)
    .digest("base64");
  socket.write(
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
      `Sec-WebSocket-Accept: ${answer}\r\n\r\n`,
  );
  socket.on("error", () => socket.destroy());
  socket.on("end", () => socket.end());
  socket.resume();
  return {
    // RFC 6455 section 5.2: FIN and the opcode, then a length below 126.
    send: (text) =>
      void socket.write(Buffer.concat([header(0x81, text.length), Buffer.from(text)])),
    close: (code, reason) => {
      const body = Buffer.alloc(2 + reason.length);
      body.writeUInt16BE(code, 0);
      body.write(reason, 2);
      socket.end(Buffer.concat([header(0x88, body.length), body]));
    },
  };
}

function header(first: number, length: number): Buffer {
  return Buffer.from([first, length]);
}

export interface ServerSocket {
  /** Short ASCII texts only. */
  send(text: string): void;
  close(code: number, reason: string): void;
}

export interface ClientSocket {
  /** The next message, or `closed <code> <reason>`. */
  next(): Promise<string>;
  end(): void;
}

/** The client's side. Rejects with the status when the server does not upgrade. */
export function open(
  url: string,
  headers: Record<string, string>,
  ca?: string,
): Promise<ClientSocket> {
  return new Promise((resolve, reject) => {
    const ask = url.startsWith("https:") ? request : plainRequest;
    const key = Buffer.from("0123456789abcdef").toString("base64");
    const upgrade = { Connection: "Upgrade", Upgrade: "websocket", "Sec-WebSocket-Version": "13" };
    const asked = ask(url, {
      ca,
      headers: { ...headers, ...upgrade, "Sec-WebSocket-Key": key },
      agent: false,
    });
    asked.on("error", reject);
    asked.on("response", (response) => {
      response.resume();
      reject(new Error(`status ${response.statusCode}`));
    });
    asked.on("upgrade", (_response, socket: Duplex, head: Buffer) => resolve(reader(socket, head)));
    asked.end();
  });
}

function reader(socket: Duplex, head: Buffer): ClientSocket {
  let buffer = head;
  const messages: string[] = [];
  const waiting: ((text: string) => void)[] = [];
  const deliver = (text: string): void => {
    const next = waiting.shift();
    if (next === undefined) messages.push(text);
    else next(text);
  };
  const parse = (): void => {
    while (buffer.length >= 2 && buffer.length >= 2 + (buffer[1] ?? 0)) {
      const length = buffer[1] ?? 0;
      const body = buffer.subarray(2, 2 + length);
      if (buffer[0] === 0x88) deliver(`closed ${body.readUInt16BE(0)} ${body.toString("utf8", 2)}`);
      else deliver(body.toString());
      buffer = buffer.subarray(2 + length);
    }
  };
  socket.on("data", (chunk: Buffer) => {
    buffer = Buffer.concat([buffer, chunk]);
    parse();
  });
  socket.on("error", () => deliver("error"));
  parse();
  return {
    next: () => {
      const first = messages.shift();
      if (first !== undefined) return Promise.resolve(first);
      return new Promise((resolve) => waiting.push(resolve));
    },
    end: () => void socket.destroy(),
  };
}
