/** Several operations in one statement: which rows answer which of them. */
import type { Statement, Statements, Value } from "./sql.ts";
import { keyOf, type Row } from "./sql-record.ts";
import type { Many, Reply } from "./sql-store.ts";

/** Runs a statement, and gives its rows. */
export type Rows = (statement: Statement, values: Value[]) => Promise<readonly Row[]>;

/**
 * A statement for so many records: prepared for a few sizes only, as each takes its place in every
 * connection of the server.
 */
export class Sized {
  readonly #sizes: readonly number[];
  readonly #make: (size: number) => Statement;
  readonly #made = new Map<number, Statement>();

  /** @param sizes ascending */
  constructor(sizes: readonly number[], make: (size: number) => Statement) {
    this.#sizes = sizes;
    this.#make = make;
  }

  get most(): number {
    return this.#sizes.at(-1) ?? 0;
  }

  /** The least that has room for them, and its size. */
  for(count: number): { readonly statement: Statement; readonly size: number } {
    const size = this.#sizes.find((one) => one >= count) ?? this.most;
    let statement = this.#made.get(size);
    if (statement === undefined) this.#made.set(size, (statement = this.#make(size)));
    return { statement, size };
  }
}

const none: Reply = Object.freeze({ matched: 0 });

/** Of every dialect. The same id may be asked for twice. */
export function manyLoads(statements: Statements, rows: Rows): Many {
  const sized = new Sized([2, 8, 32], (size) => statements.loadMany(size));
  return {
    most: sized.most,
    writes: false,
    run: async (all) => {
      const { statement, size } = sized.for(all.length);
      const ids = all.map(({ id = null }) => id);
      const found = new Map<string, Row>();
      for (const row of await rows(statement, padded(ids, size))) {
        found.set(keyOf(row), row);
      }
      const given = new Set<Row>();
      return ids.map((id) => {
        const row = found.get(String(id));
        if (row === undefined) return none;
        // What one caller does to its bytes, another must not see.
        const own = given.has(row) ? copyOf(row) : row;
        given.add(row);
        return { matched: 1, rows: [own] };
      });
    },
  };
}

function copyOf(row: Row): Row {
  const copies = Object.entries(row).map(([name, value]) => {
    return [name, value instanceof Uint8Array ? new Uint8Array(value) : value];
  });
  return Object.fromEntries(copies) as Row;
}

/** What fills a statement up finds nothing. */
export function padded(values: readonly Value[], length: number): Value[] {
  const all = [...values];
  while (all.length < length) all.push(null);
  return all;
}
