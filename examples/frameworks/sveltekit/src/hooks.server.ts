// examples/frameworks/sveltekit/src/hooks.server.ts
import type { Handle } from "@sveltejs/kit";
import { sessionHandler } from "scs-session/adapters/web";
import { sessions } from "./lib/sessions.server";

// resolve() has made the response, error pages and redirects included, when the session commits.
export const handle: Handle = ({ event, resolve }) =>
  sessionHandler(sessions, () => resolve(event))(event.request);
