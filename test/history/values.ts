// What the reads of one session may show, given its writes.
import type { Life, Report } from "./checker.ts";
import type { Effect } from "./effects.ts";
import type { Data, Exchange } from "./history.ts";

interface Read {
  readonly effect: Effect;
  readonly exchange: Exchange;
  readonly data: Data;
  readonly afterCommit: boolean;
}

interface Write {
  readonly effect: Effect;
  readonly value: string;
  /** By when it was done: acknowledged, or seen by somebody. */
  by: number;
}

export function checkData(life: Life, report: Report): void {
  const effects = life.effects.filter(({ target }) => target === life.id);
  const reads = life.effects.flatMap((effect) => {
    if (effect.exchange.token?.startsWith(life.id) !== true) return [];
    return effect.seen.map((seen): Read => ({ ...seen, effect, exchange: effect.exchange }));
  });
  const data = new Values(effects, reads);
  for (const read of reads) {
    data.checkKeys(read, report);
    data.checkCount(read, report);
    if (read.data["left"] !== read.data["right"]) {
      report("torn", "left and right are written together", read.exchange);
    }
  }
  data.checkTakes(report);
}

const possible = ({ certainty }: Effect): boolean => certainty !== "none";
const sure = ({ certainty }: Effect): boolean => certainty === "sure";

class Values {
  readonly #effects: readonly Effect[];
  readonly #byKey = new Map<string, Write[]>();
  readonly #byValue = new Map<string, Write>();
  readonly #removers = new Map<string, Effect[]>();
  readonly #clears: readonly Effect[];
  readonly #adds: readonly Effect[];

  constructor(effects: readonly Effect[], reads: readonly Read[]) {
    this.#effects = effects;
    this.#clears = effects.filter((effect) => effect.clears && possible(effect));
    this.#adds = effects.filter((effect) => effect.adds > 0 && possible(effect));
    for (const effect of effects) {
      for (const [key, value] of effect.sets) {
        const write = { effect, value, by: sure(effect) ? effect.exchange.end : Infinity };
        this.#byValue.set(`${key} ${value}`, write);
        const known = this.#byKey.get(key);
        if (known === undefined) this.#byKey.set(key, [write]);
        else known.push(write);
      }
      for (const key of effect.removes.keys()) {
        if (!possible(effect)) continue;
        const known = this.#removers.get(key);
        if (known === undefined) this.#removers.set(key, [effect]);
        else known.push(effect);
      }
    }
    for (const { exchange, data } of reads) {
      for (const [key, value] of Object.entries(data)) {
        const write = this.#byValue.get(`${key} ${value}`);
        if (write !== undefined) write.by = Math.min(write.by, exchange.end);
      }
    }
  }

  checkKeys(read: Read, report: Report): void {
    for (const [key, value] of Object.entries(read.data)) {
      if (key !== "count") this.#checkPresent(read, key, String(value), report);
    }
    for (const [key, writes] of this.#byKey) {
      if (!(key in read.data)) this.#checkAbsent(read, key, writes, report);
      if (read.afterCommit) this.#checkOwn(read, key, report);
    }
  }

