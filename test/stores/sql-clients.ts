// The SQL clients with the settings that docs/stores recommends, for tests that break things.
import { connect, type Socket } from "node:net";
import type { MySQLClient } from "../../src/stores/mysql.ts";
import type { PgClient, PostgresClient, PostgresJsClient } from "../../src/stores/postgres.ts";
import { driver } from "./drivers.ts";

export interface Connected<Client> {
  readonly client: Client;
  /** Runs a statement of the test's own on one of its connections. */
  run(sql: string): PromiseLike<unknown>;
  end(): Promise<void>;
}

export interface Settings {
  /** Connections at most. */
  readonly max?: number | undefined;
  /** In ms: how long a statement, a connection and the wait for one may take. */
  readonly timeout?: number | undefined;
}

export type Connect<Client> = (url: string, settings?: Settings) => Promise<Connected<Client>>;

interface Emitter {
  on(event: "error", listener: (error: Error) => void): unknown;
}
interface Ending {
  end(options?: object): Promise<void>;
}
interface Pg {
  readonly default: { readonly Pool: new (options: object) => PgClient & Emitter & Ending };
}
interface PostgresJs {
  readonly default: (url: string, options: object) => PostgresJsClient & Ending;
}
interface Pools {
  readonly default: { createPool(options: object): MySQLClient & Ending };
}

const usual = 1000;

/** A socket that ends when nothing has arrived for so long: mysql2 and postgres have no such setting. */
function impatient(host: string, port: number, timeout: number): Socket {
  const socket = connect({ host, port });
  socket.setTimeout(timeout, () => socket.destroy(new Error("the server has fallen silent")));
  return socket;
}

export const postgresClients: Readonly<Record<"pg" | "postgres", Connect<PostgresClient>>> = {
  pg: async (url, { max = 10, timeout = usual } = {}) => {
    const { default: pg } = await driver<Pg>("pg");
    const client = new pg.Pool({
      connectionString: url,
      max,
      connectionTimeoutMillis: timeout,
      query_timeout: timeout,
      statement_timeout: timeout,
    });
    // Of idle connections that break; without a listener, that ends the process.
    client.on("error", () => {});
    return { client, run: (sql) => client.query(sql), end: () => client.end() };
  },
  postgres: async (url, { max = 10, timeout = usual } = {}) => {
    const { default: postgres } = await driver<PostgresJs>("postgres");
    const client = postgres(url, {
      max,
      connect_timeout: timeout / 1000,
      fetch_types: false,
      backoff: (retries: number) => Math.min(retries / 10, 1),
      connection: { statement_timeout: timeout },
      socket: ({ host, port }: { host: string[]; port: number[] }) =>
        new Promise((resolve, reject) => {
          const socket = impatient(host[0] ?? "", port[0] ?? 0, timeout);
          socket.once("connect", () => resolve(socket)).once("error", reject);
        }),
    });
    const run = (sql: string) => client.unsafe(sql);
    return { client, run, end: () => client.end({ timeout: 1 }) };
  },
};

export const mysqlClients: Readonly<Record<"mysql2" | "mariadb", Connect<MySQLClient>>> = {
  mysql2: async (url, { max = 10, timeout = usual } = {}) => {
    const { default: mysql } = await driver<Pools>("mysql2/promise");
    const { hostname, port } = new URL(url);
    const client = mysql.createPool({
      uri: url,
      connectionLimit: max,
      connectTimeout: timeout,
      stream: () => impatient(hostname, Number(port), timeout),
    });
    return { client, run: (sql) => client.execute(sql, []), end: () => client.end() };
  },
  mariadb: async (url, { max = 10, timeout = usual } = {}) => {
    const { default: mariadb } = await driver<Pools>("mariadb");
    const { hostname, port, username, pathname } = new URL(url);
    const client = mariadb.createPool({
      host: hostname,
      port: Number(port),
      user: decodeURIComponent(username),
      database: pathname.slice(1),
      connectionLimit: max,
      connectTimeout: timeout,
      acquireTimeout: timeout,
      socketTimeout: timeout,
    });
    return { client, run: (sql) => client.execute(sql, []), end: () => client.end() };
  },
};
