/** `SessionManager`: loads sessions. Finding is in stored-engine.ts and sealed-engine.ts, committing in request.ts. */
import type { Carrier } from "./carrier.ts";
import { SessionError } from "./errors.ts";
import type { Engine } from "./engine.ts";
import type { SessionEvent } from "./events.ts";
import { touchDue } from "./expiry.ts";
import { missingEvent } from "./missing.ts";
import { LiveSession, type Origin } from "./live.ts";
import { type Options, type RequestContext, type Settings, settle } from "./options.ts";
import { isPromise } from "./reply.ts";
import { type Destination, RequestSession } from "./request.ts";
import { isSealed, type SealedStore } from "./sealed.ts";
import type { Session, TokenSession } from "./session.ts";
import { type Found, Shared } from "./shared.ts";
import { type Slot, slot } from "./slot.ts";
import type { Reply } from "./store.ts";
import { StoredEngine } from "./stored-engine.ts";
import { Timeouts } from "./timeouts.ts";

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
  readonly #engine: Engine;
  readonly #attached: Slot<Attached<D>> = slot();
  #closed = false;

  /** @throws {SessionError} `invalid-option` for options that contradict each other; the message says the fix. */
  constructor(options: Options<D>) {
    const settings = settle(options);
    this.settings = settings;
    const shared = new Shared(settings, new Timeouts(settings.storeTimeout), (event) =>
      this.report(event),
    );
    const { store } = settings;
    this.#shared = shared;
    this.#engine = isSealed(store)
      ? (store.engine as (shared: Shared, store: SealedStore) => Engine)(shared, store)
      : new StoredEngine(shared, store);
    // What sessions in cookies cannot have is said by their engine, once it knows of revocations.
    const missing = isSealed(store) ? undefined : missingEvent(store.abilities);
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
      return this.#begin(attached, touch);
    }
    if (touch && !attached.touched) {
      attached.touched = true;
      attached.loading = attached.loading.then((session) =>
        this.#touch(session, this.settings.clock()),
      );
    }
    return attached.loading;
  }

  #begin(attached: Attached<D>, touch: boolean): Promise<LiveSession<D>> {
    const { carrier } = attached;
    const { transport } = this.settings;
    try {
      const request = (attached.request ??= this.#attach(carrier));
      this.#open();
      const name = transport.kind === "cookie" ? "cookie" : transport.name;
      const found = this.#engine.find(carrier.header(name));
      const session = isPromise(found)
        ? this.#startFound(request, found, touch)
        : this.#started(request, found, touch);
      if (!isPromise(session)) return (attached.loading = Promise.resolve(session));
      return (attached.loading = orFailed(attached, session));
    } catch (error) {
      return failed(attached, error);
    }
  }

  #startFound(
    request: RequestSession<D>,
    finding: Promise<Found>,
    touch: boolean,
  ): Promise<LiveSession<D>> {
    return finding.then((found) => this.#started(request, found, touch));
  }

  #started(request: RequestSession<D>, found: Found, touch: boolean): Reply<LiveSession<D>> {
    const session = request.start(found, this.#engine.executor(found));
    return touch ? this.#touch(session) : session;
  }

  #attach(carrier: Carrier): RequestSession<D> {
    const request = new RequestSession<D>(this.#shared, carrier);
    carrier.attach(request);
    return request;
  }

  /**
   * The session of the request that is being handled, for code that has no request at hand. Needs the
   * option `context`; the same session as `load` gives, loaded on first use.
   *
   * @throws {SessionError} `no-adapter` outside a request; `invalid-option` without `context`; status
   *   503 as `load`.
   */
  current(options?: LoadOptions): Promise<Session<D>> {
    const { context } = this.settings;
    const request = context?.getStore();
    if (request !== undefined) return this.load(request, options);
    return Promise.reject(
      context === undefined
        ? new SessionError(
            "invalid-option",
            "sessions.current() needs the manager's option context: new AsyncLocalStorage()",
          )
        : new SessionError(
            "no-adapter",
            "sessions.current() was called outside a request that an adapter of this manager has seen",
          ),
    );
  }

  /**
   * A session by its token, without HTTP: for sockets, tests, tokens in a message body. Nothing is
   * stored before `commit()`, after which `token` and `expires` say what to give the client. An
   * unknown or malformed token, or none, gives a new session with another token.
   *
   * @throws {SessionError} status 503.
   */
  async loadToken(token: string | undefined): Promise<TokenSession<D>> {
    this.#open();
    return this.#touch(this.#start(await this.#engine.findToken(token), "caller"));
  }

  /**
   * A session by the value of a `Cookie` header (or of the token's header, with `transport: {
   * header }`): for WebSocket upgrades. It can be read and changed with `commit()`; whatever would
   * need a Set-Cookie throws `head-sent`.
   *
   * @throws {SessionError} status 503.
   */
  async loadCookie(header: string | null | undefined): Promise<Session<D>> {
    this.#open();
    return this.#touch(this.#start(await this.#engine.find(header ?? undefined), "nowhere"));
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
    this.#open();
    const { origin } = await this.#engine.findToken(token);
    if (origin === undefined || origin.key === (into as LiveSession<D>).origin?.key) return false;
    (into as LiveSession<D>).absorb(origin);
    return true;
  }

  /**
   * Whether the session with this public id is still there: for sockets and other long connections,
   * to close them when it has ended. One round trip to the engine; does not count as use. In the
   * process that ends a session, the event `destroyed` says so at once.
   *
   * @throws {SessionError} status 503: then nobody knows; `unsupported` on an engine that holds no
   *   record of its sessions.
   */
  async isAlive(id: string): Promise<boolean> {
    this.#open();
    return this.#engine.exists(id);
  }

  /**
   * Every live session of this manager, in any order. Changes of one need its `commit()`. Damaged
   * records are reported and skipped.
   *
   * @throws {SessionError} `unsupported` on an engine that cannot list; status 503.
   */
  async *iterate(): AsyncIterable<Session<D>> {
    for await (const found of this.#engine.list()) yield this.#start(found, "caller");
  }

  /** Resolves when the store can serve: for a health check. @throws {SessionError} status 503 */
  async check(): Promise<void> {
    this.#open();
    await this.#engine.check();
  }

  /**
   * Waits for commits under way and stops the store's timers; the client given to the store stays
   * open. Later loads fail with `closed`. May be called twice.
   */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#engine.close();
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

  /**
   * For adapters: calls the handler of a registered request with these arguments, so that `current()`
   * works inside it.
   */
  enter<R, A extends readonly unknown[]>(request: object, work: (...args: A) => R, ...args: A): R {
    const { context } = this.settings;
    return context === undefined ? work(...args) : enterContext(context, request, work, args);
  }

  /** For adapters: gives an event to the application. Never throws. */
  report(event: SessionEvent): void {
    try {
      this.settings.onEvent(event);
    } catch (error) {
      console.error("scs-session: onEvent threw", error);
    }
  }

  /** Without `now`, the session has just been loaded, and nobody has to look at the clock again. */
  #touch(session: LiveSession<D>, now?: number): Reply<LiveSession<D>> {
    const { idleTimeout, touchInterval } = this.settings;
    const { origin } = session;
    if (origin === undefined) return session;
    const { times } = origin;
    if (!touchDue(times, now ?? times.readAt, idleTimeout, touchInterval)) return session;
    return this.#touchNow(session, origin);
  }

  async #touchNow(session: LiveSession<D>, origin: Origin): Promise<LiveSession<D>> {
    try {
      await session.touch();
    } catch (error) {
      // A stamp that nobody can receive: the use does not count, as the engine's page says.
      if (error instanceof SessionError && error.code === "head-sent") return session;
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

  #start(found: Found, destination: Destination): LiveSession<D> {
    const request = new RequestSession<D>(this.#shared, destination);
    return request.start(found, this.#engine.executor(found));
  }

  #open(): void {
    if (this.#closed) throw new SessionError("closed", "The session manager has been closed");
  }
}

function enterContext<R, A extends readonly unknown[]>(
  context: RequestContext,
  request: object,
  work: (...args: A) => R,
  args: A,
): R {
  return context.run(request, () => work(...args));
}

function orFailed<D extends object>(
  attached: Attached<D>,
  loading: Promise<LiveSession<D>>,
): Promise<LiveSession<D>> {
  return loading.catch((error: unknown) => failed(attached, error));
}

function failed<D extends object>(attached: Attached<D>, error: unknown): Promise<never> {
  attached.loading = undefined; // an error handler may try again
  if (error instanceof SessionError) attached.carrier.failed?.(error);
  return Promise.reject(error);
}
