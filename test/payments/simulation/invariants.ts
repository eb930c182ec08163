import type { Journal } from '../../../lib/journal';
import type { SimulatedMachine } from './machine';
import { recordViolations } from './record-invariants';
import type { WorldView } from './world';

/** Everything that must be true at the end of a world. */
export function violationsOf(world: WorldView, stuck: boolean): string[] {
  const found = world.machines.flatMap((machine) => [
    ...machine.witnessed.violations,
    ...paidTwice(machine, world),
    ...independentAttempts(machine, world),
    ...overBudget(machine, world),
    ...unnoticedCopy(machine, world),
    ...unstableEvents(machine, world),
    ...unstableReceipts(machine),
    ...recordViolations(machine, world),
    ...(machine.journal ? journalViolations(machine, world) : ['NO_JOURNAL the machine is not there at the end']),
  ]);
  if (stuck)
    found.push(
      `STUCK ${world.machines
        .filter((machine) => !machine.witnessed.frozen)
        .flatMap((machine) => machine.openWork())
        .join('; ')}`,
    );
  return [...found, ...moneyLost(world)];
}

/** References name the payment in this world: nobody reuses one. */
function executedFor(machine: SimulatedMachine, { truth }: WorldView): Map<string, Set<string>> {
  const executed = new Map<string, Set<string>>();
  for (const [id, { transaction }] of truth.executed) {
    for (const { from, reference, to } of transaction.outputs) {
      if (from !== machine.address || reference === null || reference === '' || to === machine.address) continue;
      executed.set(reference, (executed.get(reference) ?? new Set()).add(id));
    }
  }
  return executed;
}

function paidTwice(machine: SimulatedMachine, world: WorldView): string[] {
  return [...executedFor(machine, world)]
    .filter(([, ids]) => ids.size > 1)
    .map(([reference, ids]) => `DOUBLE_PAY ${reference} in ${ids.size} transactions`);
}

/** Whatever a node says of an attempt: the ledger itself must admit only one of all that carry a payment. */
function independentAttempts(machine: SimulatedMachine, { truth }: WorldView): string[] {
  const carrying = new Map<string, Map<string, readonly string[]>>();
  for (const { id, inputs, outputs } of truth.submitted.values()) {
    for (const { from, to, reference, record } of outputs) {
      // A record is known by its bytes.
      const what = record ? record.bytes : reference;
      if (from !== machine.address || (to === machine.address && !record) || what === null) continue;
      carrying.set(what, (carrying.get(what) ?? new Map()).set(id, inputs));
    }
  }
  return [...carrying].flatMap(([reference, attempts]) => {
    const all = [...attempts.values()];
    const apart = all.some((inputs, index) =>
      all.slice(index + 1).some((others) => !others.some((input) => inputs.includes(input))),
    );
    return apart ? [`INDEPENDENT_ATTEMPTS ${reference} is in transactions that do not exclude each other`] : [];
  });
}

function overBudget(machine: SimulatedMachine, world: WorldView): string[] {
  const { budgets } = machine.policy as { budgets: { amount: string }[] };
  let spent = 0n;
  for (const { transaction } of world.truth.executed.values()) {
    for (const { from, to, amount } of transaction.outputs)
      if (from === machine.address && to !== machine.address) spent += amount;
  }
  // A stolen key knows no budget.
  const limit = BigInt(budgets[0]?.amount ?? 0);
  return spent > limit && !world.flavour.copiedKey ? [`OVER_BUDGET ${spent} of ${limit}`] : [];
}

/** Whoever else has the key, and spends what is ours, is noticed, whatever crashes in that moment. */
function unnoticedCopy({ account, address, journal }: SimulatedMachine, { truth }: WorldView): string[] {
  if (!account || account.frozen !== undefined) return [];
  const [opened] = journal?.sql.all("SELECT body FROM journal_event WHERE type = 'account.opened'") ?? [];
  // What was spent before the account's history begins was never its own.
  const { height: since } = JSON.parse(String(opened?.body ?? '{"height":0}')) as { height: number };
  return [...truth.executed.values()].flatMap(({ transaction: { id, inputs }, height }) => {
    const ours = truth.outputs.get(inputs[0] ?? '')?.to === address;
    return id.startsWith('copy ') && ours && height > since ? [`UNNOTICED_COPY of the key: ${id}`] : [];
  });
}

function unstableEvents(machine: SimulatedMachine, { truth }: WorldView): string[] {
  const found: string[] = [];
  const reported = new Set<string>();
  for (const [eventId, deliveries] of machine.witnessed.received) {
    const [first] = deliveries;
    if (!first) continue;
    reported.add(first.payment.transactionId);
    if (deliveries.some(({ payment }) => JSON.stringify(payment) !== JSON.stringify(first.payment)))
      found.push(`EVENT_ID_UNSTABLE ${eventId}`);
    const executed = truth.executed.get(first.payment.transactionId);
    const sum = executed?.transaction.outputs
      .filter(({ to, spendable }) => to === machine.address && spendable)
      .reduce((total, { amount }) => total + amount, 0n);
    if (!executed || (sum ?? 0n) < BigInt(first.payment.amount)) found.push(`FALSE_PAYMENT ${eventId}`);
    if (first.payment.from === machine.address) found.push(`OWN_CHANGE_REPORTED ${eventId}`);
  }
  if (machine.witnessed.frozen) return found;
  for (const [id, { transaction, height }] of truth.executed) {
    // What was there when the account was opened for the first time is its opening balance.
    if (height <= openingHeight(machine)) continue;
    const comes = transaction.outputs.some(
      ({ to, from, spendable }) => to === machine.address && from !== machine.address && spendable,
    );
    if (comes && transaction.inputs.length > 0 && !reported.has(id)) found.push(`EVENT_LOST ${id}`);
  }
  return found;
}

