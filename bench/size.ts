// Size and import time of the core with one adapter and one engine, beside the peers: `node
// bench/size.ts`, or `npm run bench -- --only size`. Bundled and minified by esbuild, gzipped; CPU time
// of a process that imports the bundle and ends, over one that imports what any server has imported.
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";
import { keep } from "./results.ts";
import { quantile, round, table } from "./statistics.ts";

const source = fileURLToPath(new URL("../src/", import.meta.url));
const here = fileURLToPath(new URL(".", import.meta.url));

const ours = (adapter: string, engine: string): string =>
  `export { SessionManager } from "${source}manager.ts";
   export * as adapter from "${source}adapters/${adapter}.ts";
   export * as engine from "${source}stores/${engine}.ts";`;
const whole = (...names: string[]): string =>
  names
    .map(
      (name, i) => `export * as m${i} from "${name}"; export { default as d${i} } from "${name}";`,
    )
    .join("\n");

const inputs: Record<string, string> = {
  "scs-session: core, node, memory": ours("node", "memory"),
  "scs-session: core, express, redis": ours("express", "redis"),
  "scs-session: core, web, cookie": ours("web", "cookie"),
  "express-session (its MemoryStore)": whole("express-session"),
  "@fastify/session, @fastify/cookie": whole("@fastify/session", "@fastify/cookie"),
  "koa-session": `export * from "koa-session";`,
  "hono-sessions": `export { MemoryStore, sessionMiddleware } from "hono-sessions";`,
  "iron-session": `export { getIronSession } from "iron-session";`,
  "cookie-session": whole("cookie-session"),
};

const folder = mkdtempSync(join(tmpdir(), "scs-session-size-"));
const runs = 15;
/** What a server has loaded anyway. */
const server = 'import "node:http"; import "node:crypto"; import "node:stream";\n';

/** CPU milliseconds of one process. */
function spend(file: string): number {
  const code = `import(${JSON.stringify(file)}).then(() => { const { user, system } = process.cpuUsage(); console.log((user + system) / 1000); })`;
  const { stdout, status } = spawnSync(process.execPath, ["-e", code], { encoding: "utf8" });
  if (status !== 0) throw new Error(`importing ${file} failed`);
  return Number(stdout);
}

interface Size {
  readonly minified: number;
  readonly gzipped: number;
  readonly foreign: number;
  readonly file: string;
}

try {
  const sizes: Record<string, Size> = {};
  for (const [name, contents] of Object.entries(inputs)) {
    const { outputFiles, metafile } = await build({
      stdin: { contents, resolveDir: here, loader: "ts" },
      bundle: true,
      minify: true,
      write: false,
      metafile: true,
      platform: "node",
      format: "esm",
      // What CommonJS packages need in a module.
      banner: {
        js: `import { createRequire } from "node:module"; const require = createRequire(import.meta.url);`,
      },
    });
    const [bundle] = outputFiles;
    if (bundle === undefined) throw new Error("esbuild gave nothing");
    const file = join(folder, `${Object.keys(sizes).length}.mjs`);
    writeFileSync(file, `${server}${bundle.text}`);
    const foreign = Object.keys(metafile.inputs).filter((path) =>
      path.includes("node_modules"),
    ).length;
    const gzipped = gzipSync(bundle.contents, { level: 9 }).length;
    sizes[name] = { minified: bundle.contents.length, gzipped, foreign, file };
  }
  const empty = join(folder, "empty.mjs");
  writeFileSync(empty, server);
  const times = new Map<string, number[]>();
  for (let i = 0; i < runs; i++) {
    const base = spend(empty);
    for (const [name, { file }] of Object.entries(sizes)) {
      const list = times.get(name) ?? [];
      times.set(name, [...list, spend(file) - base]);
    }
  }
  const results = Object.fromEntries(
    Object.entries(sizes).map(([name, { minified, gzipped, foreign }]) => [
      name,
      { minified, gzipped, foreign, importMs: round(quantile(times.get(name) ?? [], 0.5)) },
    ]),
  );
  console.log(
    table([
      ["", "minified", "gzipped", "foreign modules", "import, CPU ms"],
      ...Object.entries(results).map(([name, { minified, gzipped, foreign, importMs }]) => [
        name,
        `${(minified / 1000).toFixed(1)} kB`,
        `${(gzipped / 1000).toFixed(1)} kB`,
        String(foreign),
        importMs.toFixed(1),
      ]),
    ]),
  );
  keep("size", { results });
} finally {
  rmSync(folder, { recursive: true });
}
