// examples/frameworks/elysia/server.ts
import { Elysia } from "elysia";
import { SessionManager } from "scs-session";
import { sessionHandler } from "scs-session/adapters/web";
import { MemoryStore } from "scs-session/stores/memory";

type Data = { user: string; visits: number };

const sessions = new SessionManager<Data>({ store: new MemoryStore(), idleTimeout: "20m" });

const app = new Elysia()
  .get("/", async ({ request }) => {
    const session = await sessions.load(request);
    return `${session.get("user") ?? "nobody"} ${session.get("visits") ?? 0}`;
  })
  .post("/visit", async ({ request }) => {
    const session = await sessions.load(request);
    return String(session.update("visits", (visits) => (visits ?? 0) + 1));
  })
  .post("/login", async ({ request }) => {
    const session = await sessions.load(request);
    session.set("user", "ada");
    session.renewToken();
    return "welcome";
  })
  .post("/logout", async ({ request }) => {
    const session = await sessions.load(request);
    session.destroy();
    return "bye";
  })
  .post("/fail", async ({ request }) => {
    const session = await sessions.load(request);
    session.set("user", "never stored");
    throw new Error("a status of 500 rolls back");
  });

// In place of app.listen(): Elysia has made its response, errors included, when the session commits.
Bun.serve({
  port: Number(process.env["PORT"] ?? 3000),
  hostname: "127.0.0.1",
  fetch: sessionHandler(sessions, (request: Request) => app.handle(request)),
});
