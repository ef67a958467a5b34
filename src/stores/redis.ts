/**
 * Sessions in Redis or Valkey: one string per session, one round trip per operation, expiry by the
 * server. Standalone, Sentinel and Cluster; see docs/stores/redis.md.
 */
import { SessionError } from "../errors.ts";
import type {
  Abilities,
  CreateRecord,
  Store,
  StoreRecord,
  UpdateRecord,
  UpdateResult,
} from "../store.ts";
import { isReply, type RedisClient, type Wire, wireOf } from "./redis-client.ts";
import { ServerClock } from "./redis-clock.ts";
import { damaged } from "./damaged.ts";
import { parse, toBuffer, valueOf } from "./redis-record.ts";
import { duration, fields, foreign, full, text, unexpected } from "./redis-reply.ts";
import { type Script, type Scripts, scripts } from "./redis-script.ts";

export type { IoRedisClient, NodeRedisClient, RedisClient } from "./redis-client.ts";

/** Options of `RedisStore`. */
export interface RedisStoreOptions {
  /** What every key in Redis begins with. Default `"scs:"`. */
  readonly prefix?: string | undefined;
  /**
   * Renewals and destroys are acknowledged only once this many replicas have them: a WAIT follows
   * the command on the same connection, at most `timeout` ms. With fewer replicas they fail with
   * `commit-unknown` (503). Fewer logouts are undone by a failover then, not none: WAIT does not
   * make Redis strongly consistent. Default: no waiting.
   */
  readonly waitForReplicas?: { readonly count: number; readonly timeout: number } | undefined;
}

/** Keys per SCAN, and sessions loaded at a time: what `iterate` holds in memory. */
const page = 100;
const batch = 16;

type Arguments = Parameters<Wire["send"]>[1];

/**
 * An engine on Redis 6.2 or later, or Valkey.
 *
 * @example
 * ```ts
 * import { SessionManager } from "scs-session";
 * import { type RedisClient, RedisStore } from "scs-session/stores/redis";
 *
 * // const client = await createClient({ url: "redis://localhost:6379" }).connect();
 * export function sessionsIn(client: RedisClient): SessionManager {
 *   return new SessionManager({ store: new RedisStore(client) });
 * }
 * ```
 */
export class RedisStore implements Store {
  readonly abilities: Abilities = Object.freeze({
    iterate: true,
    shared: true,
    guarantees: Object.freeze(["G1", "G2", "G3", "G4", "G5", "G6", "G7"] as const),
  });

  readonly #wire: Wire;
  readonly #prefix: string;
  readonly #replicas: number;
  readonly #wait: Arguments | undefined;
  readonly #scripts: Scripts = scripts();
  readonly #clock = new ServerClock();

  /** @throws {SessionError} `invalid-option`, also for a client that reads from replicas. */
  constructor(client: RedisClient, options: RedisStoreOptions = {}) {
    const { prefix = "scs:", waitForReplicas } = options;
    if (typeof prefix !== "string" || /\p{Surrogate}/u.test(prefix)) {
      throw new SessionError("invalid-option", "prefix must be well-formed text");
    }
    if (waitForReplicas !== undefined) {
      const { count, timeout } = waitForReplicas;
      // WAIT takes 0 as "for ever", which no caller can want.
      for (const [name, value] of [
        ["count", count],
        ["timeout", timeout],
      ] as const) {
        if (!Number.isSafeInteger(value) || value < 1) {
          throw new SessionError(
            "invalid-option",
            `waitForReplicas.${name} is ${String(value)}; give a whole number of at least 1`,
          );
        }
      }
      this.#wait = ["wait", String(count), String(timeout)];
    }
    this.#replicas = waitForReplicas?.count ?? 0;
    this.#prefix = prefix;
    this.#wire = wireOf(client);
  }

  load(key: string): Promise<StoreRecord | undefined> {
    return this.#get(this.#prefix + key).then(
      (value) => {
        this.#wire.heard();
        // By the estimated time it has ended, by the server's it has not: the server is asked.
        return value === null ? undefined : (this.#record(key, value) ?? this.#read(key));
      },
      (error: unknown) => foreign(error, damaged(key)),
    );
  }

