/** All that the page depends on; routes.ts makes it, the other files here turn it into HTML. */
import type { Entry } from "../log.ts";

/** A form field that was not acceptable. */
export type Problem = "name" | "message";

/** What the page shows of a session. */
export interface SessionView {
  /** The message for this view only. */
  readonly flash: string | undefined;
  /** Fingerprint of the token before a login, for the first view after it. */
  readonly before: string | undefined;
  readonly user: string | undefined;
  readonly visits: number;
  /** Key and value, the value as JSON. */
  readonly entries: readonly (readonly [string, string])[];
  readonly id: string;
  /** Of the token: see fingerprint.ts. */
  readonly fingerprint: string;
  readonly createdAt: Date;
  readonly deadline: Date;
}

/** What the pages tell about the server. */
export interface About {
  /** The engine's name. */
  readonly store: string;
  /** In ms, as given to the manager. */
  readonly lifetime: number;
  /** In ms, as given to the manager. */
  readonly idleTimeout: number;
  /** The cookie's name. */
  readonly cookie: string;
  /** Concurrent changes all stay (G1): on every engine but the cookie one. */
  readonly keepsAll: boolean;
}

export interface View extends About {
  readonly session: SessionView | undefined;
  readonly problem: Problem | undefined;
  /** The session was ended by the request before. */
  readonly ended: boolean;
  readonly log: LogView;
  /** `localhost:4000`, for the commands to try. */
  readonly host: string;
  /** For the Content-Security-Policy. */
  readonly nonce: string;
}

export interface LogView {
  /** The newest first. */
  readonly entries: readonly Entry[];
  readonly version: number;
  /** The entry of the request that asks. */
  readonly own: Entry | undefined;
  /** Public id of the session whose requests are marked. */
  readonly session: string | undefined;
  /** Entries above this number have just come. */
  readonly seen: number;
}
