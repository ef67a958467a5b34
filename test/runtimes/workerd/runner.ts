// A test runner of a few lines, for a runtime without one: what is registered runs when asked for, one
// test after the other.
interface Test {
  readonly name: string;
  readonly body: () => Promise<void>;
}

/** What came of one test. */
export interface Result {
  readonly name: string;
  /** Absent when it passed. */
  readonly error?: string;
}

export class Tests {
  readonly #tests: Test[] = [];
  readonly #titles: string[] = [];

  readonly describe = (name: string, body: () => void): void => {
    this.#titles.push(name);
    body();
    this.#titles.pop();
  };

  readonly it = (name: string, body: () => Promise<void>): void => {
    this.#tests.push({ name: [...this.#titles, name].join(" > "), body });
  };

  async run(): Promise<Result[]> {
    const results: Result[] = [];
    for (const { name, body } of this.#tests) {
      try {
        await body();
        results.push({ name });
      } catch (error) {
        results.push({ name, error: error instanceof Error ? String(error.stack) : String(error) });
      }
    }
    return results;
  }
}
