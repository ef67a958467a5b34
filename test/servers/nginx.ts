// nginx in front of a server of the tests: TLS ends there, with a certificate made for the run.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { find } from "./find.ts";
import { startServer, type Server } from "./server.ts";

export interface NginxOptions {
  /** Goes into `http { … }`: upstreams, caches. */
  readonly http?: string | undefined;
  /** Goes into `server { … }`: locations. */
  readonly server: string;
}

/** Listens with TLS and HTTP/2 on a port of its own; the certificate is in its folder. */
export async function startNginx(options: NginxOptions): Promise<Server> {
  const [nginx = ""] = await find({
    programs: ["nginx"],
    folderVariable: "SCS_NGINX_BIN",
    urlVariable: "SCS_NGINX_BIN",
    packages: ["nginx"],
  });
  const [openssl = ""] = await find({
    programs: ["openssl"],
    folderVariable: "SCS_OPENSSL_BIN",
    urlVariable: "SCS_OPENSSL_BIN",
    packages: ["openssl"],
  });
  return startServer({
    name: "nginx",
    file: nginx,
    accounts: ["www-data", "nobody"],
    // A master that is killed leaves its workers; this ends them all at once.
    end: "SIGTERM",
    shutdown: "SIGQUIT",
    ready: /start worker process/,
    async prepare({ run, write }) {
      const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
      const name = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"];
      const files = ["-keyout", "key.pem", "-out", "cert.pem", "-days", "2"];
      await run(openssl, ["req", "-x509", ...key, ...files, ...name]);
      write("nginx.conf", "");
    },
    args(port, folder) {
      const file = join(folder, "nginx.conf");
      writeFileSync(file, configuration(port, folder, options));
      return ["-p", folder, "-c", file, "-e", "stderr"];
    },
    url: (port) => `https://localhost:${port}`,
  });
}

function configuration(port: number, folder: string, { http = "", server }: NginxOptions): string {
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
    .map((kind) => `${kind}_temp_path ${join(folder, kind)};`)
    .join("\n  ");
  return `
daemon off;
worker_processes 1;
pid ${join(folder, "nginx.pid")};
error_log stderr notice;
events { worker_connections 1024; }
http {
  access_log off;
  ${temporary}
  ${http}
  server {
    listen 127.0.0.1:${port} ssl http2;
    ssl_certificate ${join(folder, "cert.pem")};
    ssl_certificate_key ${join(folder, "key.pem")};
    ${server}
  }
}
`;
}
