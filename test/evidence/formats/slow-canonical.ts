/**
 * RFC 8785 once more, written from its text as slowly as it reads: no JSON.stringify, no String(number), no sort(). What the
 * quick writer makes is compared with it.
 */
export function slowCanonical(value: unknown): string {
  if (value === null) return 'null';
  if (typeof value === 'boolean') return value ? 'true' : 'false';
  if (typeof value === 'number') return slowNumber(value);
  if (typeof value === 'string') return slowString(value);
  if (Array.isArray(value)) return `[${value.map(slowCanonical).join(',')}]`;
  const left = new Map(Object.entries(value as object));
  const members: string[] = [];
  while (left.size > 0) {
    let first: string | undefined;
    for (const name of left.keys()) if (first === undefined || isBefore(name, first)) first = name;
    members.push(`${slowString(first as string)}:${slowCanonical(left.get(first as string))}`);
    left.delete(first as string);
  }
  return `{${members.join(',')}}`;
}

/** §3.2.3: arrays of unsigned 16-bit units, compared as numbers; a prefix comes first. */
function isBefore(a: string, b: string): boolean {
  for (let at = 0; at < a.length && at < b.length; at++) {
    const difference = a.charCodeAt(at) - b.charCodeAt(at);
    if (difference !== 0) return difference < 0;
  }
  return a.length < b.length;
}

/** §3.2.2.2 */
function slowString(text: string): string {
  const short = new Map([
    [0x08, '\\b'],
    [0x09, '\\t'],
    [0x0a, '\\n'],
    [0x0c, '\\f'],
    [0x0d, '\\r'],
    [0x22, '\\"'],
    [0x5c, '\\\\'],
  ]);
  let written = '';
  for (let at = 0; at < text.length; at++) {
    const unit = text.charCodeAt(at);
    written += short.get(unit) ?? (unit < 0x20 ? `\\u00${unit < 16 ? '0' : ''}${unit.toString(16)}` : text.charAt(at));
  }
  return `"${written}"`;
}

/** §3.2.2.3, which is ECMA-262 "Number::toString": the fewest digits that read back, laid out by their exponent n. */
function slowNumber(value: number): string {
  if (value === 0) return '0';
  if (value < 0) return `-${slowNumber(-value)}`;
  let precision = 1;
  while (Number(value.toExponential(precision - 1)) !== value) precision++;
  const [mantissa = '', exponent = ''] = value.toExponential(precision - 1).split('e');
  const digits = evenOfTwo(value, precision) ?? mantissa.replace('.', '');
  const k = digits.length;
  const n = Number(exponent) + 1;
  if (k <= n && n <= 21) return digits + '0'.repeat(n - k);
  if (0 < n && n <= 21) return `${digits.slice(0, n)}.${digits.slice(n)}`;
  if (-6 < n && n <= 0) return `0.${'0'.repeat(-n)}${digits}`;
  const sign = n - 1 < 0 ? '-' : '+';
  return `${digits.slice(0, 1)}${k === 1 ? '' : `.${digits.slice(1)}`}e${sign}${Math.abs(n - 1)}`;
}

/** Two texts of these digits can be equally near (appendix B, note 1): then the one that ends evenly is meant. */
function evenOfTwo(value: number, precision: number): string | undefined {
  const [mantissa = ''] = value.toExponential(100).split('e');
  const all = mantissa.replace('.', '');
  const isHalfWay = /^50*$/.test(all.slice(precision));
  return isHalfWay && /[02468]$/.test(all.slice(0, precision)) ? all.slice(0, precision) : undefined;
}
