import { find } from "./find.ts";
import { external, startServer, tlsFiles, writeTls, type Common, type Server } from "./server.ts";

/** A PostgreSQL of the tests' own: database and superuser `postgres`, no password. */
export async function startPostgres(options: Common = {}): Promise<Server> {
  const named = external("SCS_TEST_POSTGRES", options);
  if (named !== undefined) return named;
  const [initdb = "", postgres = ""] = await find({
    programs: ["initdb", "postgres"],
    folderVariable: "SCS_POSTGRES_BIN",
    urlVariable: "SCS_TEST_POSTGRES",
    packages: ["postgresql"],
  });
  return startServer({
    name: "postgres",
    file: postgres,
    accounts: ["postgres", "nobody"],
    // "Immediate shutdown". A SIGKILL would leave a System V shared memory segment in the kernel.
    end: "SIGQUIT",
    shutdown: "SIGINT",
    ready: /database system is ready to accept connections/,
    prepare: async (place) => {
      const { folder, run } = place;
      writeTls(place, options.tls);
      const args = ["-D", `${folder}/data`, "-U", "postgres", "-E", "UTF8"];
      args.push("--auth=trust", "--no-sync", "--locale=C");
      await run(initdb, args);
    },
    args: (port, folder) => [
      "-D",
      `${folder}/data`,
      `--port=${port}`,
      "--listen_addresses=127.0.0.1",
      "--unix_socket_directories=",
      "--shared_buffers=16MB",
      // No disk flushes: the tests kill the server, not the machine. synchronous_commit stays on:
      // off, a SIGKILL loses up to three wal_writer_delay (0.6 s) of acknowledged commits.
      "--fsync=off",
      "--full_page_writes=off",
      ...(options.tls === undefined
        ? []
        : [
            "--ssl=on",
            `--ssl_cert_file=${folder}/${tlsFiles.cert}`,
            `--ssl_key_file=${folder}/${tlsFiles.key}`,
          ]),
      ...(options.args ?? []),
    ],
    url: (port) => `postgres://postgres@127.0.0.1:${port}/postgres`,
  });
}
