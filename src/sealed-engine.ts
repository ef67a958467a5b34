/** The engine without a server, as the manager sees it: cookies in, sessions out. */
import { cookiesIn } from "./cookie.ts";
import type { Engine, Executor } from "./engine.ts";
import { SessionError } from "./errors.ts";
import { damagedEvent, reportFailure } from "./failure.ts";
import type { Origin } from "./live.ts";
import { decodeRecord } from "./record.ts";
import { emptyState, type State } from "./state.ts";
import type {
  Cookies,
  Jar,
  Opened,
  RejectedReason,
  Revocations,
  SealedEngineMaker,
  SealedRecord,
  SealedStore,
} from "./sealed.ts";
import { SealedExecutor, userOf } from "./sealed-executor.ts";
import { type Found, onlyAuthentic, type Shared } from "./shared.ts";
import { isPromise } from "./reply.ts";
import type { Reply } from "./store.ts";

const none: readonly string[] = Object.freeze([]);
const noCookies: Cookies = () => none;

/** What a `SealedStore` brings along: the manager does not import it. */
export const sealedEngine: SealedEngineMaker = (shared: Shared, store: SealedStore): Engine =>
  new SealedEngine(shared, store);

class SealedEngine implements Engine {
  readonly #shared: Shared;
  readonly #store: SealedStore;
  readonly #jar: Jar;
  readonly #running = new Set<Promise<void>>();

