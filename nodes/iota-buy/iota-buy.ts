import { isCodedError } from '../../lib/errors';
import type { BuyProgress, BuySettings, Contract, Verdict } from '../../lib/market/market-order';
import type { Machine, PurchaseOrder } from '../../lib/runtime';
import { brokerWarnings, type ChannelProperties, channelOf } from '../channel';
import { contractIdOf, contractMeant } from '../contract-id';
import { configInvalid, failure } from '../failure';
import { onInput } from '../input';
import { machineLinks } from '../machine-link';
import { type Api, copyOf, type IncomingMessage, type Message, type Node, type NodeDef, sendOn } from '../node-red';
import { settings } from '../settings';
import { failed, type Status } from '../status';
import { type TypedInput, typedInput } from '../typed-input';

interface BuyConfig extends NodeDef, ChannelProperties {
  readonly machine?: string;
  /** {@link BuySettings}; some are typed inputs: `<name>` and `<name>Type`. */
  readonly [property: string]: unknown;
}

const STARTING: Status = { fill: 'grey', shape: 'ring', text: 'iota-buy.status.starting' };
const READY: Status = { fill: 'green', shape: 'ring', text: 'iota-buy.status.ready' };
const OFFLINE: Status = { fill: 'yellow', shape: 'ring', text: 'iota-buy.status.offline' };
const CALLING: Status = { fill: 'blue', shape: 'ring', text: 'iota-buy.status.calling' };
const PAID: Status = { fill: 'blue', shape: 'dot', text: 'iota-buy.status.paid' };
/** Of events that are not here, nobody needs to see more than before. */
const PROGRESS: { readonly [event in BuyProgress['event']]?: Status } = {
  called: CALLING,
  accepted: { fill: 'blue', shape: 'ring', text: 'iota-buy.status.accepted' },
  confirmed: { fill: 'blue', shape: 'dot', text: 'iota-buy.status.paying' },
  paid: PAID,
  metered: PAID,
  late: { fill: 'yellow', shape: 'dot', text: 'iota-buy.status.late' },
  unknown: { fill: 'yellow', shape: 'ring', text: 'iota-buy.status.unknown' },
};
const ENDED: Record<Verdict, Status> = {
  completed: { fill: 'green', shape: 'dot', text: 'iota-buy.status.completed' },
  refunded: { fill: 'yellow', shape: 'dot', text: 'iota-buy.status.refunded' },
  cancelled: { fill: 'grey', shape: 'dot', text: 'iota-buy.status.cancelled' },
  failed: { fill: 'red', shape: 'dot', text: 'iota-buy.status.failed' },
};

