/**
 * Creates and updates that share a statement. An update takes the locks of the rows that nobody holds,
 * and waits for none: another's row holds up no other request, and two processes cannot wait for each
 * other. What it did not find or take runs alone, where it may wait.
 */
import type { Failure } from "./batcher.ts";
import {
  aliveAt,
  compile,
  type Dialect,
  type Parameter,
  type Statements,
  type Values,
} from "./sql.ts";
import { padded, type Rows, Sized } from "./sql-many.ts";
import { keyOf, type Row, text } from "./sql-record.ts";
import { type Many, property, type Reply } from "./sql-store.ts";

/** More would make the plans of the prepared statements large, and save little. */
const sizes = [2, 8];

/** The parameters of each row. */
const created = ["id", "digest", "data", "lifetime", "idle"] as const;
const updated = ["id", "version", "digest", "data", "next", "lifetime", "idle"] as const;

const done: Reply = Object.freeze({ matched: 1 });

export function manyCreates(dialect: Dialect, rows: Rows): Many {
  const { now, plus } = dialect;
  const sized = new Sized(sizes, (size) => {
    const given = Array.from({ length: size }, () => `(${named(created)})`).join(", ");
    return compile(
      "create",
      "INSERT INTO {table} (id, version, digest, data, created, deadline, idle) " +
        `SELECT id, 1, digest, data, ${now}, ${plus(now, "lifetime")}, ${plus(now, "idle")} ` +
        `FROM (VALUES ${given}) AS given (id, digest, data, lifetime, idle) WHERE id IS NOT NULL` +
        `${dialect.unlessTaken} RETURNING id`,
      { ...dialect, reuse: false },
    );
  });
  return many(sized, created, rows, (all, inserted) => {
    const ids = new Set(inserted.map(({ id }) => id));
    return all.map(({ id }) => (ids.has(id) ? done : undefined));
  });
}

export function manyUpdates(dialect: Dialect, { record }: Statements, rows: Rows): Many {
  const { now, clock, plus } = dialect;
  const deadline = `COALESCE(${plus(now, "fit.new_lifetime")}, kept.deadline)`;
  const idle = `GREATEST(kept.idle, ${plus(now, "fit.new_idle")})`;
  const names = "n, id, old_version, old_digest, new_data, new_digest, new_lifetime, new_idle";
  const sized = new Sized(sizes, (size) => {
    const given = Array.from({ length: size }, (_, n) => `(${n}, ${named(updated)})`).join(", ");
    return compile(
      "update",
      `WITH given (${names}) AS (VALUES ${given}), ` +
        // Locking follows a row to its newest version. Row by row, and the conditions before the join:
        // a plan that was made while the table was small must not read all of it later, when it is not.
        "held AS (SELECT given.*, version, digest, data, created, deadline, idle FROM given " +
        "CROSS JOIN LATERAL (SELECT * FROM {table} AS stored WHERE stored.id = given.id " +
        "FOR NO KEY UPDATE SKIP LOCKED) AS locked), " +
        "done AS (UPDATE {table} AS kept SET version = kept.version + 1, data = fit.new_data, " +
        `digest = COALESCE(fit.new_digest, kept.digest), deadline = ${deadline}, ` +
        // LEAST and GREATEST pass over nulls.
        `idle = CASE WHEN ${idle} IS NULL THEN NULL ELSE LEAST(${idle}, ${deadline}) END ` +
        "FROM (SELECT * FROM held WHERE version = old_version AND digest = old_digest " +
        `AND ${aliveAt(clock)}) AS fit WHERE kept.id = fit.id RETURNING fit.n) ` +
        "SELECT string_agg(n::text, ' ') AS head, NULL::bytea AS body FROM done UNION ALL " +
        `SELECT head, body FROM (SELECT ${record} FROM held ` +
        `WHERE n NOT IN (SELECT n FROM done) AND ${aliveAt(clock)}) AS newest`,
      { ...dialect, reuse: false },
    );
  });
  return many(sized, updated, rows, (all, answers) => {
    // One row says which were done (null if none was), the others are the newest of those that were not.
    const stored = new Set<string>();
    const newest = new Map<string, Row>();
    for (const row of answers) {
      if (row["body"] !== null) newest.set(keyOf(row), row);
      else if (row["head"] !== null) for (const n of text(row["head"]).split(" ")) stored.add(n);
    }
    return all.map(({ id }, n) => {
      if (stored.has(String(n))) return done;
      const row = newest.get(String(id));
      return row && { matched: 0, rows: [row] };
    });
  });
}

/** What a statement for several says of each by failing. */
export function failureOf(error: unknown): Failure {
  const code = String(property(error, "code"));
  // A server that is not PostgreSQL may not know all of this, or the role may not have the right.
  if (/^(0A...|42501|42601|42883)$/.test(code)) return "never";
  // One row that a hand has filled must not be in the way of others.
  return /^(22|23|42)...$/.test(code) ? "split" : "all";
}

function many(
  sized: Sized,
  names: readonly Parameter[],
  rows: Rows,
  answer: (all: readonly Values[], found: readonly Row[]) => readonly (Reply | undefined)[],
): Many {
  return {
    most: sized.most,
    writes: true,
    run: async (all) => {
      const { statement, size } = sized.for(all.length);
      const values = all.flatMap((each) => names.map((name) => each[name] ?? null));
      return answer(all, await rows(statement, padded(values, size * names.length)));
    },
  };
}

function named(parameters: readonly Parameter[]): string {
  return parameters.map((name) => `:${name}`).join(", ");
}