  constructor(shared: Shared, store: SealedStore) {
    const { settings, report } = shared;
    this.#shared = shared;
    this.#store = store;
    this.#jar = store.bind(settings.cookie.name, settings.name, (message) =>
      report({ type: "not-enforced", level: "warn", message }),
    );
  }

  find(header: string | undefined): Reply<Found> {
    return this.#find(header, undefined);
  }

  /** The token is what a `Cookie` header would hold. */
  findToken(token: string | undefined): Reply<Found> {
    return this.#find(token, token);
  }

  exists(): Promise<boolean> {
    return Promise.reject(
      new SessionError(
        "unsupported",
        "Nobody but its client knows whether a session in a cookie is there",
      ),
    );
  }

  async *list(): AsyncGenerator<Found> {
    yield* [];
    throw new SessionError(
      "unsupported",
      "Sessions in cookies cannot be listed: clients have them",
    );
  }

  executor(found: Found): Executor {
    return new SealedExecutor(this.#shared, this.#jar, found, this.#running);
  }

  async check(): Promise<void> {
    if (this.#store.check === undefined) return;
    await this.#shared.timeouts.run("answer a check", async () => this.#store.check?.());
  }

  async close(): Promise<void> {
    while (this.#running.size > 0) await Promise.allSettled(this.#running);
    await this.#store.close?.();
  }

  /** The session of the one cookie that opens. Tossed duplicates are tried, but not trusted. */
  #find(header: string | undefined, token: string | undefined): Reply<Found> {
    const { name } = this.#shared.settings.cookie;
    const cookies: Cookies =
      header === undefined || header === "" ? noCookies : cookiesIn(header, name);
    const values = cookies(name);
    if (values.length > 1) return this.#amongSeveral(values, cookies, token);
    return this.#open(values[0], cookies, token);
  }

  async #amongSeveral(
    values: readonly string[],
    cookies: Cookies,
    token: string | undefined,
  ): Promise<Found> {
    const tried: Found[] = [];
    if (values.length === 2) {
      for (const value of new Set(values)) tried.push(await this.#open(value, cookies, token));
    }
    const found = onlyAuthentic(tried, values.length, this.#shared.report);
    return found ?? nothing(cookies, true);
  }

  #open(value: string | undefined, cookies: Cookies, token: string | undefined): Reply<Found> {
    const presented = value !== undefined;
    const opened = this.#jar.open(value, cookies);
    return isPromise(opened)
      ? opened.then((later) => this.#opened(later, presented, cookies, token))
      : this.#opened(opened, presented, cookies, token);
  }

  #opened(
    opened: Opened | undefined,
    presented: boolean,
    cookies: Cookies,
    token: string | undefined,
  ): Reply<Found> {
    if (opened === undefined) return nothing(cookies, presented);
    if (opened.record === undefined) return this.#reject(opened.reason, cookies);
    const { record } = opened;
    const state = this.#decode(record);
    if ("damaged" in state) {
      this.#shared.report(damagedEvent(record.id, state.damaged));
      return nothing(cookies, true);
    }
    const { revocations } = this.#jar;
    if (revocations !== undefined) return this.#listed(revocations, record, state, cookies, token);
    const origin = originOf(this.#shared, record, state, token);
    return { origin, superseded: false, presented: true, cookies };
  }

  /** What the list on a server says of it. */
  async #listed(
    revocations: Revocations,
    record: SealedRecord,
    state: State,
    cookies: Cookies,
    token: string | undefined,
  ): Promise<Found> {
    const now = await this.#stateOf(revocations, record, state);
    if (now === "ended") return this.#reject("revoked", cookies);
    if (now === "superseded") {
      this.#shared.report({
        type: "superseded",
        level: "info",
        message: `A request came with the cookie of session ${record.id}, which was renewed a moment ago; it reads as empty`,
        id: record.id,
      });
      return { ...nothing(cookies, true), superseded: true };
    }
    const origin = originOf(this.#shared, record, state, token);
    return { origin, superseded: false, presented: true, cookies };
  }

  /** The record's values, still as bytes. @throws {SessionError} `unknown-format` */
  #decode({ content }: SealedRecord): State | { readonly damaged: string } {
    // The seal says that these are the bytes that were written.
    if (content instanceof Uint8Array) return decodeRecord(content, true);
    const { codec } = this.#shared.settings;
    const entries = new Map<string, Uint8Array>();
    for (const [key, value] of Object.entries(content)) entries.set(key, codec.encode(value));
    return { ...emptyState, entries };
  }

  async #stateOf(
    revocations: Revocations,
    record: SealedRecord,
    state: State,
  ): Promise<"live" | "ended" | "superseded"> {
    const user = userOf(revocations, state, this.#shared.settings.codec);
    try {
      return await this.#shared.timeouts.run("look up revocations", () =>
        revocations.state(record, user),
      );
    } catch (error) {
      reportFailure(this.#shared, "look up revocations", error);
      throw error;
    }
  }

  /** One event; the client sees a request without a session, whatever the reason. */
  #reject(reason: RejectedReason, cookies: Cookies): Found {
    this.#shared.report({
      type: "rejected-cookie",
      level: reason === "expired" ? "debug" : "warn",
      message: `A session cookie was refused (${reason}); it was treated as no session`,
      reason,
    });
    return nothing(cookies, true);
  }
}

function nothing(cookies: Cookies, presented: boolean): Found {
  return { origin: undefined, superseded: false, presented, cookies };
}

/** A sealed record, as sessions hold it. */
function originOf(
  shared: Shared,
  record: SealedRecord,
  state: State,
  token: string | undefined,
): Origin {
  const { clock, lifetime } = shared.settings;
  const { id, age } = record;
  const given = record.deadlineIn ?? lifetime;
  const deadlineIn = record.content instanceof Uint8Array ? given : Math.min(given, lifetime);
  return {
    key: shared.prefix + id,
    id,
    token,
    digest: noDigest,
    version: 1,
    state,
    times: { readAt: clock(), age, deadlineIn, idleIn: idleOf(shared, record) },
    sealed: record,
  };
}

/**
 * What is known of the idle expiry. A claim is believed as far as it can do no harm: it puts off the next
 * touch, by no more than one that was written just now would.
 */
function idleOf({ settings }: Shared, { idleIn, claimedIn }: SealedRecord): number | undefined {
  if (idleIn === undefined || claimedIn === undefined || claimedIn <= idleIn) return idleIn;
  return claimedIn <= (settings.idleTimeout ?? 0) ? claimedIn : idleIn;
}

const noDigest: Uint8Array = new Uint8Array(0);