/** Calls for proposals, takes the best, pays it, and sends the contract once it is delivered. */
export default function iotaBuy(RED: Api): void {
  const linkMachine = machineLinks(RED);

  function BuyNode(this: Node, config: BuyConfig): void {
    RED.nodes.createNode(this, config);
    const channel = settings(() => channelOf(RED, config));
    const warnOfBroker = brokerWarnings(RED, this);
    const needOf = needs(RED, this, config);

    let offline = false;
    const look = (): Status => {
      if (channel.problem) return failed(channel.problem);
      return offline ? OFFLINE : READY;
    };
    const link = linkMachine(this, config.machine, {
      starting: STARTING,
      ready: look,
      whenStarted: (machine) => {
        try {
          return attend(machine);
        } catch (error) {
          report(error, {});
          return () => undefined;
        }
      },
    });

    const report = (error: unknown, message: Message) => {
      if (isCodedError(error)) link.status.show(failed(error));
      this.error(failure(RED, error), message);
    };

    /** What became of purchases whose message is gone: after a restart or a deploy, and of late deliveries. */
    const attend = (machine: Machine) =>
      machine.marketplace.attendPurchases(this.id, channel.value(), {
        contract: (contract, origin, redelivered) => {
          link.status.show(ENDED[contract.status]);
          sendOn(this, [{ ...messageOf(contract, origin), ...(redelivered && { redelivered }) }, null]);
        },
        failure: (error, contract, origin) => report(error, messageOf(contract, origin)),
        channel: (state) => {
          warnOfBroker(state);
          const { up } = state;
          if (offline === !up) return;
          offline = !up;
          link.status.show(look());
        },
      });

    // One signal per message: what listens to it goes with it.
    const open = new Set<AbortController>();
    link.onClose(() => {
      for (const purchase of open) purchase.abort();
    });

    const buy = async (message: IncomingMessage): Promise<Contract> => {
      const { marketplace } = link.machine();
      const progress = (told: BuyProgress) => {
        const shown = PROGRESS[told.event];
        if (shown) link.status.show(shown);
        const { contractId } = told;
        sendOn(this, [null, { ...copyOf(RED, message), contractId, payload: told } as Message]);
      };
      const purchase = new AbortController();
      open.add(purchase);
      try {
        const { topic, _msgid: messageId } = message;
        const origin = { nodeId: this.id, messageId, ...(typeof topic === 'string' && { topic }) };
        // An expression may take a while: a node that closes meanwhile asks for nothing any more.
        const order = { settings: await needOf(message), channel: channel.value(), origin };
        return await marketplace.buy(order, progress, purchase.signal);
      } finally {
        open.delete(purchase);
      }
    };

    onInput(
      RED,
      this,
      async (message, send) => {
        const end = endOf(message);
        if (end) return link.machine().marketplace.endPurchase(this.id, end.contractId, end.how);
        const contract = await buy(message);
        link.status.show(ENDED[contract.status]);
        const { contractId } = contract;
        send([Object.assign(message, { contractId, payload: contract }), null]);
      },
      (error) => {
        if (isCodedError(error)) link.status.show(failed(error));
      },
    );
  }

  RED.nodes.registerType('iota-buy', BuyNode);
}

/** How the purchase that a message names is to end; undefined: the message buys. @throws CodedError `CONFIG_INVALID` */
function endOf(message: IncomingMessage): { how: 'stop' | 'cancel'; contractId: string } | undefined {
  const { topic } = message;
  if (topic === 'stop' || topic === 'cancel') return { how: topic, contractId: contractMeant(message) };
  // Not a word about a contract that was not understood: it would buy another one.
  if (topic === undefined || topic === '' || contractIdOf(message) === null) return undefined;
  const value = String(topic).slice(0, 40);
  throw configInvalid('buy-topic', `a purchase cannot be told "${value}"`, { value });
}

/** Reads what is needed: from the node, and where the node says so from the message. */
function needs(RED: Api, node: Node, config: BuyConfig): (message: Message) => Promise<BuySettings> {
  const property = (name: string): TypedInput => {
    const value = config[name];
    // Written by hand as a plain value. As the path of a property it would be absent, and a limit would limit nothing.
    if (value !== undefined && config[`${name}Type`] === undefined) return async () => value;
    return typedInput(RED, node, config, name, `payload.${name}`);
  };
  const read = {
    parameters: property('parameters'),
    quantity: property('quantity'),
    maxPrice: property('maxPrice'),
    near: property('near'),
  };
  const { service, maxDistance, waitSeconds, choose, weights, expression, priceBand, deliverWithin } = config;
  return async (message) => {
    const [parameters, quantity, maxPrice, near] = await Promise.all([
      read.parameters(message),
      read.quantity(message),
      read.maxPrice(message),
      read.near(message),
    ]);
    return {
      service,
      parameters,
      quantity,
      maxPrice,
      near,
      maxDistance,
      waitSeconds,
      choose,
      weights,
      expression,
      priceBand,
      deliverWithin,
    };
  };
}

/** Stands in for a message that is gone. */
function messageOf(contract: Contract, { messageId, topic }: PurchaseOrder['origin']): Message {
  return {
    ...(messageId !== undefined && { _msgid: messageId }),
    ...(topic !== undefined && { topic }),
    contractId: contract.contractId,
    payload: contract,
  } as Message;
}
