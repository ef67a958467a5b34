/**
 * Runs the modules named on the command line, one after the other, in a process of their own: started
 * by snippets.test.ts with the root as first argument. Whatever listens on a fixed port gets a free
 * one, is asked for `/` once, and is closed. The process must then end by itself: a snippet that leaves
 * something running, or rejects late, fails.
 */
import { once } from "node:events";
import { existsSync } from "node:fs";
import { registerHooks } from "node:module";
import { type AddressInfo, Server } from "node:net";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const [root = "", ...modules] = process.argv.slice(2);

// The package by its own name, without a build: the path under src/ is the subpath.
registerHooks({
  resolve(specifier, context, next) {
    if (specifier === "docs-test")
      return next(pathToFileURL(join(root, "test/docs/browser.ts")).href, context);
    const subpath = /^scs-session(?:\/(.+))?$/.exec(specifier);
    if (subpath === null) return next(specifier, context);
    const path = join(root, "src", subpath[1] ?? "index");
    const file = existsSync(`${path}.ts`) ? `${path}.ts` : join(path, "index.ts");
    return next(pathToFileURL(file).href, context);
  },
});

const started: Server[] = [];
const listen: unknown = Server.prototype.listen;
Server.prototype.listen = function (this: Server, ...given: unknown[]): Server {
  let args = given;
  if (typeof given[0] === "number" && given[0] !== 0) {
    started.push(this);
    args = [0, "127.0.0.1", ...given.filter((arg) => typeof arg === "function")];
  } else if (((given[0] ?? {}) as { port?: number }).port) {
    started.push(this);
    args = [{ port: 0, host: "127.0.0.1" }, ...given.slice(1)];
  }
  return Reflect.apply(listen as () => Server, this, args);
};

for (const module of modules) {
  try {
    await import(pathToFileURL(module).href);
    for (const server of started.splice(0)) {
      if (!server.listening) await once(server, "listening");
      const { port } = server.address() as AddressInfo;
      const response = await fetch(`http://127.0.0.1:${port}/`);
      await response.body?.cancel();
      if (response.status >= 500) throw new Error(`GET / answered with ${response.status}`);
      server.close();
      if ("closeAllConnections" in server) (server.closeAllConnections as () => void)();
    }
  } catch (error) {
    console.error(`${module} failed:`, error);
    process.exit(1);
  }
}
