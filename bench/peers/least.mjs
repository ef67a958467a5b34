// Not a library: the least that a session with a checked token takes, in one straight line. It finds the
// cookie, checks its shape, digests the token, looks up the record, compares the digest and looks at
// the clock; data are one JSON text; the response gets the headers that it must have. There are no
// engines, no other request, no failure, and nothing is held back. For `node bench/column.ts`.
import { hash, randomBytes } from "node:crypto";
import { data, sizes } from "../cases.ts";
import { frameworks } from "../frameworks.mjs";

const shape = /^[A-Za-z0-9_-]{64}$/;
const lifetime = 86_400_000;

const digestOf = (token) => hash("sha256", token.slice(24), "latin1");

function same(a, b) {
  let difference = a.length ^ b.length;
  for (let i = 0; i < a.length; i++) difference |= a.charCodeAt(i) ^ b.charCodeAt(i);
  return difference === 0;
}

/** What the cookies are, and how a header is set: the cheapest way of each framework. */
const onNode = {
  cookies: (req) => req.headers.cookie,
  set: (_req, res, name, value) => res.setHeader(name, value),
};
const ways = {
  "node:http": onNode,
  Express: onNode,
  Fastify: { ...onNode, set: (_request, reply, name, value) => reply.header(name, value) },
  Koa: onNode,
  Hono: {
    cookies: (c) => c.req.header("cookie"),
    set: (c, _res, name, value) => c.header(name, value),
  },
};

export async function open({ column }) {
  const records = new Map();
  const { cookies, set } = ways[column.framework];

  async function load(req) {
    const cookie = cookies(req);
    const at = cookie === undefined ? -1 : cookie.indexOf("sid=");
    if (at === -1) return undefined;
    const token = cookie.slice(at + 4, at + 68);
    if (!shape.test(token)) return undefined;
    const id = token.slice(0, 24);
    const record = records.get(id);
    if (record === undefined || !same(digestOf(token), record.digest)) return undefined;
    return Date.now() < record.end ? { id, record } : undefined;
  }

  function write(id, digest, values) {
    records.set(id, { digest, text: JSON.stringify(values), end: Date.now() + lifetime });
  }

  function head(req, res, cacheControl) {
    set(req, res, "Vary", "Cookie");
    set(req, res, "Cache-Control", cacheControl);
  }

  const make = (size) => async (req, res) => {
    await load(req);
    const token = randomBytes(48).toString("base64url");
    write(token.slice(0, 24), digestOf(token), data(size));
    const cookie = `sid=${token}; Path=/; HttpOnly; Secure; SameSite=Lax; Max-Age=86400`;
    set(req, res, "Set-Cookie", cookie);
    head(req, res, "no-store");
    return "ok";
  };

  const routes = {
    "/untouched": () => "ok",
    "/read": async (req, res) => {
      const { record } = await load(req);
      head(req, res, "private");
      return JSON.parse(record.text).userId;
    },
    "/change": async (req, res) => {
      const { id, record } = await load(req);
      const values = JSON.parse(record.text);
      values.visits++;
      write(id, record.digest, values);
      head(req, res, "private");
      return String(values.visits);
    },
    "/new": make("small"),
  };
  for (const size of sizes) routes[`/seed-${size}`] = make(size);
  const server = await frameworks[column.framework](routes);
  return { server, clear: () => records.clear() };
}
