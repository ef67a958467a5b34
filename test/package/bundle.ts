// What a bundler makes of the package: nothing foreign gets in, and what comes out works.
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { gzipSync } from "node:zlib";
import { join } from "node:path";
import { describe, it } from "node:test";
import { build, type BuildResult } from "esbuild";
import { drive, works } from "./load.ts";
import type { Tarball } from "./tarball.ts";

const core = `export { SessionManager } from "scs-session";`;
const memory = `export { MemoryStore } from "scs-session/stores/memory";`;
const cookie = `export { CookieStore } from "scs-session/stores/cookie";`;
const node = `export { sessionHandler } from "scs-session/adapters/node";`;
const web = `export { sessionHandler } from "scs-session/adapters/web";`;

const main = `
import { createServer } from "node:http";
import { SessionManager, MemoryStore, sessionHandler } from "./bundle.mjs";
import { drive } from "./drive.mjs";
await drive({ SessionManager, MemoryStore, sessionHandler, createServer });
`;

export function bundling(tarball: Tarball): void {
  describe("bundling", () => {
    const folder = tarball.project({ "drive.mjs": drive, "main.mjs": main });

    it("core, node adapter and memory engine hold no foreign module, and work", async () => {
      const result = await bundle(folder, [core, memory, node], "bundle.mjs");
      assert.deepEqual(foreign(result), []);
      assert.deepEqual(
        imports(result).filter((path) => !path.startsWith("node:")),
        [],
      );
      // What only sessions in cookies need comes with their engine.
      assert.deepEqual(held(result, /sealed-/), []);
      works(process.execPath, "main.mjs", folder);
      console.log(sizes("core + adapters/node + stores/memory", result));
    });

    it("core, fetch adapter and memory engine import nothing at all", async () => {
      const result = await bundle(folder, [core, memory, web], "web.mjs");
      assert.deepEqual(foreign(result), []);
      assert.deepEqual(imports(result), []);
      console.log(sizes("core + adapters/web + stores/memory", result));
    });

    it("core, fetch adapter and cookie engine import nothing at all", async () => {
      const result = await bundle(folder, [core, cookie, web], "cookie.mjs");
      assert.deepEqual(foreign(result), []);
      assert.deepEqual(imports(result), []);
      assert.equal(held(result, /sealed-/).length, 2);
      console.log(sizes("core + adapters/web + stores/cookie", result));
    });

    it("an unused part costs nothing", async () => {
      const result = await bundle(
        folder,
        [`import "scs-session";`, "export const one = 1;"],
        "x.mjs",
      );
      const [code] = result.outputFiles;
      assert.match(code?.text ?? "", /^var \w=1;export\{\w as one\};\s*$/);
    });
  });
}

type Bundle = BuildResult<{ metafile: true; write: false }>;

async function bundle(folder: string, lines: readonly string[], file: string): Promise<Bundle> {
  const result = await build({
    stdin: { contents: lines.join("\n"), resolveDir: folder, sourcefile: "entry.js" },
    absWorkingDir: folder,
    bundle: true,
    format: "esm",
    platform: "neutral",
    external: ["node:*"],
    minify: true,
    metafile: true,
    logLevel: "silent",
    outfile: join(folder, file),
    write: false,
  });
  for (const { path, contents } of result.outputFiles) writeFileSync(path, contents);
  return result;
}

/** Modules in the bundle that are not ours. */
function foreign(result: Bundle): string[] {
  const ours = /^(entry\.js|node_modules\/scs-session\/dist\/.+)$/;
  return Object.keys(result.metafile.inputs).filter((path) => !ours.test(path));
}

/** Modules of which something is in the bundle. */
function held(result: Bundle, name: RegExp): string[] {
  return Object.values(result.metafile.outputs).flatMap((output) =>
    Object.entries(output.inputs)
      .filter(([path, { bytesInOutput }]) => bytesInOutput > 0 && name.test(path))
      .map(([path]) => path),
  );
}

/** What the bundle still imports. */
function imports(result: Bundle): string[] {
  return Object.values(result.metafile.outputs).flatMap((output) =>
    output.imports.map((imported) => imported.path),
  );
}

function sizes(what: string, result: Bundle): string {
  const code = result.outputFiles[0]?.contents ?? new Uint8Array();
  return `bundle size: ${what}: ${code.length} bytes minified, ${gzipSync(code).length} gzipped`;
}
