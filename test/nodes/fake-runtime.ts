/** A runtime without threads, keys or ledger: nodes talk to it, tests decide what it answers. */
import { CodedError } from '../../lib/errors';
import type { NetworkInfo } from '../../lib/ledger';
import type { Balance, PaymentOrder, PaymentReport, Receipt, ReceivedPayment } from '../../lib/payments/order';
import type {
  Keystore,
  LedgerConfiguration,
  LedgerConnection,
  LedgerState,
  Machine,
  MachineConfiguration,
  MachineEvent,
  MachineState,
  Runtime,
} from '../../lib/runtime';

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

export class FakeLedger extends Watched<LedgerState> implements LedgerConnection {
  closed = 0;
  constructor(readonly configuration: LedgerConfiguration) {
    super({ phase: 'up', network: NETWORK, url: 'http://127.0.0.1:14265' });
  }
  async close(): Promise<void> {
    this.closed += 1;
  }
}

export class FakeMachine extends Watched<MachineState> implements Machine {
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

  async close(): Promise<void> {
    this.closed += 1;
  }

  /** Nodes that still hold on to this machine: all of it must be gone after a close. */
  get held(): number {
    return this.listeners.size + this.events.size + this.redelivery.size + this.listening.size;
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

  reset(): void {
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
