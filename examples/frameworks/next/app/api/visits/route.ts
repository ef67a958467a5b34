// examples/frameworks/next/app/api/visits/route.ts
import { sessionHandler } from "scs-session/adapters/web";
import { sessions } from "../../../sessions";

export const GET = sessionHandler(sessions, async (request: Request) => {
  const session = await sessions.load(request);
  return Response.json({ visits: session.get("visits") ?? 0 });
});

export const POST = sessionHandler(sessions, async (request: Request) => {
  const session = await sessions.load(request);
  return Response.json({ visits: session.update("visits", (visits) => (visits ?? 0) + 1) });
});
