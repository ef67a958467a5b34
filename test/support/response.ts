/** One request and response in memory: the smallest true adapter, for tests of the manager. */
import {
  applyEffects,
  type Carrier,
  type Participant,
  type SessionManager,
} from "../../src/index.ts";

export class Exchange implements Carrier {
  readonly requestHeaders: Headers;
  readonly responseHeaders: Headers = new Headers();
  readonly participants: Participant[] = [];
  readonly intercepted = new Set<Participant>();
  headSent = false;

  constructor(headers: Record<string, string> = {}) {
    this.requestHeaders = new Headers(headers);
  }

  header(name: string): string | undefined {
    return this.requestHeaders.get(name) ?? undefined;
  }

  attach(participant: Participant): void {
    this.participants.push(participant);
  }

  intercept(participant: Participant): void {
    this.intercepted.add(participant);
  }

  /** Sends the head, as an adapter does. */
  async head(status = 200, closed = false): Promise<Headers> {
    this.headSent = true;
    const { responseHeaders } = this;
    for (const participant of this.intercepted) await participant.finish({ status, closed });
    const view = {
      get: (name: string) => responseHeaders.get(name) ?? undefined,
      set: (name: string, value: string) => responseHeaders.set(name, value),
      append: (name: string, value: string) => responseHeaders.append(name, value),
    };
    for (const participant of this.participants) applyEffects(view, participant);
    return responseHeaders;
  }

  /** The response is complete. */
  ended(): void {
    for (const participant of this.intercepted) participant.ended();
  }

  /** The token in the one Set-Cookie, if there is one. */
  get token(): string | undefined {
    const cookies = this.responseHeaders.getSetCookie();
    if (cookies.length > 1) throw new Error(`${cookies.length} Set-Cookie headers`);
    return /^[^=]+=([^;]*)/.exec(cookies[0] ?? "")?.[1];
  }
}

/** A request to this manager, with a Cookie header if a token is given. */
export function exchange<D extends object>(sessions: SessionManager<D>, token?: string): Exchange {
  const { name } = sessions.settings.cookie;
  const made = new Exchange(token === undefined ? {} : { cookie: `${name}=${token}` });
  sessions.attach(made, made);
  return made;
}
