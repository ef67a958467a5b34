/** What a plan says, carried out on an engine that keeps the record; and which token to send. */
import type { Applied, Base } from "./job.ts";
import type { HeadEffects } from "./carrier.ts";
import {
  applyIntent,
  needsTimes,
  type Operation,
  plan,
  type Steps,
  withEntries,
} from "./commit.ts";
import type { Executor, Sink, Target, Transaction } from "./engine.ts";
import { SessionError } from "./errors.ts";
import { touchDue } from "./expiry.ts";
import type { Origin } from "./live.ts";
import { emptyState } from "./state.ts";
import { after, isPromise } from "./reply.ts";
import { seal } from "./sealing.ts";
import type { Shared } from "./shared.ts";
import type { Reply, Store } from "./store.ts";
import { digestOf, idOf, newCommitId, renewedToken } from "./token.ts";
import type { Writer } from "./writer.ts";

const maxIdCollisions = 3;

/** Keeps no state of its own between two commits: one serves all requests of a manager. */
export class StoredExecutor implements Executor {
  readonly travels = false;
  readonly #shared: Shared;
  readonly #store: Store;
  readonly #writer: Writer;

  constructor(shared: Shared, store: Store, writer: Writer) {
    this.#shared = shared;
    this.#store = store;
    this.#writer = writer;
  }

