/**
 * The few assertions that the conformance suites need. They run under any test runner on any
 * runtime, so nothing is imported: whoever fails, throws.
 */

/** What a failed assertion throws. */
class ExpectationError extends Error {
  override readonly name = "ExpectationError";
}

/** Fails at once. */
export function fail(what: string): never {
  throw new ExpectationError(what);
}

/** `condition` holds. */
export function ok(condition: boolean, what: string): asserts condition {
  if (!condition) fail(what);
}

/** There is a value. */
export function present<T>(value: T | undefined, what: string): T {
  if (value === undefined) fail(`${what}: expected a value, got undefined`);
  return value;
}

/** Primitives are identical; everything else is compared as JSON. */
export function equal(actual: unknown, expected: unknown, what: string): void {
  if (Object.is(actual, expected)) return;
  const [a, e] = [show(actual), show(expected)];
  const comparable = typeof actual === "object" && typeof expected === "object";
  if (!comparable || a !== e) fail(`${what}: expected ${e}, got ${a}`);
}

/** The same bytes. */
export function equalBytes(actual: Uint8Array, expected: Uint8Array, what: string): void {
  if (actual.length !== expected.length) {
    fail(`${what}: expected ${expected.length} bytes, got ${actual.length}`);
  }
  for (let i = 0; i < expected.length; i++) {
    if (actual[i] !== expected[i]) {
      fail(`${what}: byte ${i} is ${String(actual[i])} instead of ${String(expected[i])}`);
    }
  }
}

/** `low <= actual <= high`. */
export function between(
  actual: number | undefined,
  low: number,
  high: number,
  what: string,
): asserts actual is number {
  if (actual === undefined || !(actual >= low && actual <= high)) {
    fail(`${what}: expected ${low} to ${high}, got ${String(actual)}`);
  }
}

/** The promise rejects with an error of this `code`; returns the error. */
export async function rejects(
  promise: Promise<unknown>,
  codes: string | readonly string[],
  what: string,
): Promise<unknown> {
  let value: unknown;
  try {
    value = await promise;
  } catch (error) {
    const code = codeOf(error);
    const wanted = typeof codes === "string" ? [codes] : codes;
    if (code !== undefined && wanted.includes(code)) return error;
    throw new ExpectationError(
      `${what}: expected code ${wanted.join(" or ")}, got ${code ?? ""} ${String(error)}`,
      {
        cause: error,
      },
    );
  }
  fail(`${what}: expected a rejection, got ${show(value)}`);
}

/** How often `inTime` looks at the clock, in ms. */
const turn = 50;

/**
 * What `work` comes to, which must be within `limit` ms. Of a time in which this program's timers stood
 * still only two turns count: then the machine was slow, and not what is waited for.
 */
export async function inTime<T>(limit: number, work: Promise<T>, what: string): Promise<T> {
  let settled = false;
  const late = async (): Promise<never> => {
    for (let left = limit; left > 0 && !settled;) {
      const before = performance.now();
      await new Promise((resolve) => setTimeout(resolve, Math.min(turn, left)));
      left -= Math.min(performance.now() - before, 2 * turn);
    }
    fail(`${what}: not within ${limit} ms`);
  };
  const watch = late();
  watch.catch(() => {});
  try {
    return await Promise.race([work, watch]);
  } finally {
    settled = true;
  }
}

/** The `code` of an error, if it has one. */
export function codeOf(error: unknown): string | undefined {
  if (typeof error !== "object" || error === null || !("code" in error)) return undefined;
  return typeof error.code === "string" ? error.code : undefined;
}

function show(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value);
  if (typeof value !== "object" || value === null) return String(value);
  return JSON.stringify(value);
}
