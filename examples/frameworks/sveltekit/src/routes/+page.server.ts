// examples/frameworks/sveltekit/src/routes/+page.server.ts
import { sessions } from "../lib/sessions.server";
import type { Actions, PageServerLoad } from "./$types";

export const load: PageServerLoad = async ({ request }) => {
  const session = await sessions.load(request);
  return { state: `${session.get("user") ?? "nobody"} ${session.get("visits") ?? 0}` };
};

export const actions: Actions = {
  visit: async ({ request }) => {
    const session = await sessions.load(request);
    session.update("visits", (visits) => (visits ?? 0) + 1);
  },
  login: async ({ request }) => {
    const session = await sessions.load(request);
    session.set("user", "ada");
    session.renewToken();
  },
  logout: async ({ request }) => {
    const session = await sessions.load(request);
    session.destroy();
  },
  fail: async ({ request }) => {
    const session = await sessions.load(request);
    session.set("user", "never stored");
    throw new Error("a status of 500 rolls back");
  },
};
