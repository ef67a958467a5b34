// workerd, as an npm package: Miniflare configures and starts it.
import { build } from "esbuild";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import { install } from "../../support/install.ts";

interface Miniflare {
  readonly ready: Promise<URL>;
  dispose(): Promise<void>;
}
interface Module {
  readonly Miniflare: new (options: object) => Miniflare;
}

const folder = new URL("./", import.meta.url);

/** As a bundler makes it for Workers: whatever would need a Node module fails here. */
async function bundle(): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [fileURLToPath(new URL("worker.ts", folder))],
    bundle: true,
    format: "esm",
    platform: "browser",
    conditions: ["workerd", "worker"],
    external: ["cloudflare:workers"],
    write: false,
  });
  return outputFiles[0]?.text ?? "";
}

export interface Running {
  readonly origin: string;
  /** "workerd 1.20260730.1" */
  readonly version: string;
  stop(): Promise<void>;
}

/** Starts the Worker of worker.ts on a free port, without any compatibility flag. */
export async function startWorker(): Promise<Running> {
  await install(folder);
  const require = createRequire(new URL("package.json", folder));
  const { Miniflare } = require("miniflare") as Module;
  const { version } = require("workerd/package.json") as { version: string };
  const miniflare = new Miniflare({
    // Nothing is fetched, nothing is told.
    cf: false,
    telemetry: { enabled: false },
    modules: true,
    script: await bundle(),
    compatibilityDate: "2026-07-30",
    durableObjects: { SESSIONS: { className: "SessionObject", useSQLite: true } },
  });
  const { origin } = await miniflare.ready;
  return { origin, version, stop: () => miniflare.dispose() };
}
