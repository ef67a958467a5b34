/** Part B of the suite: the seven guarantees, through `SessionManager` on the engine under test. */
import type { Check } from "./bench.ts";
import { cookies } from "./cookies.ts";
import { ending } from "./ending.ts";
import { failure } from "./failure.ts";
import { overlap } from "./overlap.ts";

/** Named `G1: ...` to `G7: ...`, so that documentation and mutants can point at them. */
export const guarantees: readonly Check[] = [...overlap, ...ending, ...failure, ...cookies];