function openingHeight({ journal }: SimulatedMachine): number {
  const row = journal?.sql.get("SELECT body FROM journal_event WHERE type = 'account.opened'");
  return row ? (JSON.parse(String(row.body)) as { height: number }).height : Number.POSITIVE_INFINITY;
}

function unstableReceipts(machine: SimulatedMachine): string[] {
  return [...machine.witnessed.receipts].flatMap(([paymentId, reports]) => {
    const texts = new Set(reports.map(({ receipt: { remaining: _, ...receipt } }) => JSON.stringify(receipt)));
    const silent = reports.slice(1).some(({ redelivered }) => !redelivered);
    return [
      ...(texts.size > 1 ? [`RECEIPT_UNSTABLE ${paymentId}`] : []),
      ...(silent ? [`RECEIPT_TWICE ${paymentId}`] : []),
    ];
  });
}

const BYTES_OF_NO_USE = `SELECT transaction_id FROM signed_bytes s WHERE EXISTS (
    SELECT 1 FROM attempt_payments ap WHERE ap.transaction_id = s.transaction_id
  ) AND NOT EXISTS (
    SELECT 1 FROM attempt_payments ap JOIN payments p ON p.payment_id = ap.payment_id
    WHERE ap.transaction_id = s.transaction_id AND p.state <> 'REPORTED'
  )`;

function journalViolations(machine: SimulatedMachine, world: WorldView): string[] {
  const { truth, flavour } = world;
  const { journal, witnessed } = machine;
  if (!journal) return [];
  const found: string[] = [];
  const executed = executedFor(machine, world);
  const states = new Map(
    journal.sql
      .all("SELECT payment_id, state FROM payments WHERE kind = 'payment'")
      .map((row) => [String(row.payment_id), String(row.state)]),
  );
  for (const paymentId of witnessed.accepted) if (!states.has(paymentId)) found.push(`INTENT_LOST ${paymentId}`);
  for (const [paymentId, state] of states) {
    const paid = executed.has(paymentId);
    const confirmed = state === 'CONFIRMED' || state === 'REPORTED';
    if (confirmed && !paid) found.push(`FALSE_CONFIRM ${paymentId} in the journal`);
    if (paid && !confirmed && !witnessed.frozen) found.push(`PAID_BUT_UNKNOWN ${paymentId} is ${state}`);
    if (state === 'REPORTED' && !witnessed.receipts.has(paymentId)) found.push(`RECEIPT_LOST ${paymentId}`);
    if (state === 'FAILED' && paid) found.push(`FALSE_FAILURE ${paymentId}`);
  }
  for (const paymentId of executed.keys())
    if (!states.has(paymentId) && !witnessed.frozen) found.push(`PAID_BUT_UNKNOWN ${paymentId} is not in the journal`);
  let frozen = false;
  for (const row of journal.sql.all('SELECT type, body FROM journal_event ORDER BY sequence')) {
    const { transactionId } = JSON.parse(String(row.body)) as { transactionId?: string };
    if (row.type === 'account.frozen') frozen = true;
    if (row.type === 'attempt.signed' && frozen) found.push(`SIGNED_WHILE_FROZEN ${transactionId}`);
    if (
      row.type === 'attempt.dead' &&
      !flavour.liars &&
      transactionId !== undefined &&
      !truth.isDead(attemptOf(transactionId, journal), truth.height)
    )
      found.push(`FALSE_DEAD ${transactionId}`);
  }
  for (const row of journal.sql.all(BYTES_OF_NO_USE)) found.push(`BYTES_KEPT of ${row.transaction_id}`);
  if (!witnessed.frozen) found.push(...disagreement(machine, world));
  return found;
}

/** As the journal has it: it may never have reached the ledger. */
function attemptOf(id: string, { sql }: Journal) {
  const expires = sql.get('SELECT expires_epoch FROM attempts WHERE transaction_id = ?', [id])?.expires_epoch ?? null;
  const inputs = sql
    .all('SELECT output_id FROM attempt_inputs WHERE transaction_id = ?', [id])
    .map((row) => String(row.output_id));
  return { id, inputs, expiresEpoch: expires === null ? undefined : Number(expires) };
}

function disagreement(machine: SimulatedMachine, { truth }: WorldView): string[] {
  const real = truth.unspentOf(machine.address, truth.height).filter(({ spendable }) => spendable);
  const sum = real.reduce((total, { amount }) => total + amount, 0n);
  const deposits = real.reduce((all, { amount, record }) => (record ? all + amount : all), 0n);
  const { total, reserved } = machine.account?.balance() ?? { total: 'no account', reserved: '0' };
  return [
    ...(total === sum.toString() ? [] : [`DISAGREEMENT journal ${total}, ledger ${sum}`]),
    ...(reserved === deposits.toString() ? [] : [`STILL_RESERVED ${reserved}, ${deposits} in records`]),
  ];
}

function moneyLost({ truth }: WorldView): string[] {
  let sum = 0n;
  for (const [outputId, { amount }] of truth.outputs) if (!truth.spent.has(outputId)) sum += amount;
  return sum === truth.minted ? [] : [`CONSERVATION ${sum} of ${truth.minted}`];
}
