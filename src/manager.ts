/** `SessionManager`: finds, authenticates and loads sessions. Commits are in request.ts and writer.ts. */
import type { Carrier } from "./carrier.ts";
import { findCookies } from "./cookie.ts";
import { SessionError } from "./errors.ts";
import type { SessionEvent } from "./events.ts";
import { isSuperseded, timesOf, touchDue } from "./expiry.ts";
import { type Options, type Settings, settle } from "./options.ts";
import { type Found, RequestSession, Shared } from "./request.ts";
import { open } from "./sealing.ts";
import { missingEvent } from "./missing.ts";
import { LiveSession, type Origin } from "./live.ts";
import type { Session, TokenSession } from "./session.ts";
import { type Slot, slot } from "./slot.ts";
import type { StoreRecord } from "./store.ts";
import { Timeouts } from "./timeouts.ts";
import { digestOf, idOf, isToken, sameDigest } from "./token.ts";
import { damagedEvent, reportFailure } from "./failure.ts";
import { Writer } from "./writer.ts";

/** Options of one `load`. */
export interface LoadOptions {
  /** Default true. False: this load does not count as use (polling). */
  readonly touch?: boolean | undefined;
}

/** What an adapter has registered for a request, and what came of it. */
interface Attached<D extends object> {
  readonly carrier: Carrier;
  request: RequestSession<D> | undefined;
  loading: Promise<LiveSession<D>> | undefined;
  touched: boolean;
}

const nobody: Found = { origin: undefined, superseded: false, presented: false };

/**
 * Loads and commits sessions. Make one per application (one per kind of session) and keep it.
 *
 * @example
 * ```ts
 * import { SessionManager } from "scs-session";
 * import { MemoryStore } from "scs-session/stores/memory";
 *
 * type Data = { visits: number };
 * export const sessions = new SessionManager<Data>({
 *   store: new MemoryStore(),
 *   lifetime: "24h",
 *   idleTimeout: "20m",
 * });
 * ```
 */
export class SessionManager<D extends object = Record<string, unknown>> {
  /** The checked options, frozen, with every default filled in; durations in milliseconds. */
  readonly settings: Settings;
  readonly #shared: Shared;
  readonly #attached: Slot<Attached<D>> = slot();
  #closed = false;

  /** @throws {SessionError} `invalid-option` for options that contradict each other; the message says the fix. */
  constructor(options: Options<D>) {
    const settings = settle(options);
    this.settings = settings;
    const timeouts = new Timeouts(settings.storeTimeout);
    const report = (event: SessionEvent): void => this.report(event);
    const writer = new Writer({
      store: settings.store,
      timeouts,
      storeTimeout: settings.storeTimeout,
      sealer: settings.sealer,
      now: settings.clock,
      report,
    });
    this.#shared = new Shared(settings, timeouts, writer, report);
    const missing = missingEvent(settings.store.abilities);
    // Later: a handler of events may use the manager, which its caller does not have yet.
    if (missing !== undefined) queueMicrotask(() => this.report(missing));
  }

