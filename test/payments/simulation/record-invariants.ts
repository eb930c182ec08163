import type { PlacedOutput } from './ledger-truth';
import type { SimulatedMachine } from './machine';
import { recordDeposit } from './node';
import type { WorldView } from './world';

/** What must be true of records: once on the ledger, in one chain, on a deposit of their own, reported. */
export function recordViolations(machine: SimulatedMachine, world: WorldView): string[] {
  return [
    ...chainViolations(machine, world),
    ...offeredAsMoney(machine, world),
    ...unstableReports(machine),
    ...(machine.journal ? stateViolations(machine, world) : []),
  ];
}

/** Every record spends all records before it; nothing else ever spends one. */
function chainViolations(machine: SimulatedMachine, { truth }: WorldView): string[] {
  const found: string[] = [];
  const heads = new Set<string>();
  for (const [id, { transaction }] of truth.executed) {
    const made = transaction.outputs.flatMap(({ to, record }, index) =>
      record && to === machine.address ? [`${id}.${index}`] : [],
    );
    const spent = transaction.inputs.filter((input) => heads.has(input));
    for (const input of spent) heads.delete(input);
    if (id.startsWith('copy ')) continue;
    if (spent.length > 0 && made.length === 0) found.push(`RECORD_SPENT by ${id}, which holds none`);
    if (made.length > 1 || (made.length > 0 && heads.size > 0)) found.push(`CHAIN_FORKED by ${id}`);
    for (const output of made) heads.add(output);
  }
  return found;
}

/** The same of what the ledger did not execute: it could have. */
function offeredAsMoney(machine: SimulatedMachine, { truth }: WorldView): string[] {
  return [...truth.submitted.values()].flatMap(({ id, inputs, outputs }) => {
    const spends = inputs.some((input) => isRecordOf(machine, truth.outputs.get(input)));
    return spends && !id.startsWith('copy ') && !outputs.some(({ record }) => record)
      ? [`RECORD_SPENT by ${id}, which was sent`]
      : [];
  });
}

function unstableReports({ witnessed }: SimulatedMachine): string[] {
  return [...witnessed.records].flatMap(([recordId, reports]) => [
    ...(new Set(reports.map(({ report }) => JSON.stringify(report))).size > 1 ? [`RECORD_UNSTABLE ${recordId}`] : []),
    ...(reports.slice(1).some(({ redelivered }) => !redelivered) ? [`RECORD_TOLD_TWICE ${recordId}`] : []),
  ]);
}

function stateViolations(machine: SimulatedMachine, world: WorldView): string[] {
  const { journal, witnessed } = machine;
  if (!journal) return [];
  const found: string[] = [];
  const rows = journal.sql.all("SELECT payment_id, state FROM payments WHERE kind = 'record' ORDER BY intent");
  const states = new Map(rows.map((row) => [String(row.payment_id).slice(1), String(row.state)]));
  for (const recordId of witnessed.acceptedRecords) if (!states.has(recordId)) found.push(`RECORD_LOST ${recordId}`);
  for (const { recordId, text } of machine.records) {
    const times = timesRecorded(text, machine, world);
    const state = states.get(recordId);
    const confirmed = state === 'CONFIRMED' || state === 'REPORTED';
    if (times > 1) found.push(`RECORD_TWICE ${recordId}`);
    if (confirmed && times === 0) found.push(`FALSE_RECORD ${recordId} in the journal`);
    if (!confirmed && times > 0 && !witnessed.frozen) found.push(`RECORDED_BUT_UNKNOWN ${recordId} is ${state}`);
    if (state === 'REPORTED' && !witnessed.records.has(recordId)) found.push(`REPORT_LOST ${recordId}`);
    if (state === 'FAILED') found.push(`RECORD_FAILED ${recordId}`);
  }
  const kept = journal.sql.all(
    `SELECT b.payment_id FROM record_bytes b JOIN payments p ON p.payment_id = b.payment_id WHERE p.state = 'REPORTED'`,
  );
  for (const row of kept) found.push(`BYTES_KEPT of record ${row.payment_id}`);
  const [waiting] = rows.filter(({ state }) => state === 'READY');
  if (waiting && !witnessed.frozen && couldBeMade(String(waiting.payment_id).slice(1), machine, world))
    found.push(`RECORD_FORGOTTEN ${waiting.payment_id}`);
  return found;
}

function timesRecorded(text: string, machine: SimulatedMachine, { truth }: WorldView): number {
  const bytes = Buffer.from(text).toString('hex');
  return [...truth.executed.values()].filter(({ transaction }) =>
    transaction.outputs.some(({ to, record }) => to === machine.address && record?.bytes === bytes),
  ).length;
}

/** At the end no payment is open: all that is there is free. */
function couldBeMade(recordId: string, machine: SimulatedMachine, { truth, flavour }: WorldView): boolean {
  const planned = machine.records.find((candidate) => candidate.recordId === recordId);
  if (!planned) return true;
  const part = { tag: Buffer.from(planned.tag), bytes: Buffer.from(planned.text) };
  const left = truth
    .unspentOf(machine.address, truth.height)
    .reduce((all, { amount, spendable }) => (spendable ? all + amount : all), -recordDeposit(part, flavour.deposit));
  return left === 0n || (left > 0n && left >= flavour.deposit);
}

function isRecordOf({ address }: SimulatedMachine, output: PlacedOutput | undefined): boolean {
  return output?.record !== undefined && output.to === address && output.from === address;
}
