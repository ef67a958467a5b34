/**
 * Where property tests begin. SCS_SEED=<seed> or <seed>:<path>, as a failure prints it, replays one.
 * In CI the seed is fixed: what fails there fails because of the change under test, and fails again.
 * Everywhere else each run explores on.
 */
import fc from "fast-check";

export interface Start {
  readonly seed?: number;
  readonly path?: string;
}

function start(): Start {
  const given = process.env["SCS_SEED"];
  if (given === undefined || given === "") return process.env["CI"] ? { seed: 20261124 } : {};
  const [seed = "", ...path] = given.split(":");
  return path.length === 0 ? { seed: Number(seed) } : { seed: Number(seed), path: path.join(":") };
}

export const seed: Start = start();

// A path belongs to one property: only the seed holds for all.
if (seed.seed !== undefined) fc.configureGlobal({ seed: seed.seed });