  /** @throws {SessionError} `store-full` when Redis is out of memory. */
  async create(key: string, record: CreateRecord): Promise<boolean> {
    const { digest, data, lifetime, idle } = record;
    const args = [valueOf(key, 1, digest, data), duration(lifetime), duration(idle)];
    try {
      const losses = this.#wire.losses();
      const [reply] = await this.#run(this.#scripts.create, key, args);
      if (Number(fields(reply)[1]) === 1) return true;
      this.#refused(losses);
      return false;
    } catch (error) {
      return foreign(full(error), false);
    }
  }

  /**
   * @throws {SessionError} `store-full` when Redis is out of memory; `commit-unknown` when too few
   *   replicas have a renewal.
   */
  async update(key: string, change: UpdateRecord): Promise<UpdateResult> {
    const { version, digest, data, newDigest, lifetime, idle } = change;
    const value = valueOf(key, version + 1, newDigest ?? digest, data);
    const args = [value, duration(lifetime), duration(idle)];
    // Otherwise it is the one in the value.
    if (newDigest !== undefined) args.push(toBuffer(digest));
    const wait = newDigest === undefined ? undefined : this.#wait;
    const losses = this.#wire.losses();
    try {
      const [reply, replicas] = await this.#run(this.#scripts.update, key, args, wait);
      // Nothing but 1 where no time had to be looked at.
      const [now, done, found] = Number(reply) === 1 ? [undefined, 1] : fields(reply);
      if (Number(done) === 1) {
        if (wait !== undefined) this.#expect(replicas);
        return { done: true };
      }
      this.#refused(losses);
      if (found === undefined) return { done: false, record: undefined };
      // As text, where a pipeline of the client knows no type mapping (Sentinel): asked for again.
      const newest = typeof found === "string" ? undefined : this.#record(key, found, Number(now));
      return { done: false, record: newest ?? (await this.load(key)) };
    } catch (error) {
      // The answer to a second copy of the command says nothing about the first.
      const definite = this.#wire.losses() === losses;
      return foreign(definite ? full(error) : error, { done: false, record: damaged(key) });
    }
  }

  async touch(key: string, digest: Uint8Array, idle: number): Promise<boolean> {
    try {
      const args = [duration(idle), toBuffer(digest)];
      const [reply] = await this.#run(this.#scripts.touch, key, args);
      return Number(fields(reply)[1]) === 1;
    } catch (error) {
      return foreign(error, false);
    }
  }

  /** @throws {SessionError} `commit-unknown` when too few replicas have it. */
  async destroy(key: string): Promise<void> {
    const at = this.#prefix + key;
    const command = ["del", at];
    if (this.#wait === undefined) {
      await this.#wire.send(at, command);
      return;
    }
    const [, replicas] = await this.#wire.sendBoth(at, command, this.#wait);
    this.#expect(replicas);
  }

  /**
   * Every live record whose key starts with `prefix`: SCAN over every primary. One that lives
   * throughout is returned at least once; while Redis resizes its table, maybe twice.
   */
  async *iterate(prefix: string): AsyncGenerator<StoreRecord> {
    const start = this.#prefix + prefix;
    const pattern = `${start.replace(/[\\*?[\]^-]/g, "\\$&")}*`;
    for (const send of await this.#wire.primaries()) {
      let cursor = "0";
      do {
        const [next, found] = fields(
          await send(["scan", cursor, "match", pattern, "count", String(page)]),
        );
        const keys = fields(found).map(text);
        for (let at = 0; at < keys.length; at += batch) {
          const names = keys.slice(at, at + batch).filter((key) => key.startsWith(start));
          yield* await this.#loadAll(names.map((key) => key.slice(this.#prefix.length)));
        }
        cursor = text(next);
      } while (cursor !== "0");
    }
  }

  /**
   * Writes and removes one key, and greets every primary of a cluster. So it rejects when Redis is
   * out of reach, loading, read-only, out of memory, short of replicas or cannot save, and when the
   * user may not run scripts.
   */
  async check(): Promise<void> {
    const key = `check:${crypto.randomUUID()}`;
    const [primaries] = await Promise.all([
      this.#wire.primaries(),
      this.#run(this.#scripts.probe, key, []),
    ]);
    if (primaries.length > 1) await Promise.all(primaries.map((send) => send(["ping"])));
  }

