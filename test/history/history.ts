// What a history is: every request of a run on real server processes, and every answer.

/** One change of the session; every value that is written in a run is written once only. */
export type Change =
  | { readonly do: "set"; readonly key: string; readonly value: string }
  /** Sets `left` and `right` to one value: nobody may ever see them differ. */
  | { readonly do: "pair"; readonly value: string }
  /** `update("count", (n) => (n ?? 0) + 1)` */
  | { readonly do: "add" }
  | { readonly do: "pop" | "take" | "delete"; readonly key: string }
  | { readonly do: "clear" };

/** What one request asks for. At most one change per key, and `clear` first. */
export interface Step {
  readonly destroy?: boolean | undefined;
  readonly renew?: boolean | undefined;
  /** On the session that was found; after a `destroy`, on the new one. */
  readonly changes: readonly Change[];
  /**
   * `explicit`: `await session.commit()` before the head, and the answer shows what the session then
   * holds. `stream`: the same after the head has left. `fail`: a status of 500, which rolls back.
   */
  readonly how?: "explicit" | "stream" | "fail" | undefined;
  /** Whether the load counts as use; every use is due for a touch. Default true. */
  readonly touch?: boolean | undefined;
  /** Milliseconds that the handler takes between loading and changing. */
  readonly pause?: number | undefined;
}

export type Data = Readonly<Record<string, string | number>>;

/** The body of an answer. */
export interface Answer {
  /** Whether the token was good. */
  readonly found: boolean;
  /** What the session held when it was loaded; undefined when the answer does not say. */
  readonly data?: Data | undefined;
  /** What each pop and take handed out, by key. */
  readonly handed: Readonly<Record<string, string>>;
  /** What the session held after an explicit commit. */
  readonly after?: Data | undefined;
  /** Of the error, when there was one. */
  readonly code?: string | undefined;
  /** What the driver said, for whoever reads a failed history. */
  readonly why?: string | undefined;
}

/** One request and its answer. Times are milliseconds on the driver's clock. */
export interface Exchange {
  readonly number: number;
  /** Which server process answered. */
  readonly process: number;
  readonly step: Step;
  readonly token: string | undefined;
  readonly start: number;
  /** When the head had come: what it acknowledges holds from here on. `stream`: the whole answer. */
  readonly end: number;
  /** 0: the connection broke before an answer came. */
  readonly status: number;
  readonly answer: Answer | undefined;
  /** The value in Set-Cookie; empty: cleared; undefined: there was none. */
  readonly cookie: string | undefined;
  /** Sent when all others had been answered, to see which tokens are good in the end. */
  readonly probe?: boolean | undefined;
}

/** A session's public handle: the part of its token that a renewal keeps. */
export function idOf(token: string): string {
  return token.slice(0, 24);
}
