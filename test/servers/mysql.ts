import { find } from "./find.ts";
import { startServer, type Common, type Server } from "./server.ts";

/** Whether the tests of MySQLStore are to run on MySQL: SCS_MYSQL_BIN names the folder of `mysqld`. */
export function wantsMySQL(): boolean {
  return Boolean(process.env["SCS_MYSQL_BIN"]);
}

/** A MySQL (8.0 or later) of the tests' own: database `scs`, user `root`, no password. */
export async function startMySQL(options: Common = {}): Promise<Server> {
  const [mysqld = ""] = await find({
    programs: ["mysqld"],
    folderVariable: "SCS_MYSQL_BIN",
    urlVariable: "SCS_TEST_MARIADB",
    packages: ["mysql-server-core"],
  });
  return startServer({
    name: "mysql",
    file: mysqld,
    accounts: ["mysql", "nobody"],
    end: "SIGKILL",
    shutdown: "SIGTERM",
    // The first time it says so, it serves only its own set-up.
    ready: /ready for connections\.[^\n]*port: [1-9]/,
    prepare: async ({ folder, write, run }) => {
      // The account that comes with it is root@localhost, which no TCP connection is without DNS.
      write(
        "init.sql",
        "CREATE DATABASE IF NOT EXISTS scs CHARACTER SET utf8mb4;\n" +
          "CREATE USER IF NOT EXISTS root@'127.0.0.1';\n" +
          "GRANT ALL ON *.* TO root@'127.0.0.1' WITH GRANT OPTION;\n",
      );
      const args = ["--no-defaults", "--initialize-insecure", `--datadir=${folder}/data`];
      await run(mysqld, [...args, `--tmpdir=${folder}`, "--innodb-flush-method=nosync"]);
    },
    args: (port, folder) => [
      "--no-defaults",
      `--datadir=${folder}/data`,
      // As for MariaDB: none is removed by another server that starts.
      `--tmpdir=${folder}`,
      `--socket=${folder}/socket`,
      `--pid-file=${folder}/pid`,
      `--init-file=${folder}/init.sql`,
      `--port=${port}`,
      "--bind-address=127.0.0.1",
      "--mysqlx=OFF",
      "--secure-file-priv=NULL",
      "--skip-name-resolve",
      "--skip-log-bin",
      "--innodb-buffer-pool-size=32M",
      "--innodb-flush-method=nosync",
      // As for MariaDB: at every commit to the system, not to the disk.
      "--innodb-flush-log-at-trx-commit=2",
      ...(options.args ?? []),
    ],
    url: (port) => `mysql://root@127.0.0.1:${port}/scs`,
  });
}
