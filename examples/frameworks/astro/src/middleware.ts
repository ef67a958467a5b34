// examples/frameworks/astro/src/middleware.ts
import type { MiddlewareHandler } from "astro";
import { sessionHandler } from "scs-session/adapters/web";
import { sessions } from "./sessions";

export const onRequest: MiddlewareHandler = (context, next) =>
  sessionHandler(sessions, () => next())(context.request);
