// Medians, which a noisy neighbour on the machine moves least.

/** The value below which the share `q` of the values lies. */
export function quantile(values: readonly number[], q: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  const at = q * (sorted.length - 1);
  const [low = NaN, high = low] = [sorted[Math.floor(at)], sorted[Math.ceil(at)]];
  return low + (high - low) * (at - Math.floor(at));
}

/** The median, and half the distance between the quartiles. */
export interface Middle {
  readonly median: number;
  readonly spread: number;
}

export function middle(values: readonly number[]): Middle {
  const spread = (quantile(values, 0.75) - quantile(values, 0.25)) / 2;
  return { median: round(quantile(values, 0.5)), spread: round(spread) };
}

/** Three digits are more than these measurements have. */
export function round(value: number): number {
  return Number(value.toFixed(Math.abs(value) < 10 ? 2 : 1));
}

/** A table in plain text: the first column to the left, the others to the right. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths =
    rows[0]?.map((_, i) => Math.max(...rows.map((row) => (row[i] ?? "").length))) ?? [];
  return rows
    .map((row) =>
      row
        .map((cell, i) => (i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0)))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}
