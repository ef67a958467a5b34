import { createServer } from "node:http";
import { getIronSession } from "iron-session";
import { answer, readModifyWrite } from "../app.mjs";

const options = {
  cookieName: "session",
  password: "a password of 32 characters or more, for this benchmark only",
};

export const peer = {
  package: "iron-session",
  title: "iron-session",
  setup: "the session is an encrypted cookie; defaults",
  stateless: true,

  async serve(_watch, gates) {
    const handle = async (req, res) => {
      try {
        const open = async () => facade(await getIronSession(req, res, options));
        const body = JSON.stringify(await answer(req.url, gates, open));
        res.setHeader("Content-Type", "application/json");
        res.end(body);
      } catch {
        res.writeHead(500).end();
      }
    };
    return createServer((req, res) => void handle(req, res));
  },
};

function facade(session) {
  const face = {
    get: (key) => session[key],
    async set(key, value) {
      session[key] = value;
      await session.save();
    },
    destroy: () => session.destroy(),
  };
  return { ...face, increment: readModifyWrite(face) };
}
