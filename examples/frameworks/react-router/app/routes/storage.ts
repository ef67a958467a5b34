// examples/frameworks/react-router/app/routes/storage.ts
import { data } from "react-router";
import { commitSession, getSession } from "../sessions.server";

export async function loader({ request }: { request: Request }) {
  const session = await getSession(request.headers.get("Cookie"));
  session.set("visits", (session.get("visits") ?? 0) + 1);
  const headers = { "Set-Cookie": await commitSession(session) };
  return data(session.get("visits"), { headers });
}
