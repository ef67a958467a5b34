/**
 * A request whose response head no adapter sees: somebody says when to commit, and fetches the cookie
 * to send afterwards, in whatever form the framework takes it.
 */
import { applyEffects, type Carrier, type Participant } from "../carrier.ts";

/** How long a change may stay without a commit before it is reported. */
const uncommittedAfter = 5000;

export class DetachedCarrier implements Carrier {
  readonly #header: (name: string) => string | undefined;
  #participant: Participant | undefined;
  #timer: unknown;
  /** True from the start where no cookie can be sent; then whatever needs one throws at once. */
  headSent: boolean;

  constructor(header: (name: string) => string | undefined, headSent: boolean) {
    this.#header = header;
    this.headSent = headSent;
  }

  header(name: string): string | undefined {
    return this.#header(name);
  }

  attach(participant: Participant): void {
    this.#participant = participant;
  }

  /** Nothing tells when the response leaves, so a change is given some time. */
  intercept(participant: Participant): void {
    if (this.#timer !== undefined) return;
    const timer: unknown = setTimeout(() => {
      this.#timer = undefined;
      if (!participant.pending) return;
      this.headSent = true;
      participant.ended();
    }, uncommittedAfter);
    this.#timer = timer;
    (timer as { unref?: () => void }).unref?.();
  }

  /** Commits, or rolls back for a status of 500 and above. Rejects with a `SessionError`. */
  async finish(status: number): Promise<void> {
    this.headSent = true;
    await this.#participant?.finish({ status, closed: false });
  }

  /** The response headers that carry the session's token: none, unless a commit made or cleared one. */
  headers(): Headers {
    const headers = new Headers();
    if (this.#participant !== undefined) {
      applyEffects(
        {
          get: (name) => headers.get(name) ?? undefined,
          set: (name, value) => headers.set(name, value),
          append: (name, value) => headers.append(name, value),
        },
        this.#participant,
      );
    }
    headers.delete("Vary");
    headers.delete("Cache-Control");
    return headers;
  }
}
