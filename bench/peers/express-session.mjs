// express-session in its cheapest settings: `resave: false` and `saveUninitialized: false`, as its
// documentation recommends, and no `cookie.maxAge` (which brings a Set-Cookie with every change)
// except where the idle timeout is measured.
import session from "express-session";
import { connect } from "../engines.mjs";
import { frameworks } from "../frameworks.mjs";
import { bytes } from "./bytes.mjs";
import { counted, idleMs, peerRoutes, properties, secret } from "./peer.mjs";

const stores = {
  async "express-session"() {
    const store = new session.MemoryStore();
    return { store, clear: () => new Promise((resolve) => store.clear(resolve)) };
  },
  async memorystore() {
    const { default: make } = await import("memorystore");
    const store = new (make(session))({ checkPeriod: 86_400_000 });
    return { store, clear: () => new Promise((resolve) => store.clear(resolve)) };
  },
  async "connect-redis"() {
    const { RedisStore } = await import("connect-redis");
    const client = await connect.redis();
    return { store: new RedisStore({ client }), bytes: bytes.redis(client) };
  },
  async "connect-pg-simple"() {
    const { default: make } = await import("connect-pg-simple");
    const pool = await connect.postgres();
    await pool.query(
      "CREATE TABLE IF NOT EXISTS session (sid varchar PRIMARY KEY, sess json NOT NULL, expire timestamp(6) NOT NULL)",
    );
    await pool.query("CREATE INDEX IF NOT EXISTS session_expire ON session (expire)");
    const store = new (make(session))({ pool, pruneSessionInterval: false });
    return { store, bytes: bytes.postgres(pool, "session") };
  },
  async "express-mysql-session"() {
    const { default: make } = await import("express-mysql-session");
    const pool = await connect.mysql();
    const store = new (make(session))({ clearExpired: false }, pool);
    await store.onReady();
    return { store };
  },
};

export async function open({ column, idle, count }) {
  const { store, clear, bytes: size } = await stores[column.store ?? "express-session"]();
  const middleware = session({
    store: counted(store, ["get", "set", "touch", "destroy"], count),
    secret,
    resave: false,
    saveUninitialized: false,
    ...(idle && { rolling: true, cookie: { maxAge: idleMs } }),
  });
  const routes = peerRoutes({
    open: (req) => req.session,
    ...properties,
    renew: (req) =>
      new Promise((resolve, reject) =>
        req.session.regenerate((error) => (error ? reject(error) : resolve(req.session))),
      ),
  });
  const install =
    column.framework === "node:http"
      ? (listener) => (req, res) => middleware(req, res, () => listener(req, res))
      : (app) => app.use(middleware);
  return { server: await frameworks[column.framework](routes, install), clear, bytes: size };
}
