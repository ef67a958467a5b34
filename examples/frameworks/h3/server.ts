// examples/frameworks/h3/server.ts
import { H3, serve } from "h3";
import { SessionManager } from "scs-session";
import { sessionHandler } from "scs-session/adapters/web";
import { MemoryStore } from "scs-session/stores/memory";

type Data = { user: string; visits: number };

const sessions = new SessionManager<Data>({ store: new MemoryStore(), idleTimeout: "20m" });
const app = new H3();

app.get("/", async (event) => {
  const session = await sessions.load(event.req);
  return `${session.get("user") ?? "nobody"} ${session.get("visits") ?? 0}`;
});

app.post("/visit", async (event) => {
  const session = await sessions.load(event.req);
  return String(session.update("visits", (visits) => (visits ?? 0) + 1));
});

app.post("/login", async (event) => {
  const session = await sessions.load(event.req);
  session.set("user", "ada");
  session.renewToken();
  return "welcome";
});

app.post("/logout", async (event) => {
  const session = await sessions.load(event.req);
  session.destroy();
  return "bye";
});

app.post("/fail", async (event) => {
  const session = await sessions.load(event.req);
  session.set("user", "never stored");
  throw new Error("a status of 500 rolls back");
});

// Around the whole application: h3 has made its response, errors included, when the session commits.
const fetch = sessionHandler(sessions, (request: Request) => app.fetch(request));

serve({ fetch }, { port: Number(process.env["PORT"] ?? 3000), hostname: "127.0.0.1" });
