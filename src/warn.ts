/** The default of `onEvent`. */
import type { SessionEvent } from "./events.ts";

/**
 * Prints the first warning or error of each type: enough to notice that something is wrong, without a
 * line per request in the log of an attacked server. What a handler threw is always printed, since
 * nobody else will.
 */
export function warnOnce(): (event: SessionEvent) => void {
  const seen = new Set<string>();
  return (event) => {
    if (event.type === "handler-failed") {
      console.error(`scs-session: ${event.message}`, event.error);
      return;
    }
    if ((event.level !== "warn" && event.level !== "error") || seen.has(event.type)) return;
    seen.add(event.type);
    const line = `scs-session: ${event.type}: ${event.message} (reported once; see the option onEvent)`;
    if ("error" in event) console.warn(line, event.error);
    else console.warn(line);
  };
}
