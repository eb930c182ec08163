import { isCodedError } from '../../lib/errors';
import type { PaymentReport } from '../../lib/payments/order';
import type { Machine } from '../../lib/runtime';
import { configInvalid } from '../failure';
import { onInput } from '../input';
import { machineLinks } from '../machine-link';
import { type Api, copyOf, type IncomingMessage, type Node, type NodeDef, sendOn } from '../node-red';
import { failed, type Status } from '../status';
import { typedInput } from '../typed-input';

interface PayConfig extends NodeDef {
  readonly machine?: string;
  /** Typed inputs: `<name>` and `<name>Type`. */
  readonly [property: string]: unknown;
}

const STARTING: Status = { fill: 'grey', shape: 'ring', text: 'iota-pay.status.starting' };
const READY: Status = { fill: 'green', shape: 'ring', text: 'iota-pay.status.ready' };
const CONFIRMED: Status = { fill: 'green', shape: 'dot', text: 'iota-pay.status.confirmed' };
const PROGRESS: Record<'submitted' | 'unknown', Status> = {
  submitted: { fill: 'blue', shape: 'dot', text: 'iota-pay.status.submitted' },
  unknown: { fill: 'yellow', shape: 'ring', text: 'iota-pay.status.unknown' },
};

/** Pays, and sends the receipt once the ledger has confirmed it. */
export default function iotaPay(RED: Api): void {
  const linkMachine = machineLinks(RED);

  function PayNode(this: Node, config: PayConfig): void {
    RED.nodes.createNode(this, config);
    const property = (name: string) => typedInput(RED, this, config, name, `payload.${name}`);
    const inputs = {
      to: property('to'),
      amount: property('amount'),
      reference: property('reference'),
      paymentId: property('paymentId'),
      splits: property('splits'),
    };
    const expiresIn = property('expiresIn');

    const link = linkMachine(this, config.machine, {
      starting: STARTING,
      ready: () => READY,
      whenStarted: (machine) => redeliver(this, machine),
    });

    // One signal per message: what listens to it goes with it.
    const open = new Set<AbortController>();
    link.onClose(() => {
      for (const payment of open) payment.abort();
    });

    const orderFrom = async (message: IncomingMessage) => {
      if ((await expiresIn(message)) !== undefined) {
        throw configInvalid('not-available', 'expiresIn is not available yet', { name: 'expiresIn' });
      }
      const [to, amount, reference, paymentId, splits] = await Promise.all([
        inputs.to(message),
        inputs.amount(message),
        inputs.reference(message),
        inputs.paymentId(message),
        inputs.splits(message),
      ]);
      const { topic, _msgid: messageId } = message;
      const origin = { nodeId: this.id, messageId, ...(typeof topic === 'string' && { topic }) };
      return { to, amount, reference, paymentId, splits, origin };
    };

    onInput(
      RED,
      this,
      async (message, send) => {
        const machine = link.machine();
        const progress = (report: PaymentReport) => {
          if (report.kind !== 'submitted' && report.kind !== 'unknown') return;
          const { kind, paymentId, transactionId } = report;
          link.status.show(PROGRESS[kind]);
          send([null, { ...copyOf(RED, message), payload: { paymentId, status: kind, transactionId } }]);
        };
        const payment = new AbortController();
        open.add(payment);
        try {
          // An expression may take a while: a node that closes meanwhile asks for nothing any more.
          const order = await orderFrom(message);
          message.payload = await machine.pay(order, progress, payment.signal);
        } finally {
          open.delete(payment);
        }
        link.status.show(CONFIRMED);
        send([message, null]);
      },
      (error) => {
        if (isCodedError(error)) link.status.show(failed(error));
      },
    );
  }

  /** Receipts that this node's predecessor (before a restart or a deploy) could not send any more. */
  function redeliver(node: Node, machine: Machine): () => void {
    return machine.onRedelivery(node.id, ({ receipt, origin }) => {
      sendOn(node, [
        {
          ...(origin.messageId !== undefined && { _msgid: origin.messageId }),
          ...(origin.topic !== undefined && { topic: origin.topic }),
          payload: receipt,
          redelivered: true,
        },
        null,
      ]);
    });
  }

  RED.nodes.registerType('iota-pay', PayNode);
}
