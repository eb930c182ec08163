import { renderSVG } from 'uqr';
import type { MachineIdentity } from '../../lib/runtime';
import { parsePayable } from '../../lib/values';
import { configInvalid } from '../failure';

export interface PaymentRequest {
  /** What the QR code says: a link that opens a wallet, or the bare address where wallets know no link. */
  readonly text: string;
  /** The QR code, black on white, as an SVG document. */
  readonly svg: string;
  readonly address: string;
  readonly amount: string | null;
  readonly token: string;
  readonly decimals: number;
  readonly reference: string | null;
}

// A QR code with more than this is hard to read from a display, and a payee's output carries every byte as deposit.
const LONGEST_REFERENCE = 256;

/**
 * Asks a person to pay this machine.
 *
 * @throws CodedError `AMOUNT_INVALID`, or `CONFIG_INVALID` for a reference that is no short text
 */
export function paymentRequest(
  { address, network }: MachineIdentity,
  wish: { readonly amount?: unknown; readonly reference?: unknown },
): PaymentRequest {
  const { token, decimals } = network;
  const amount =
    wish.amount === undefined || wish.amount === '' ? null : parsePayable(wish.amount, decimals).toString();
  const reference = wish.reference === undefined || wish.reference === '' ? null : referenceOf(wish.reference);
  const text = network.protocol === 'tangle' ? walletLink(address, amount, reference) : address;
  return { text, svg: renderSVG(text, { border: 2 }), address, amount, token, decimals, reference };
}

/** Firefly, "Deep Links", context `wallet`, operation `sendConfirmation`: amount in base units, metadata reaches us as the reference. */
function walletLink(address: string, amount: string | null, reference: string | null): string {
  const parameters = new URLSearchParams({ address });
  if (amount !== null) parameters.set('amount', amount);
  if (reference !== null) parameters.set('metadata', reference);
  return `iota://wallet/sendConfirmation?${parameters}`;
}

function referenceOf(value: unknown): string {
  if (typeof value === 'string' && Buffer.byteLength(value) <= LONGEST_REFERENCE) return value;
  throw configInvalid('reference', `a reference is a text of at most ${LONGEST_REFERENCE} bytes`, {
    limit: LONGEST_REFERENCE,
  });
}
