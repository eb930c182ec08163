/** A runtime without threads, keys or ledger: nodes talk to it, tests decide what it answers. */
import { CodedError } from '../../lib/errors';
import { type Evidence, PROOF_TYPE, type Verification, type VerificationRequest } from '../../lib/evidence';
import type { NetworkInfo } from '../../lib/ledger';
import type { Balance, PaymentOrder, PaymentReport, Receipt, ReceivedPayment } from '../../lib/payments/order';
import type {
  DataEvent,
  DataListener,
  DataListenOrder,
  EvidencedReading,
  Keystore,
  LedgerConfiguration,
  LedgerConnection,
  LedgerState,
  LogStatus,
  Machine,
  MachineConfiguration,
  MachineEvent,
  MachineState,
  Runtime,
  SignedReading,
  SignOrder,
  SuccessorOrder,
} from '../../lib/runtime';
import { FakeMarketplace } from './fake-marketplace';

export const NETWORK: NetworkInfo = {
  protocol: 'tangle',
  networkId: 'sandbox-tangle-test',
  token: 'IOTA',
  decimals: 6,
  addressForm: { kind: 'bech32', prefix: 'tst' },
  live: false,
  faucet: true,
  capabilities: { expiry: true, feeless: true, minimumDeposit: true, announce: true, offersOnLedger: true },
  minimumChange: 1n,
  maxOutputs: 127,
  maxInputs: 127,
  maxTransactionBytes: 30_000,
};

export const ADDRESS = 'tst1qrhacyfwlcnzkvzteumekfkrrwks98mpdm37cj4xx3drvmjvnep6xqgyzyx';
export const DID = 'did:key:z6MktwupdmLXVVqTzCw4i46r4uGyosGXRnR3XjN4Zq7oMMsw';

export const UNREACHABLE = new CodedError('LEDGER_UNREACHABLE', 'default', 'the ledger cannot be reached');

export function receiptFor(order: PaymentOrder, paymentId = 'payment-1'): Receipt {
  return {
    paymentId,
    status: 'confirmed',
    network: NETWORK.networkId,
    transactionId: '0xabc',
    from: ADDRESS,
    to: [{ address: String(order.to), amount: '100000' }],
    amount: '100000',
    token: 'IOTA',
    decimals: 6,
    reference: String(order.reference ?? ''),
    submittedAt: '2026-01-01T00:00:00.000Z',
    confirmedAt: '2026-01-01T00:00:01.000Z',
    remaining: [],
  };
}

export function receivedPayment(number: number): ReceivedPayment {
  return {
    eventId: `${NETWORK.networkId}:0x${number}:0`,
    transactionId: `0x${number}`,
    from: ADDRESS,
    to: ADDRESS,
    amount: '5',
    token: 'IOTA',
    decimals: 6,
    reference: null,
    confirmedAt: '2026-01-01T00:00:00.000Z',
    status: 'confirmed',
  };
}

export const EVIDENCE: Evidence = {
  type: PROOF_TYPE,
  proof: 'the proof',
  anchor: {
    network: NETWORK.networkId,
    tag: 'me1:log',
    transactionId: '0xabc',
    confirmedAt: '2026-01-01T00:00:00.000Z',
  },
};

export const EMPTY_LOG: LogStatus = { size: 0, anchored: 0, waiting: 0, waitingBytes: 0 };

export const VALID: Verification = {
  valid: true,
  signer: DID,
  signedAt: '2026-01-01T00:00:00.000Z',
  sequence: 0,
  anchored: false,
  anchoredAt: null,
  problems: [],
  warnings: [],
  problemCount: 0,
  warningCount: 0,
};

export function dataEvent(number: number): DataEvent {
  return {
    eventId: `${NETWORK.networkId}:0x${number}:0`,
    tag: 'me1:log',
    sender: ADDRESS,
    bytes: Buffer.from(`[${number}]`),
    json: [number],
    transactionId: `0x${number}`,
    confirmedAt: '2026-01-01T00:00:00.000Z',
  };
}

/** Something that tells its state at once and on every change. */
class Watched<S> {
  readonly listeners = new Set<(state: S) => void>();
  constructor(public state: S) {}
  watch(listener: (state: S) => void): () => void {
    this.listeners.add(listener);
    listener(this.state);
    return () => void this.listeners.delete(listener);
  }
  become(state: S): void {
    this.state = state;
    for (const listener of [...this.listeners]) listener(state);
  }
}

export interface FakePayment {
  readonly order: PaymentOrder;
  readonly signal: AbortSignal | undefined;
  progress(kind: 'submitted' | 'unknown'): void;
  confirm(receipt?: Receipt): void;
  fail(error: unknown): void;
}

