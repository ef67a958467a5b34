import { createServer } from "node:http";
import Koa from "koa";
import session from "koa-session";
import { answer, readModifyWrite } from "../app.mjs";

/** An external store in its smallest form: text by id. */
class TextStore {
  #texts = new Map();

  async get(id) {
    const text = this.#texts.get(id);
    return text === undefined ? undefined : JSON.parse(text);
  }

  async set(id, data) {
    this.#texts.set(id, JSON.stringify(data));
  }

  async destroy(id) {
    this.#texts.delete(id);
  }
}

export const peer = {
  package: "koa-session",
  title: "koa-session",
  setup: "an external store that keeps JSON text, else defaults, Koa 3",
  idOf: (cookies) => cookies.get("koa.sess"),

  async serve(watch, gates) {
    const app = new Koa();
    app.silent = true;
    app.keys = ["a key for this benchmark only"];
    const store = watch.over(new TextStore(), ["get"], ["set", "destroy"]);
    app.use(session({ store }, app));
    app.use(async (ctx) => {
      const body = await answer(ctx.url, gates, () => facade(ctx));
      ctx.type = "application/json";
      ctx.body = JSON.stringify(body);
    });
    const callback = app.callback();
    return createServer((req, res) => void callback(req, res));
  },
};

function facade(ctx) {
  const face = {
    get: (key) => ctx.session[key],
    set: (key, value) => void (ctx.session[key] = value),
    destroy: () => void (ctx.session = null),
    renew: () => ctx.session.regenerate(),
  };
  return { ...face, increment: readModifyWrite(face) };
}
