/**
 * Finds every snippet of the documentation and writes it to a folder, as modules that can be
 * compiled and run.
 *
 * - Each ```ts block of a page is a module of its own. One whose first line is `// name.ts` gets that
 *   name, so that later blocks of the page can `import … from "./name.ts"`, as readers would do.
 * - A comment after a block that starts with `<!-- check` holds a module that drives the block: readers do not
 *   see it. It may import the page's files, and `docs-test` (browser.ts).
 * - A block whose first line names a file under examples/frameworks is that file, and is compared with it: the
 *   framework is not installed here, and the example's own test starts it.
 * - There is no other way to leave a block out.
 */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";

export interface Snippet {
  /** Where it stands: `docs/guide/csrf.md:12`. */
  readonly place: string;
  /** The file it is written to, relative to the folder. */
  readonly file: string;
  readonly text: string;
}

/** What a fence may be called besides `ts`: languages that are not run. */
const others = new Set(["sh", "console", "nginx", "http", "json", "sql", "text", "html", "diff"]);

/** Snippets of one Markdown text; `page` is its path. Throws on what would escape the tests. */
export function snippetsOfPage(page: string, markdown: string): Snippet[] {
  const lines = markdown.split("\n");
  const folder = page.replace(/\.md$/, "");
  const found: Snippet[] = [];
  let i = 0;
  const add = (line: number, name: string, text: string): void => {
    const file = join(folder, name);
    const place = `${page}:${line}`;
    if (found.some((snippet) => snippet.file === file))
      throw new Error(`${place}: ${name} comes twice`);
    found.push({ place, file, text });
  };
  const until = (end: RegExp, start: number): string => {
    const from = i;
    while (i < lines.length && !end.test(lines[i] ?? "")) i++;
    if (i === lines.length) throw new Error(`${page}:${start}: never closed`);
    return lines.slice(from, i++).join("\n");
  };
  while (i < lines.length) {
    const line = lines[i++] ?? "";
    const start = i;
    const fence = /^\s*(`{3,}|~{3,})\s*(.*?)\s*$/.exec(line);
    if (fence !== null) {
      const [, marks = "", language = ""] = fence;
      const text = until(new RegExp(`^\\s*${marks}\\s*$`), start);
      if (quotedFrom(text) !== undefined) {
        // Compared with the file that it names, which the example's own test runs.
      } else if (language === "ts") {
        const name = /^\s*\/\/ ([a-z][a-z-]*\.ts)\s*\n/.exec(text)?.[1];
        add(start, name ?? `line-${start}.ts`, text);
      } else if (!others.has(language)) {
        throw new Error(
          `${page}:${start}: write "ts", or one of ${[...others].join(", ")}, not "${language}"`,
        );
      }
    } else if (/^<!--\s*check\s*$/.test(line)) {
      add(start, `check-${start}.ts`, until(/^-->\s*$/, start));
    } else if (/<!--/.test(line) && !/-->/.test(line)) {
      until(/-->/, start);
    }
  }
  return found;
}

/** The example's file that a block says it is; in an Astro page the name comes after the fence. */
function quotedFrom(text: string): string | undefined {
  return /^(?:---\n)?(?:\/\/|<!--) (examples\/frameworks\/\S+)/.exec(text)?.[1];
}

/** The blocks of a page that quote an example's file, with the file's name. */
export function quotesOfPage(markdown: string): { readonly file: string; readonly text: string }[] {
  const blocks = [...markdown.matchAll(/^```\w+\n(.*?)^```$/gms)].map(([, text = ""]) => text);
  return blocks.flatMap((text) => {
    const file = quotedFrom(text);
    return file === undefined ? [] : [{ file, text }];
  });
}

/** The snippets in the `@example` parts of a source file's docstrings. */
export function snippetsOfSource(path: string, source: string): Snippet[] {
  const found: Snippet[] = [];
  for (const match of source.matchAll(/\/\*\*[\s\S]*?\*\//g)) {
    if (!match[0].includes("@example") && !match[0].includes("```")) continue;
    const before = source.slice(0, match.index).split("\n").length - 1;
    const text = match[0]
      .split("\n")
      .map((line) => line.replace(/^\s*\/?\*+\/?\s?/, ""))
      .join("\n");
    // Empty lines in front keep the numbers of lines those of the file.
    const page = snippetsOfPage(`${path}.md`, "\n".repeat(before) + text);
    const examples = [...text.matchAll(/^@example/gm)].length;
    if (page.length < examples)
      throw new Error(`${path}:${before + 1}: an @example without a ts block`);
    found.push(
      ...page.map((snippet) => ({ ...snippet, place: snippet.place.replace(".md:", ":") })),
    );
  }
  return found;
}

/** All files under `folder` whose name ends in `end`, without node_modules; relative to `root`. */
function filesUnder(root: string, folder: string, end: string): string[] {
  return readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith(end))
    .map((entry) => join(entry.parentPath, entry.name).slice(root.length + 1))
    .filter((path) => !path.includes("node_modules"))
    .sort();
}

/** Every snippet of the repository at `root`. */
export function allSnippets(root: string): Snippet[] {
  const pages = readdirSync(root).filter((name) => name.endsWith(".md"));
  const texts = (paths: readonly string[], parse: (path: string, text: string) => Snippet[]) =>
    paths.flatMap((path) => parse(path, readFileSync(join(root, path), "utf8")));
  return [
    ...texts([...pages, ...filesUnder(root, "docs", ".md")], snippetsOfPage),
    ...texts(filesUnder(root, "src", ".ts"), snippetsOfSource),
  ];
}

/** Writes the snippets and what compiles them; returns the modules to run, page by page. */
export function writeSnippets(
  root: string,
  folder: string,
  snippets: readonly Snippet[],
): Map<string, string[]> {
  const pages = new Map<string, string[]>();
  for (const { file, text } of snippets) {
    const path = join(folder, file);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, `${text}\n`);
    const page = dirname(file);
    pages.set(page, [...(pages.get(page) ?? []), path]);
  }
  // Named modules first: a snippet that is broken is then reported by its own name.
  for (const paths of pages.values()) paths.sort((a, b) => Number(isCheck(a)) - Number(isCheck(b)));
  writeFileSync(join(folder, "package.json"), '{ "type": "module" }\n');
  const compilerOptions = {
    target: "es2023",
    lib: ["es2023", "dom", "dom.iterable"],
    module: "nodenext",
    moduleDetection: "force",
    types: ["node"],
    noEmit: true,
    allowImportingTsExtensions: true,
    strict: true,
    erasableSyntaxOnly: true,
    verbatimModuleSyntax: true,
    noUncheckedIndexedAccess: true,
    exactOptionalPropertyTypes: true,
    noUnusedLocals: true,
    skipLibCheck: true,
    paths: {
      "scs-session": [join(root, "src/index.ts")],
      "scs-session/*": [join(root, "src/*.ts"), join(root, "src/*/index.ts")],
      "docs-test": [join(root, "test/docs/browser.ts")],
    },
  };
  writeFileSync(
    join(folder, "tsconfig.json"),
    JSON.stringify({ compilerOptions, include: ["**/*.ts"] }),
  );
  return pages;
}

function isCheck(path: string): boolean {
  return basename(path).startsWith("check-");
}
