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
  readonly #own: Partial<Record<string, Call>> = {};
  readonly #before = new Map<string, PropertyDescriptor | undefined>();
  readonly #below: Partial<Record<Method, Call>> = {};
  #handler: Handler | undefined;

  constructor(res: Response, methods: readonly Method[], handler: Handler) {
    this.#res = res as unknown as Record<string, unknown>;
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
    for (const [name, before] of this.#before) {
      if (this.#res[name] === this.#own[name]) this.#restore(name, before);
    }
  }

  /** Puts back what was there before, together with all that others have laid over it since. */
  peel(handler: Handler): void {
    this.#handler = handler;
    for (const [name, before] of this.#before) this.#restore(name, before);
  }

  #restore(name: string, before: PropertyDescriptor | undefined): void {
    if (before === undefined) delete this.#res[name];
    else Object.defineProperty(this.#res, name, before);
  }

  #cover(method: Method): void {
    const res = this.#res;
    const below = res[method] as Call | undefined;
    if (below === undefined) return; // http2 has no writeHeader
    this.#below[method] = below;
    this.#before.set(method, Object.getOwnPropertyDescriptor(res, method));
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
