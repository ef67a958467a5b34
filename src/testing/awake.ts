/** Suites whose tests are waited for. */
import type { Runner } from "./bench.ts";

/**
 * Keeps the event loop going while a test waits for what only a timer ends that lets the process
 * exit, as the manager's are: Node 22 and Deno give up on such a test.
 */
export function awake<Suite extends Runner>(suite: Suite): Suite {
  const it: Runner["it"] = (name, body) =>
    suite.it(name, async () => {
      const timer = setInterval(() => {}, 60_000);
      try {
        await body();
      } finally {
        clearInterval(timer);
      }
    });
  return Object.create(suite, { it: { value: it } }) as Suite;
}