  /**
   * The request's session: loaded once per request, on first use; the same object every time. Takes
   * the framework's own request or context object.
   *
   * @throws {SessionError} `no-adapter`; status 503 when the store fails, never an anonymous session
   *   in place of a real one.
   */
  load(request: object, options?: LoadOptions): Promise<Session<D>> {
    const attached = this.#attached.get(request);
    if (attached === undefined) {
      return Promise.reject(
        new SessionError(
          "no-adapter",
          "sessions.load() got an object that no adapter of this manager has seen: mount sessionMiddleware(sessions) before this handler, or wrap it in sessionHandler(sessions, handler), and pass the framework's own request or context",
        ),
      );
    }
    const touch = options?.touch !== false;
    if (attached.loading === undefined) {
      attached.touched = touch;
      return (attached.loading = this.#begin(attached, touch));
    }
    if (touch && !attached.touched) {
      attached.touched = true;
      attached.loading = attached.loading.then((session) => this.#touch(session));
    }
    return attached.loading;
  }

  async #begin(attached: Attached<D>, touch: boolean): Promise<LiveSession<D>> {
    try {
      const { carrier } = attached;
      if (attached.request === undefined) {
        const request = new RequestSession<D>(this.#shared, carrier);
        carrier.attach(request);
        attached.request = request;
      }
      const { transport } = this.settings;
      const name = transport.kind === "cookie" ? "cookie" : transport.name;
      const found = await this.#find(carrier.header(name));
      const session = attached.request.start(found);
      return touch ? await this.#touch(session) : session;
    } catch (error) {
      attached.loading = undefined; // an error handler may try again
      throw error;
    }
  }

  /**
   * A session by its token, without HTTP: for sockets, tests, tokens in a message body. Nothing is
   * stored before `commit()`, after which `token` and `expires` say what to give the client. An
   * unknown or malformed token, or none, gives a new session with another token.
   *
   * @throws {SessionError} status 503.
   */
  async loadToken(token: string | undefined): Promise<TokenSession<D>> {
    const found = await this.#findAmong(token === undefined || token === "" ? [] : [token]);
    return this.#touch(new RequestSession<D>(this.#shared, "caller").start(found));
  }

  /**
   * A session by the value of a `Cookie` header (or of the token's header, with `transport: {
   * header }`): for WebSocket upgrades. It can be read and changed with `commit()`; whatever would
   * need a Set-Cookie throws `head-sent`.
   *
   * @throws {SessionError} status 503.
   */
  async loadCookie(header: string | null | undefined): Promise<Session<D>> {
    const found = await this.#find(header ?? undefined);
    return this.#touch(new RequestSession<D>(this.#shared, "nowhere").start(found));
  }

  /**
   * Copies all values of the session with this token into `into`, where they win; when `into` is
   * committed, the other session ends. The later of both deadlines holds. Two records are touched,
   * one after the other: if the process dies between, the other session lives until its timeout.
   *
   * @returns false when there is no such session, or it is `into` itself.
   * @throws {SessionError} status 503; `too-large`; `invalid-argument` for a session of another manager.
   */
  async merge(into: Session<D>, token: string): Promise<boolean> {
    if (!(into instanceof LiveSession)) {
      throw new SessionError("invalid-argument", "merge takes a session that this package loaded");
    }
    const { origin } = await this.#findAmong([token]);
    if (origin === undefined || origin.key === (into as LiveSession<D>).origin?.key) return false;
    (into as LiveSession<D>).absorb(origin);
    return true;
  }

  /**
   * Every live session of this manager, in any order. Changes of one need its `commit()`. Damaged
   * records are reported and skipped.
   *
   * @throws {SessionError} `unsupported` on an engine that cannot list; status 503.
   */
  async *iterate(): AsyncIterable<Session<D>> {
    const { store } = this.settings;
    if (!store.abilities.iterate || store.iterate === undefined) {
      throw new SessionError("unsupported", "This session store cannot list its sessions");
    }
    const { prefix } = this.#shared;
    try {
      for await (const record of store.iterate(prefix)) {
        const origin = await this.#decode(record, record.key.slice(prefix.length), undefined);
        if (origin === undefined) continue;
        const found = { origin, superseded: false, presented: false };
        yield new RequestSession<D>(this.#shared, "caller").start(found);
      }
    } catch (error) {
      throw this.#failed("iterate", error);
    }
  }

  /** Resolves when the store can serve: for a health check. @throws {SessionError} status 503 */
  async check(): Promise<void> {
    if (this.#closed) throw closed();
    const { store } = this.settings;
    if (store.check === undefined) return;
    await this.#shared.timeouts.run("answer a check", async () => store.check?.());
  }

  /**
   * Waits for commits under way and stops the store's timers; the client given to the store stays
   * open. Later loads fail with `closed`. May be called twice.
   */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#shared.writer.drain();
    await this.settings.store.close?.();
  }

  /**
   * For adapters: registers a request, under every object that handlers may pass to `load`.
   *
   * @returns false when the request is registered already: the adapter was mounted twice, and the
   *   inner one has nothing to do.
   */
  attach(request: object, carrier: Carrier, ...aliases: readonly object[]): boolean {
    if (this.#attached.get(request) !== undefined) return false;
    const attached = { carrier, request: undefined, loading: undefined, touched: false };
    this.#attached.set(request, attached);
    for (const alias of aliases) this.#attached.set(alias, attached);
    return true;
  }

  /** For adapters: gives an event to the application. Never throws. */
  report(event: SessionEvent): void {
    try {
      this.settings.onEvent(event);
    } catch (error) {
      console.error("scs-session: onEvent threw", error);
    }
  }

  async #touch(session: LiveSession<D>): Promise<LiveSession<D>> {
    const { idleTimeout, touchInterval, clock } = this.settings;
    const { origin } = session;
    if (origin === undefined || !touchDue(origin.times, clock(), idleTimeout, touchInterval)) {
      return session;
    }
    try {
      await session.touch();
    } catch (error) {
      this.report({
        type: "touch-failed",
        level: "warn",
        message: `The use of session ${origin.id} could not be recorded`,
        id: origin.id,
        error,
      });
    }
    return session;
  }

  async #find(header: string | undefined): Promise<Found> {
    if (header === undefined || header === "") return this.#findAmong([]);
    const { transport, cookie } = this.settings;
    return this.#findAmong(
      transport.kind === "cookie" ? findCookies(header, cookie.name) : [header],
    );
  }

  /** The session of the one token that authenticates. Tossed duplicates are tried, but not trusted. */
  async #findAmong(values: readonly string[]): Promise<Found> {
    if (this.#closed) throw closed();
    if (values.length === 0) return nobody;
    const nothing: Found = { origin: undefined, superseded: false, presented: true };
    if (values.length === 1) {
      const [token = ""] = values;
      return isToken(token) ? await this.#authenticate(token) : nothing;
    }
    const tokens = [...new Set(values)].filter(isToken);
    const tried =
      values.length > 2 ? [] : await Promise.all(tokens.map((token) => this.#authenticate(token)));
    const good = tried.filter((found) => found.origin !== undefined);
    const accepted = good.length === 1 ? good[0] : undefined;
    this.report({
      type: "duplicate-cookie",
      level: "warn",
      message: `The session cookie came ${values.length > 2 ? "more than twice" : "twice"}; ${accepted ? "the one that authenticates was used" : "none was used"}`,
      count: values.length,
      accepted: accepted !== undefined,
    });
    return accepted ?? nothing;
  }

  async #authenticate(token: string): Promise<Found> {
    const { store, name } = this.settings;
    const nothing: Found = { origin: undefined, superseded: false, presented: true };
    const id = idOf(token);
    const key = this.#shared.prefix + id;
    let record: StoreRecord | undefined;
    try {
      record = await this.#shared.timeouts.run("load a session", () => store.load(key));
    } catch (error) {
      throw this.#failed("load", error);
    }
    if (record === undefined) return nothing;
    if (record.key !== key) {
      throw this.#failed(
        "load",
        new SessionError(
          "store-failed",
          "The session store answered with another session's record",
        ),
      );
    }
    const digest = digestOf(name, token);
    const known = sameDigest(record.digest, digest instanceof Uint8Array ? digest : await digest);
    const origin = await this.#decode(record, id, token);
    if (origin === undefined) return nothing;
    if (known) return { origin, superseded: false, presented: true };
    if (!isSuperseded(origin.times.age, origin.state.renewedAge)) return nothing;
    this.report({
      type: "superseded",
      level: "info",
      message: `A request came with a token of session ${id} that was renewed a moment ago; it reads as empty`,
      id,
    });
    return { origin: undefined, superseded: true, presented: true };
  }

  async #decode(
    record: StoreRecord,
    id: string,
    token: string | undefined,
  ): Promise<Origin | undefined> {
    const state = await open(this.settings.sealer, record.data, id);
    if ("damaged" in state) {
      this.report(damagedEvent(id, state.damaged));
      return undefined;
    }
    const times = timesOf(record, this.settings.clock());
    const { key, digest, version } = record;
    return { key, id, token, digest, version, state, times };
  }

  #failed(operation: string, error: unknown): SessionError {
    reportFailure(this.#shared, operation, error);
    if (error instanceof SessionError) return error;
    return new SessionError("store-failed", `The session store failed to ${operation}`, {
      cause: error,
    });
  }
}

function closed(): SessionError {
  return new SessionError("closed", "The session manager has been closed");
}
