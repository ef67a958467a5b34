/**
 * The conformance suite for adapters: the same behaviours over every framework, on a real socket.
 * Write an adapter of your own and find out whether it keeps the promises.
 */
import { isSealed, type SealedStore } from "../sealed.ts";
import type { Store } from "../store.ts";
import { MemoryStore } from "../stores/memory.ts";
import type { Runner } from "./bench.ts";
import { behaviours } from "./behaviours.ts";
import { protocol } from "./protocol.ts";
import { type AdapterServer, type AdapterSetup, Site } from "./site.ts";
import { travelling } from "./travelling.ts";

export type {
  AdapterData,
  AdapterRequest,
  AdapterResponse,
  AdapterServer,
  AdapterSessions,
  AdapterSetup,
} from "./site.ts";
export type { Runner } from "./bench.ts";
import { awake } from "./awake.ts";

/** Options of `adapterSuite`. */
export interface AdapterSuite extends Runner {
  /**
   * Starts a server for the adapter under test, on a free port, with the managers mounted and every
   * request given to `handle`. A framework's own error handling must honour an error's `status`.
   */
  start(setup: AdapterSetup): Promise<AdapterServer>;
  /**
   * The engine of the managers, made on an engine that keeps records and can be made to fail. Default:
   * that one itself. Behaviours that an engine cannot have by its nature are left out.
   */
  readonly store?: ((records: Store) => Store | SealedStore) | undefined;
  /** How the adapter is called in test names. Default "adapter". */
  readonly name?: string | undefined;
}

/**
 * Registers the suite with a test runner.
 *
 * @example
 * ```ts
 * import { once } from "node:events";
 * import { createServer } from "node:http";
 * import { describe, it } from "node:test";
 * import { sessionMiddleware } from "scs-session/adapters/node";
 * import { adapterSuite } from "scs-session/testing/adapter";
 *
 * adapterSuite({
 *   describe,
 *   it,
 *   async start({ sessions, handle }) {
 *     const server = createServer(async (req, res) => {
 *       for (const manager of sessions) {
 *         sessionMiddleware(manager)(req, res, (error) => {
 *           if (error === undefined) return;
 *           res.statusCode = (error as { status: number }).status;
 *           res.end();
 *         });
 *       }
 *       try {
 *         await handle({
 *           request: req,
 *           path: req.url ?? "/",
 *           async respond({ status = 200, headers = {}, body = "" }) {
 *             res.writeHead(status, headers);
 *             for await (const text of typeof body === "string" ? [body] : body) res.write(text);
 *             res.end();
 *           },
 *         });
 *       } catch (error) {
 *         res.statusCode = (error as { status?: number }).status ?? 500;
 *         res.end();
 *       }
 *     });
 *     await once(server.listen(0), "listening");
 *     const { port } = server.address() as { port: number };
 *     const close = () => new Promise<void>((done) => void server.close(() => done()));
 *     return { url: `http://localhost:${port}`, close };
 *   },
 * });
 * ```
 */
export function adapterSuite(given: AdapterSuite): void {
  const suite = awake(given);
  suite.describe(suite.name ?? "adapter", () => {
    const travels = isSealed(suite.store?.(new MemoryStore()) ?? {});
    const all = [...behaviours, ...protocol];
    const fitting = all.filter(({ records }) => !(travels && records === true));
    for (const behaviour of travels ? [...fitting, ...travelling] : fitting) {
      suite.it(behaviour.name, async () => {
        const site = new Site({}, suite.store);
        try {
          const managers = behaviour.managers?.(site) ?? [site.sessions];
          await site.start((setup) => suite.start(setup), managers);
          await behaviour.run(site);
        } finally {
          await site.close();
        }
      });
    }
  });
}
