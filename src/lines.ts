/**
 * The records that are being written, by their keys. Not a Map: as entries come and go, V8 moves them
 * to a new table now and then, and each old table holds what it held, and the next table. Once one of
 * them has been promoted to the old generation, so are all that follow, with all that hangs on their
 * entries: 2 to 6 us per change in the collector, and 0.5 without (bench/micro/survivors.ts). Arrays have
 * no such chain.
 */
import type { Queue } from "./job.ts";

/** The commits of one record while one of them is under way. */
export interface Line extends Queue {
  readonly key: string;
  work: Promise<unknown> | undefined;
}

export class Lines {
  /** By the end of the key, which is random: a few lines each, at most. */
  readonly #buckets: readonly Line[][] = Array.from({ length: 256 }, () => []);
  #size = 0;

  get size(): number {
    return this.#size;
  }

  find(key: string): Line | undefined {
    for (const line of this.#bucket(key)) if (line.key === key) return line;
    return undefined;
  }

  add(line: Line): void {
    this.#bucket(line.key).push(line);
    this.#size++;
  }

  delete(line: Line): void {
    const bucket = this.#bucket(line.key);
    const at = bucket.indexOf(line);
    if (at === -1) return;
    const last = bucket.pop() as Line;
    if (last !== line) bucket[at] = last;
    this.#size--;
  }

  all(): Line[] {
    return this.#buckets.flat();
  }

  #bucket(key: string): Line[] {
    const { length } = key;
    const index = (key.charCodeAt(length - 1) + 61 * key.charCodeAt(length - 2)) & 255;
    return this.#buckets[index] as Line[];
  }
}