export interface FakeSigning {
  readonly order: SignOrder;
  /** Answers with the payload and a proof that only this fake believes. */
  sign(sequence: number): SignedReading;
  fail(error: unknown): void;
}

export interface FakeVerification {
  readonly request: VerificationRequest;
  readonly ledger: LedgerConnection | undefined;
  answer(verification?: Verification): void;
  fail(error: unknown): void;
}

export class FakeLedger extends Watched<LedgerState> implements LedgerConnection {
  closed = 0;
  readonly listening = new Map<string, { readonly order: DataListenOrder; readonly listener: DataListener }>();
  /** Taken (and used up) by the next listener. */
  nextError: Error | undefined;
  constructor(readonly configuration: LedgerConfiguration) {
    super({ phase: 'up', network: NETWORK, url: 'http://127.0.0.1:14265' });
  }
  listenData(order: DataListenOrder, listener: DataListener): () => void {
    const error = this.nextError;
    this.nextError = undefined;
    if (error) throw error;
    const listening = { order, listener };
    this.listening.set(order.listenerId, listening);
    return () => {
      if (this.listening.get(order.listenerId) === listening) this.listening.delete(order.listenerId);
    };
  }
  async close(): Promise<void> {
    this.closed += 1;
  }
}

export class FakeMachine extends Watched<MachineState> implements Machine {
  readonly marketplace = new FakeMarketplace();
  readonly payments: FakePayment[] = [];
  readonly events = new Set<(event: MachineEvent) => void>();
  readonly redelivery = new Map<string, (report: PaymentReport & { readonly kind: 'confirmed' }) => void>();
  readonly listening = new Map<
    string,
    { from: string; handler(payment: ReceivedPayment, redelivered: boolean): void }
  >();
  /** Taken (and used up) by the next call that can fail. */
  nextError: Error | undefined;
  funded = 0;
  closed = 0;
  askedLimit: number | undefined;
  /** Called for every payment; tests wait for it. */
  onPayment: (payment: FakePayment) => void = () => undefined;
  readonly signings: FakeSigning[] = [];
  onSigning: (signing: FakeSigning) => void = () => undefined;
  readonly evidence = new Map<string, (reading: EvidencedReading) => void>();
  readonly log = new Watched<LogStatus>(EMPTY_LOG);
  /** What JWEs hold, by their `ciphertext`. */
  readonly sealed = new Map<string, unknown>();
  successor: SuccessorOrder | undefined;

  constructor(readonly configuration: MachineConfiguration) {
    super({ phase: 'ready', identity: { did: DID, address: ADDRESS, network: NETWORK, protected: true } });
  }

  onEvent(listener: (event: MachineEvent) => void): () => void {
    this.events.add(listener);
    return () => void this.events.delete(listener);
  }

  pay(order: PaymentOrder, progress: (report: PaymentReport) => void, signal?: AbortSignal): Promise<Receipt> {
    return new Promise((resolve, reject) => {
      const payment: FakePayment = {
        order,
        signal,
        progress: (kind) => progress({ kind, paymentId: 'payment-1', transactionId: '0xabc', origin: order.origin }),
        confirm: (receipt = receiptFor(order)) => resolve(receipt),
        fail: reject,
      };
      this.payments.push(payment);
      this.onPayment(payment);
    });
  }

  onRedelivery(nodeId: string, listener: (report: PaymentReport & { readonly kind: 'confirmed' }) => void): () => void {
    this.redelivery.set(nodeId, listener);
    return () => void this.redelivery.delete(nodeId);
  }

  async balance(): Promise<Balance> {
    this.#fail();
    const amounts = { total: '12500000', reserved: '0', available: '12500000', pending: '0' };
    return { address: ADDRESS, did: DID, token: 'IOTA', decimals: 6, ...amounts };
  }

  async history({ limit }: { readonly limit: number }) {
    this.askedLimit = limit;
    return [];
  }

  async fund(): Promise<void> {
    this.#fail();
    this.funded += 1;
  }

  async listen(
    { listenerId, from }: { readonly listenerId: string; readonly from: string },
    handler: (payment: ReceivedPayment, redelivered: boolean) => void,
  ): Promise<() => void> {
    this.#fail();
    this.listening.set(listenerId, { from, handler });
    return () => void this.listening.delete(listenerId);
  }

