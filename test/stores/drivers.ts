// The database drivers of the engine tests: pinned in test/stores/drivers.
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import { install } from "../support/install.ts";

const folder = new URL("drivers/", import.meta.url);

/** A driver's module, as `import` gives it. The caller says what it uses of it. */
export async function driver<Module>(specifier: string): Promise<Module> {
  await install(folder);
  const require = createRequire(new URL("package.json", folder));
  return (await import(pathToFileURL(require.resolve(specifier)).href)) as Module;
}

/** The version of a driver, for the names of tests. */
export function version(name: string): string {
  const require = createRequire(import.meta.url);
  const { dependencies } = require("./drivers/package.json") as {
    dependencies: Record<string, string>;
  };
  return `${name} ${dependencies[name] ?? "?"}`;
}
