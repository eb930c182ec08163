/**
 * What a message seems to be about, without parsing it: enough to drop most of what nobody asked for at no cost. Members of
 * our messages are never written with escapes; who writes them so is not heard.
 */
const CONTRACT = /"contractId"\s{0,8}:\s{0,8}"([0-9a-f]{64})"/g;
const SENDER = /"from"\s{0,8}:\s{0,8}"(did:key:z6Mk[1-9A-HJ-NP-Za-km-z]{44})"/g;

export interface Glance {
  /** Every contract that it could belong to: parameters may well contain the word. */
  readonly contractIds: readonly string[];
  /** Whoever it says it is from; '' for nobody. Anybody can say that. */
  readonly sender: string;
}

export function glanceAt(bytes: Uint8Array): Glance {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
  const contractIds = [...text.matchAll(CONTRACT)].map(([, id]) => id as string);
  // In the order of RFC 8785 the body, with anything in it, comes before.
  let sender = '';
  for (const [, did] of text.matchAll(SENDER)) sender = did as string;
  return { contractIds, sender };
}
