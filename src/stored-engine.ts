/** Finds a request's session on an engine that keeps records: cookie, token, record, digest. */
import { findCookies } from "./cookie.ts";
import type { Engine, Executor } from "./engine.ts";
import { SessionError } from "./errors.ts";
import { StoredExecutor } from "./stored-executor.ts";
import { isSuperseded, timesOf } from "./expiry.ts";
import { damagedEvent, reportFailure } from "./failure.ts";
import type { Origin } from "./live.ts";
import type { Damage } from "./record.ts";
import type { State } from "./state.ts";
import { open } from "./sealing.ts";
import { type Found, onlyAuthentic, type Shared } from "./shared.ts";
import { isPromise } from "./reply.ts";
import type { Reply, Store, StoreRecord } from "./store.ts";
import { idOf, isDigestOf, isId, isToken } from "./token.ts";
import { Writer } from "./writer.ts";

const nobody: Found = { origin: undefined, superseded: false, presented: false };
const nothing: Found = { origin: undefined, superseded: false, presented: true };

/** The engine that keeps records, as the manager sees it. */
export class StoredEngine implements Engine {
  readonly #shared: Shared;
  readonly #store: Store;
  readonly #writer: Writer;
  readonly #executor: StoredExecutor;

  constructor(shared: Shared, store: Store) {
    const { settings, timeouts, report } = shared;
    this.#shared = shared;
    this.#store = store;
    this.#writer = new Writer({
      store,
      timeouts,
      storeTimeout: settings.storeTimeout,
      sealer: settings.sealer,
      now: settings.clock,
      report,
    });
    this.#executor = new StoredExecutor(shared, store, this.#writer);
  }

  executor(): Executor {
    return this.#executor;
  }

  async check(): Promise<void> {
    if (this.#store.check === undefined) return;
    await this.#shared.timeouts.run("answer a check", async () => this.#store.check?.());
  }

  async close(): Promise<void> {
    await this.#writer.drain();
    await this.#store.close?.();
  }

  find(header: string | undefined): Reply<Found> {
    if (header === undefined || header === "") return this.#among([]);
    const { transport, cookie } = this.#shared.settings;
    return this.#among(transport.kind === "cookie" ? findCookies(header, cookie.name) : [header]);
  }

  findToken(token: string | undefined): Reply<Found> {
    return this.#among(token === undefined || token === "" ? [] : [token]);
  }

  async exists(id: string): Promise<boolean> {
    if (!isId(id)) return false;
    let record: StoreRecord | undefined;
    try {
      const key = this.#shared.prefix + id;
      record = await this.#shared.timeouts.run("look for a session", loadFrom, this.#store, key);
    } catch (error) {
      throw this.#failed("look for a session", error);
    }
    if (record === undefined) return false;
    return (await this.#decode(record, id, undefined)) !== undefined;
  }

  async *list(): AsyncGenerator<Found> {
    const store = this.#store;
    if (!store.abilities.iterate || store.iterate === undefined) {
      throw new SessionError("unsupported", "This session store cannot list its sessions");
    }
    const { prefix } = this.#shared;
    try {
      for await (const record of store.iterate(prefix)) {
        const origin = await this.#decode(record, record.key.slice(prefix.length), undefined);
        if (origin !== undefined) yield { origin, superseded: false, presented: false };
      }
    } catch (error) {
      throw this.#failed("iterate", error);
    }
  }

  /** The session of the one token that authenticates. Tossed duplicates are tried, but not trusted. */
  #among(values: readonly string[]): Reply<Found> {
    if (values.length === 0) return nobody;
    if (values.length > 1) return this.#amongSeveral(values);
    const token = values[0] as string;
    return isToken(token) ? this.#authenticate(token) : nothing;
  }

  async #amongSeveral(values: readonly string[]): Promise<Found> {
    const tokens = [...new Set(values)].filter(isToken);
    const tried =
      values.length > 2
        ? []
        : await Promise.all(tokens.map(async (token) => this.#authenticate(token)));
    return onlyAuthentic(tried, values.length, this.#shared.report) ?? nothing;
  }

  #authenticate(token: string): Reply<Found> {
    const id = idOf(token);
    const key = this.#shared.prefix + id;
    const reply = this.#shared.timeouts.run("load a session", loadFrom, this.#store, key);
    return isPromise(reply)
      ? this.#verifyReply(reply, key, id, token)
      : this.#verify(reply, key, id, token);
  }

  #verifyReply(
    reply: Promise<StoreRecord | undefined>,
    key: string,
    id: string,
    token: string,
  ): Promise<Found> {
    return reply.then(
      (record) => this.#verify(record, key, id, token),
      (error: unknown) => {
        throw this.#failed("load", error);
      },
    );
  }

  #verify(record: StoreRecord | undefined, key: string, id: string, token: string): Reply<Found> {
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
    const known = isDigestOf(record.digest, this.#shared.settings.name, token);
    const origin = this.#decode(record, id, token);
    return isPromise(known) || isPromise(origin)
      ? this.#judgeBoth(origin, id, known)
      : this.#judge(origin, id, known);
  }

  async #judgeBoth(
    origin: Reply<Origin | undefined>,
    id: string,
    known: Reply<boolean>,
  ): Promise<Found> {
    const [found, same] = await Promise.all([origin, known]);
    return this.#judge(found, id, same);
  }

  #judge(origin: Origin | undefined, id: string, known: boolean): Found {
    if (origin === undefined) return nothing;
    if (known) return { origin, superseded: false, presented: true };
    if (!isSuperseded(origin.times.age, origin.state.renewedAge)) return nothing;
    this.#shared.report({
      type: "superseded",
      level: "info",
      message: `A request came with a token of session ${id} that was renewed a moment ago; it reads as empty`,
      id,
    });
    return { origin: undefined, superseded: true, presented: true };
  }

  #decode(record: StoreRecord, id: string, token: string | undefined): Reply<Origin | undefined> {
    const opened = open(this.#shared.settings.sealer, record.data, id);
    return isPromise(opened)
      ? this.#originOf(record, id, token, opened)
      : this.#origin(record, id, token, opened);
  }

  async #originOf(
    record: StoreRecord,
    id: string,
    token: string | undefined,
    opened: Promise<State | Damage>,
  ): Promise<Origin | undefined> {
    return this.#origin(record, id, token, await opened);
  }

  #origin(
    record: StoreRecord,
    id: string,
    token: string | undefined,
    state: State | Damage,
  ): Origin | undefined {
    if ("damaged" in state) {
      this.#shared.report(damagedEvent(id, state.damaged));
      return undefined;
    }
    const times = timesOf(record, this.#shared.settings.clock());
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

function loadFrom(store: Store, key: string): Reply<StoreRecord | undefined> {
  return store.load(key);
}
