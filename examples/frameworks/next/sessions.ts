// examples/frameworks/next/sessions.ts
import { cookies, headers } from "next/headers";
import { cache } from "react";
import { SessionManager } from "scs-session";
import { nextSessions } from "scs-session/adapters/next";
import { MemoryStore } from "scs-session/stores/memory";

export type Data = { user: string; visits: number };

// Next may load this module more than once in one process; a memory engine must be one all the same.
const shared = globalThis as { store?: MemoryStore };
shared.store ??= new MemoryStore();

export const sessions = new SessionManager<Data>({ store: shared.store, idleTimeout: "20m" });

const { load, action } = nextSessions(sessions, { cookies, headers });

/** For server components: reads, loaded once per render. */
export const currentSession = cache(load);

/** For server actions: changes. */
export { action };
