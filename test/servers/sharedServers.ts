// One set of servers for a whole test run. `run.ts` starts it and names it in these variables; a
// test file that runs alone starts what it needs. Files run side by side on one server, so each
// uses tables and key prefixes of its own and changes no server setting; a test that kills, counts
// or configures a server starts one with `{ own: true }`.
import { after } from "node:test";
import { shared, type Shared } from "./kinds.ts";
import { addressOf, type Address, type Server } from "./server.ts";

const own = new Map<Shared, Promise<Server>>();

// Here and not where one is started: in a suite's `before` hook, `after` would end with the hook.
after(async () => {
  for (const each of await Promise.allSettled(own.values())) {
    if (each.status === "fulfilled") await each.value.stop();
  }
});

function address(kind: Shared): Promise<Address> {
  const url = process.env[kind.external] || process.env[kind.variable];
  if (url) return Promise.resolve(addressOf(url));
  const started = own.get(kind) ?? kind.start();
  own.set(kind, started);
  return started;
}

/** The run's PostgreSQL, else one of this file's own that stops when its tests are done. */
export const postgres = (): Promise<Address> => address(shared.postgres);
/** The run's MariaDB; as `postgres`. */
export const mariadb = (): Promise<Address> => address(shared.mariadb);
/** The run's Redis; as `postgres`. */
export const redis = (): Promise<Address> => address(shared.redis);
