/**
 * What may never be in a history. Pure: exchanges in, violations out.
 *
 * Each request took effect at one moment between its start and its end, which is not known. So every
 * rule is one of necessity: it names what no choice of such moments explains. "Before" always means
 * that one had ended before the other began.
 */
import { type Effect, effectOf, type Certainty, type Situation } from "./effects.ts";
import { type Exchange, idOf } from "./history.ts";
import { checkData } from "./values.ts";

export type Kind =
  /** A status that nothing explains: 503 without a fault, 500 that was not asked for. */
  | "answer"
  /** A 409 although nobody renewed, ended or took anything meanwhile. */
  | "conflict without reason"
  /** A token sent with a failure, or none where one was due, or one too many. */
  | "cookie"
  /** A token that was good is not, and nobody renewed or ended the session. */
  | "lost session"
  /** A token is good although its session was ended, or it was renewed, before. */
  | "dead token"
  /** Two renewals of one token were both acknowledged. */
  | "renewed twice"
  /** In the end not exactly one token of a live session is good. */
  | "tokens in the end"
  /** A value that nobody wrote there, or whose request failed, was seen. */
  | "phantom"
  /** What was acknowledged before is not seen. */
  | "lost change"
  /** What was removed or replaced before is seen. */
  | "stale"
  /** One transaction was seen in part. */
  | "torn"
  /** More steps of a counter than were asked for. */
  | "done twice"
  /** A value was taken by two. */
  | "taken twice"
  /** An explicit commit was acknowledged, and the session does not show it. */
  | "own change";

export interface Violation {
  readonly kind: Kind;
  readonly what: string;
  readonly exchanges: readonly Exchange[];
}

/** One session, under whatever tokens it had. */
export interface Life {
  readonly id: string;
  /** The exchange that created it, if its answer came. */
  readonly creation: Exchange | undefined;
  readonly effects: readonly Effect[];
}

export type Report = (kind: Kind, what: string, ...exchanges: readonly Exchange[]) => void;

/** The history of one client, complete: every request that was sent, and how it ended. */
export function check(history: readonly Exchange[], situation: Situation = {}): Violation[] {
  const violations: Violation[] = [];
  const report: Report = (kind, what, ...exchanges) => {
    violations.push({ kind, what, exchanges });
  };
  const effects = history.map((exchange) => effectOf(exchange, situation));
  const lives = livesOf(effects);
  for (const effect of effects) {
    checkAnswer(effect, situation, report);
    checkCookie(effect, report);
  }
  for (const life of lives.values()) {
    checkTokens(life, report);
    checkReasons(life, report);
    checkEnd(life, report);
    checkData(life, report);
  }
  return violations;
}

/** One line for each, and what was asked and answered: for the message of a failed test. */
export function describeViolations(violations: readonly Violation[]): string {
  const line = (exchange: Exchange): string => {
    const { number, process, step, token, start, end, status, answer, cookie } = exchange;
    const when = `#${number} ${start.toFixed(1)}-${end.toFixed(1)} process ${process}`;
    const tokens = `${token?.slice(-6) ?? "no token"} -> ${cookie?.slice(-6) ?? "no cookie"}`;
    return `    ${when} ${tokens} ${JSON.stringify(step)} = ${status} ${JSON.stringify(answer)}`;
  };
  return violations
    .slice(0, 5)
    .map(({ kind, what, exchanges }) => [`  ${kind}: ${what}`, ...exchanges.map(line)].join("\n"))
    .join("\n");
}

function livesOf(effects: readonly Effect[]): Map<string, Life> {
  const lives = new Map<
    string,
    { id: string; creation: Exchange | undefined; effects: Effect[] }
  >();
  const life = (id: string) => {
    const known = lives.get(id) ?? { id, creation: undefined, effects: [] };
    lives.set(id, known);
    return known;
  };
  for (const effect of effects) {
    const { exchange, created } = effect;
    if (exchange.token !== undefined) life(idOf(exchange.token)).effects.push(effect);
    if (created === undefined) continue;
    const made = life(created);
    made.creation = exchange;
    made.effects.push(effect);
  }
  return lives;
}

