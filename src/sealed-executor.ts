/** What a plan says, sealed into the cookies of the response; and the revocation list, if there is one. */
import type { Codec } from "./codec.ts";
import { applyIntent, type Steps, withEntries } from "./commit.ts";
import type { Executor, Sink, Target, Transaction } from "./engine.ts";
import { SessionError } from "./errors.ts";
import { touchDue } from "./expiry.ts";
import { gone, renewed, retryOrThrow } from "./failure.ts";
import type { Origin } from "./live.ts";
import { encodeRecord } from "./record.ts";
import { emptyState, type State } from "./state.ts";
import type {
  CookieChange,
  Cookies,
  Jar,
  Revocations,
  Sealed,
  SealedRecord,
  Soon,
} from "./sealed.ts";
import type { Found, Shared } from "./shared.ts";
import { idOf } from "./token.ts";

/** A plan's new state and its seal, not sent yet. */
interface Written {
  readonly state: State;
  readonly sealed: Sealed;
  readonly renewed: boolean;
}

const nothing: readonly CookieChange[] = Object.freeze([]);
const noCookies: Cookies = () => [];
const none: readonly string[] = [];
const noDigest: Uint8Array = new Uint8Array(0);

/** One request's. It knows which cookies came, so that stale ones are deleted. */
export class SealedExecutor implements Executor {
  readonly travels = true;
  readonly #shared: Shared;
  readonly #jar: Jar;
  readonly #cookies: Cookies;
  readonly #running: Set<Promise<void>>;
  #record: SealedRecord | undefined;
  /** What the head must set, and delete where the value is undefined. */
  #outgoing: readonly CookieChange[] = nothing;

  constructor(shared: Shared, jar: Jar, found: Found, running: Set<Promise<void>>) {
    this.#shared = shared;
    this.#jar = jar;
    this.#cookies = found.cookies ?? noCookies;
    this.#record = found.origin?.sealed;
    this.#running = running;
  }

  run(target: Target, taken: Transaction, steps: Steps, sink: Sink): Promise<void> | undefined {
    const { revocations } = this.#jar;
    if (revocations !== undefined) {
      const work = this.#listed(revocations, target, taken, steps, sink);
      this.#track(work);
      return work;
    }
    this.#end(target, steps, sink);
    if (steps.write === "none") {
      if (!steps.destroy) target.settle(target.origin, taken.intent.destroy);
      return undefined;
    }
    const written = this.#seal(target, taken, steps);
    if (written instanceof Promise) {
      return written.then((value) => this.#publish(target, sink, value));
    }
    this.#publish(target, sink, written);
    return undefined;
  }

  /** With a list on a server. Nothing is sent before it has answered. */
  async #listed(
    revocations: Revocations,
    target: Target,
    taken: Transaction,
    steps: Steps,
    sink: Sink,
  ): Promise<void> {
    const record = this.#record;
    if (steps.destroy && record !== undefined) {
      await this.#retrying("end", () => revocations.end(record));
    }
    this.#end(target, steps, sink);
    if (steps.write === "none") {
      if (!steps.destroy) target.settle(target.origin, taken.intent.destroy);
      return;
    }
    // Before anything ends: what does not fit must leave the session as it was.
    const written = await this.#seal(target, taken, steps);
    const before = target.origin?.state;
    if (steps.write === "update" && record !== undefined && before !== undefined) {
      await this.#requireLive(revocations, record, before, written);
    }
    this.#publish(target, sink, written);
  }

