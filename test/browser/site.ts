// An HTTPS site for the browser, under every name that ends in .example.test, and localhost.
import { once } from "node:events";
import type { RequestListener } from "node:http";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { selfSigned } from "./certificate.ts";

const certificate = selfSigned("localhost", "*.example.test", "other.test");

/** For `launchChromium({ trust })`: the browser then takes our certificate as any public one. */
export const trust: readonly string[] = [certificate.spki];

export interface Site {
  readonly port: number;
  /** `https://<host>:<port><path>`. */
  at(host: string, path?: string): string;
  close(): Promise<void>;
}

/** Serves on a free port of 127.0.0.1; request headers may have 256 KiB. */
export async function serve(listener: RequestListener): Promise<Site> {
  const { key, cert } = certificate;
  const server = createServer({ key, cert, maxHeaderSize: 256 * 1024 }, listener);
  await once(server.listen(0, "127.0.0.1"), "listening");
  const { port } = server.address() as AddressInfo;
  return {
    port,
    at: (host, path = "/") => `https://${host}:${port}${path}`,
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
