/**
 * Operations that are asked for in one turn of the event loop, carried out by one command. A busy
 * process gets several requests in each turn, and most of what a command costs, on both sides of the
 * connection, it costs once, whatever it carries. docs/decisions/0025-shared-statements.md has the
 * measurements.
 *
 * Each operation keeps its own outcome: what the common command could not settle is asked alone.
 */
import { SessionError } from "../errors.ts";

/** Options of the engines whose operations can share a command. */
export interface BatchOptions {
  /**
   * Whether operations that begin in the same turn of the event loop share a command, which costs a
   * busy process and its server a fraction (docs/performance.md). Turn it off for a client that tells
   * by the request (AsyncLocalStorage) which connection to use, or to see each operation in a trace.
   * Default true.
   */
  readonly batch?: boolean | undefined;
}

/** @throws {SessionError} `invalid-option` */
export function isBatching({ batch = true }: BatchOptions): boolean {
  if (typeof batch === "boolean") return batch;
  throw new SessionError("invalid-option", `batch is ${String(batch)}; give true or false`);
}

/** What a failure of a common command means. */
export type Failure =
  /** Each operation may go alone: nothing was done. */
  | "split"
  /** Likewise, and no other try would fare better. */
  | "never"
  /** All of its operations have failed. */
  | "all";

export interface Batched<Call, Answer> {
  /** At most so many share a command. */
  readonly most: number;
  readonly alone: (call: Call) => Promise<Answer>;
  /** The answers, in order; undefined for one that must go alone. */
  readonly together: (calls: readonly Call[]) => Promise<readonly (Answer | undefined)[]>;
  readonly failure: (error: unknown) => Failure;
  /** What two calls of one command must not have in common; the second one goes alone. */
  readonly distinct?: ((call: Call) => unknown) | undefined;
}

interface Waiting<Call, Answer> {
  readonly call: Call;
  readonly resolve: (answer: Answer | PromiseLike<Answer>) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * At the end of the turn: not before the requests that have arrived have been read. Never on workerd,
 * where a connection and what comes of it belong to one request (src/isolate.ts).
 */
const { setImmediate: atEnd } = ("WebSocketPair" in globalThis ? {} : globalThis) as {
  setImmediate?: (run: () => void) => unknown;
};

export class Batcher<Call, Answer> {
  readonly #batched: Batched<Call, Answer>;
  #waiting: Waiting<Call, Answer>[] = [];
  #on: boolean;

  constructor(batched: Batched<Call, Answer>) {
    this.#batched = batched;
    this.#on = atEnd !== undefined;
  }

  run(call: Call): Promise<Answer> {
    const { alone, most, distinct } = this.#batched;
    if (!this.#on) return alone(call);
    const waiting = this.#waiting;
    if (distinct !== undefined) {
      const own = distinct(call);
      if (waiting.some((other) => distinct(other.call) === own)) return alone(call);
    }
    return new Promise((resolve, reject) => {
      if (waiting.length === 0) atEnd?.(() => this.#send(waiting));
      waiting.push({ call, resolve, reject });
      // The next one begins another command.
      if (waiting.length === most) this.#waiting = [];
    });
  }

  #send(waiting: readonly Waiting<Call, Answer>[]): void {
    if (this.#waiting === waiting) this.#waiting = [];
    const { alone, together, failure } = this.#batched;
    const goAlone = ({ call, resolve, reject }: Waiting<Call, Answer>): void => {
      attempt(() => alone(call)).then(resolve, reject);
    };
    if (waiting.length === 1) {
      for (const one of waiting) goAlone(one);
      return;
    }
    attempt(() => together(waiting.map(({ call }) => call))).then(
      (answers) => {
        for (const [i, one] of waiting.entries()) {
          const answer = answers[i];
          if (answer === undefined) goAlone(one);
          else one.resolve(answer);
        }
      },
      (error: unknown) => {
        const meaning = failure(error);
        if (meaning === "never") this.#on = false;
        for (const one of waiting) {
          if (meaning === "all") one.reject(error);
          else goAlone(one);
        }
      },
    );
  }
}

/** What is thrown at the end of a turn would end the process. */
function attempt<T>(run: () => Promise<T>): Promise<T> {
  try {
    return run();
  } catch (error) {
    return Promise.reject(error);
  }
}
