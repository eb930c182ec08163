import type { PaymentReport, ReceivedPayment } from '../../payments';
import type { ChannelSignal } from '../channel/channels';
import type { BuySettings, ChannelSettings, Contract } from '../market-order';
import type { SignedMessage } from '../messages/message';
import type { ContractRow, FinishedRow } from './contract-book';
import type { Desk, Floor } from './floor';
import type { MarketOrigin } from './market-ports';

/** The buyer's side of contracts. */
export class BuyerDesk implements Desk<'buyer'> {
  constructor(private readonly floor: Floor) {}

  async buy(
    _origin: MarketOrigin,
    _settings: BuySettings,
    _channel: ChannelSettings,
  ): Promise<{ readonly contractId: string }> {
    throw new Error('nothing can be bought');
  }
  async attend(nodeId: string, channel: ChannelSettings): Promise<void> {
    await this.floor.places.enter({ nodeId }, channel);
    await this.floor.notices.attend(nodeId);
  }
  async leave(nodeId: string): Promise<void> {
    this.floor.notices.absent(nodeId);
  }
  async end(_nodeId: string, _contractId: string, _how: 'stop' | 'cancel'): Promise<void> {}
  async hearReport(_report: PaymentReport): Promise<void> {}
  async hearMessage(_row: ContractRow<'buyer'>, _message: SignedMessage): Promise<void> {}
  hearRefused(_row: ContractRow<'buyer'>, _refused: Extract<ChannelSignal, { refused: unknown }>['refused']): void {}
  async hearMoney(_row: ContractRow<'buyer'>, _payment: ReceivedPayment): Promise<void> {}
  async hearDeadline(_row: ContractRow<'buyer'>): Promise<void> {}
  async resume(): Promise<void> {}
  contractOf(_row: ContractRow<'buyer'>, _finished: Pick<FinishedRow, 'state' | 'at'>): Contract {
    throw new Error('not a contract');
  }
}
