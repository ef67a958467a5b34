/**
 * The methods of the response's class, through which a head can leave, ask whether this response is
 * guarded. They are replaced once per class; a response whose session is never asked for is not
 * touched, and costs one look at a private field per call.
 *
 * So a guard needs no own methods on the response. And it holds for methods that a handler takes off
 * the response before its session is asked for. JavaScript looks up the method before it evaluates
 * the arguments, so in
 *
 *     res.end(await render(req)); // render loads and changes the session
 *
 * the `end` that is called is the one from before.
 */
/// <reference types="node" preserve="true" />
import { type Slot, slot } from "../slot.ts";
import { type Call, type Method, prepareQueue } from "./node-queue.ts";

const methods = ["writeHead", "writeHeader", "write", "end", "flushHeaders"] as const;

/** What is laid over a class's methods for one response. */
export interface Laid {
  run(method: Method, native: Call, args: readonly unknown[]): unknown;
}

/** Whatever guards a response. */
export interface Guard {
  /** What is laid over the class's methods. */
  top: Laid | undefined;
  /** Calls of this method must come through methods that are the response's own. */
  holds(method: Method): boolean;
}

/** Guards by response. */
export const guards: Slot<Guard> = slot();

type Table = Partial<Record<Method, Call>>;

/** The methods of a class: as they were, and what has been put in their place. */
export interface ClassMethods {
  readonly native: Table;
  readonly replaced: Table;
}

const known = Symbol("scs-session methods");

/** Those of the response's class; undefined when it has not been prepared. */
export function classMethods(res: object): ClassMethods | undefined {
  return (res as { readonly [known]?: ClassMethods })[known];
}

const prepared = new WeakSet();

/** Prepares the class of this response, once. */
export function prepare(res: object): void {
  const nearest = Object.getPrototypeOf(res) as object | null;
  if (nearest === null || prepared.has(nearest)) return;
  prepared.add(nearest);
  // Express puts a prototype of its own in front of node:http's. Not further up than the class that
  // writes heads: node:http's client requests share the rest.
  let owner: object | null = nearest;
  while (owner !== null && !Object.hasOwn(owner, "writeHead")) {
    owner = Object.getPrototypeOf(owner) as object | null;
  }
  if (owner === null || (owner !== nearest && prepared.has(owner))) return;
  prepared.add(owner);
  const table: ClassMethods = { native: {}, replaced: {} };
  for (const method of methods) replace(owner, method, table);
  Object.defineProperty(owner, known, { value: table });
  prepareQueue(owner);
}

function replace(owner: object, method: Method, { native: natives, replaced }: ClassMethods): void {
  const native: unknown = Reflect.get(owner, method);
  if (typeof native !== "function") return; // http2 has no writeHeader
  const replacement: Call = function (this: unknown, ...args: unknown[]): unknown {
    const res = this as Table;
    const guard = guards.get(res);
    if (guard !== undefined) {
      const own = guard.holds(method) ? res[method] : undefined;
      if (own !== undefined && own !== replacement) return Reflect.apply(own, res, args);
      if (guard.top !== undefined) return guard.top.run(method, native as Call, args);
    }
    return Reflect.apply(native, res, args);
  };
  Object.defineProperty(replacement, "name", { value: native.name, configurable: true });
  Object.defineProperty(replacement, "length", { value: native.length, configurable: true });
  Object.defineProperty(owner, method, { configurable: true, writable: true, value: replacement });
  natives[method] = native as Call;
  replaced[method] = replacement;
}
