import { isCodedError } from '../../lib/errors';
import type { ChannelState, OfferSearchListener } from '../../lib/runtime';
import { channelOf } from '../channel';
import { failure } from '../failure';
import type { LinkMachine } from '../machine-link';
import type { Api, Node } from '../node-red';
import { failed, type Status } from '../status';
import { LISTENING, type ListenConfig, OFFLINE, RECEIVED, STARTING } from './listening';

/** Sends a message for every offer that lies on a channel, and for everything that changes about one. */
export function listenForOffers(RED: Api, node: Node, config: ListenConfig, linkMachine: LinkMachine): void {
  let channel: ChannelState | undefined;
  let wrong: Status | undefined;
  let ready = false;

  const look = (): Status => {
    if (wrong) return wrong;
    if (!channel) return STARTING;
    return channel.up ? LISTENING : OFFLINE;
  };

  const link = linkMachine(node, config.machine, {
    starting: STARTING,
    ready: () => {
      ready = true;
      return look();
    },
    down: (error) => {
      ready = false;
      return failed(error);
    },
    whenStarted: ({ marketplace }) => {
      try {
        const { service, near, maxDistance, maxPrice } = config;
        const search = { service, near, maxDistance, maxPrice };
        return marketplace.searchOffers({ listenerId: node.id, channel: channelOf(RED, config), ...search }, listener);
      } catch (error) {
        report(error);
        return () => undefined;
      }
    },
  });

  const report = (error: unknown) => {
    if (isCodedError(error)) {
      wrong = failed(error);
      link.status.show(wrong);
    }
    // With a message, so that a Catch node hears of it.
    node.error(failure(RED, error), {});
  };

  const listener: OfferSearchListener = {
    found: (offer) => {
      link.status.show(RECEIVED);
      node.send({ topic: 'offer', payload: offer, eventId: offer.eventId });
    },
    channel: (state) => {
      channel = state;
      // Without its machine nothing comes, whatever the channel does.
      if (ready) link.status.show(look());
    },
    wrong: report,
  };
}
