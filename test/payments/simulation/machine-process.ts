import { createHash } from 'node:crypto';
import { CodedError } from '../../../lib/errors';
import { type Journal, openJournal, type SimulatedDisk } from '../../../lib/journal';
import {
  Account,
  type AccountSignal,
  book,
  type PaymentReport,
  type Receipt,
  type ReceivedPayment,
  type RecordReport,
} from '../../../lib/payments';
import { RULES } from '../../../lib/payments/rules';
import type { PlannedOrder, PlannedRecord, SimulatedMachine } from './machine';
import { SimulatedNode } from './node';

const LISTENER = 'listener';

/** One life of a machine, from a start to a crash or a redeploy: its account, and the flow that talks to it. */
export class MachineProcess {
  alive = true;
  account: Account | undefined;
  /** It was told that a record waits for money, and of none that was made since. */
  recordWaits = false;

  constructor(
    private readonly machine: SimulatedMachine,
    private readonly disk: SimulatedDisk,
  ) {}

  async run(): Promise<void> {
    const { machine } = this;
    const { world } = machine;
    const { timeline, chance, mutant, network } = world;
    // 1970, yesterday, right, an hour ahead, decades ahead.
    const clockError = world.badClocks ? chance.oneOf([-timeline.now(), -86_400_000, 0, 3_600_000, 10 ** 12]) : 0;
    const after = (milliseconds: number, run: () => void) =>
      timeline.after(milliseconds, () => {
        if (this.alive) run();
      });
    const clock = { now: () => timeline.now() + clockError, elapsed: () => timeline.now(), after };
    const opened = openJournal({
      memory: this.disk,
      projections: [book],
      now: clock.now,
      schedule: (commit) => void after(chance.between(0, mutant?.slowDisk ?? 40), commit),
      sealEvery: 16,
    });
    machine.journal = opened;
    const journal = mutant?.journal?.(opened) ?? opened;
    const pass = (milliseconds: number) =>
      new Promise<void>((resolve) => {
        if (this.diesHere()) return;
        after(milliseconds, () => {
          if (!this.diesHere()) resolve();
        });
      });
    const node = new SimulatedNode({
      truth: world.truth,
      network,
      deposit: world.deposit,
      chance,
      faults: world.faults,
      pass,
      later: (milliseconds, run) => void timeline.after(milliseconds, run),
    });
    try {
      this.account = await Account.open(
        {
          identity: { did: `did:sim:${machine.name}`, address: machine.address, publicKey: machine.publicKey },
          network,
          journal,
          ledger: mutant?.ledger?.(node) ?? node,
          sign: async (bytes) => {
            await pass(chance.between(0, 2));
            return createHash('sha256').update(machine.name).update(bytes).digest();
          },
          clock,
          random: (length) => chance.bytes(length),
          emit: (signal) => this.#hear(signal),
        },
        { policy: machine.policy, contacts: undefined },
        { ...RULES, ...mutant?.rules?.(world) },
      );
      if (this.diesHere()) return;
      await this.account.listen({ listenerId: LISTENER, from: 'beginning' });
    } catch (error) {
      this.#unexpected('start', error);
      return;
    }
    if (chance.happens(0.05)) this.#later(chance.between(0, 20_000), () => void this.#redeploy(opened));
    for (const order of machine.orders)
      this.#plan(order, Math.max(0, order.at - timeline.now()) + chance.between(0, 50));
    for (const planned of machine.records) {
      if (planned.done) continue;
      const delay = Math.max(0, planned.at - timeline.now()) + chance.between(0, 50);
      this.#later(delay, () => void this.#keep(planned));
      if (chance.happens(0.1)) this.#later(delay + chance.between(0, 30_000), () => void this.#keep(planned));
    }
  }

