import { setImmediate as nextTurn } from 'node:timers/promises';
import { AnchorCheck } from './anchor-check';
import { type Bundle, type BundleItem, readBundle } from './bundle';
import { DocumentChecker } from './document-check';
import { DocumentSet } from './document-set';
import type { RecordLedger } from './record-chain';
import type { Verification, VerificationRequest } from './verdict';

/** Documents until others may have their turn: some 5 ms. */
const AT_ONCE = 20;
/** Checkpoints that are looked up on the ledger at the same time. */
const LOOKUPS = 8;

export interface VerificationPorts {
  /** Without one, nothing is said about ledgers. */
  readonly ledger?: RecordLedger;
}

/**
 * Whether signed documents are what their signers signed, whether their evidence proves it, and whether the ledger (if one is
 * given) confirms it. What is wrong is in the answer, whatever was handed in.
 *
 * @throws CodedError when the ledger could not be asked: then nothing is told
 */
export async function verify(
  { payload, evidence, trusted, requireAnchor, successions }: VerificationRequest,
  { ledger }: VerificationPorts = {},
): Promise<Verification> {
  const anchors = ledger && (await AnchorCheck.on(ledger));
  const checker = new DocumentChecker(Date.now());
  const set = new DocumentSet({ trusted, requireAnchor, hasLedger: anchors !== undefined });

  if (successions !== undefined && successions !== null) {
    await eachOf(readBundle(successions), (item) => {
      set.addStatement(checker.check(item, item.problem ? undefined : item.evidence, undefined));
    });
  }

  const bundle = readBundle(payload);
  const given = evidence ?? undefined;
  let used = false;
  await eachOf(bundle, (item, position) => {
    const own = item.problem ? undefined : item.evidence;
    used = position === undefined && own === undefined;
    set.add(checker.check(item, own ?? (used ? given : undefined), position), position);
  });
  if (given !== undefined && !used) set.warn('EVIDENCE_IGNORED');

  if (anchors) await lookUp(anchors, set);
  return set.verdict(bundle.kind !== 'several');
}

/** @param check gets the position, unless the document is a single one */
async function eachOf(bundle: Bundle, check: (item: BundleItem, position: number | undefined) => void): Promise<void> {
  if (bundle.kind === 'unreadable') check({ problem: bundle.problem }, undefined);
  if (bundle.kind === 'single') check(bundle.item, undefined);
  if (bundle.kind !== 'several') return;
  let position = 0;
  for (const item of bundle.items) {
    check(item, position);
    position += 1;
    if (position % AT_ONCE === 0) await nextTurn();
  }
}

/** Every checkpoint once, however many documents are under it. */
async function lookUp(anchors: AnchorCheck, set: DocumentSet): Promise<void> {
  const queue = set.anchors();
  const worker = async () => {
    for (const entry of queue) {
      const confirmedAt = await anchors.check(entry.checkpoint, set.reportsOf(entry));
      if (confirmedAt !== null) entry.confirmedAt = confirmedAt;
    }
  };
  await Promise.all(Array.from({ length: LOOKUPS }, worker));
}
