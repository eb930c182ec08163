import type { Sql } from '../../journal';
import type { PaymentReport, ReceivedPayment } from '../../payments';
import type { ChannelSignal } from '../channel/channels';
import type { ChannelSettings, Contract, OfferCommand, OfferSettings } from '../market-order';
import type { SignedMessage } from '../messages/message';
import type { ContractRow, FinishedRow } from './contract-book';
import type { Desk, Floor } from './floor';
import type { Notice, NoticeBody } from './notices';

/** Payments with this in front of their id give money back. */
export const REFUND_ID = 'refund:';

export class SellerDesk implements Desk<'seller'> {
  constructor(private readonly floor: Floor) {}

  async offer(_nodeId: string, _settings: OfferSettings, _channel: ChannelSettings): Promise<void> {}
  async closeOffer(_nodeId: string): Promise<void> {}
  async command(_nodeId: string, _command: OfferCommand): Promise<void> {}
  async show(_nodeId: string): Promise<void> {}
  async started(notice: Notice): Promise<void> {
    await this.floor.ports.journal.write((_append, sql) => this.floor.notices.withdraw(sql, notice.id));
  }
  freshen({ body }: Notice): NoticeBody {
    return body;
  }
  async hearCall(_signal: Extract<ChannelSignal, { call: unknown }>): Promise<void> {}
  async hearReport(_report: PaymentReport): Promise<void> {}
  async hearMessage(_row: ContractRow<'seller'>, _message: SignedMessage): Promise<void> {}
  hearRefused(_row: ContractRow<'seller'>, _refused: Extract<ChannelSignal, { refused: unknown }>['refused']): void {}
  async hearMoney(_row: ContractRow<'seller'>, _payment: ReceivedPayment): Promise<void> {}
  async hearDeadline(_row: ContractRow<'seller'>): Promise<void> {}
  async resume(): Promise<void> {}
  contractOf(_row: ContractRow<'seller'>, _finished: Pick<FinishedRow, 'state' | 'at'>): Contract {
    throw new Error('not a contract');
  }
  get unsettled(): boolean {
    return false;
  }
  sweep(_sql: Sql): void {}
  close(): void {}
}
