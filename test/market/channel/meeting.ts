/** Channels of machines that meet at a broker, and what they hear there. */

import type { MqttSettings } from '../../../lib/market';
import { ChannelService } from '../../../lib/market/channel/channel-service';
import type { ChannelSignal } from '../../../lib/market/channel/channels';
import { systemClock } from '../../../lib/payments';
import { CALL_BODY, type Machine, NETWORK, OFFER_BODY, PROPOSAL_BODY } from '../deal';

export const SERVICE = CALL_BODY.service;
export const EVERYTHING = { service: '', near: null, maxDistance: null, maxPrice: null };

/** One machine's channel, under the id `c`. */
export class Attendant {
  readonly signals: ChannelSignal[] = [];
  readonly service: ChannelService;
  #waiting: (() => void)[] = [];

  constructor(readonly machine: Machine) {
    this.service = new ChannelService({
      emit: (signal) => this.hear(signal),
      clock: systemClock,
      random: Math.random,
      skew: 60_000,
    });
  }

  hear(signal: ChannelSignal): void {
    this.signals.push(signal);
    for (const look of [...this.#waiting]) look();
  }

  open(settings: MqttSettings): Promise<void> {
    return this.service.open('c', { settings, did: this.machine.did, network: NETWORK });
  }

  async openAndUp(settings: MqttSettings): Promise<void> {
    const up = this.next((signal) => 'state' in signal && signal.state === 'up');
    await this.open(settings);
    await up;
  }

  /** The next signal that fits, or one from `since` on. */
  next(fits: (signal: ChannelSignal) => boolean, since = this.signals.length): Promise<ChannelSignal> {
    return new Promise((resolve) => {
      const look = () => {
        const found = this.signals.slice(since).find(fits);
        if (!found) return;
        this.#waiting = this.#waiting.filter((other) => other !== look);
        resolve(found);
      };
      this.#waiting.push(look);
      look();
    });
  }

  count(fits: (signal: ChannelSignal) => boolean): number {
    return this.signals.filter(fits).length;
  }
}

export const isUp = (signal: ChannelSignal) => 'state' in signal && signal.state === 'up';
export const isDown = (signal: ChannelSignal) => 'state' in signal && signal.state === 'down';
export const isCall = (signal: ChannelSignal) => 'call' in signal;
export const isMessage = (signal: ChannelSignal) => 'message' in signal && !('state' in signal);
export const isRefused = (signal: ChannelSignal) => 'refused' in signal;
export const isFound = (signal: ChannelSignal) => 'found' in signal;

export const plain = (url: string, more: Partial<MqttSettings> = {}): MqttSettings => ({
  kind: 'mqtt',
  url,
  version: 4,
  keepalive: 60,
  ...more,
});

/** What machines say now. */
export const callOf = (buyer: Machine, parameters: unknown = CALL_BODY.parameters) =>
  buyer.says('call', { ...CALL_BODY, parameters }, { at: Date.now() });
export const cardOf = (seller: Machine, more: Partial<typeof OFFER_BODY> = {}, at = Date.now()) =>
  seller.says('offer', { ...OFFER_BODY, ...more }, { at });
export const proposalOf = (seller: Machine, buyer: Machine, contractId: string) =>
  seller.says('proposal', PROPOSAL_BODY, { to: buyer.did, contractId, previous: contractId, at: Date.now() });
export const acceptOf = (buyer: Machine, seller: Machine, contractId: string, previous: string) =>
  buyer.says(
    'accept',
    { amount: PROPOSAL_BODY.amount, payBy: null },
    { to: seller.did, contractId, previous, at: Date.now() },
  );
