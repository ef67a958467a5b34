/**
 * Handlers laid over a response's methods, removable in stacking order.
 *
 * Where nobody has put methods of his own on the response, the class's methods ask for the handler
 * (node-early.ts), and the response stays as Node made it: own properties on each cost more than all
 * else that a session does to it. Where somebody has, a layer consists of own methods above his.
 */
import { classMethods, type Guard, type Laid } from "./node-early.ts";
import type { Response } from "./node-headers.ts";
import type { Call, Method, Methods } from "./node-queue.ts";

const names: readonly Method[] = ["writeHead", "writeHeader", "write", "end", "flushHeaders"];

/**
 * Handles a call; `undefined` passes it on to the method below. It gets the guard, so that one function
 * serves all responses.
 */
export type Handler = (
  guard: Guard,
  method: Method,
  args: readonly unknown[],
) => { readonly result: unknown } | undefined;

export class Layer implements Laid {
  readonly #guard: Guard;
  readonly #res: Record<string, unknown>;
  readonly #methods: readonly Method[];
  /** Over the class's methods: the layer that was on top before. */
  readonly #under: Laid | undefined;
  /** Own methods, and what stood there before. Undefined over the class's methods. */
  readonly #own: Partial<Record<string, Call>> | undefined;
  /** What they call. */
  readonly #covered: Partial<Record<string, Call>> | undefined;
  /** Own properties that stood there before: somebody else's methods. */
  #before: Partial<Record<string, PropertyDescriptor>> | undefined;
  #handler: Handler | undefined;
  /** A call that has passed is on its way down: a class above Node's calls another of Node's. */
  #passing = false;

  constructor(guard: Guard, res: Response, methods: readonly Method[], handler: Handler) {
    this.#guard = guard;
    this.#res = res as unknown as Record<string, unknown>;
    this.#methods = methods;
    this.#handler = handler;
    if (isPlain(res)) {
      this.#under = guard.top;
      guard.top = this;
      return;
    }
    this.#own = {};
    this.#covered = {};
    for (const method of methods) this.#cover(method, this.#own, this.#covered);
  }

  /** It consists of own methods, so a call of the class's must be led to them. */
  get isOwn(): boolean {
    return this.#own !== undefined;
  }

  /** Calls what was there before. */
  pass(method: Method, args: readonly unknown[]): unknown {
    if (this.#covered !== undefined) {
      return this.#covered[method]?.apply(this.#res, args as unknown[]);
    }
    const native = classMethods(this.#res)?.native[method] as Call;
    const outer = this.#passing;
    this.#passing = true;
    try {
      if (this.#under !== undefined) return this.#under.run(method, native, args);
      return native.apply(this.#res, args as unknown[]);
    } finally {
      this.#passing = outer;
    }
  }

  /**
   * What was there before, as methods: for failures only. Functions made for one response let V8's young
   * collections keep whole requests alive (docs/decisions/0024-what-is-under-way.md).
   */
  get below(): Methods {
    if (this.#covered !== undefined) return this.#covered as Methods;
    const below: Partial<Record<string, Call>> = {};
    for (const method of names) {
      if (classMethods(this.#res)?.native[method] === undefined) continue;
      below[method] = (...args) => this.pass(method, args);
    }
    return below as Methods;
  }

  /** For the class's methods: a call of one of them. */
  run(method: Method, native: Call, args: readonly unknown[]): unknown {
    if (!this.#passing && this.#handler !== undefined && this.#methods.includes(method)) {
      const handled = this.#handler(this.#guard, method, args);
      if (handled !== undefined) return handled.result;
    }
    if (this.#under !== undefined) return this.#under.run(method, native, args);
    return native.apply(this.#res, args as unknown[]);
  }

  /** From now on every call passes through, also where others have wrapped ours. */
  remove(): void {
    this.#handler = undefined;
    if (this.#own === undefined) {
      if (this.#guard.top === this) this.#guard.top = this.#under;
      return;
    }
    for (const method of this.#methods) {
      if (this.#res[method] === this.#own[method]) this.#restore(method);
    }
  }

  /** Puts back what was there before, together with all that others have laid over it since. */
  peel(handler: Handler): void {
    this.#handler = handler;
    if (this.#own === undefined) Object.assign(this.#res, this.below);
    else for (const method of this.#methods) this.#restore(method);
  }

  #restore(method: Method): void {
    const below = this.#covered?.[method];
    if (below === undefined) return;
    const before = this.#before?.[method];
    // The class's method becomes an own property: deleting ours instead would turn the response into
    // a dictionary, and every later use of it by Node would be slow (its profile: 4.7 % of a change went
    // into the deletion alone).
    if (before === undefined) this.#res[method] = below;
    else Object.defineProperty(this.#res, method, before);
  }

  #cover(
    method: Method,
    all: Partial<Record<string, Call>>,
    covered: Partial<Record<string, Call>>,
  ): void {
    const res = this.#res;
    const below = res[method] as Call | undefined;
    if (below === undefined) return; // http2 has no writeHeader
    covered[method] = below;
    const before = Object.getOwnPropertyDescriptor(res, method);
    if (before !== undefined) (this.#before ??= {})[method] = before;
    const own: Call = (...args) => {
      const handled = this.#handler?.(this.#guard, method, args);
      return handled === undefined ? below.apply(res, args) : handled.result;
    };
    all[method] = own;
    res[method] = own;
  }

  /** Everything through which a head can leave. */
  static readonly all: readonly Method[] = names;
  static readonly heads: readonly Method[] = ["writeHead", "writeHeader"];
}

/** Every method is the class's: neither the response nor a class of the application's has others. */
function isPlain(res: Response): boolean {
  const laid = classMethods(res)?.replaced;
  return (
    laid !== undefined &&
    res.end === laid.end &&
    res.write === laid.write &&
    res.writeHead === laid.writeHead &&
    (res as { writeHeader?: unknown }).writeHeader === laid.writeHeader &&
    res.flushHeaders === laid.flushHeaders
  );
}
