// examples/frameworks/astro/src/pages/[what].ts
import type { APIRoute } from "astro";
import { sessions } from "../sessions";

export const POST: APIRoute = async ({ request, params, redirect }) => {
  const session = await sessions.load(request);
  switch (params["what"]) {
    case "visit":
      session.update("visits", (visits) => (visits ?? 0) + 1);
      break;
    case "login":
      session.set("user", "ada");
      session.renewToken();
      break;
    case "logout":
      session.destroy();
      break;
    default:
      session.set("user", "never stored");
      throw new Error("a status of 500 rolls back");
  }
  return redirect("/", 303);
};
