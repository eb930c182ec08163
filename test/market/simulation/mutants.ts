import type { Market, MarketPorts, Message, MessageOf, SignedMessage } from '../../../lib/market';
import { addressOfDid, BUYER_TRANSITIONS, hashOf, referenceOf } from '../../../lib/market';
import type { Check } from '../../../lib/market/channel/channels';
import type { PaymentOrder, ReceivedPayment } from '../../../lib/payments';
import { DECIMALS, TOKEN } from './money';
import { NETWORK, type SimulatedTrader } from './trader';

/** The market with one thing wrong that must never be wrong. */
export interface Mutant {
  readonly name: string;
  /** Other ports than the real ones. */
  readonly ports?: (ports: MarketPorts, trader: SimulatedTrader) => MarketPorts;
  /** Hears a message before the market does. */
  readonly hearMessage?: (market: Market, message: SignedMessage, trader: SimulatedTrader) => void;
  /** Changes what the market hears of money. */
  readonly payment?: (payment: ReceivedPayment, trader: SimulatedTrader) => ReceivedPayment;
  readonly check?: (check: Check) => Check;
  /** Milliseconds that a commit may take. */
  readonly slowDisk?: number;
  readonly noFsync?: true;
  readonly acknowledgesBeforeTelling?: true;
  /** Changes what all machines share; returns how to undo it. */
  readonly install?: () => () => void;
}

/** What each machine has said, in whatever process. */
const SAID = new WeakMap<SimulatedTrader, Set<string>>();

export const MUTANTS: readonly Mutant[] = [
  {
    name: 'a payment without an id of its own',
    ports: paying((order, { world }) =>
      isRefund(order) ? order : { ...order, paymentId: Buffer.from(world.chance.bytes(8)).toString('hex') },
    ),
  },
  {
    name: 'a refund without an id of its own',
    ports: paying((order, { world }) =>
      isRefund(order)
        ? { ...order, paymentId: `refund:${Buffer.from(world.chance.bytes(24)).toString('hex')}` }
        : order,
    ),
  },
  { name: 'acts before it is on the disk', ports: acknowledgesAtOnce, slowDisk: 2_000 },
  { name: 'no fsync', noFsync: true },
  {
    name: 'money acknowledged before it is in the book',
    payment: (payment, { account }) => {
      account.acknowledge(payment.eventId);
      return payment;
    },
  },
  {
    name: 'money that is told again counts again',
    payment: (payment, { world }) => ({
      ...payment,
      eventId: `${payment.eventId} ${world.chance.between(0, 10 ** 9)}`,
    }),
  },
  {
    name: 'a seller believes the accept',
    hearMessage: (market, { message }) => {
      const accept = message as MessageOf<'accept'>;
      if (accept.type === 'accept' && accept.body.payBy === null) market.hearPayment(claimed(accept), false);
    },
  },
  {
    name: 'a seller takes money from anybody',
    payment: (payment, trader) => ({ ...payment, from: payerOf(payment, trader) }),
  },
  {
    name: 'a seller does not count',
    payment: (payment, trader) => ({ ...payment, amount: agreedFor(payment, trader) }),
  },
  {
    name: 'messages are not sent again',
    ports: (ports, trader) => ({
      ...ports,
      channels: through(ports.channels, {
        // Not by the next process either.
        send: async (channelId, message) => {
          const said = SAID.get(trader) ?? new Set();
          SAID.set(trader, said);
          if (said.has(message.hash)) return;
          said.add(message.hash);
          // Half of what comes at the end gets lost: sent again and again, it would get there.
          const { type } = JSON.parse(message.text) as { type: string };
          if (['delivered', 'cancel'].includes(type) && trader.world.chance.happens(0.5)) return;
          await ports.channels.send(channelId, message, true);
        },
      }),
    }),
  },
  {
    name: 'signatures are not looked at',
    check: (check) => (bytes) => {
      const read = check(bytes);
      if (!('refused' in read) || read.refused !== 'signature') return read;
      const text = Buffer.from(bytes).toString();
      return { hash: hashOf(text), text, message: JSON.parse(text) as Message };
    },
  },
  { name: 'what the flow is told is forgotten before it has it', acknowledgesBeforeTelling: true },
  {
    name: 'an order is not handed over again after a restart',
    ports: (ports, { crashes }) =>
      crashes === 0
        ? ports
        : { ...ports, account: { ...ports.account, pay: async ({ paymentId }) => ({ paymentId: String(paymentId) }) } },
  },
  {
    name: 'a verdict does not follow the money',
    install: () => {
      const table = BUYER_TRANSITIONS as { LATE: object; FAILED: object };
      const before = { ...table };
      table.LATE = { ...before.LATE, refund: undefined };
      table.FAILED = { ...before.FAILED, refund: undefined };
      return () => void Object.assign(table, before);
    },
  },
];

