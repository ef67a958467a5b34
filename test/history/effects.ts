// What one exchange did, as far as its answer says.
import { type Change, type Data, type Exchange, idOf } from "./history.ts";

/** Whether it was done: the answer says so, it says that nothing was, or nobody knows. */
export type Certainty = "sure" | "none" | "maybe";

/** What a run did to its servers. */
export interface Situation {
  /** Servers failed: 503 and broken connections are answers like others. */
  readonly faults?: boolean | undefined;
  /** Drivers sent commands again, as connections were closed: no request need fail by that. */
  readonly resent?: boolean | undefined;
  /** Clients went away before their answers came. */
  readonly aborts?: boolean | undefined;
  /**
   * What was acknowledged between these times may be lost, as the engine's documentation says of its
   * failover; what was seen then, too. Renewals and destroys are kept, where the engine waits for them.
   */
  readonly loss?: { readonly from: number; readonly to: number } | undefined;
}

export interface Effect {
  /** Of one that nobody heard the outcome of, `end` is Infinity: the server may still be at it. */
  readonly exchange: Exchange;
  readonly certainty: Certainty;
  /** Whether its token was good; undefined when the answer does not say. */
  readonly found: boolean | undefined;
  /** The session that it began. */
  readonly created: string | undefined;
  /** The session that it ended. */
  readonly kills: string | undefined;
  readonly renews: { readonly from: string; readonly to: string | undefined } | undefined;
  /** The session that `sets`, `adds`, `clears` and `removes` are about. */
  readonly target: string | undefined;
  readonly sets: ReadonlyMap<string, string>;
  readonly adds: number;
  readonly clears: boolean;
  /** By key; the value that was handed out, or undefined: whatever is there. */
  readonly removes: ReadonlyMap<string, string | undefined>;
  /** What was seen: at the load, and after an explicit commit. */
  readonly seen: readonly { readonly data: Data; readonly afterCommit: boolean }[];
  /** Whether it writes or removes this key. */
  touches(key: string): boolean;
}

export function effectOf(exchange: Exchange, situation: Situation): Effect {
  const { step, token, status, answer, cookie } = exchange;
  const lossy = isIn(situation.loss, exchange);
  // An error page does not say what the handler saw.
  const answered = (status === 200 || status === 500) && answer !== undefined;
  const found =
    answered && !lossy && !(status === 500 && answer.code !== undefined) ? answer.found : undefined;
  const id = token === undefined ? undefined : idOf(token);
  const onFound = found ?? (answered ? answer.found : token !== undefined);
  const kills = step.destroy === true && onFound ? id : undefined;
  const stays = onFound && step.destroy !== true;
  const created = !stays && cookie ? idOf(cookie) : undefined;
  // A new session is one that no replica has confirmed.
  const kept = (step.renew === true || step.destroy === true) && created === undefined;
  const certainty = certaintyOf(exchange, lossy && !kept, situation);
  const renews =
    stays && step.renew === true && token !== undefined ? { from: token, to: cookie } : undefined;
  const target = stays ? id : created;
  const empty = !stays;
  const data = answered ? answer.data : undefined;
  const sets = new Map<string, string>();
  const removes = new Map<string, string | undefined>();
  let adds = 0;
  let clears = false;
  for (const each of step.changes) {
    if (each.do === "add") adds++;
    else if (each.do === "set") sets.set(each.key, each.value);
    else if (each.do === "pair") sets.set("left", each.value).set("right", each.value);
    else if (empty) continue;
    else if (each.do === "clear") clears = data === undefined || Object.keys(data).length > 0;
    else remove(removes, each, data, answered ? answer.handed : undefined);
  }
  const seen: Effect["seen"][number][] = [];
  if (found === true && answered) {
    if (answer.data !== undefined) seen.push({ data: answer.data, afterCommit: false });
    if (answer.after !== undefined && stays) seen.push({ data: answer.after, afterCommit: true });
  }
  const open = certainty === "maybe" && !lossy && answer?.code !== "gone";
  return {
    exchange: open ? { ...exchange, end: Infinity } : exchange,
    certainty,
    found,
    created,
    kills,
    renews,
    target,
    sets,
    adds,
    clears,
    removes,
    seen,
    touches: (key) => sets.has(key) || removes.has(key),
  };
}

function remove(
  removes: Map<string, string | undefined>,
  change: Change & { readonly do: "pop" | "take" | "delete" },
  data: Data | undefined,
  handed: Readonly<Record<string, string>> | undefined,
): void {
  const { key } = change;
  if (change.do === "delete") {
    if (data === undefined || key in data) removes.set(key, undefined);
  } else if (handed === undefined || handed[key] !== undefined) {
    removes.set(key, handed?.[key]);
  }
}

function certaintyOf(
  { status, step, answer }: Exchange,
  lossy: boolean,
  { faults, resent }: Situation,
): Certainty {
  // Where replies were lost, it may have been stored before the session ended.
  if (answer?.code === "gone") return faults === true || resent === true ? "maybe" : "none";
  if (status === 409) return "none";
  if (status === 500) return step.how === "fail" && answer?.code === undefined ? "none" : "maybe";
  if (status !== 200) return "maybe";
  if (answer?.code === undefined) return lossy ? "maybe" : "sure";
  return /^(commit-unknown|store-)/.test(answer.code) ? "maybe" : "none";
}

function isIn(loss: Situation["loss"], { start, end }: Exchange): boolean {
  return loss !== undefined && end > loss.from && start < loss.to;
}
