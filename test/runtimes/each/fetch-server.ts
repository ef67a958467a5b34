// The adapter suite over the fetch-style server of the runtime itself: Bun.serve or Deno.serve.
import { describe, it } from "node:test";
import { sessionHandler } from "../../../src/adapters/web.ts";
import {
  type AdapterResponse,
  type AdapterServer,
  adapterSuite,
  type AdapterSetup,
} from "../../../src/testing/adapter.ts";

type Fetch = (request: Request) => Response | Promise<Response>;

interface BunLike {
  serve(options: { port: number; hostname: string; fetch: Fetch; error: () => Response }): {
    readonly port: number;
    stop(now: boolean): Promise<void>;
  };
}
interface DenoLike {
  serve(
    options: { port: number; hostname: string; onListen: () => void; onError: () => Response },
    handler: Fetch,
  ): { readonly addr: { readonly port: number }; shutdown(): Promise<void> };
}

const { Bun, Deno } = globalThis as { readonly Bun?: BunLike; readonly Deno?: DenoLike };
const hostname = "127.0.0.1";

function serve(handler: Fetch): { port: number; close(): Promise<void> } {
  // What a handler throws goes to the server, which answers 500.
  const broken = (): Response => new Response(null, { status: 500 });
  if (Bun !== undefined) {
    const server = Bun.serve({ port: 0, hostname, fetch: handler, error: broken });
    return { port: server.port, close: () => server.stop(true) };
  }
  if (Deno !== undefined) {
    const options = { port: 0, hostname, onListen: () => {}, onError: broken };
    const server = Deno.serve(options, handler);
    return { port: server.addr.port, close: () => server.shutdown() };
  }
  throw new Error("This runtime has no fetch-style server");
}

async function start({ sessions, handle }: AdapterSetup): Promise<AdapterServer> {
  const innermost = async (request: Request): Promise<Response> => {
    let answer: Response | undefined;
    const respond = ({ status = 200, headers = {}, body }: AdapterResponse): void => {
      const stream = typeof body === "object" ? streamed(body) : body;
      answer = new Response([204, 304].includes(status) ? null : (stream ?? null), {
        status,
        headers,
      });
    };
    const path = new URL(request.url).pathname;
    await handle({ request, path, text: () => request.text(), respond });
    return answer as unknown as Response;
  };
  const handler = sessions.reduceRight((inner, one) => sessionHandler(one, inner), innermost);
  const { port, close } = serve(handler);
  return { url: `http://${hostname}:${port}`, close };
}

function streamed(body: AsyncIterable<string>): ReadableStream<Uint8Array> {
  const texts = body[Symbol.asyncIterator]();
  const encoder = new TextEncoder();
  return new ReadableStream({
    async pull(controller) {
      const next = await texts.next();
      if (next.done === true) controller.close();
      else controller.enqueue(encoder.encode(next.value));
    },
  });
}

adapterSuite({ describe, it, start, name: Bun === undefined ? "Deno.serve" : "Bun.serve" });