function checkAnswer({ exchange }: Effect, situation: Situation, report: Report): void {
  const { status, step, answer } = exchange;
  const code = answer?.code;
  if (situation.faults === true && (status === 503 || status === 0)) return;
  if (situation.aborts === true && status === 0) return;
  if (status === 409) return; // see checkReasons
  if (status === 500 && step.how === "fail" && code === undefined) return;
  if (status === 200 && (code === undefined || step.how === "stream")) {
    // After the head there is no other status. A new session cannot be begun there.
    if (code === undefined || /^(renewed|gone|superseded|conflict)$/.test(code)) return;
    if (code === "head-sent" && answer?.found === false) return;
    if (situation.faults === true && /^(commit-unknown|store-)/.test(code)) return;
  }
  report("answer", `${status} ${code ?? ""}`, exchange);
}

function checkCookie({ exchange, certainty, created }: Effect, report: Report): void {
  const { cookie, step, token, status, answer } = exchange;
  if (certainty === "none" || status !== 200) {
    if (cookie !== undefined) report("cookie", "a failed request sent a token", exchange);
    return;
  }
  if (answer?.code !== undefined) return;
  const id = token === undefined ? undefined : idOf(token);
  if (created !== undefined) {
    if (created === id) report("cookie", "an id that was given to it was taken over", exchange);
  } else if (step.destroy === true) {
    if (token !== undefined && cookie !== "") report("cookie", "it was not cleared", exchange);
  } else if (step.renew === true) {
    if (!cookie || cookie === token) report("cookie", "a renewal sent no new token", exchange);
  } else if (cookie !== undefined) {
    report("cookie", "a token was sent, and nothing asked for one", exchange);
  }
}

const possible = (certainty: Certainty): boolean => certainty !== "none";

function checkTokens({ id, creation, effects }: Life, report: Report): void {
  const killers = effects.filter((each) => each.kills === id || each.renews?.from !== undefined);
  const sureCreation =
    creation === undefined ||
    effects.some((e) => e.exchange === creation && e.certainty === "sure");
  const byToken = new Map<string, Effect>();
  for (const effect of effects) {
    const { exchange, found, certainty, renews } = effect;
    const { token, start, end } = exchange;
    if (token === undefined || idOf(token) !== id) continue;
    const ends = (other: Effect): boolean =>
      other !== effect && (other.kills === id || other.renews?.from === token);
    if (found === true) {
      const before = killers.find(
        (other) => ends(other) && other.certainty === "sure" && other.exchange.end < start,
      );
      if (before !== undefined) {
        const why = before.kills === id ? "its session was ended" : "it was renewed";
        report("dead token", `good although ${why} before`, before.exchange, exchange);
      }
    } else if (found === false && sureCreation) {
      const why = killers.some(
        (other) => ends(other) && possible(other.certainty) && other.exchange.start < end,
      );
      if (!why) report("lost session", "nobody renewed or ended it", exchange);
    }
    if (renews === undefined || certainty !== "sure") continue;
    const first = byToken.get(token);
    if (first === undefined) byToken.set(token, effect);
    else report("renewed twice", "both were acknowledged", first.exchange, exchange);
  }
}

function checkReasons({ id, effects }: Life, report: Report): void {
  for (const effect of effects) {
    const { exchange } = effect;
    const { token, answer, step, status, start, end } = exchange;
    const code = answer?.code;
    if (token === undefined || idOf(token) !== id || code === undefined) continue;
    if (status !== 409 && !(status === 200 && step.how === "stream")) continue;
    const others = effects.filter(
      (other) => other !== effect && possible(other.certainty) && other.exchange.start < end,
    );
    const renewed = others.some(({ renews }) => renews?.from === token);
    const reason = (): boolean => {
      if (code === "renewed" || code === "superseded") return renewed;
      if (code === "gone") return others.some(({ kills }) => kills === id);
      if (code !== "conflict") return status !== 409;
      const keys = step.changes.flatMap((each) => (each.do === "take" ? [each.key] : []));
      return others.some(
        (other) =>
          other.exchange.end > start && keys.some((key) => other.clears || other.touches(key)),
      );
    };
    if (!reason()) report("conflict without reason", code, exchange);
  }
}

function checkEnd({ id, effects, creation }: Life, report: Report): void {
  const probes = effects.filter(({ exchange }) => exchange.probe === true);
  if (creation === undefined || probes.length === 0) return;
  const good = probes.filter(({ found }) => found === true);
  const unsure = effects.some(
    ({ kills, renews, certainty, exchange }) =>
      kills === id ||
      (certainty === "maybe" && (renews !== undefined || exchange === creation)) ||
      exchange.status === 503 ||
      exchange.status === 0,
  );
  if (good.length > 1 || (good.length === 0 && !unsure)) {
    const exchanges = probes.map(({ exchange }) => exchange);
    report("tokens in the end", `${good.length} of ${probes.length} are good`, ...exchanges);
  }
}
