import { createAdaptorServer } from "@hono/node-server";
import { Hono } from "hono";
import { MemoryStore, sessionMiddleware } from "hono-sessions";
import { answer, readModifyWrite } from "../app.mjs";

/** What a store over a network does, in the smallest form: it keeps text, not objects. */
class TextStore {
  #texts = new Map();

  async getSessionById(id) {
    const text = this.#texts.get(id);
    return text === undefined ? null : JSON.parse(text);
  }

  async createSession(id, data) {
    this.#texts.set(id, JSON.stringify(data));
  }

  async persistSessionData(id, data) {
    this.#texts.set(id, JSON.stringify(data));
  }

  async deleteSession(id) {
    this.#texts.delete(id);
  }
}

function make(title, setup, newStore) {
  return {
    package: "hono-sessions",
    title,
    setup,
    idOf: (cookies) => cookies.get("session"),

    async serve(watch, gates) {
      const store = watch.over(
        newStore(),
        ["getSessionById"],
        ["createSession", "persistSessionData", "deleteSession"],
      );
      const app = new Hono();
      app.onError((_error, c) => c.text("failed", 500)); // The default also prints the stack.
      app.use(sessionMiddleware({ store }));
      app.get("/*", async (c) => c.json(await answer(c.req.url, gates, () => facade(c))));
      return createAdaptorServer({ fetch: app.fetch });
    },
  };
}

function facade(c) {
  const session = c.get("session");
  const face = {
    get: (key) => session.get(key) ?? undefined,
    set: (key, value) => session.set(key, value),
    destroy: () => session.deleteSession(),
    renew: () => c.set("session_key_rotation", true),
  };
  return { ...face, increment: readModifyWrite(face) };
}

export const peers = [
  make("hono-sessions", "its MemoryStore, else defaults, Hono 4", () => new MemoryStore()),
  make(
    "hono-sessions, text store",
    "a store that keeps JSON text, else defaults, Hono 4",
    () => new TextStore(),
  ),
];
