// examples/frameworks/sveltekit/src/lib/sessions.server.ts
import { SessionManager } from "scs-session";
import { MemoryStore } from "scs-session/stores/memory";

type Data = { user: string; visits: number };

export const sessions = new SessionManager<Data>({ store: new MemoryStore(), idleTimeout: "20m" });
