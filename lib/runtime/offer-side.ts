import type { CodedError } from '../errors';
import type { MarketSignal, Unit } from '../market';
import type { OfferEvent } from '../market/market-order';
import type { ChannelState, OfferListener, OfferState } from './marketplace';
import { RunningServices } from './running-services';
import { SafeState } from './safe-state';

type OfferSignal = Extract<MarketSignal, { readonly offer: OfferEvent }>;
type Standing = Extract<MarketSignal, { readonly standing: object }>['standing'];

/** The main thread's side of one offer: hands events to its node, and keeps the actuators safe. */
export class OfferSide {
  readonly #services: RunningServices;
  #safeState: SafeState | undefined;
  #standing: Standing | undefined;
  #channel: ChannelState | undefined;
  #problem: CodedError | undefined;
  #shown = '';

  constructor(
    private readonly listener: OfferListener,
    private readonly doors: { readonly noticed: (noticeId: string) => void },
  ) {
    this.#services = new RunningServices((event) => listener.stop(event));
  }

  /** Actuators off, whatever they did before: nobody knows what happened meanwhile. */
  begin(service: string, unit: Unit): void {
    const nothing = { contractId: null, quantity: null, until: null, buyer: null };
    this.#safeState = new SafeState(
      () => this.listener.stop({ ...nothing, event: 'stop', service, unit, reason: 'safe-state' }),
      () => this.#services.count > 0,
    );
    this.#safeState.begin();
    this.#show();
  }

  hear({ offer, noticeId, redelivered }: OfferSignal): void {
    const { contractId, event } = offer;
    if (event === 'start') {
      if (this.#services.started(offer)) this.listener.start(offer, redelivered);
    } else if (event === 'stop') {
      // One that was never started here may have been started by the process before, and not been stopped by it.
      const isDone =
        contractId !== null && (this.#services.stopped(contractId, offer) || this.#services.hasEnded(contractId));
      if (!isDone) this.listener.stop(offer);
    } else {
      this.listener.event(offer, redelivered);
    }
    // A turn later the message is where it was sent: what is acknowledged has arrived there.
    if (noticeId !== null) setImmediate(() => this.doors.noticed(noticeId));
  }

  standing(standing: Standing): void {
    this.#problem = undefined;
    this.#standing = standing;
    this.#show();
  }

  channel(state: ChannelState): void {
    // Actuators are often behind the same broker.
    if (state.up && this.#channel?.up === false) this.#safeState?.repeat();
    this.#channel = state;
    this.#show();
  }

  wrong(problem: CodedError): void {
    this.#problem = problem;
    this.#show();
  }

  /** The vault is gone for the moment: what it would end by quantity nobody ends now. It starts again what is to go on. */
  vaultGone(): void {
    this.#services.stopAll('fault');
    this.#standing = undefined;
    this.#show();
  }

  close(): void {
    this.#safeState?.close();
    this.#services.stopAll('closed');
  }

  #show(): void {
    const state = this.#state();
    const { phase, ...more } = state;
    const shown =
      state.phase === 'wrong' ? `wrong ${state.error.code} ${state.error.message}` : JSON.stringify([phase, more]);
    if (shown === this.#shown) return;
    this.#shown = shown;
    this.listener.state(state);
  }

  #state(): OfferState {
    const standing = this.#standing;
    if (this.#problem) return { phase: 'wrong', error: this.#problem };
    if (!standing) return { phase: 'starting' };
    // What it sold before goes on.
    if (standing.withdrawn && standing.delivering === 0) return { phase: 'withdrawn' };
    // Nobody can hear it before there is a channel.
    if (!this.#channel) return { phase: 'starting' };
    if (!this.#channel.up) return { phase: 'offline', message: this.#channel.message };
    const { delivering, price, paused } = standing;
    return { phase: 'open', delivering, price, paused };
  }
}
