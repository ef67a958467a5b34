// What is in the tarball, and what the linters of packages say of it.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { publint } from "publint";
import { root, run, type Tarball } from "./tarball.ts";

interface Manifest {
  readonly dependencies?: object;
  readonly exports: Readonly<Record<string, string | Readonly<Record<string, string>>>>;
}

export function publishing(tarball: Tarball): void {
  describe("publishing", () => {
    const manifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as Manifest;

    it("holds code, declarations and papers, and nothing else", () => {
      const expected = /^(dist\/[\w/.-]+\.(js|d\.ts)|package\.json|LICENSE|[A-Z]+\.md)$/;
      assert.deepEqual(
        tarball.files.filter((path) => !expected.test(path)),
        [],
      );
    });

    it("holds every file that exports names", () => {
      const targets = Object.values(manifest.exports).flatMap((target) =>
        typeof target === "string" ? [target] : Object.values(target),
      );
      const missing = targets.filter((path) => !tarball.files.includes(path.replace("./", "")));
      assert.deepEqual(missing, []);
    });

    it("has no runtime dependencies", () => {
      assert.deepEqual(manifest.dependencies ?? {}, {});
    });

    it("is clean for publint", async () => {
      const bytes = new Uint8Array(readFileSync(tarball.path)).buffer;
      const { messages } = await publint({ pack: { tarball: bytes }, strict: true });
      assert.deepEqual(messages, []);
    });

    it("is clean for are-the-types-wrong", () => {
      const cli = join(root, "node_modules/@arethetypeswrong/cli/dist/index.js");
      const args = [cli, tarball.path, "--profile", "esm-only", "--no-emoji", "--no-color"];
      const { status, output } = run(process.execPath, args, root);
      assert.equal(status, 0, output);
      // Each subpath resolves in both ways that the profile keeps (node10 and CommonJS it ignores).
      const subpaths = Object.values(manifest.exports).filter(
        (to) => typeof to !== "string",
      ).length;
      assert.equal(output.match(/^node16 \(from ESM\): OK \(ESM\)/gm)?.length, subpaths, output);
      assert.equal(output.match(/^bundler: OK(?! \(JSON\))/gm)?.length, subpaths, output);
    });
  });
}
