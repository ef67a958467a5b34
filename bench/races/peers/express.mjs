import { createServer } from "node:http";
import { promisify } from "node:util";
import express from "express";
import session from "express-session";
import { answer, readModifyWrite } from "../app.mjs";

export const peer = {
  package: "express-session",
  title: "express-session",
  setup: "MemoryStore, resave: false, saveUninitialized: false, Express 5",
  idOf: (cookies) => /^s:(.+)\./.exec(decodeURIComponent(cookies.get("connect.sid")))[1],

  async serve(watch, gates) {
    const app = express();
    app.set("env", "test"); // Express prints no stack traces then.
    app.use(
      session({
        secret: "a secret for this benchmark only",
        resave: false,
        saveUninitialized: false,
        store: watch.over(new session.MemoryStore(), ["get"], ["set", "touch", "destroy"]),
      }),
    );
    app.use(async (req, res) => {
      res.json(await answer(req.url, gates, () => facade(req)));
    });
    return createServer(app);
  },
};

function facade(req) {
  const face = {
    get: (key) => req.session[key],
    set: (key, value) => void (req.session[key] = value),
    destroy: () => promisify(req.session.destroy).call(req.session),
    async renew() {
      // regenerate() drops the data, so what shall stay is put back, as its README does at login.
      const { user } = req.session;
      await promisify(req.session.regenerate).call(req.session);
      req.session.user = user;
    },
  };
  return { ...face, increment: readModifyWrite(face) };
}
