/** What a commit is on its way to the engine: what writer.ts puts in line, and batch.ts writes. */
import type { Times } from "./expiry.ts";
import type { Reporter } from "./failure.ts";
import type { Sealer } from "./options.ts";
import type { State } from "./state.ts";
import type { Reply, Store, UpdateResult } from "./store.ts";
import type { Timeouts } from "./timeouts.ts";

/** A record as last known. */
export interface Base {
  readonly version: number;
  readonly digest: Uint8Array;
  readonly state: State;
  readonly times: Times;
}

/** What a commit makes of a base. */
export interface Applied {
  readonly state: State;
  readonly newDigest: Uint8Array | undefined;
  readonly lifetime: number | undefined;
  readonly idle: number | undefined;
}

/** One commit. */
export interface Job {
  /** The record as this request loaded it; its digest is the one the request authenticated with. */
  readonly base: Base;
  /** Synchronous. @throws {SessionError} when this commit cannot be applied; it then fails alone. */
  readonly apply: (base: Base) => Applied;
  /** `apply` runs the application's functions, which expect their own request's async context. */
  readonly runsUserCode: boolean;
}

/** What the writer needs of the manager. */
export interface WriterOptions extends Reporter {
  readonly store: Store;
  readonly timeouts: Timeouts;
  readonly storeTimeout: number;
  readonly sealer: Sealer | undefined;
  readonly now: () => number;
}

/** A commit that waits for its turn. */
export interface Waiting {
  readonly job: Job;
  readonly until: number;
  readonly apply: (base: Base) => Applied | Promise<Applied>;
  readonly resolve: (base: Base) => void;
  readonly reject: (error: unknown) => void;
}

/** The commits of one record that came while a write was under way, and what that write left. */
export interface Queue {
  waiting: Waiting[];
  newest: Base | undefined;
}

/** What became of one send: the engine's answer, or none. */
export type Sent = UpdateResult | { readonly done: undefined; readonly error: unknown };

/** A first send, on its way or answered. */
export interface First {
  readonly base: Base;
  readonly next: Applied;
  readonly sent: Reply<Sent>;
}
