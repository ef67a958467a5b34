// examples/frameworks/next/proxy.ts
import { type NextRequest, NextResponse } from "next/server";
import { sessions } from "./sessions";

/** Reads only; the page checks again, since a proxy is no access control by itself. */
export async function proxy(request: NextRequest): Promise<NextResponse> {
  const session = await sessions.loadCookie(request.headers.get("cookie"));
  if (session.has("user")) return NextResponse.next();
  return NextResponse.redirect(new URL("/", request.url));
}

export const config = { matcher: "/private" };
