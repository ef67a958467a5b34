/** What a response of node:http or http2 is to a manager, whichever framework stands on top. */
import type { Carrier, Participant } from "../carrier.ts";
import type { SessionEvent } from "../events.ts";
import { prepare } from "./node-early.ts";
import { headOf, knownHead, type Owner } from "./node-head.ts";

/** A request of node:http, of http2's compatibility API, or of a framework on top of them. */
export interface NodeRequest {
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
}

/** A response of the same. */
export interface NodeResponse {
  readonly headersSent: boolean;
  readonly writableEnded: boolean;
  destroy(error?: Error): unknown;
}

/** Continues with the next middleware; with an error, with the framework's error handling. */
export type NextFunction = (error?: unknown) => unknown;

/** What a carrier uses of its manager, whatever its data type. */
export interface Manager {
  readonly settings: { readonly onError?: Owner["onError"] };
  report(event: SessionEvent): void;
}

export class NodeCarrier implements Carrier, Owner {
  readonly #request: NodeRequest;
  readonly #response: NodeResponse;
  readonly #manager: Manager;
  readonly next: NextFunction | undefined;

  constructor(
    request: NodeRequest,
    response: NodeResponse,
    manager: Manager,
    next: NextFunction | undefined,
  ) {
    this.#request = request;
    this.#response = response;
    this.#manager = manager;
    this.next = next;
    prepare(response);
  }

  get onError(): Owner["onError"] {
    return this.#manager.settings.onError;
  }

  header(name: string): string | undefined {
    const value = this.#request.headers[name];
    return Array.isArray(value) ? value.join(name === "cookie" ? "; " : ", ") : value;
  }

  attach(participant: Participant): void {
    headOf(this.#request, this.#response).attach(participant, this);
  }

  intercept(participant: Participant): void {
    headOf(this.#request, this.#response).intercept(participant);
  }

  /** Commits before the head; see `Head.settle`. Nothing to do for a session that nobody asked for. */
  settle(status: number): Promise<void> | undefined {
    return knownHead(this.#response)?.settle(status);
  }

  get headSent(): boolean {
    return this.#response.headersSent;
  }

  report(event: SessionEvent): void {
    this.#manager.report(event);
  }

  /** The handler threw, and there is no framework to catch it. */
  handlerFailed(error: unknown): void {
    const response = this.#response;
    // Its response was replaced by an error page: the throw is only a consequence.
    if (knownHead(response)?.failed === true) return;
    this.report({
      type: "handler-failed",
      level: "error",
      message: response.headersSent
        ? "A request handler threw after the response head"
        : "A request handler threw; the client got an error",
      error,
    });
    if (!response.headersSent) headOf(this.#request, response).abandon(error, this);
    // A truncated body must not pass for a complete one; a complete one may pass.
    else if (!response.writableEnded) response.destroy();
  }
}
