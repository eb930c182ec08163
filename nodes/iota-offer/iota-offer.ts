import { isCodedError } from '../../lib/errors';
import type { OfferEvent, OfferSettings } from '../../lib/market/market-order';
import {
  type MachineIdentity,
  type OfferDesk,
  type OfferListener,
  type OfferState,
  SafeState,
} from '../../lib/runtime';
import { brokerWarnings, type ChannelProperties, channelOf } from '../channel';
import { failure } from '../failure';
import { flowsStarted } from '../flows-started';
import { onInput } from '../input';
import { machineLinks } from '../machine-link';
import { type Api, type Message, type Node, type NodeDef, sendOn } from '../node-red';
import { settings } from '../settings';
import { failed } from '../status';
import { commandOf } from './commands';
import { offerLook, STARTING } from './offer-look';

interface OfferConfig extends NodeDef, ChannelProperties, Partial<OfferSettings> {
  readonly machine?: string;
}

/** Sells what a machine can do: starts it when it is paid, stops it when time is up. */
export default function iotaOffer(RED: Api): void {
  const linkMachine = machineLinks(RED);
  const whenFlowsStarted = flowsStarted(RED);

  function OfferNode(this: Node, config: OfferConfig): void {
    RED.nodes.createNode(this, config);
    const channel = settings(() => channelOf(RED, config));

    const warnOfBroker = brokerWarnings(RED, this);

    let offer: OfferState = { phase: 'starting' };
    let identity: MachineIdentity | undefined;
    const look = ({ network }: MachineIdentity) =>
      offerLook(offer, {
        decimals: network.decimals,
        unit: config.unit,
        autoPropose: config.autoPropose !== false,
      });

    const link = linkMachine(this, config.machine, {
      starting: STARTING,
      ready: (state) => {
        identity = state.identity;
        return look(identity);
      },
      down: (error) => {
        identity = undefined;
        return failed(error);
      },
    });

    const report = (error: unknown) => {
      if (isCodedError(error)) link.status.show(failed(error));
      // With a message, so that a Catch node hears of it.
      this.error(failure(RED, error), {});
    };

    const listener: OfferListener = {
      start: (event, redelivered) => sendOn(this, [messageOf(event, redelivered), null, null]),
      stop: (event) => sendOn(this, [null, messageOf(event), null]),
      event: (event, redelivered) => sendOn(this, [null, null, messageOf(event, redelivered)]),
      state: (state) => {
        offer = state;
        if (state.phase === 'offline') warnOfBroker({ up: false, message: state.message });
        else if (state.phase === 'open') warnOfBroker({ up: true });
        if (identity) link.status.show(look(identity));
        if (state.phase === 'wrong') report(state.error);
      },
    };

    let opened: (desk: OfferDesk) => void;
    let refused: (error: unknown) => void;
    const desk = new Promise<OfferDesk>((resolve, reject) => {
      opened = resolve;
      refused = reject;
    });
    // Told by status and Catch; messages get it, too.
    desk.catch(() => undefined);

    const open = (): OfferDesk => {
      const { marketplace } = link.machine();
      const order = { nodeId: this.id, settings: settingsOf(config), channel: channel.value() };
      return marketplace.offer(order, listener);
    };

    link.onClose(
      whenFlowsStarted(() => {
        try {
          const offered = open();
          // What runs is stopped with it.
          link.onClose(() => offered.close());
          opened(offered);
        } catch (error) {
          refused(error);
          report(error);
          // What a crash left running must not run on because nobody can be asked about it.
          const safeState = new SafeState(() => listener.stop(nothingRuns(config)));
          safeState.begin();
          link.onClose(() => safeState.close());
        }
      }),
    );

    onInput(
      RED,
      this,
      async (message) => {
        const command = commandOf(message);
        await (await desk).command(command);
      },
      (error) => {
        if (isCodedError(error)) link.status.show(failed(error));
      },
    );
  }

  RED.nodes.registerType('iota-offer', OfferNode);
}

function settingsOf(config: OfferConfig): OfferSettings {
  const { service, title, price, unit, place, parameters, validFor, capacity, leadSeconds } = config;
  const { autoPropose, underpaid } = config;
  return {
    service,
    title,
    price,
    unit,
    place,
    parameters,
    validFor,
    capacity,
    leadSeconds,
    autoPropose,
    underpaid,
  };
}

function messageOf(event: OfferEvent, redelivered = false): Message {
  const { contractId, event: topic } = event;
  return { topic, contractId, payload: event, ...(redelivered && { redelivered }) } as Message;
}

function nothingRuns({ service, unit = 'once' }: OfferConfig): OfferEvent {
  return {
    contractId: null,
    event: 'stop',
    service: String(service ?? ''),
    quantity: null,
    unit: unit as OfferEvent['unit'],
    until: null,
    buyer: null,
    reason: 'safe-state',
  };
}
