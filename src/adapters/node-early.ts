/**
 * Methods that a handler takes off the response before its session is asked for. JavaScript looks up
 * the method before it evaluates the arguments, so in
 *
 *     res.end(await render(req)); // render loads and changes the session
 *
 * the `end` that is called is the one from before: a gate laid over this response comes too late, and
 * the body would leave before the commit. The methods of the response's class therefore ask whether
 * this response has a gate by now. They are replaced once per class; a response whose session is never
 * asked for is not touched, and costs one look at a private field per call.
 */
/// <reference types="node" preserve="true" />
import { slot } from "../slot.ts";
import { prepareQueue } from "./node-queue.ts";

const methods = ["writeHead", "writeHeader", "write", "end", "flushHeaders"] as const;

/** One of the methods through which a head can leave. */
type Method = (typeof methods)[number];

/** Whatever guards a response. */
export interface Guard {
  /** Calls of this method must come through the methods laid over the response. */
  holds(method: string): boolean;
}

const guards = slot<Guard>();

type Guarded = Partial<Record<Method, (...args: unknown[]) => unknown>>;

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
  for (const method of methods) replace(owner, method);
  prepareQueue(owner);
}

/** From now on calls of the class's methods on this response respect the guard. */
export function guardWith(res: object, by: Guard): void {
  guards.set(res, by);
}

function replace(owner: object, method: Method): void {
  const native: unknown = Reflect.get(owner, method);
  if (typeof native !== "function") return; // http2 has no writeHeader
  const replacement = function (this: Guarded, ...args: unknown[]): unknown {
    const laid = guards.get(this)?.holds(method) === true ? this[method] : undefined;
    return Reflect.apply(laid === undefined || laid === replacement ? native : laid, this, args);
  };
  Object.defineProperty(replacement, "name", { value: native.name, configurable: true });
  Object.defineProperty(replacement, "length", { value: native.length, configurable: true });
  Object.defineProperty(owner, method, { configurable: true, writable: true, value: replacement });
}
