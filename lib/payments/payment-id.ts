/**
 * A UUIDv7: ids made later sort later. RFC 9562 §5.7.
 *
 * @param unixMilliseconds of this machine's clock
 */
export function newPaymentId(unixMilliseconds: number, random: (length: number) => Uint8Array): string {
  const bytes = Buffer.alloc(16);
  bytes.set(random(10), 6);
  bytes.writeUIntBE(Math.max(0, Math.trunc(unixMilliseconds)), 0, 6);
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x70;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  return bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
}

// No payment's id begins with it (`order-check.ts`).
const RECORD_MARK = '\u0001';

/** What the journal calls a record among the payments: whatever ids flows and records have, they are never the same. */
export function recordKey(recordId: string): string {
  return `${RECORD_MARK}${recordId}`;
}

export function recordIdOf(key: string): string {
  return key.slice(RECORD_MARK.length);
}

export function isRecordKey(id: string): boolean {
  return id.startsWith(RECORD_MARK);
}
