/** Says what an engine does not promise. */
import type { SessionEvent } from "./events.ts";
import type { Abilities, Guarantee } from "./store.ts";

/** What can happen without each guarantee. */
const consequences: Readonly<Record<Guarantee, string>> = {
  G1: "overlapping changes of one session can be lost",
  G2: "a session that has ended can come back",
  G3: "a request may not see what the one before it stored",
  G4: "two renewals at once can both seem to succeed",
  G5: "a process whose clock is wrong ends sessions early or late",
  G6: "a change can be reported as stored that was not",
  G7: "a damaged record can be an error on every request",
};

/** The event for an engine that lacks guarantees; undefined when it has all seven. */
export function missingEvent({ guarantees }: Abilities): SessionEvent | undefined {
  const missing = (Object.keys(consequences) as Guarantee[]).filter(
    (each) => !guarantees.includes(each),
  );
  if (missing.length === 0) return undefined;
  const list = missing.map((each) => `${consequences[each]} (${each})`).join("; ");
  return {
    type: "missing-guarantees",
    level: "warn",
    message: `The session store does not promise everything: ${list}`,
    missing,
  };
}
