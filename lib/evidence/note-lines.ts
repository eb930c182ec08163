/**
 * A size or an index in the C2SP formats: ASCII decimal without leading zeros. Undefined for everything else, and beyond
 * the integers that a number holds exactly.
 */
export function readSize(line: string): number | undefined {
  if (!/^(0|[1-9][0-9]{0,15})$/.test(line)) return undefined;
  const size = Number(line);
  return Number.isSafeInteger(size) ? size : undefined;
}
