import type { MessagePort } from 'node:worker_threads';
import { CodedError } from '../../errors';
import { ReconnectingCaller } from '../../threads';
import type { ChannelId, ChannelSignal, Channels } from './channels';

/** Posted to the market worker: the end of a channel whose other end the vault has ({@link RemoteChannels.use}). */
export interface AttachVaultMessage<P> {
  readonly attachVault: true;
  readonly port: P;
}

/**
 * The market worker as the vault sees it, through whatever port is good at the moment. When the worker dies, pending calls
 * reject with `LEDGER_UNREACHABLE` and every channel that was up is told to be down. After the next {@link use} the new one
 * knows nothing: whoever calls that has to see to it that it is told everything again.
 */
export class RemoteChannels {
  readonly #caller = new ReconnectingCaller<Channels, ChannelSignal>(restarting, (signal) => this.#tell(signal));
  readonly #listeners = new Set<(signal: ChannelSignal) => void>();
  readonly #up = new Set<ChannelId>();
  #port: MessagePort | undefined;

  constructor(port?: MessagePort) {
    if (port) this.use(port);
  }

  /** One object for ever, whatever happens to the worker. */
  get channels(): Channels {
    return this.#caller.remote;
  }

  /** From now on calls go through this port; what was pending on the one before fails. */
  use(port: MessagePort): void {
    const before = this.#port;
    this.#port = port;
    before?.close();
    this.#allDown();
    this.#caller.connect(port);
    port.once('close', () => {
      if (this.#port !== port) return;
      this.#port = undefined;
      this.#caller.disconnect();
      this.#allDown();
    });
  }

  onSignal(listener: (signal: ChannelSignal) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  close(): void {
    this.#listeners.clear();
    this.#up.clear();
    this.#caller.disconnect();
    this.#port?.close();
    this.#port = undefined;
  }

  #allDown(): void {
    for (const channelId of [...this.#up]) this.#tell({ channelId, state: 'down', message: restarting().message });
  }

  #tell(signal: ChannelSignal): void {
    if ('state' in signal) {
      if (signal.state === 'up') this.#up.add(signal.channelId);
      else this.#up.delete(signal.channelId);
    }
    for (const listener of [...this.#listeners]) listener(signal);
  }
}

function restarting(): CodedError {
  return new CodedError(
    'LEDGER_UNREACHABLE',
    'market-restarting',
    'the connection to the marketplace is being restarted',
  );
}
