// The layer rule: imports in src/ go one way only, and the core imports nothing from Node.
//
//   adapters -> manager -> parts -> contracts        stores -> {store, errors}
//   testing  -> everything                           index  -> everything but adapters, stores, testing
//
// One engine brings a piece of the core along, so that bundles without that engine do not hold it:
// stores/cookie.ts imports sealed-engine.ts, which nothing else but the index may (decision 0015).
//
// A type import counts as much as any other: a layer is what one must know to read a file. The rule
// first proves itself on planted violations, so that it cannot pass by seeing nothing.
import { posix } from "node:path";
import { sources, withoutComments } from "./project.ts";

const contracts = new Set(["store", "sealed", "carrier", "events", "errors"]);

type Layer = "contract" | "part" | "manager" | "index" | "adapter" | "store" | "testing";

const allowed: Record<Layer, readonly Layer[]> = {
  contract: ["contract"],
  part: ["part", "contract"],
  manager: ["manager", "part", "contract"],
  index: ["manager", "part", "contract"],
  adapter: ["adapter", "manager", "part", "contract"],
  store: ["store", "contract"],
  testing: ["testing", "index", "adapter", "store", "manager", "part", "contract"],
};

function layerOf(path: string): Layer {
  if (path.startsWith("src/adapters/")) return "adapter";
  if (path.startsWith("src/stores/")) return "store";
  if (path.startsWith("src/testing/")) return "testing";
  const name = path.slice("src/".length, -".ts".length);
  if (name === "index" || name === "manager") return name;
  return contracts.has(name) ? "contract" : "part";
}

/** Where Node's own modules may be imported. */
function mayUseNode(path: string): boolean {
  return /^src\/(adapters\/(node[^/]*|express)\.ts$|testing\/)/.test(path);
}

/** What a store or the index brings along, and nothing else of the core or the engines knows. */
const brought = "src/sealed-engine.ts";
const bringers = new Set(["src/stores/cookie.ts", "src/index.ts"]);

/** Every breach in these files, one line each. */
export function breaches(files: ReadonlyMap<string, string>): string[] {
  const found: string[] = [];
  const graph = new Map<string, string[]>();
  for (const [path, text] of files) {
    const layer = layerOf(path);
    const targets: string[] = [];
    graph.set(path, targets);
    for (const specifier of importsOf(text)) {
      if (!specifier.startsWith(".")) {
        if (!specifier.startsWith("node:")) found.push(`${path} imports a package: ${specifier}`);
        else if (!mayUseNode(path)) found.push(`${path} imports ${specifier}: not portable`);
        continue;
      }
      const target = posix.join(posix.dirname(path), specifier);
      if (!files.has(target)) {
        found.push(`${path} imports ${specifier}, which is not a file under src/`);
        continue;
      }
      targets.push(target);
      const to = layerOf(target);
      if (target === brought) {
        if (!bringers.has(path)) found.push(`${path} imports ${target}: it comes with its engine`);
      } else if (!allowed[layer].includes(to)) {
        found.push(`${path} (${layer}) imports ${target} (${to})`);
      } else if (
        layer === "store" &&
        to === "contract" &&
        !/\/(store|sealed|errors)\.ts$/.test(target)
      ) {
        found.push(`${path} imports ${target}: an engine needs its contract and errors.ts only`);
      }
    }
  }
  return [...found, ...cycles(graph)];
}

