/** A manager on a store that can be made to fail, and what happened in it. */
import type { SessionEvent } from "../../src/events.ts";
import { SessionManager } from "../../src/manager.ts";
import type { Options } from "../../src/options.ts";
import { MemoryStore } from "../../src/stores/memory.ts";
import { FaultyStore } from "../../src/testing/faults.ts";

export interface Data {
  text: string;
  visits: number;
}

export interface Kit {
  readonly store: FaultyStore;
  readonly sessions: SessionManager<Data>;
  readonly events: SessionEvent[];
}

export function kit(options: Partial<Options<Data>> = {}): Kit {
  const store = new FaultyStore(new MemoryStore());
  const events: SessionEvent[] = [];
  const sessions = new SessionManager<Data>({
    store,
    development: true,
    storeTimeout: 1000,
    onEvent: (event) => void events.push(event),
    ...options,
  });
  return { store, sessions, events };
}

/** The `name=value` of each cookie that a response sets. */
export function cookies(response: { readonly headers: Headers }): string[] {
  return response.headers.getSetCookie().map((line) => line.split(";")[0] ?? "");
}