type Wrap = NonNullable<Mutant['ports']>;

function isRefund({ paymentId }: PaymentOrder): boolean {
  return String(paymentId).startsWith('refund:');
}

function paying(change: (order: PaymentOrder, trader: SimulatedTrader) => PaymentOrder): Wrap {
  return (ports, trader) => ({
    ...ports,
    account: { ...ports.account, pay: (order) => ports.account.pay(change(order, trader)) },
  });
}

/** Writes are acknowledged when they are made, and not when they are durable. */
function acknowledgesAtOnce(ports: MarketPorts): MarketPorts {
  const { journal, sign } = ports;
  return {
    ...ports,
    journal: through(journal, {
      write: async (change) => {
        let result: { readonly value: ReturnType<typeof change> } | undefined;
        const durable = journal.write((append, sql) => {
          result = { value: change(append, sql) };
          return result.value;
        });
        durable.catch(() => {});
        return result ? result.value : durable;
      },
    }),
    sign: (documents, note) =>
      new Promise((resolve, reject) => {
        sign(documents, (append, sql, texts) => {
          note(append, sql, texts);
          resolve(texts);
        }).catch(reject);
      }),
  };
}

/** The same object, with some of its methods replaced. */
function through<T extends object>(whole: T, replaced: Partial<T>): T {
  return new Proxy(whole, {
    get: (target, name) => {
      const own = replaced[name as keyof T] ?? (target[name as keyof T] as unknown);
      return typeof own === 'function' && !(name in replaced) ? own.bind(target) : own;
    },
  });
}

/** As if it had come in what the message speaks of. */
function claimed(message: MessageOf<'accept'>): ReceivedPayment {
  const { contractId, from, to, body, id } = message;
  return {
    eventId: `claimed ${id}`,
    transactionId: id,
    from: addressOfDid(from, NETWORK.addressForm),
    to: addressOfDid(to, NETWORK.addressForm),
    amount: body.amount,
    token: TOKEN,
    decimals: DECIMALS,
    reference: referenceOf(contractId),
    confirmedAt: message.at,
    status: 'confirmed',
  };
}

function contractOf({ reference }: ReceivedPayment, { life }: SimulatedTrader) {
  return life?.journal?.sql.get(
    "SELECT peer, facts FROM contracts WHERE side = 'seller' AND 'me1:' || substr(contract_id, 1, 32) = ?",
    [reference],
  );
}

function payerOf(payment: ReceivedPayment, trader: SimulatedTrader): string | null {
  const peer = contractOf(payment, trader)?.['peer'];
  return typeof peer === 'string' ? addressOfDid(peer, NETWORK.addressForm) : payment.from;
}

function agreedFor(payment: ReceivedPayment, trader: SimulatedTrader): string {
  const facts = contractOf(payment, trader)?.['facts'];
  return (facts && (JSON.parse(String(facts)) as { amount: string | null }).amount) || payment.amount;
}
