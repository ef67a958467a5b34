/** The combinations of cookie attributes that browsers refuse, so that a session would never start. */
import { refuse, show } from "./check.ts";
import type { CookieAttributes } from "./cookie.ts";

/**
 * What makes browsers drop the cookie: RFC 6265bis section 4.1.3 and its successor (layered-cookies)
 * for the prefixes, which browsers compare without case; section 5.7 for SameSite=None; CHIPS for
 * Partitioned. Each was seen in Chromium 156.
 */
export function refuseContradictions(
  cookie: CookieAttributes,
  byDefault: boolean,
  development: boolean,
): void {
  const insecure = development ? "development drops Secure" : "cookie.secure is false";
  const prefix = /^__(?:Host-Http|Host|Http|Secure)-/i.exec(cookie.name)?.[0].toLowerCase();
  if (prefix !== undefined) {
    const named = byDefault ? "the default cookie.name" : "cookie.name";
    const rename = (to: string) => `${named} is ${show(cookie.name)}, whose prefix ${to}`;
    if (!cookie.secure) {
      refuse(
        `${rename("needs Secure")}, but ${insecure}: set cookie.name to one without prefix, e.g. "session"`,
      );
    }
    if (prefix.startsWith("__host-")) {
      const instead = 'set cookie.name, e.g. "__Secure-session"';
      if (cookie.domain !== undefined)
        refuse(`${rename("allows no cookie.domain")}: ${instead}, or leave out domain`);
      if (cookie.path !== "/")
        refuse(`${rename('needs cookie.path "/"')}: ${instead}, or leave out path`);
    }
    if (prefix.endsWith("http-") && !cookie.httpOnly) {
      refuse(
        `${rename("needs cookie.httpOnly")}: set cookie.name, e.g. "__Host-session", or leave out httpOnly`,
      );
    }
  }
  if (cookie.sameSite === "none" && !cookie.secure) {
    refuse(`cookie.sameSite "none" needs Secure, but ${insecure}: use "lax", or HTTPS with secure`);
  }
  if (cookie.partitioned && !cookie.secure) {
    refuse(
      `cookie.partitioned needs Secure, but ${insecure}: leave out partitioned, or use HTTPS with secure`,
    );
  }
}
