// What of workerd's own module the Worker uses.
declare module "cloudflare:workers" {
  import type { SessionNamespace, SessionStub } from "../../../src/stores/durable-object.ts";

  export const env: {
    readonly SESSIONS: SessionNamespace & {
      get(id: unknown): SessionStub & { fetch(url: string): Promise<Response> };
    };
  };
}