  /** Does nothing: there are no timers, and the client stays open. */
  close(): void {}

  /** One script, in one round trip once the server knows it. Replies, of WAIT too if it is given. */
  #run(
    { sha, text: source }: Script,
    key: string,
    args: Arguments,
    wait?: Arguments,
  ): Promise<readonly unknown[]> {
    if (sha === undefined) return this.#eval("eval", source, key, args, wait);
    return this.#eval("evalsha", sha, key, args, wait).catch((error: unknown) => {
      // After a restart, a failover or SCRIPT FLUSH; nothing was done.
      if (isReply(error, "NOSCRIPT")) return this.#eval("eval", source, key, args, wait);
      throw error;
    });
  }

  #eval(
    how: "eval" | "evalsha",
    script: string,
    key: string,
    args: Arguments,
    wait: Arguments | undefined,
  ): Promise<readonly unknown[]> {
    const at = this.#prefix + key;
    const command = [how, script, "1", at, ...args];
    const sent = performance.now();
    if (wait !== undefined) {
      return this.#wire.sendBoth(at, command, wait).then((replies) => {
        this.#learn(replies[0], sent);
        return replies;
      });
    }
    return this.#wire.send(at, command).then((reply) => {
      this.#learn(reply, sent);
      return [reply];
    });
  }

  #learn(reply: unknown, sent: number): void {
    this.#wire.heard();
    if (Array.isArray(reply)) this.#clock.learn(Number(reply[0]), sent);
  }

  #get(at: string): Promise<unknown> {
    const value = this.#wire.get(at);
    if (this.#clock.isFresh()) return value;
    // In the same round trip: both are sent before either is answered.
    return Promise.all([value, this.#askTime(at)]).then(([found]) => found);
  }

  async #askTime(at: string): Promise<void> {
    const sent = performance.now();
    const [seconds, micros] = fields(await this.#wire.send(at, ["time"])).map(text);
    this.#clock.learn(Number(seconds) * 1000 + Math.floor(Number(micros) / 1000), sent);
  }

  /** By a script that decides by the server's clock. */
  async #read(key: string): Promise<StoreRecord | undefined> {
    try {
      const [reply] = await this.#run(this.#scripts.read, key, []);
      const [now, value] = fields(reply);
      return value === undefined ? undefined : this.#record(key, value, Number(now));
    } catch (error) {
      return foreign(error, damaged(key));
    }
  }

  /** Undefined when it has ended by `now`. */
  #record(key: string, value: unknown, now = this.#clock.now()): StoreRecord | undefined {
    if (!(value instanceof Uint8Array)) throw unexpected();
    const stored = parse(value, key);
    if (stored === undefined) return damaged(key);
    const { version, digest, data, created, deadline, idle } = stored;
    if (now >= deadline || (idle > 0 && now >= idle)) return undefined;
    return {
      key: stored.key,
      version,
      digest,
      data,
      age: Math.max(0, Math.round(now - created)),
      deadlineIn: Math.ceil(deadline - now),
      idleIn: idle > 0 ? Math.ceil(idle - now) : undefined,
    };
  }

  async #loadAll(keys: readonly string[]): Promise<StoreRecord[]> {
    const records = await Promise.all(
      keys.map(async (key) => {
        const record = await this.load(key);
        return record === undefined || record.key === key ? record : damaged(key);
      }),
    );
    return records.filter((record) => record !== undefined);
  }

  /** Rejects when "not done" may be the answer to a second copy of the command. */
  #refused(losses: number): void {
    if (this.#wire.losses() === losses) return;
    throw new SessionError("store-failed", "The connection to Redis broke; the outcome is unknown");
  }

  #expect(replicas: unknown): void {
    if (Number(replicas) >= this.#replicas) return;
    throw new SessionError(
      "commit-unknown",
      `${Number(replicas)} of ${this.#replicas} replicas confirmed the change in time`,
    );
  }
}
