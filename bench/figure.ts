/** One measured figure, with what was measured beside it in the same run so that machines can be compared. */
export interface Figure {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  readonly baseline: number;
  /** What the baseline is, in words. */
  readonly against: string;
}

/** The figures as `npm run bench -- --json FILE` writes them. */
export function asJson(figures: readonly Figure[]): string {
  const entries = figures.map(({ name, value, unit, baseline }) => [
    name,
    { value: rounded(value), unit, baseline: rounded(baseline), ratio: rounded(value / baseline) },
  ]);
  return `${JSON.stringify(Object.fromEntries(entries), null, 2)}\n`;
}

export function asTable(figures: readonly Figure[]): string {
  const rows = figures.map(({ name, value, unit, baseline, against }) => [
    name,
    `${rounded(value)} ${unit}`,
    `${rounded(baseline)} ${unit} (${against})`,
    String(rounded(value / baseline)),
  ]);
  const table = [['figure', 'value', 'baseline', 'ratio'], ...rows];
  const widths = [0, 1, 2, 3].map((column) => Math.max(...table.map((row) => (row[column] as string).length)));
  return table
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] as number))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

/** The value below which this share of the samples lies. */
export function percentile(samples: readonly number[], share: number): number {
  const sorted = [...samples].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN;
}

export function median(samples: readonly number[]): number {
  return percentile(samples, 0.5);
}

/** Three significant digits: more would be noise. */
function rounded(value: number): number {
  return Number(value.toPrecision(3));
}
