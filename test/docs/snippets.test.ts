import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import {
  allSnippets,
  quotesOfPage,
  snippetsOfPage,
  snippetsOfSource,
  writeSnippets,
} from "./extract.ts";

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

// Snippets may hold tests of their own, which then report in plain text.
const { NODE_TEST_CONTEXT: _, ...env } = process.env;

/** Runs Node; the status and everything printed. */
function node(args: readonly string[], cwd: string): Promise<{ status: unknown; output: string }> {
  return new Promise((resolve) => {
    execFile(process.execPath, args, { cwd, env, timeout: 120_000 }, (error, stdout, stderr) => {
      const status = error === null ? 0 : (error.code ?? error.signal);
      resolve({ status, output: stdout + stderr });
    });
  });
}

/** Runs modules as snippets are run. */
function run(
  modules: readonly string[],
  cwd: string,
): Promise<{ status: unknown; output: string }> {
  return node([join(root, "test/docs/run.ts"), root, ...modules], cwd);
}

function temporaryFolder(): string {
  return realpathSync(mkdtempSync(join(tmpdir(), "scs-session-snippets-")));
}

describe("extraction", () => {
  const page = (...lines: string[]) => snippetsOfPage("docs/a.md", lines.join("\n"));

  it("takes every ts block, with its place", () => {
    assert.deepEqual(
      page("x", "```ts", "let a;", "", "a;", "```", "- list", "  ```ts", "  b;", "  ```"),
      [
        { place: "docs/a.md:2", file: join("docs", "a", "line-2.ts"), text: "let a;\n\na;" },
        { place: "docs/a.md:8", file: join("docs", "a", "line-8.ts"), text: "  b;" },
      ],
    );
  });

  it("names a block after its first line", () => {
    assert.equal(
      page("```ts", "// my-app.ts", "a;", "```")[0]?.file,
      join("docs", "a", "my-app.ts"),
    );
    assert.throws(
      () => page("```ts", "// a.ts", "a;", "```", "```ts", "// a.ts", "b;", "```"),
      /a\.md:5: a\.ts comes twice/,
    );
  });

  it("takes checks, and no block inside another comment", () => {
    assert.deepEqual(page("<!-- check", 'import "./x.ts";', "-->", "<!-- note", "```ts", "-->"), [
      { place: "docs/a.md:1", file: join("docs", "a", "check-1.ts"), text: 'import "./x.ts";' },
    ]);
  });

  it("skips other languages, and refuses what would escape the tests", () => {
    assert.deepEqual(page("```sh", "npm test", "```"), []);
    for (const language of ["", "js", "typescript", "ts ignore", "tsx", "TS", "javascript"]) {
      assert.throws(() => page("```" + language, "a;", "```"), /a\.md:1: write "ts"/);
    }
    assert.throws(() => page("```ts", "a;"), /a\.md:1: never closed/);
    assert.throws(() => page("<!-- check", "a;"), /a\.md:1: never closed/);
  });

  it("takes the examples of docstrings", () => {
    const source = [
      "let a;",
      "/**",
      " * Text.",
      " *",
      " * @example",
      " * ```ts",
      " * a;",
      " *   b;",
      " * ```",
      " */",
    ].join("\n");
    assert.deepEqual(snippetsOfSource("src/a.ts", source), [
      { place: "src/a.ts:6", file: join("src", "a.ts", "line-6.ts"), text: "a;\n  b;" },
    ]);
    assert.throws(
      () => snippetsOfSource("src/a.ts", "/**\n * @example a()\n */"),
      /src\/a\.ts:1: an @example without/,
    );
  });
});

