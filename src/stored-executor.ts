/** What a plan says, carried out on an engine that keeps the record; and which token to send. */
import type { Applied, Base } from "./batch.ts";
import type { HeadEffects } from "./carrier.ts";
import { applyIntent, plan, type Steps, withEntries } from "./commit.ts";
import type { Executor, Sink, Target, Transaction } from "./engine.ts";
import { SessionError } from "./errors.ts";
import { touchDue } from "./expiry.ts";
import type { Origin } from "./live.ts";
import { emptyState } from "./record.ts";
import { seal } from "./sealing.ts";
import type { Shared } from "./shared.ts";
import type { Store } from "./store.ts";
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

  async run(target: Target, taken: Transaction, steps: Steps, sink: Sink): Promise<void> {
    const { origin } = target;
    if (steps.destroy && origin !== undefined) {
      await this.#writer.destroy(origin.key);
      sink.announce("destroyed", origin.id);
      target.settle(undefined, true);
    }
    if (steps.token === "clear") sink.send(this.#header(undefined, undefined));
    if (steps.write === "create") {
      const lifetime = steps.lifetime ?? this.#shared.settings.lifetime;
      const created = await this.#create(target, taken, lifetime);
      target.settle(created, false);
      target.dropFreshToken();
      sink.send(this.#header(created.token, created));
      sink.announce("created", created.id);
    } else if (steps.write === "update" && origin !== undefined) {
      const updated = await this.#update(origin, taken, steps.renew);
      target.settle(updated, false);
      if (steps.token === "set") sink.send(this.#header(updated.token, updated));
      if (steps.renew) sink.announce("renewed", updated.id);
    } else if (!steps.destroy) {
      target.settle(origin, taken.intent.destroy);
    }
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

  async end(merged: Origin): Promise<void> {
    try {
      await this.#writer.destroy(merged.key);
    } catch {
      // Reported by the writer. The data have been taken over; the other record ends by its timeout.
    }
  }

  async #create(target: Target, taken: Transaction, lifetime: number): Promise<Origin> {
    const { settings, prefix } = this.#shared;
    const { intent } = taken;
    const state =
      taken.view !== undefined
        ? withEntries(emptyState, taken.view, intent, undefined)
        : applyIntent(emptyState, intent, settings.maxSize, undefined);
    for (let collisions = 0; collisions < maxIdCollisions; collisions++) {
      const token = target.freshToken();
      const id = idOf(token);
      const key = prefix + id;
      const digest = await digestOf(settings.name, token);
      const data = await seal(settings.sealer, state, newCommitId(), id);
      const idle = settings.idleTimeout;
      if (await this.#writer.create(key, { digest, data, lifetime, idle })) {
        const times = {
          readAt: settings.clock(),
          age: 0,
          deadlineIn: lifetime,
          idleIn: idle === undefined ? undefined : Math.min(idle, lifetime),
        };
        return { key, id, token, digest, version: 1, state, times };
      }
      target.dropFreshToken();
    }
    // 144 random bits collided three times: the random source or the store is broken.
    throw new SessionError("store-failed", "The session store says that every new id is taken");
  }

  async #update(origin: Origin, taken: Transaction, renew: boolean): Promise<Origin> {
    const { settings } = this.#shared;
    const token = renew ? renewedToken(origin.id) : origin.token;
    let newDigest: Uint8Array | undefined;
    if (renew && token !== undefined) {
      const digest = digestOf(settings.name, token);
      newDigest = digest instanceof Uint8Array ? digest : await digest;
    }
    const updated = await this.#writer.commit(origin.key, origin.id, {
      base: origin,
      apply: (newest) => this.#apply(newest, origin, taken, newDigest),
      runsUserCode: taken.intent.operations.some((operation) => operation.kind === "update"),
    });
    // Another commit of the same batch may have renewed the token; this request still has the old.
    return { ...origin, ...updated, token, digest: newDigest ?? origin.digest };
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
    const now = settings.clock();
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
    return { state, newDigest, lifetime, idle: settings.idleTimeout };
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
