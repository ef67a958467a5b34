// What does not hold on a runtime, and why: docs/runtimes.md lists it. A test that is named here has
// to fail there, so that the list shrinks with the runtimes' releases.

export interface Known {
  /** The runtime's name, as in runtimes.ts. */
  readonly runtime: string;
  readonly file: string;
  /** The end of the test's name. */
  readonly test: string;
  readonly reason: string;
  /** It passes at times. */
  readonly sometimes?: true;
}

const node = "test/adapters/node.test.ts";
const same = "test/adapters/same.test.ts";
const planted = "what Node refuses while the queue is sent closes the connection, with an event";

export const known: readonly Known[] = [
  {
    runtime: "Node 20",
    file: "test/interleaving.property.test.ts",
    test: "and its seed replays it",
    reason: "mistakes are planted in the TypeScript sources, which Node 20 does not run",
  },
  {
    runtime: "Node 26",
    file: same,
    test: "cork and uncork",
    reason:
      "a corked response that waited for a commit leaves in one chunk, where Node 26 makes two; the body is the same",
  },
  {
    runtime: "Bun",
    file: same,
    test: "invalid chunks",
    reason:
      "Bun takes write(null) and write(undefined) for nothing; a response that waits for a commit throws, as Node does",
  },
  {
    runtime: "Bun",
    file: same,
    test: "an error page after an invalid chunk",
    reason: "as above: write(null) throws before the head, and the error page leaves",
  },
  {
    runtime: "Bun",
    file: node,
    test: planted,
    reason: "the test plants its failure in a private method of Node's, which Bun does not have",
  },
  {
    runtime: "workerd",
    file: "adapter",
    test: "a client that leaves before the head: a new session or token rolls back, a change is stored",
    reason:
      "workerd ends a request whose client has left, so that nothing in it runs on to roll back or to report",
  },
  {
    runtime: "Deno",
    file: node,
    test: planted,
    reason: "the test plants its failure in a private method of Node's, which Deno does not call",
  },
  {
    runtime: "Deno",
    file: same,
    test: "invalid headers",
    reason:
      "Deno's writeHead sends header values with line breaks in them; a response that waits for a commit refuses them, as Node does",
  },
  {
    runtime: "Deno",
    file: "test/adapters/http2.test.ts",
    test: "HEAD",
    reason:
      "Deno's HTTP/2 loses the head of a HEAD response that is not sent at once, with or without a session",
    sometimes: true,
  },
];

/** Files that are not run on any other runtime, or not on one. */
export const elsewhere: readonly {
  readonly file: string;
  readonly runtime?: string;
  readonly reason: string;
}[] = [
  { file: "test/demo.test.ts", reason: "the demo runs on the project's own Node" },
  { file: "test/tested.test.ts", reason: "a test of the project's own test runner" },
  {
    file: "test/runtimes/each/sqlite.ts",
    runtime: "Node 20",
    reason: "Node 20 has no node:sqlite",
  },
];