  sign(order: SignOrder): Promise<SignedReading> {
    return new Promise((resolve, reject) => {
      const signing: FakeSigning = {
        order,
        sign: (sequence) => {
          const reading = { payload: { value: order.payload as string, proof: `proof ${sequence}` }, sequence };
          resolve(reading);
          return reading;
        },
        fail: reject,
      };
      this.signings.push(signing);
      this.onSigning(signing);
    });
  }

  onEvidence(nodeId: string, listener: (reading: EvidencedReading) => void): () => void {
    this.evidence.set(nodeId, listener);
    return () => void this.evidence.delete(nodeId);
  }

  async logStatus(): Promise<LogStatus> {
    this.#fail();
    return this.log.state;
  }

  watchLog(listener: (status: LogStatus) => void): () => void {
    this.log.listeners.add(listener);
    return () => void this.log.listeners.delete(listener);
  }

  async decrypt(payload: { readonly [member: string]: unknown }) {
    this.#fail();
    return this.sealed.get(String(payload.ciphertext)) as { value: string };
  }

  async succeed(successor: SuccessorOrder) {
    this.#fail();
    this.successor = successor;
    return { value: { successor: DID }, proof: [] };
  }

  didOf(name: string): string {
    const contacts = (this.configuration.contacts ?? {}) as Readonly<Record<string, string>>;
    const did = name.startsWith('did:') ? name : contacts[name];
    if (did === undefined) throw new CodedError('CONFIG_INVALID', 'reader', 'no such contact', { name });
    return did;
  }

  async close(): Promise<void> {
    this.closed += 1;
  }

  /** Nodes that still hold on to this machine: all of it must be gone after a close. */
  get held(): number {
    const held = [this.listeners, this.events, this.redelivery, this.listening, this.evidence, this.log.listeners];
    return held.reduce((count, { size }) => count + size, this.marketplace.held);
  }

  #fail(): void {
    const error = this.nextError;
    this.nextError = undefined;
    if (error) throw error;
  }
}

export const WORDS = Array.from({ length: 24 }, (_, index) => ['abandon', 'zoo', 'able', 'about'][index % 4]).join(' ');

class FakeKeystore implements Keystore {
  readonly keys = new Map<string, { passphrase: string | undefined; words: string; backedUp: boolean }>();
  async list() {
    return [...this.keys.keys()].map((key) => this.#describe(key));
  }
  async create(key: string, passphrase: string | undefined) {
    if (this.keys.has(key)) throw new CodedError('CONFIG_INVALID', 'key-exists', 'there is such a key', { key });
    this.keys.set(key, { passphrase, words: WORDS, backedUp: false });
    return { words: WORDS, description: this.#describe(key) };
  }
  async import(key: string, words: string, passphrase: string | undefined) {
    this.keys.set(key, { passphrase, words, backedUp: true });
    return this.#describe(key);
  }
  async confirmBackup(key: string, words: string) {
    const found = this.keys.get(key);
    if (found?.words !== words) return false;
    found.backedUp = true;
    return true;
  }
  #describe(key: string) {
    const found = this.keys.get(key);
    return { key, did: DID, protected: found?.passphrase !== undefined, backedUp: found?.backedUp ?? false };
  }
}

export class FakeRuntime implements Runtime {
  ledgers: FakeLedger[] = [];
  machines: FakeMachine[] = [];
  /** Taken (and used up) by the next `openLedger` or `openMachine`. */
  nextError: Error | undefined;
  keystore = new FakeKeystore();
  verifications: FakeVerification[] = [];
  onVerification: (verification: FakeVerification) => void = () => undefined;
  onLedger: (ledger: FakeLedger) => void = () => undefined;

  openLedger(configuration: LedgerConfiguration): FakeLedger {
    this.#fail();
    const ledger = new FakeLedger(configuration);
    this.ledgers.push(ledger);
    this.onLedger(ledger);
    return ledger;
  }

  openMachine(configuration: MachineConfiguration): FakeMachine {
    this.#fail();
    const machine = new FakeMachine(configuration);
    this.machines.push(machine);
    return machine;
  }

  verify(request: VerificationRequest, ledger?: LedgerConnection): Promise<Verification> {
    return new Promise((resolve, reject) => {
      const answer = (verification: Verification = VALID) => resolve(verification);
      const asked = { request, ledger, answer, fail: reject };
      this.verifications.push(asked);
      this.onVerification(asked);
    });
  }

  reset(): void {
    this.verifications = [];
    this.onVerification = () => undefined;
    this.ledgers = [];
    this.machines = [];
    this.nextError = undefined;
    this.keystore = new FakeKeystore();
    this.onLedger = () => undefined;
  }

  #fail(): void {
    const error = this.nextError;
    this.nextError = undefined;
    if (error) throw error;
  }
}