  async #redeploy(journal: Journal): Promise<void> {
    try {
      await this.account?.close();
      if (this.alive) await journal.close();
    } catch (error) {
      this.#unexpected('close', error);
    }
    if (!this.alive) return;
    this.alive = false;
    this.machine.stopped();
  }

  /** Power off. @param cut false when the disk has lost its power by itself */
  die(cut: boolean): void {
    if (!this.alive) return;
    this.alive = false;
    this.machine.died(cut);
  }

  /** The end of the world: nobody comes back. */
  retire(): void {
    this.alive = false;
  }

  diesHere(): boolean {
    const { chance, crashRate } = this.machine.world;
    if (this.alive && chance.happens(crashRate())) this.die(true);
    return !this.alive;
  }

  #later(milliseconds: number, run: () => void): void {
    this.machine.world.timeline.after(milliseconds, () => {
      if (this.alive && !this.diesHere()) run();
    });
  }

  #plan(order: PlannedOrder, delay: number): void {
    const { chance } = this.machine.world;
    // An upstream that never heard of the end, or that says everything twice.
    if (order.outcome !== undefined && !chance.happens(0.1)) return;
    this.#later(delay, () => void this.#ask(order));
    if (chance.happens(0.1)) this.#later(delay + chance.between(0, 3_000), () => void this.#ask(order));
  }

  async #ask(order: PlannedOrder): Promise<void> {
    const { machine } = this;
    const { mutant } = machine.world;
    const { paymentId, to, amount, splits } = order;
    const asked = {
      to,
      amount: amount.toString(),
      reference: paymentId,
      paymentId: mutant?.forgetsPaymentIds ? undefined : paymentId,
      splits: splits.length > 0 ? splits : undefined,
      origin: { nodeId: 'pay', topic: paymentId },
    };
    try {
      const accepted = await this.account?.pay(asked);
      if (!this.alive || !accepted) return;
      if (!mutant?.forgetsPaymentIds) machine.witnessed.accepted.add(paymentId);
      if (accepted.receipt) this.#paid(order, accepted.receipt);
    } catch (error) {
      if (this.alive) this.#refused(order, error);
    }
  }

  async #keep({ recordId, tag, text }: PlannedRecord): Promise<void> {
    try {
      await this.account?.record({ recordId, tag: Buffer.from(tag), bytes: Buffer.from(text) });
      if (this.alive) this.machine.witnessed.acceptedRecords.add(recordId);
    } catch (error) {
      if (error instanceof CodedError && error.detail === 'closed') return;
      this.#unexpected(`record ${recordId}`, error);
    }
  }

  #refused(order: PlannedOrder, error: unknown): void {
    const { machine } = this;
    const code = error instanceof CodedError ? error.code : '';
    switch (code) {
      case 'POLICY_PAYEE':
      case 'POLICY_PAYMENT_LIMIT':
        order.outcome ??= 'refused';
        return;
      case 'POLICY_BUDGET':
      case 'FUNDS_INSUFFICIENT':
        order.tries += 1;
        if (order.tries > 4) order.outcome ??= 'refused';
        else this.#plan(order, 20_000);
        return;
      case 'LEDGER_UNREACHABLE':
      case 'LEDGER_OUT_OF_SYNC':
        this.#plan(order, 5_000);
        return;
      case 'JOURNAL_DAMAGED':
        if (machine.witnessed.frozen) return;
    }
    // Asked in the moment of a redeploy: the next process is asked again.
    if (error instanceof CodedError && error.detail === 'closed') return;
    this.#unexpected(`pay ${order.paymentId}`, error);
  }

  #hear(signal: AccountSignal): void {
    if (this.diesHere()) return;
    if ('report' in signal) this.#hearReport(signal.report);
    else if ('payment' in signal) this.#hearPayment(signal.payment, signal.redelivered);
    else if ('record' in signal) this.#hearRecord(signal.record, signal.redelivered);
    else if (signal.event.event === 'record-waiting') {
      this.recordWaits = true;
      this.machine.witnessed.waits += 1;
    } else if (signal.event.event === 'frozen') {
      if (!this.machine.world.mayFreeze) this.#violation(`froze without reason: ${signal.event.reason}`);
      this.machine.witnessed.frozen = true;
    } else this.#violation(`${signal.event.event}: ${signal.event.message}`);
    this.diesHere();
  }

  #hearReport(report: PaymentReport): void {
    const { machine } = this;
    const order = machine.orders.find(({ paymentId }) => paymentId === report.origin.topic);
    if (!order) {
      this.#violation(`a report of nobody's payment: ${report.paymentId}`);
      return;
    }
    if (report.kind === 'failed') this.#plan(order, 1_000);
    if (report.kind !== 'confirmed') return;
    const hand = () => {
      const known = machine.witnessed.receipts.get(report.paymentId) ?? [];
      machine.witnessed.receipts.set(report.paymentId, [...known, report]);
      this.#paid(order, report.receipt);
    };
    const acknowledge = async () => {
      await this.account?.reported(report.paymentId);
    };
    if (machine.world.mutant?.marksBeforeReporting) {
      void acknowledge().then(() => this.#later(1, hand));
      return;
    }
    hand();
    this.#later(
      machine.world.chance.between(0, 30),
      () => void acknowledge().catch((error: unknown) => this.#unexpected('reported', error)),
    );
  }

  #paid(order: PlannedOrder, receipt: Receipt): void {
    const { truth } = this.machine.world;
    order.outcome = 'paid';
    const executed = truth.executed.get(receipt.transactionId);
    if (!executed) {
      this.#violation(`FALSE_CONFIRM ${order.paymentId}`);
      return;
    }
    for (const { address, amount } of receipt.to) {
      const there = executed.transaction.outputs.some(
        (output) => output.to === address && output.amount === BigInt(amount) && output.reference === order.paymentId,
      );
      if (!there) this.#violation(`FALSE_CONFIRM ${order.paymentId}: ${address} did not get ${amount}`);
    }
  }

  #hearRecord(report: RecordReport, redelivered: boolean): void {
    const { records, witnessed, world } = this.machine;
    const { recordId } = report;
    this.recordWaits = false;
    const planned = records.find((candidate) => candidate.recordId === recordId);
    if (!planned) {
      this.#violation(`a report of nobody's record: ${recordId}`);
      return;
    }
    const outputs = world.truth.executed.get(report.transactionId)?.transaction.outputs ?? [];
    const bytes = Buffer.from(planned.text).toString('hex');
    if (!outputs.some(({ record }) => record?.bytes === bytes)) this.#violation(`FALSE_RECORD ${recordId}`);
    const known = witnessed.records.get(recordId) ?? [];
    witnessed.records.set(recordId, [...known, { report, redelivered }]);
    planned.done = true;
    this.#later(
      world.chance.between(0, 30),
      () => void this.account?.recordReported(recordId).catch((error: unknown) => this.#unexpected('recorded', error)),
    );
  }

  #hearPayment(payment: ReceivedPayment, redelivered: boolean): void {
    const { witnessed, world } = this.machine;
    const known = witnessed.received.get(payment.eventId) ?? [];
    if (known.length > 0 && !redelivered)
      this.#violation(`EVENT_TWICE ${payment.eventId} came again without saying so`);
    witnessed.received.set(payment.eventId, [...known, { payment, redelivered }]);
    this.#later(world.chance.between(0, 100), () => {
      void this.account
        ?.delivered(LISTENER, payment.eventId)
        .catch((error: unknown) => this.#unexpected('delivered', error));
    });
  }

  #unexpected(what: string, error: unknown): void {
    if (!this.alive) return;
    if (error instanceof CodedError && error.code === 'JOURNAL_DAMAGED' && this.machine.witnessed.frozen) return;
    this.#violation(`${what}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
  }

  #violation(text: string): void {
    if (this.alive) this.machine.witnessed.violations.push(text);
  }
}
