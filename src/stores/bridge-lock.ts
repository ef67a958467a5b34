/** Locks by key, within this process: readers share a key, a writer has it alone, first come first served. */
import { SessionError } from "../errors.ts";

interface Waiter {
  readonly writes: boolean;
  readonly enter: () => void;
}

interface Gate {
  readers: number;
  writing: boolean;
  readonly waiting: Waiter[];
}

/** How long an operation waits for its turn, in ms: a back end that never answers must not fill the memory. */
const patience = 10_000;

export class Locks {
  readonly #gates = new Map<string, Gate>();

  /** Runs beside other readers of the key. @throws {SessionError} `store-failed` after 10 s of waiting */
  read<T>(key: string, run: () => Promise<T>): Promise<T> {
    return this.#run(key, false, run);
  }

  /** Runs alone. @throws {SessionError} `store-failed` after 10 s of waiting; `run` has not begun then. */
  write<T>(key: string, run: () => Promise<T>): Promise<T> {
    return this.#run(key, true, run);
  }

  async #run<T>(key: string, writes: boolean, run: () => Promise<T>): Promise<T> {
    let gate = this.#gates.get(key);
    if (gate === undefined) {
      gate = { readers: 0, writing: false, waiting: [] };
      this.#gates.set(key, gate);
    }
    if (gate.waiting.length === 0 && isOpen(gate, writes)) enter(gate, writes);
    else await wait(gate, writes);
    try {
      return await run();
    } finally {
      if (writes) gate.writing = false;
      else gate.readers--;
      admit(gate);
      if (!gate.writing && gate.readers === 0) this.#gates.delete(key);
    }
  }
}

function isOpen(gate: Gate, writes: boolean): boolean {
  return !gate.writing && !(writes && gate.readers > 0);
}

function enter(gate: Gate, writes: boolean): void {
  if (writes) gate.writing = true;
  else gate.readers++;
}

/** Lets in whoever may go now. */
function admit(gate: Gate): void {
  for (;;) {
    const next = gate.waiting[0];
    if (next === undefined || !isOpen(gate, next.writes)) return;
    gate.waiting.shift();
    enter(gate, next.writes);
    next.enter();
  }
}

function wait(gate: Gate, writes: boolean): Promise<void> {
  return new Promise((resolve, reject) => {
    const waiter: Waiter = {
      writes,
      enter: () => {
        clearTimeout(timer);
        resolve();
      },
    };
    const timer = setTimeout(() => {
      gate.waiting.splice(gate.waiting.indexOf(waiter), 1);
      // Those behind it may be able to go.
      admit(gate);
      reject(
        new SessionError(
          "store-failed",
          `An operation on a session waited ${patience / 1000} s for the one before it, which the back end has not answered`,
        ),
      );
    }, patience);
    gate.waiting.push(waiter);
  });
}
