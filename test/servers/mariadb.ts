import { rmSync } from "node:fs";
import { join } from "node:path";
import { find } from "./find.ts";
import { startMySQL, wantsMySQL } from "./mysql.ts";
import { external, startServer, tlsFiles, writeTls, type Common, type Server } from "./server.ts";

/** A MariaDB of the tests' own, or a MySQL: database `scs`, user `root`, no password. */
export async function startMariaDB(options: Common = {}): Promise<Server> {
  const named = external("SCS_TEST_MARIADB", options);
  if (named !== undefined) return named;
  if (wantsMySQL()) return startMySQL(options);
  const [install = "", mariadbd = ""] = await find({
    programs: ["mariadb-install-db", "mariadbd"],
    folderVariable: "SCS_MARIADB_BIN",
    urlVariable: "SCS_TEST_MARIADB",
    packages: ["mariadb-server-core", "mariadb-client-core"],
  });
  return startServer({
    name: "mariadb",
    file: mariadbd,
    accounts: ["mysql", "nobody"],
    end: "SIGKILL",
    shutdown: "SIGTERM",
    ready: /ready for connections/,
    prepare: async (place) => {
      const { folder, write, run } = place;
      writeTls(place, options.tls);
      write("init.sql", "CREATE DATABASE IF NOT EXISTS scs CHARACTER SET utf8mb4;\n");
      const args = ["--no-defaults", `--datadir=${folder}/data`, "--skip-test-db"];
      args.push(`--tmpdir=${folder}`);
      args.push("--auth-root-authentication-method=normal");
      args.push("--innodb-log-file-size=4M", "--innodb-flush-method=nosync");
      try {
        await run(install, args);
      } catch {
        // Seen twice, on a machine with a load of 20; the second try says why if it fails as well.
        rmSync(join(folder, "data"), { recursive: true, force: true });
        await run(install, args);
      }
    },
    args: (port, folder) => [
      "--no-defaults",
      `--datadir=${folder}/data`,
      // A server that starts removes the temporary tables that it finds, another's too.
      `--tmpdir=${folder}`,
      `--socket=${folder}/socket`,
      `--pid-file=${folder}/pid`,
      `--init-file=${folder}/init.sql`,
      `--port=${port}`,
      "--bind-address=127.0.0.1",
      "--skip-name-resolve",
      "--skip-log-bin",
      "--innodb-buffer-pool-size=32M",
      "--innodb-flush-method=nosync",
      // At every commit to the system, not to the disk: with 0 a SIGKILL loses up to one second of
      // acknowledged commits, as the log is then still in the server's own memory.
      "--innodb-flush-log-at-trx-commit=2",
      ...(options.tls === undefined
        ? []
        : [
            `--ssl-cert=${folder}/${tlsFiles.cert}`,
            `--ssl-key=${folder}/${tlsFiles.key}`,
            `--ssl-ca=${folder}/${tlsFiles.cert}`,
          ]),
      ...(options.args ?? []),
    ],
    url: (port) => `mysql://root@127.0.0.1:${port}/scs`,
  });
}