function importsOf(text: string): string[] {
  const code = withoutComments(text);
  const patterns = [
    /^(?:import|export)\b[^"';]*?\bfrom\s*["']([^"']+)["']/gm,
    /^import\s*["']([^"']+)["']/gm,
    /\b(?:import|require)\(\s*["']([^"']+)["']/g,
    /\/\/\/\s*<reference\s+path=["']([^"']+)["']/g,
  ];
  return patterns.flatMap((pattern) =>
    [...code.matchAll(pattern)].flatMap((match) => match[1] ?? []),
  );
}

function cycles(graph: ReadonlyMap<string, readonly string[]>): string[] {
  const done = new Set<string>();
  const found: string[] = [];
  const visit = (path: string, trail: readonly string[]): void => {
    const start = trail.indexOf(path);
    if (start !== -1) {
      found.push(`imports form a circle: ${[...trail.slice(start), path].join(" -> ")}`);
      return;
    }
    if (done.has(path)) return;
    for (const target of graph.get(path) ?? []) visit(target, [...trail, path]);
    done.add(path);
  };
  for (const path of graph.keys()) visit(path, []);
  return found;
}

/** Each is legal but for one file, named with a word of the message that must come of it. */
const planted: readonly (readonly [path: string, text: string, message: string])[] = [
  ["src/session.ts", 'import { SessionManager } from "./manager.ts";', "(manager)"],
  ["src/codec.ts", 'import type {\n  MemoryStore,\n} from "./stores/memory.ts";', "(store)"],
  ["src/store.ts", 'import { lifetime } from "./expiry.ts";', "(part)"],
  ["src/stores/memory.ts", 'import { defaults } from "../expiry.ts";', "(part)"],
  ["src/stores/memory.ts", 'import type { Carrier } from "../carrier.ts";', "an engine needs"],
  ["src/manager.ts", 'export * from "./adapters/node.ts";', "(adapter)"],
  ["src/adapters/web.ts", 'import { clock } from "../testing/index.ts";', "(testing)"],
  ["src/adapters/web.ts", 'import { createHash } from "node:crypto";', "not portable"],
  ["src/token.ts", 'type Hash = import("node:crypto").Hash;', "not portable"],
  ["src/token.ts", 'const lazy = await import("./manager.ts");', "(manager)"],
  ["src/codec.ts", 'import { parse } from "devalue";', "a package"],
  ["src/codec.ts", 'import "./missing.ts";', "not a file"],
  ["src/errors.ts", 'import type { Store } from "./store.ts";', "circle"],
  ["src/manager.ts", 'import { sealedEngine } from "./sealed-engine.ts";', "with its engine"],
  [
    "src/stores/memory.ts",
    'import { sealedEngine } from "../sealed-engine.ts";',
    "with its engine",
  ],
  ["src/stores/cookie.ts", 'import { clock } from "../session.ts";', "(part)"],
  ["src/sealed-engine.ts", 'import { CookieStore } from "./stores/cookie.ts";', "(store)"],
];

/** The planted violations that were not seen, and the legal files that were refused. */
export function selfTest(): string[] {
  const legal = new Map([
    ["src/errors.ts", "export {};\n"],
    ["src/store.ts", 'import { SessionError } from "./errors.ts";\n'],
    ["src/carrier.ts", "/**\n * ```ts\n * import x from 'x';\n * ```\n */\nexport {};\n"],
    ["src/expiry.ts", '// import "node:fs";\nimport type { Store } from "./store.ts";\n'],
    ["src/codec.ts", 'import { SessionError } from "./errors.ts";\n'],
    ["src/token.ts", "export {};\n"],
    ["src/session.ts", 'import { a } from "./codec.ts";\nimport { b } from "./expiry.ts";\n'],
    ["src/manager.ts", 'import { Session } from "./session.ts";\n'],
    [
      "src/index.ts",
      'export { SessionManager } from "./manager.ts";\nexport { b } from "./sealed-engine.ts";\n',
    ],
    ["src/adapters/web.ts", 'import type { Carrier } from "../carrier.ts";\n'],
    ["src/adapters/node.ts", 'import { createServer } from "node:http";\n'],
    ["src/stores/memory.ts", 'import { SessionError } from "../errors.ts";\n'],
    ["src/sealed-engine.ts", 'import { a } from "./session.ts";\n'],
    ["src/stores/cookie.ts", 'import { sealedEngine } from "../sealed-engine.ts";\n'],
    ["src/testing/index.ts", 'import { MemoryStore } from "../stores/memory.ts";\n'],
  ]);
  const failures = breaches(legal).map((line) => `refused though legal: ${line}`);
  for (const [path, text, message] of planted) {
    const lines = breaches(new Map(legal).set(path, `${legal.get(path) ?? ""}${text}\n`));
    if (!lines.some((line) => line.includes(message))) failures.push(`not seen: ${path}: ${text}`);
  }
  return failures;
}

if (import.meta.main) {
  const failures = selfTest();
  const files = sources("src");
  const lines = breaches(files);
  for (const line of [...failures, ...lines]) console.error(`layers: ${line}`);
  console.log(
    `layers: ${files.size} files, ${lines.length} breaches; self-test: ${planted.length} planted, ${failures.length} wrong`,
  );
  process.exitCode = failures.length + lines.length === 0 ? 0 : 1;
}
