/** Finds a request's session on an engine that keeps records: cookie, token, record, digest. */
import { findCookies } from "./cookie.ts";
import type { Engine, Executor } from "./engine.ts";
import { SessionError } from "./errors.ts";
import { StoredExecutor } from "./stored-executor.ts";
import { isSuperseded, timesOf } from "./expiry.ts";
import { damagedEvent, reportFailure } from "./failure.ts";
import type { Origin } from "./live.ts";
import { open } from "./sealing.ts";
import type { Found, Shared } from "./shared.ts";
import type { Store, StoreRecord } from "./store.ts";
import { digestOf, idOf, isToken, sameDigest } from "./token.ts";
import { Writer } from "./writer.ts";

const nobody: Found = { origin: undefined, superseded: false, presented: false };

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

  find(header: string | undefined): Promise<Found> {
    if (header === undefined || header === "") return this.#among([]);
    const { transport, cookie } = this.#shared.settings;
    return this.#among(transport.kind === "cookie" ? findCookies(header, cookie.name) : [header]);
  }

  findToken(token: string | undefined): Promise<Found> {
    return this.#among(token === undefined || token === "" ? [] : [token]);
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
  async #among(values: readonly string[]): Promise<Found> {
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
    this.#shared.report({
      type: "duplicate-cookie",
      level: "warn",
      message: `The session cookie came ${values.length > 2 ? "more than twice" : "twice"}; ${accepted ? "the one that authenticates was used" : "none was used"}`,
      count: values.length,
      accepted: accepted !== undefined,
    });
    return accepted ?? nothing;
  }

  async #authenticate(token: string): Promise<Found> {
    const { name } = this.#shared.settings;
    const nothing: Found = { origin: undefined, superseded: false, presented: true };
    const id = idOf(token);
    const key = this.#shared.prefix + id;
    let record: StoreRecord | undefined;
    try {
      record = await this.#shared.timeouts.run("load a session", () => this.#store.load(key));
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
    this.#shared.report({
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
    const state = await open(this.#shared.settings.sealer, record.data, id);
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
