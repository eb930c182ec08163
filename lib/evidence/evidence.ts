import type { JsonObject } from '../journal';

/** How a document is signed: W3C Data Integrity `eddsa-jcs-2022`, or a compact JWS over the RFC 8785 bytes. */
export type SignatureFormat = 'data-integrity' | 'jws';

/** Where a checkpoint was recorded, as its machine tells; a verifier with a ledger looks for itself. */
export type Anchor = {
  readonly network: string;
  readonly tag: string;
  readonly transactionId: string;
  /** Tangle: index of the milestone that confirmed it. */
  readonly milestone?: number;
  /** IOTA: sequence number of the ledger's checkpoint. */
  readonly checkpoint?: number;
  /** ISO 8601. */
  readonly confirmedAt: string;
};

export const PROOF_TYPE = 'c2sp.org/tlog-proof@v1';

/** contract.md "Evidence": travels beside a signed document, and proves that it is in its machine's log. */
export type Evidence = {
  readonly type: typeof PROOF_TYPE;
  /** c2sp.org/tlog-proof text: index, inclusion proof and signed checkpoint. */
  readonly proof: string;
  readonly anchor: Anchor;
};

/** What a signed document looks like in a flow: an object with a `proof`, or the text of a JWS. */
export type SignedPayload = JsonObject | string;

/** What a flow gets where there are readers: General JWE (RFC 7516 §7.2.1), whose plaintext is the signed document. */
export type EncryptedPayload = JsonObject;
