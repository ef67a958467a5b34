// No sessions: the driver's own cost for the same bytes, one GET or SELECT for a read, and a write
// after it for a change. The id in the cookie is looked for with `indexOf` and trusted.
import { randomBytes } from "node:crypto";
import { connect } from "../engines.mjs";
import { data, sizes } from "../cases.ts";
import { frameworks } from "../frameworks.mjs";

const engines = {
  async redis() {
    const { RESP_TYPES } = await import("redis");
    const client = (await connect.redis()).withTypeMapping({ [RESP_TYPES.BLOB_STRING]: Buffer });
    return {
      get: (id) => client.get(`raw:${id}`),
      set: (id, bytes) => client.set(`raw:${id}`, bytes),
    };
  },
  async postgres() {
    const pool = await connect.postgres();
    await pool.query("CREATE TABLE IF NOT EXISTS raw (id text PRIMARY KEY, data bytea NOT NULL)");
    const named = (name, text) => (values) => pool.query({ name, text, values });
    const select = named("raw-get", "SELECT data FROM raw WHERE id = $1");
    const write = named(
      "raw-set",
      "INSERT INTO raw VALUES ($1, $2) ON CONFLICT (id) DO UPDATE SET data = excluded.data",
    );
    return {
      get: async (id) => (await select([id])).rows[0]?.data,
      set: (id, bytes) => write([id, bytes]),
    };
  },
  async mysql() {
    const pool = await connect.mysql();
    await pool.query(
      "CREATE TABLE IF NOT EXISTS raw_data (id varchar(64) PRIMARY KEY, data mediumblob NOT NULL)",
    );
    return {
      get: async (id) =>
        (await pool.execute("SELECT data FROM raw_data WHERE id = ?", [id]))[0][0]?.data,
      set: (id, bytes) => pool.execute("REPLACE INTO raw_data VALUES (?, ?)", [id, bytes]),
    };
  },
};

function idOf(req) {
  const { cookie } = req.headers;
  const at = cookie.indexOf("raw=") + 4;
  return cookie.slice(at, at + 24);
}

export async function open({ column, count = () => {} }) {
  const engine = await engines[column.engine]();
  const get = (id) => {
    count();
    return engine.get(id);
  };
  const set = (id, bytes) => {
    count();
    return engine.set(id, bytes);
  };
  const seed = (size) => async (_req, res) => {
    const id = randomBytes(18).toString("base64url");
    await set(id, Buffer.from(JSON.stringify(data(size))));
    res.setHeader("Set-Cookie", `raw=${id}`);
    return "ok";
  };
  let visits = 0;
  const counts = new Map();
  const routes = {
    "/untouched": () => "ok",
    "/read": async (req) => {
      if ((await get(idOf(req))) === undefined) throw new Error("nothing there");
      return data("small").userId;
    },
    "/change": async (req) => {
      const id = idOf(req);
      const bytes = await get(id);
      await set(id, bytes);
      visits = (counts.get(id) ?? 100_000) + 1;
      counts.set(id, visits);
      return String(counts.get(id));
    },
    "/new": seed("small"),
    ...Object.fromEntries(sizes.map((size) => [`/seed-${size}`, seed(size)])),
  };
  return { server: await frameworks[column.framework](routes) };
}