  #checkPresent({ exchange }: Read, key: string, value: string, report: Report): void {
    const writes = this.#byKey.get(key) ?? [];
    const write = this.#byValue.get(`${key} ${value}`);
    if (write === undefined || write.effect.exchange.start >= exchange.end) {
      report("phantom", `nobody had written ${key} = ${value} in this session`, exchange);
      return;
    }
    if (!possible(write.effect)) {
      const failed = write.effect.exchange;
      report("phantom", `the request that set ${key} = ${value} failed`, failed, exchange);
      return;
    }
    const over = (other: Effect): boolean =>
      sure(other) && other !== write.effect && other.exchange.end < exchange.start;
    const after = (other: Effect): boolean => over(other) && other.exchange.start > write.by;
    const remover =
      this.#removers
        .get(key)
        ?.find((each) =>
          each.removes.get(key) === value
            ? over(each)
            : after(each) && each.removes.get(key) === undefined,
        ) ??
      this.#clears.find(after) ??
      writes.find(({ effect }) => after(effect))?.effect;
    if (remover !== undefined) {
      const what = `${key} = ${value} had been removed or replaced`;
      report("stale", what, write.effect.exchange, remover.exchange, exchange);
    }
  }

  #checkAbsent(read: Read, key: string, writes: readonly Write[], report: Report): void {
    const { exchange } = read;
    // What explains that the one that began last is not there explains it for all others.
    let last: Write | undefined;
    for (const write of writes) {
      if (write.by >= exchange.start || !possible(write.effect)) continue;
      const { start } = write.effect.exchange;
      if (last === undefined || start > last.effect.exchange.start) last = write;
    }
    if (last === undefined) return;
    const { effect, value } = last;
    const fits = (each: Effect): boolean =>
      each !== effect &&
      each.exchange.start < exchange.end &&
      each.exchange.end > effect.exchange.start;
    // The request itself removes only after it has seen; what it saw after its commit, before.
    const seenFirst = (each: Effect): boolean => each === read.effect && !read.afterCommit;
    const removers = this.#removers.get(key) ?? [];
    const excuse =
      this.#clears.some((each) => fits(each) && !seenFirst(each)) ||
      removers.some(
        (each) => fits(each) && !seenFirst(each) && this.#mayRemove(each, key, value, effect),
      );
    if (!excuse) {
      report("lost change", `${key} = ${value} is not there`, effect.exchange, exchange);
    }
  }

  /** A pop of another value removes this one too only if that value replaced it. */
  #mayRemove(each: Effect, key: string, value: string, writer: Effect): boolean {
    const handed = each.removes.get(key);
    if (handed === undefined || handed === value) return true;
    const other = this.#byValue.get(`${key} ${handed}`);
    return other !== undefined && other.effect.exchange.end > writer.exchange.start;
  }

  #checkOwn({ effect, exchange, data }: Read, key: string, report: Report): void {
    const own = effect.sets.get(key);
    if (own === undefined || data[key] === own) return;
    const meanwhile = this.#effects.some(
      (other) =>
        other !== effect &&
        possible(other) &&
        (other.clears || other.touches(key)) &&
        other.exchange.start < exchange.end &&
        other.exchange.end > exchange.start,
    );
    if (!meanwhile) report("own change", `${key} = ${own} is not shown`, exchange);
  }

  checkCount({ exchange, data, effect, afterCommit }: Read, report: Report): void {
    const seen = Number(data["count"] ?? 0);
    let least = 0;
    let most = 0;
    for (const add of this.#adds) {
      const { start, end } = add.exchange;
      if (start >= exchange.end || (add === effect && !afterCommit)) continue;
      const cleared = this.#clears.some(
        (clear) => sure(clear) && clear.exchange.start > end && clear.exchange.end < exchange.start,
      );
      if (cleared) continue;
      most += add.adds;
      const mayBeCleared = this.#clears.some(
        (clear) => clear.exchange.end > start && clear.exchange.start < exchange.end,
      );
      const before = end < exchange.start || (add === effect && afterCommit);
      if (sure(add) && before && !mayBeCleared) least += add.adds;
    }
    if (seen < least) report("lost change", `count is ${seen} after ${least} steps`, exchange);
    if (seen > most) report("done twice", `count is ${seen} after at most ${most} steps`, exchange);
  }

  checkTakes(report: Report): void {
    const takers = new Map<string, Exchange>();
    for (const effect of this.#effects) {
      if (!sure(effect)) continue;
      for (const change of effect.exchange.step.changes) {
        if (change.do !== "take") continue;
        const value = effect.removes.get(change.key);
        if (value === undefined) continue;
        const first = takers.get(value);
        if (first === undefined) takers.set(value, effect.exchange);
        else report("taken twice", value, first, effect.exchange);
      }
    }
  }
}