describe("running", () => {
  const folder = temporaryFolder();
  after(() => rmSync(folder, { recursive: true, force: true }));

  /** What came of running one module with this text. */
  async function outcome(name: string, text: string): Promise<{ status: unknown; output: string }> {
    const path = join(folder, `${name}.ts`);
    writeFileSync(path, text);
    return run([path], folder);
  }
  const server = (body: string) =>
    `import { createServer } from "node:http"; createServer((_req, res) => { ${body} }).listen(4000);`;

  it("passes what ends by itself", async () => {
    assert.deepEqual(await outcome("good", "console.log(1 as number);"), {
      status: 0,
      output: "1\n",
    });
  });

  it("finds the package by its name", async () => {
    const { status, output } = await outcome(
      "name",
      'import { SessionError } from "scs-session"; import { MemoryStore } from "scs-session/stores/memory"; import { createSession } from "scs-session/testing"; console.log(typeof SessionError, typeof MemoryStore, typeof createSession);',
    );
    assert.deepEqual({ status, output }, { status: 0, output: "function function function\n" });
  });

  it("fails for a throw and for a late rejection", async () => {
    const thrown = await outcome("throws", 'throw new Error("no good");');
    assert.equal(thrown.status, 1);
    assert.match(thrown.output, /throws\.ts failed: Error: no good/);
    const late = await outcome(
      "late",
      'setTimeout(() => void Promise.reject(new Error("too late")), 50);',
    );
    assert.equal(late.status, 1);
    assert.match(late.output, /too late/);
  });

  it("asks a server that listens, on another port, and closes it", async () => {
    assert.equal((await outcome("serves", server('res.end("hello");'))).status, 0);
    const failing = await outcome("fails", server("res.statusCode = 500; res.end();"));
    assert.equal(failing.status, 1);
    assert.match(failing.output, /answered with 500/);
  });
});

describe("quoted examples", () => {
  const folder = join(root, "docs/adapters");
  const pages = readdirSync(folder).map((name) => readFileSync(join(folder, name), "utf8"));
  const quotes = pages.flatMap((page) => quotesOfPage(page));
  const tests = readFileSync(join(root, "test/examples/examples.test.ts"), "utf8");

  it("are the files that they name, and those are run", () => {
    assert.ok(quotes.length >= 15, `only ${quotes.length} are quoted`);
    for (const { file, text } of quotes) {
      assert.equal(text, readFileSync(join(root, file), "utf8"), file);
      const [, , name = ""] = file.split("/");
      assert.ok(tests.includes(`example("${name}")`), `no test runs ${file}`);
    }
  });

  it("are all there: every file that has a name to be quoted by", () => {
    const files = readdirSync(join(root, "examples/frameworks")).flatMap((name) =>
      ["src", "app", "."].flatMap((part) => filesIn(join("examples/frameworks", name, part))),
    );
    const named = files.filter((file) =>
      readFileSync(join(root, file), "utf8").slice(0, 200).includes(file),
    );
    assert.deepEqual(new Set(quotes.map(({ file }) => file)), new Set(named));
  });

  function filesIn(place: string): string[] {
    if (!existsSync(join(root, place))) return [];
    const recursive = !/\/\.?$|frameworks\/[\w-]+$/.test(place);
    return readdirSync(join(root, place), { recursive, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name).slice(root.length + 1));
  }
});

describe("snippets", () => {
  const snippets = allSnippets(root);
  const folder = temporaryFolder();
  const pages = writeSnippets(root, folder, snippets);
  let compiled: { status: unknown; output: string };

  before(async () => {
    symlinkSync(join(root, "node_modules"), join(folder, "node_modules"), "junction");
    compiled = await node([join(root, "node_modules/typescript/bin/tsc"), "-p", folder], folder);
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  it("are there", () => {
    const guide = [...pages.keys()].filter((page) => page.startsWith(join("docs", "guide")));
    assert.ok(guide.length >= 10, `only ${guide.length} pages of the guide have snippets`);
  });

  it("compile", () => {
    assert.equal(compiled.output, "");
    assert.equal(compiled.status, 0);
  });

  for (const [page, modules] of pages) {
    it(`of ${page} run`, async () => {
      const { status, output } = await run(modules, folder);
      assert.equal(status, 0, output);
    });
  }
});
