// examples/frameworks/next/app/actions.ts
"use server";

import { redirect } from "next/navigation";
import { action } from "../sessions";

export const visit = action(async (session) => {
  session.update("visits", (visits) => (visits ?? 0) + 1);
});

export const login = action(async (session) => {
  session.set("user", "ada");
  session.renewToken();
  redirect("/");
});

export const logout = action(async (session) => {
  session.destroy();
});

export const fail = action(async (session) => {
  session.set("user", "never stored");
  throw new Error("anything but a redirect rolls back");
});
