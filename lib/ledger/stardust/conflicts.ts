/**
 * Why a referenced block's transaction was not applied: HORNET's conflict numbers, TIP-20 "Semantic Validation".
 *
 * `for ever` are those that no later ledger can cure, because they follow from the transaction alone. Of the others a new
 * block may be luckier: an input may be created later, a time lock may end. That an input is spent is decided by asking who
 * spent it, never by this number: it may have been ourselves, in an earlier block.
 */
export const CONFLICTS: ReadonlyMap<number, { readonly reason: string; readonly forEver: boolean }> = new Map([
  [1, { reason: 'input already spent', forEver: false }],
  [2, { reason: 'input spent in the same milestone', forEver: false }],
  [3, { reason: 'input not found', forEver: false }],
  [4, { reason: 'inputs and outputs are not equal', forEver: true }],
  [5, { reason: 'invalid signature', forEver: true }],
  [6, { reason: 'time lock not over', forEver: false }],
  [7, { reason: 'invalid native tokens', forEver: true }],
  [8, { reason: 'storage deposit not returned', forEver: false }],
  [9, { reason: 'invalid unlock', forEver: false }],
  [10, { reason: 'inputs commitment does not match', forEver: true }],
  [11, { reason: 'sender not unlocked', forEver: false }],
  [12, { reason: 'invalid chain transition', forEver: false }],
  [255, { reason: 'invalid', forEver: false }],
]);
