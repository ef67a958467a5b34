/** Own methods laid over a response, removable in stacking order. */
import type { Call, Method, Methods } from "./node-queue.ts";
import type { Response } from "./node-headers.ts";

const names: readonly Method[] = ["writeHead", "writeHeader", "write", "end", "flushHeaders"];

/** Handles a call; `undefined` passes it on to the method below. */
export type Handler = (
  method: Method,
  args: readonly unknown[],
) => { readonly result: unknown } | undefined;

export class Layer {
  readonly #res: Record<string, unknown>;
  readonly #methods: readonly Method[];
  readonly #own: Partial<Record<string, Call>> = {};
  readonly #below: Partial<Record<Method, Call>> = {};
  /** Own properties that stood there before: somebody else's methods. */
  #before: Partial<Record<string, PropertyDescriptor>> | undefined;
  #handler: Handler | undefined;

  constructor(res: Response, methods: readonly Method[], handler: Handler) {
    this.#res = res as unknown as Record<string, unknown>;
    this.#methods = methods;
    this.#handler = handler;
    for (const method of methods) this.#cover(method);
  }

  /** What was there before. */
  get below(): Methods {
    return this.#below as Methods;
  }

  /** From now on every call passes through, also where others have wrapped ours. */
  remove(): void {
    this.#handler = undefined;
    for (const method of this.#methods) {
      if (this.#res[method] === this.#own[method]) this.#restore(method);
    }
  }

  /** Puts back what was there before, together with all that others have laid over it since. */
  peel(handler: Handler): void {
    this.#handler = handler;
    for (const method of this.#methods) this.#restore(method);
  }

  #restore(method: Method): void {
    const below = this.#below[method];
    if (below === undefined) return;
    const before = this.#before?.[method];
    // The class's method becomes an own property: deleting ours instead would turn the response into
    // a dictionary, and every later use of it by Node would be slow (its profile: 4.7 % of a change went
    // into the deletion alone).
    if (before === undefined) this.#res[method] = below;
    else Object.defineProperty(this.#res, method, before);
  }

  #cover(method: Method): void {
    const res = this.#res;
    const below = res[method] as Call | undefined;
    if (below === undefined) return; // http2 has no writeHeader
    this.#below[method] = below;
    const before = Object.getOwnPropertyDescriptor(res, method);
    if (before !== undefined) (this.#before ??= {})[method] = before;
    const own: Call = (...args) => {
      const handled = this.#handler?.(method, args);
      return handled === undefined ? below.apply(res, args) : handled.result;
    };
    this.#own[method] = own;
    res[method] = own;
  }

  /** Everything through which a head can leave. */
  static readonly all: readonly Method[] = names;
  static readonly heads: readonly Method[] = ["writeHead", "writeHeader"];
}