  /** @throws {SessionError} `gone` or `renewed`, or status 503 */
  async #requireLive(
    revocations: Revocations,
    record: SealedRecord,
    before: State,
    written: Written,
  ): Promise<void> {
    // A login may name the user just now: what counts is whose session it was.
    const user = userOf(revocations, before, this.#shared.settings.codec);
    const next = written.sealed.record;
    const done =
      !written.renewed || (await this.#retrying("renew", () => revocations.replace(record, next)));
    // After the replacement too: a user may have been revoked since this request loaded the session.
    const asked = done && written.renewed ? { ...record, id: next.id } : record;
    const state = await this.#retrying("look up", () => revocations.state(asked, user));
    if (done && state === "live") return;
    throw state === "superseded" ? renewed() : gone();
  }

  async touch(target: Target, sink: Sink): Promise<boolean> {
    const { origin } = target;
    const record = this.#record;
    if (origin === undefined || record === undefined) return false;
    const { idleTimeout, touchInterval, clock } = this.#shared.settings;
    if (idleTimeout === undefined || !touchDue(origin.times, clock(), idleTimeout, touchInterval)) {
      return true;
    }
    if (!sink.canSendToken) {
      throw new SessionError(
        "head-sent",
        "Cannot touch a session that travels in the cookie: the response head has been sent (or there is none)",
      );
    }
    const { revocations } = this.#jar;
    if (revocations !== undefined) {
      const user = userOf(revocations, origin.state, this.#shared.settings.codec);
      const state = await this.#shared.timeouts.run("look up revocations", () =>
        revocations.state(record, user),
      );
      if (state !== "live") return false;
    }
    const stamped = await this.#jar.stamp(record, idleTimeout);
    if (stamped === undefined) return false;
    this.#record = stamped.record;
    if (stamped.cookies.length > 0) {
      const names = new Set(stamped.cookies.map(({ name }) => name));
      const others = this.#outgoing.filter(({ name }) => !names.has(name));
      this.#send(sink, origin, [...others, ...stamped.cookies]);
    }
    const token = sink.toCaller ? withPairs(origin.token, stamped.cookies) : undefined;
    target.touched(clock(), idleTimeout, token);
    return true;
  }

  /** Without a list nothing can end it: whoever has its cookie can go on. */
  async end(merged: Origin): Promise<void> {
    const { revocations } = this.#jar;
    const record = merged.sealed;
    if (revocations === undefined || record === undefined) return;
    try {
      await this.#retrying("end", () => revocations.end(record));
    } catch {
      // Reported. The data have been taken over; the other session ends by its timeout.
    }
  }

  #end(target: Target, steps: Steps, sink: Sink): void {
    const { origin } = target;
    if (steps.destroy || steps.token === "clear") {
      this.#send(sink, undefined, this.#jar.clear(this.#cookies));
    }
    if (!steps.destroy || origin === undefined) return;
    this.#record = undefined;
    sink.announce("destroyed", origin.id);
    target.settle(undefined, true);
  }

  #seal(target: Target, taken: Transaction, steps: Steps): Soon<Written> {
    const { settings } = this.#shared;
    const { intent, view } = taken;
    const { origin } = target;
    const update = steps.write === "update";
    const before = update && origin !== undefined ? origin : undefined;
    const renews = update && steps.renew;
    const age =
      renews && before !== undefined
        ? before.times.age + settings.clock() - before.times.readAt
        : undefined;
    const base = before?.state ?? emptyState;
    const changed =
      view !== undefined
        ? withEntries(base, view, intent, age)
        : applyIntent(base, intent, settings.maxSize, age);
    // Nobody replays a commit: there is one copy, and ids of commits would only take room.
    const state = { ...changed, commits: emptyState.commits };
    const from = update ? this.#record : undefined;
    const id = from === undefined || renews ? idOf(target.freshToken()) : from.id;
    const foreign = from !== undefined && !(from.content instanceof Uint8Array);
    // Another library's session gets our lifetime, and no more than it had.
    const first = Math.min(settings.lifetime, from?.deadlineIn ?? settings.lifetime);
    const request = {
      id,
      data: encodeRecord(state),
      from,
      lifetime: steps.lifetime ?? (from === undefined || foreign ? first : undefined),
      idle: settings.idleTimeout,
    };
    const written = (sealed: Sealed | undefined): Written => {
      if (sealed === undefined) throw gone();
      return { state, sealed, renewed: renews };
    };
    const sealed = this.#jar.seal(request, this.#cookies);
    return sealed instanceof Promise ? sealed.then(written) : written(sealed);
  }

  /** The session shows it, and the head carries it. */
  #publish(target: Target, sink: Sink, { state, sealed, renewed }: Written): void {
    const { settings, prefix } = this.#shared;
    const { record } = sealed;
    const { id, age, idleIn } = record;
    const created = target.origin === undefined;
    this.#record = record;
    const origin: Origin = {
      key: prefix + id,
      id,
      token: sink.toCaller ? withPairs(undefined, sealed.cookies) : undefined,
      digest: noDigest,
      version: 1,
      state,
      times: {
        readAt: settings.clock(),
        age,
        deadlineIn: record.deadlineIn ?? settings.lifetime,
        idleIn,
      },
      sealed: record,
    };
    target.settle(origin, false);
    if (created || renewed) target.dropFreshToken();
    this.#send(sink, origin, sealed.cookies);
    if (created) sink.announce("created", id);
    else if (renewed) sink.announce("renewed", id);
  }

  /** A commit decides on all cookies of the session; a stamp only on its own. */
  #send(sink: Sink, origin: Origin | undefined, outgoing: readonly CookieChange[]): void {
    this.#outgoing = outgoing;
    const { settings } = this.#shared;
    const persist = origin?.state.remember ?? settings.persist;
    const age = persist && origin !== undefined ? origin.times.deadlineIn / 1000 : undefined;
    const first = outgoing[0] === undefined ? "" : this.#line(outgoing[0], age);
    const more = outgoing.length < 2 ? none : outgoing.slice(1).map((one) => this.#line(one, age));
    sink.send({ name: "Set-Cookie", value: first }, more);
  }

  #line({ name, value }: CookieChange, age: number | undefined): string {
    const { cookies } = this.#shared;
    return value === undefined ? cookies.clearAs(name) : cookies.setAs(name, value, age);
  }

  /** Asks the list, again when the answer was lost: each of its operations may be repeated. */
  async #retrying<T>(operation: string, ask: () => Promise<T>): Promise<T> {
    const until = performance.now() + this.#shared.settings.storeTimeout;
    for (let failures = 0; ;) {
      try {
        return await this.#shared.timeouts.run(`${operation} a session in the revocations`, ask);
      } catch (error) {
        await retryOrThrow(this.#shared, operation, error, ++failures, until);
      }
    }
  }

  #track(work: Promise<void>): void {
    this.#running.add(work);
    const done = (): void => void this.#running.delete(work);
    work.then(done, done);
  }
}

/** Whose session it is, by the application's own definition. */
export function userOf(revocations: Revocations, state: State, codec: Codec): string | undefined {
  return revocations.userOf((key) => {
    const bytes = state.entries.get(key);
    return bytes === undefined ? undefined : codec.decode(bytes);
  });
}

/** The token is a `Cookie` header: that of before, with these cookies in it. */
function withPairs(token: string | undefined, changes: readonly CookieChange[]): string {
  const pairs = new Map<string, string>();
  for (const pair of token?.split("; ") ?? []) {
    const at = pair.indexOf("=");
    pairs.set(pair.slice(0, at), pair.slice(at + 1));
  }
  for (const { name, value } of changes) {
    if (value === undefined) pairs.delete(name);
    else pairs.set(name, value);
  }
  return Array.from(pairs, ([name, value]) => `${name}=${value}`).join("; ");
}
