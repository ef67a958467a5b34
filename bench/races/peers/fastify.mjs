import cookie from "@fastify/cookie";
import session from "@fastify/session";
import fastify from "fastify";
import { answer, readModifyWrite } from "../app.mjs";

/** What a store over a network does, in the smallest form: it keeps text, not objects. */
class TextStore {
  #texts = new Map();

  get(id, callback) {
    const text = this.#texts.get(id);
    callback(null, text === undefined ? null : JSON.parse(text));
  }

  set(id, data, callback) {
    // BigInt makes JSON.stringify throw, which a store reports through its callback.
    try {
      this.#texts.set(id, JSON.stringify(data));
    } catch (error) {
      callback(error);
      return;
    }
    callback();
  }

  destroy(id, callback) {
    this.#texts.delete(id);
    callback();
  }
}

function make(title, setup, newStore) {
  return {
    package: "@fastify/session",
    title,
    setup,
    idOf: (cookies) => decodeURIComponent(cookies.get("sessionId")).split(".")[0],

    async serve(watch, gates) {
      const app = fastify({ forceCloseConnections: true });
      await app.register(cookie);
      await app.register(session, {
        secret: "a secret of 32 characters or more, for this benchmark only",
        store: watch.over(newStore(), ["get"], ["set", "destroy"]),
        // The default, true, saves nothing at all over plain HTTP.
        cookie: { secure: false },
      });
      app.get("/*", async (req, reply) => {
        const body = await answer(req.url, gates, () => facade(req));
        return reply.type("application/json").send(JSON.stringify(body));
      });
      await app.ready();
      return app.server;
    },
  };
}

function facade(req) {
  const face = {
    get: (key) => req.session.get(key),
    set: (key, value) => void req.session.set(key, value),
    destroy: () => req.session.destroy(),
    renew: () => req.session.regenerate(["user"]),
  };
  return { ...face, increment: readModifyWrite(face) };
}

export const peers = [
  make(
    "@fastify/session",
    "its MemoryStore, secure: false, else defaults",
    () => new session.MemoryStore(),
  ),
  make(
    "@fastify/session, text store",
    "a store that keeps JSON text, secure: false, else defaults",
    () => new TextStore(),
  ),
];
