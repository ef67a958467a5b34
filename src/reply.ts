/**
 * Working with what engines answer: a promise, or the result itself. A promise that nobody has to
 * wait for costs more than a session in this process's memory does otherwise: several turns of the
 * microtask queue, and a response that must be held back meanwhile.
 *
 * On the way of nearly every request, methods ask `isPromise` and go on in another method where they have
 * to wait, rather than hand a function to `after`: what a function captures is allocated on each call
 * of the method around it, waiting or not (bench/allocations.ts).
 */
import type { Reply } from "./store.ts";

/** Whether one has to wait for it. */
export function isPromise<T>(reply: Reply<T>): reply is Promise<T> {
  return (
    typeof reply === "object" &&
    reply !== null &&
    typeof (reply as { then?: unknown }).then === "function"
  );
}

/** Goes on with the result: at once where it is there, and then what `next` throws is thrown. */
export function after<T, R>(reply: Reply<T>, next: (result: T) => Reply<R>): Reply<R> {
  return isPromise(reply) ? reply.then(next) : next(reply);
}
