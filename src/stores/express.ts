/**
 * Sessions in any store that was written for express-session: connect-mongo, connect-dynamodb,
 * memorystore, session-file-store, and some hundred others.
 *
 * Such a store can only read, overwrite and destroy. Of the seven guarantees that leaves two (G3, G7)
 * when several processes use it, and all seven only for one process alone: docs/stores/express.md
 * says what that means. Where there is an engine for your database, take that.
 */
import { SessionError } from "../errors.ts";
import { type Backend, Bridge, type BridgeOptions, has } from "./bridge.ts";
import { nameOf, type Stored } from "./bridge-record.ts";

/** A store of express-session: the three required methods of its interface. */
export interface ExpressSessionStore {
  get(sid: string, callback: (error: unknown, session?: object | null) => void): unknown;
  set(sid: string, session: object, callback?: (error?: unknown) => void): unknown;
  destroy(sid: string, callback?: (error?: unknown) => void): unknown;
}

/** Options of `ExpressStore`. */
export type ExpressStoreOptions = BridgeOptions;

/**
 * An engine on a store of express-session.
 *
 * @example
 * ```ts
 * import { SessionManager } from "scs-session";
 * import { type ExpressSessionStore, ExpressStore } from "scs-session/stores/express";
 *
 * export function sessionsOn(store: ExpressSessionStore): SessionManager {
 *   return new SessionManager({ store: new ExpressStore(store) });
 * }
 * ```
 */
export class ExpressStore extends Bridge {
  /** @throws {SessionError} `invalid-option`: an option, or a store of another kind. */
  constructor(store: ExpressSessionStore, options: ExpressStoreOptions = {}) {
    // A client of node-redis has the three methods as well, and others too.
    if (!has(store, "get", "set", "destroy") || has(store, "sendCommand")) {
      throw new SessionError(
        "invalid-option",
        "ExpressStore takes a store of express-session, such as `new MongoStore({...})`",
      );
    }
    super(backendOf(store), options, false);
  }
}

function backendOf(store: ExpressSessionStore): Backend {
  return {
    identity: store,
    read: (key) => called((done) => store.get(nameOf(key), done)),
    write: async (key, stored, ttl) => {
      await called((done) => store.set(nameOf(key), sessionOf(stored, ttl), done));
    },
    remove: async (key) => {
      await called((done) => store.destroy(nameOf(key), done));
    },
  };
}

/**
 * What express-session would give the store: the data and a cookie, from which stores read when
 * the session ends. Some take one field of it, some another.
 */
function sessionOf(stored: Stored, ttl: number): object {
  const cookie = {
    path: "/",
    httpOnly: true,
    originalMaxAge: ttl,
    maxAge: ttl,
    expires: new Date(Date.now() + ttl),
  };
  // Stores add fields of their own.
  return { cookie, ...stored };
}

type Done = (error?: unknown, value?: unknown) => void;

/** The call's outcome: by callback; newer stores also return a promise, which may fail alone. */
function called(call: (done: Done) => unknown): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const done: Done = (error, value) => {
      // express-session takes a file that is not there for no session, and so do its stores.
      if (error === undefined || error === null || isMissing(error)) resolve(value);
      else reject(asError(error));
    };
    Promise.resolve(call(done)).catch(reject);
  });
}

function isMissing(error: unknown): boolean {
  return typeof error === "object" && error !== null && "code" in error && error.code === "ENOENT";
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}
