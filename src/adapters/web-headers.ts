/** Two views of a fetch-style response's headers, for those who set some. */
import type { HeadView } from "../carrier.ts";

/** Of a response that nobody else holds. */
export class Owned implements HeadView {
  readonly #headers: Headers;

  constructor(response: Response) {
    this.#headers = response.headers;
  }

  get(name: string): string | undefined {
    return this.#headers.get(name) ?? undefined;
  }

  set(name: string, value: string): void {
    this.#headers.set(name, value);
  }

  append(name: string, value: string): void {
    this.#headers.append(name, value);
  }
}

/** Of a response that may not be touched: the first change makes a copy. */
export class Copied implements HeadView {
  readonly #copyOf: (response: Response) => Response;
  #response: Response;
  #headers: Headers;
  #isCopy = false;

  constructor(response: Response, copyOf: (response: Response) => Response) {
    this.#copyOf = copyOf;
    this.#response = response;
    this.#headers = response.headers;
  }

  /** With what has been set: the given one, or its copy. */
  get response(): Response {
    return this.#response;
  }

  get(name: string): string | undefined {
    return this.#headers.get(name) ?? undefined;
  }

  set(name: string, value: string): void {
    this.#copy().set(name, value);
  }

  append(name: string, value: string): void {
    this.#copy().append(name, value);
  }

  #copy(): Headers {
    if (!this.#isCopy) {
      this.#isCopy = true;
      this.#response = this.#copyOf(this.#response);
      this.#headers = this.#response.headers;
    }
    return this.#headers;
  }
}

/** A copy of any response; it takes over the body. */
export function copyOf(response: Response): Response {
  return new Response(response.body, response);
}
