// The servers that a test run shares, and the variables that name them.
import { startMariaDB } from "./mariadb.ts";
import { startPostgres } from "./postgres.ts";
import { startRedis } from "./redis.ts";
import type { Server } from "./server.ts";

export interface Shared {
  /** Set by `run.ts` for the run. */
  readonly variable: string;
  /** Set by a developer who has a server already: it wins. */
  readonly external: string;
  readonly start: () => Promise<Server>;
}

export const shared: Readonly<Record<"postgres" | "mariadb" | "redis", Shared>> = {
  postgres: {
    variable: "SCS_SHARED_POSTGRES",
    external: "SCS_TEST_POSTGRES",
    start: () => startPostgres(),
  },
  mariadb: {
    variable: "SCS_SHARED_MARIADB",
    external: "SCS_TEST_MARIADB",
    start: () => startMariaDB(),
  },
  redis: {
    variable: "SCS_SHARED_REDIS",
    external: "SCS_TEST_REDIS",
    start: () => startRedis(),
  },
};