  run(target: Target, taken: Transaction, steps: Steps, sink: Sink): Reply<void> {
    const { origin } = target;
    if (!steps.destroy || origin === undefined) return this.#write(target, taken, steps, sink);
    return after(this.#writer.destroy(origin.key), () => {
      sink.announce("destroyed", origin.id);
      target.settle(undefined, true);
      return this.#write(target, taken, steps, sink);
    });
  }

  #write(target: Target, taken: Transaction, steps: Steps, sink: Sink): Reply<void> {
    const { origin } = target;
    if (steps.token === "clear") sink.send(this.#header(undefined, undefined));
    if (steps.write === "create") {
      const lifetime = steps.lifetime ?? this.#shared.settings.lifetime;
      return after(this.#create(target, taken, lifetime, maxIdCollisions), (created) => {
        target.settle(created, false);
        target.dropFreshToken();
        sink.send(this.#header(created.token, created));
        sink.announce("created", created.id);
      });
    }
    if (steps.write === "update" && origin !== undefined) {
      const updated = this.#update(origin, taken, steps.renew);
      return isPromise(updated)
        ? this.#publishUpdate(updated, target, steps, sink)
        : this.#publish(updated, target, steps, sink);
    }
    if (!steps.destroy) target.settle(origin, taken.intent.destroy);
  }

  #publishUpdate(
    updating: Promise<Origin>,
    target: Target,
    steps: Steps,
    sink: Sink,
  ): Promise<void> {
    return updating.then((updated) => this.#publish(updated, target, steps, sink));
  }

  #publish(updated: Origin, target: Target, steps: Steps, sink: Sink): void {
    target.settle(updated, false);
    if (steps.token === "set") sink.send(this.#header(updated.token, updated));
    if (steps.renew) sink.announce("renewed", updated.id);
  }

  async touch(target: Target): Promise<boolean> {
    const { origin } = target;
    if (origin === undefined) return false;
    const { idleTimeout, touchInterval, clock } = this.#shared.settings;
    if (idleTimeout === undefined || !touchDue(origin.times, clock(), idleTimeout, touchInterval)) {
      return true;
    }
    const alive = await this.#shared.timeouts.run("touch a session", () =>
      this.#store.touch(origin.key, origin.digest, idleTimeout),
    );
    if (alive) target.touched(clock(), idleTimeout);
    return alive;
  }

  async end(merged: Origin, sink: Sink): Promise<void> {
    try {
      await this.#writer.destroy(merged.key);
      sink.announce("destroyed", merged.id);
    } catch {
      // Reported by the writer. The data have been taken over; the other record ends by its timeout.
    }
  }

  #create(target: Target, taken: Transaction, lifetime: number, tries: number): Reply<Origin> {
    const { settings, prefix } = this.#shared;
    // 144 random bits collided three times: the random source or the store is broken.
    if (tries === 0) {
      throw new SessionError("store-failed", "The session store says that every new id is taken");
    }
    const { intent, view } = taken;
    const state =
      view !== undefined
        ? withEntries(emptyState, view, intent, undefined)
        : applyIntent(emptyState, intent, settings.maxSize, undefined);
    const token = target.freshToken();
    const id = idOf(token);
    const key = prefix + id;
    const idle = settings.idleTimeout;
    return after(digestOf(settings.name, token), (digest) =>
      after(seal(settings.sealer, state, newCommitId(), id), (data) =>
        after(this.#writer.create(key, { digest, data, lifetime, idle }), (created) => {
          if (!created) {
            target.dropFreshToken();
            return this.#create(target, taken, lifetime, tries - 1);
          }
          const times = {
            readAt: settings.clock(),
            age: 0,
            deadlineIn: lifetime,
            idleIn: idle === undefined ? undefined : Math.min(idle, lifetime),
          };
          return { key, id, token, digest, version: 1, state, times };
        }),
      ),
    );
  }

  #update(origin: Origin, taken: Transaction, renew: boolean): Reply<Origin> {
    return renew
      ? this.#renew(origin, taken)
      : this.#commit(origin, taken, origin.token, undefined);
  }

  #renew(origin: Origin, taken: Transaction): Reply<Origin> {
    const token = renewedToken(origin.id);
    return after(digestOf(this.#shared.settings.name, token), (newDigest) =>
      this.#commit(origin, taken, token, newDigest),
    );
  }

  #commit(
    origin: Origin,
    taken: Transaction,
    token: string | undefined,
    newDigest: Uint8Array | undefined,
  ): Reply<Origin> {
    const job = {
      base: origin,
      apply: (newest: Base) => this.#apply(newest, origin, taken, newDigest),
      runsUserCode: taken.intent.operations.some(isUpdate),
    };
    const written = this.#writer.commit(origin.key, origin.id, job);
    return isPromise(written)
      ? written.then((base) => committed(origin, base, token, newDigest))
      : committed(origin, written, token, newDigest);
  }

  /** The changes on top of `newest`; nothing is applied again if that is what they were made on. */
  #apply(
    newest: Base,
    loaded: Base,
    taken: Transaction,
    newDigest: Uint8Array | undefined,
  ): Applied {
    const { settings } = this.#shared;
    const { intent } = taken;
    const { idleTimeout, touchInterval } = settings;
    const timed = idleTimeout !== undefined || needsTimes(intent);
    const now = timed ? settings.clock() : newest.times.readAt;
    const passed = now - newest.times.readAt;
    const age = newDigest === undefined ? undefined : newest.times.age + passed;
    const decision = plan(intent, {
      exists: true,
      superseded: false,
      presented: true,
      hasData: true,
      now,
      deadlineIn: newest.times.deadlineIn - passed,
      fixedDeadline: newest.state.fixedDeadline,
      lifetime: settings.lifetime,
    });
    // A deadline that passed while the commit waited: the shortest life ends it at once.
    const lifetime =
      decision.fail === undefined && decision.write === "update" ? decision.lifetime : 1;
    const state =
      taken.view !== undefined && newest.state === loaded.state
        ? withEntries(newest.state, taken.view, intent, age)
        : applyIntent(newest.state, intent, settings.maxSize, age);
    // What was loaded has been touched: a request that goes on for long touches it again, and so does one
    // that moves the deadline, behind which the idle expiry may have been held.
    const moved = lifetime !== undefined || touchDue(newest.times, now, idleTimeout, touchInterval);
    return { state, newDigest, lifetime, idle: moved ? idleTimeout : undefined };
  }

  #header(token: string | undefined, origin: Origin | undefined): HeadEffects["token"] {
    const { settings, cookies } = this.#shared;
    if (settings.transport.kind === "header") {
      return { name: settings.transport.name, value: token ?? "" };
    }
    if (token === undefined || origin === undefined) {
      return { name: "Set-Cookie", value: cookies.clear() };
    }
    const persist = origin.state.remember ?? settings.persist;
    const age = persist ? origin.times.deadlineIn / 1000 : undefined;
    return { name: "Set-Cookie", value: cookies.set(token, age) };
  }
}

function isUpdate({ kind }: Operation): boolean {
  return kind === "update";
}

/** The session after its record was written as `base`. */
function committed(
  { key, id, digest: before }: Origin,
  { version, state, times }: Base,
  token: string | undefined,
  newDigest: Uint8Array | undefined,
): Origin {
  // Another commit of the same batch may have renewed the token; this request still has the old.
  const digest = newDigest ?? before;
  return { key, id, token, digest, version, state, times };
}
