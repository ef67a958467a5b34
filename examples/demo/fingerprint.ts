/** A token that can be shown: 32 bits of its hash, enough to see that it changed, useless to log in. */
import { createHash } from "node:crypto";

/** Eight hexadecimal digits, for the value of the cookie `name`; empty when there is none. */
export function fingerprint(header: string | undefined, name: string): string {
  const cookie = header?.split("; ").find((pair) => pair.startsWith(`${name}=`));
  if (cookie === undefined) return "";
  return createHash("sha256").update(cookie).digest("hex").slice(0, 8);
}
