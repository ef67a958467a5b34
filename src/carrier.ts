/**
 * The adapter contract. An adapter makes one `Carrier` per request and registers it with
 * `manager.attach(request, carrier)`; that is all that happens for a request which never asks for
 * its session. From the first `load` on, the manager gives the carrier a `Participant`, and the
 * adapter asks it what to do when the response head is about to leave.
 */
import type { SessionError } from "./errors.ts";
import type { SessionEvent } from "./events.ts";

/** What an adapter gives the manager for one request. */
export interface Carrier {
  /** A request header by its lower-case name; several Cookie headers are joined with `"; "`. */
  header(name: string): string | undefined;
  /**
   * The request's session is being loaded (called once per manager and request). From now on the
   * head must carry the participant's `effects()`.
   *
   * @throws {SessionError} `duplicate-manager` when another manager's participant of the same
   *   `slot` is attached to this response.
   */
  attach(participant: Participant): void;
  /**
   * Something was recorded: from now on the head must wait for `finish`. Called for the first change
   * before the head, once more when the first change follows that needs a new token (`makesToken`),
   * and for every change after the head: then the adapter must call `ended` when the response is
   * complete.
   */
  intercept(participant: Participant): void;
  /**
   * Loading or committing failed, and the handler or the framework is about to get this error: the
   * adapter may add what its framework looks for on errors.
   */
  failed?(error: SessionError): void;
  /** True once the response head has left or is frozen; changes are then "after the head". */
  readonly headSent: boolean;
}

/** What an adapter knows at head time. */
export interface Outcome {
  /** The status of the head that is about to leave. 500 and above rolls back. */
  readonly status: number;
  /** The client's connection is already closed. */
  readonly closed: boolean;
}

/** What a session wants on the response head. */
export interface HeadEffects {
  /** The request header that the response depends on: `Cookie`, or the token's header. */
  readonly vary: string;
  /** A session was found: `Cache-Control: private` unless the handler set one. */
  readonly private: boolean;
  /** A response header to send: the one Set-Cookie, or the token's header. Implies `no-store`. */
  readonly token: { readonly name: string; readonly value: string } | undefined;
  /** Further Set-Cookie values, of an engine whose sessions take several cookies. Only with `token`. */
  readonly more?: readonly string[] | undefined;
}

/** One manager's part in one response. */
export interface Participant {
  /** What must be unique in one response: `cookie <name>` or `header <name>`. */
  readonly slot: string;
  /** True when `finish` has work: the head must wait. */
  readonly pending: boolean;
  /**
   * What was recorded may make a token, which a client that has left does not receive: only then does
   * `Outcome.closed` decide anything.
   */
  readonly makesToken: boolean;
  /**
   * Head time: freezes the transaction (later changes are "after the head") and commits it, or
   * rolls it back. Undefined when nothing has to be waited for. A rejection is a `SessionError`:
   * nothing of the handler's response may leave, and the client gets the error's `status`.
   * Adapters call it exactly once per response.
   */
  finish(outcome: Outcome): Promise<void> | undefined;
  /** Headers for the head that leaves now; after a failed `finish` too (an earlier explicit commit may have changed the token). */
  effects(): HeadEffects;
  /** The response is complete: reports changes that were made after the head and not committed. */
  ended(): void;
  /** Sends an event to the application's `onEvent`. Never throws. */
  report(event: SessionEvent): void;
}

/** Response headers as `applyEffects` sees them; names are case-insensitive. */
export interface HeadView {
  /** The value, several joined with `", "`; undefined when absent. */
  get(name: string): string | undefined;
  set(name: string, value: string): void;
  append(name: string, value: string): void;
}

/** Merges what a session wants into the head: one Vary, one Cache-Control, its Set-Cookies. */
export function applyEffects(head: HeadView, participant: Participant): void {
  const effects = participant.effects();
  addVary(head, effects.vary);

  const cache = head.get("Cache-Control");
  if (effects.token !== undefined) {
    // RFC 9111 section 5.2.2.5: no-store; a response with a session token must never be shared.
    if (cache === undefined || !listed(cache, "no-store")) {
      if (cache !== undefined && /(^|[\s,])(public|s-maxage|max-age|immutable)/i.test(cache)) {
        participant.report({
          type: "cache-control-overridden",
          level: "warn",
          message: `Cache-Control: ${JSON.stringify(cache)} was replaced by no-store, since the response sets a session token`,
          was: cache,
        });
      }
      head.set("Cache-Control", "no-store");
    }
    if (effects.token.name === "Set-Cookie") head.append("Set-Cookie", effects.token.value);
    else head.set(effects.token.name, effects.token.value);
    if (effects.more !== undefined) {
      for (const value of effects.more) head.append("Set-Cookie", value);
    }
  } else if (effects.private && (cache === undefined || cache === "")) {
    head.set("Cache-Control", "private");
  }
}

/**
 * Merges what is known before the commit, and may be seen by anybody: no token. At head time
 * `applyEffects` still has to look, since handlers may change the head in between.
 */
export function applyEarly(head: HeadView, participant: Participant): void {
  const { vary, private: found, token } = participant.effects();
  addVary(head, vary);
  if (!found || token !== undefined) return;
  const cache = head.get("Cache-Control");
  if (cache === undefined || cache === "") head.set("Cache-Control", "private");
}

function addVary(head: HeadView, name: string): void {
  const vary = head.get("Vary");
  if (vary === undefined || vary === "") head.set("Vary", name);
  else if (!listed(vary, name)) head.set("Vary", `${vary}, ${name}`);
}

function listed(list: string, item: string): boolean {
  if (list === item) return true;
  const wanted = item.toLowerCase();
  return list.split(",").some((part) => {
    const name = part.trim().toLowerCase();
    return name === wanted || name === "*";
  });
}
