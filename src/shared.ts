/** What all requests of a manager share, and what loading finds. */
import { type CookieWriter, cookieWriter } from "./cookie.ts";
import type { SessionEvent } from "./events.ts";
import type { Origin } from "./live.ts";
import type { Settings } from "./options.ts";
import type { Cookies } from "./sealed.ts";
import type { Timeouts } from "./timeouts.ts";

/** What all requests of a manager share. */
export class Shared {
  readonly settings: Settings;
  readonly timeouts: Timeouts;
  readonly report: (event: SessionEvent) => void;
  readonly cookies: CookieWriter;
  /** The request header that responses depend on. */
  readonly vary: string;
  readonly slot: string;
  readonly prefix: string;

  constructor(settings: Settings, timeouts: Timeouts, report: (event: SessionEvent) => void) {
    const { transport, cookie } = settings;
    this.settings = settings;
    this.timeouts = timeouts;
    this.report = report;
    this.cookies = cookieWriter(cookie);
    this.vary = transport.kind === "cookie" ? "Cookie" : transport.name;
    this.slot = transport.kind === "cookie" ? `cookie ${cookie.name}` : `header ${transport.name}`;
    this.prefix = `${settings.name}:`;
  }
}

/** What loading found. */
export interface Found {
  readonly origin: Origin | undefined;
  readonly superseded: boolean;
  /** The request carried a token of any kind. */
  readonly presented: boolean;
  /** What the request carried, where sessions travel in cookies. */
  readonly cookies?: Cookies | undefined;
}

/**
 * The session of the one cookie that authenticates, of `count` that came under the session's name, with an
 * event; undefined when there is none or more than one. A sibling host can toss a cookie in, which is no
 * session here, or is one of the attacker's.
 */
export function onlyAuthentic(
  tried: readonly Found[],
  count: number,
  report: Shared["report"],
): Found | undefined {
  const good = tried.filter(({ origin }) => origin !== undefined);
  const accepted = good.length === 1 ? good[0] : undefined;
  report({
    type: "duplicate-cookie",
    level: "warn",
    message: `The session cookie came ${count > 2 ? "more than twice" : "twice"}; ${accepted ? "the one that authenticates was used" : "none was used"}`,
    count,
    accepted: accepted !== undefined,
  });
  return accepted;
}
