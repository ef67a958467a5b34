// workerd, as an npm package: Miniflare configures and starts it.
import { build } from "esbuild";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
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
  // Memory, where there is such a folder: on a busy disk a write takes a second, which is most of the
  // life of a test's session. (workerd's own objects in memory crash it when an alarm rings.)
  const memory = existsSync("/dev/shm") ? "/dev/shm" : tmpdir();
  const objects = mkdtempSync(join(memory, "scs-session-workerd-"));
  const miniflare = new Miniflare({
    // Nothing is fetched, nothing is told.
    cf: false,
    telemetry: { enabled: false },
    modules: true,
    script: await bundle(),
    compatibilityDate: "2026-07-30",
    durableObjects: { SESSIONS: { className: "WatchedObject", useSQLite: true } },
    durableObjectsPersist: objects,
  });
  const { origin } = await miniflare.ready;
  return {
    origin,
    version,
    async stop() {
      await miniflare.dispose();
      rmSync(objects, { recursive: true, force: true });
    },
  };
}
