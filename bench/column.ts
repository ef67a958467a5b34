// One column while working on it: `node bench/column.ts [column] [case;case] [rounds]`. CPU us per
// request over the floor: of the quietest tenth of the rounds, which a busy machine moves least, and
// the median.
import { cases } from "./cases.ts";
import { columns, others } from "./columns.ts";
import { Pair } from "./pair.ts";
import { quantile, table } from "./statistics.ts";

const [id = "scs-session@node:http", names, rounds = "40"] = process.argv.slice(2);
const known = [...columns, ...others];
const column = known.find((one) => one.id === id);
if (column === undefined) throw new Error(`one of ${known.map((one) => one.id).join("; ")}`);
const wanted = names?.split(";");
const quick = cases.filter(({ name, quick }) => wanted?.includes(name) ?? quick === true);

const pairs: Pair[] = [];
for (const what of quick) {
  pairs.push(await Pair.open(column, what, { batch: 15_000, warmUp: 2_000_000 }));
}
const sides = new Map(pairs.map(({ name }) => [name, { floor: [], measured: [] } as Sides]));
for (let i = 0; i < Number(rounds); i++) {
  for (const pair of pairs) {
    const { floor, measured } = await pair.round();
    sides.get(pair.name)?.floor.push(floor.cpu);
    sides.get(pair.name)?.measured.push(measured.cpu);
  }
}

interface Sides {
  readonly floor: number[];
  readonly measured: number[];
}

const text = (value: number): string => value.toFixed(1);
console.log(
  table([
    [id, "over the floor", "median", "the floor"],
    ...[...sides].map(([name, { floor, measured }]) => [
      name,
      text(quantile(measured, 0.1) - quantile(floor, 0.1)),
      text(quantile(measured, 0.5) - quantile(floor, 0.5)),
      text(quantile(floor, 0.1)),
    ]),
  ]),
);
process.exit(0);
