import type { ReceivedPayment } from '../../payments';
import type { ChannelSignal } from '../channel/channels';
import type { Contract } from '../market-order';
import type { SignedMessage } from '../messages/message';
import type { ContractBook, ContractRow, FinishedRow, Side } from './contract-book';
import type { Correspondence } from './correspondence';
import type { MarketPorts } from './market-ports';
import type { MeetingPlaces } from './meeting-places';
import type { Notices } from './notices';
import type { Turns } from './turns';

/** What the desks of one market share. */
export interface Floor {
  readonly ports: MarketPorts;
  readonly book: ContractBook;
  readonly letters: Correspondence;
  readonly notices: Notices;
  readonly places: MeetingPlaces;
  /** Everything that may move a contract waits for its turn: under its contractId. */
  readonly turns: Turns;
  readonly closed: boolean;
  /** Unix milliseconds, whole. */
  now(): number;
  /**
   * After a write that moved a contract ({@link Correspondence.post} does it by itself): looks at the deadlines anew, and
   * hands finished contracts to whoever listens to them.
   */
  moved(): void;
  /** An error that no rule foresees: told, and the market goes on. */
  trouble(error: unknown): void;
}

/** One side's desk. What is called with a row has the turn of that contract, and the row is as it is now. */
export interface Desk<S extends Side> {
  /** From outside, checked, not seen before; who `from` is to this contract is for the desk to judge. */
  hearMessage(row: ContractRow<S>, message: SignedMessage): Promise<void>;
  /** To this contract, and refused before it was read. */
  hearRefused(row: ContractRow<S>, refused: Extract<ChannelSignal, { refused: unknown }>['refused']): void;
  /** Money that came in with the reference of this contract. Once this resolves it is never told again. */
  hearMoney(row: ContractRow<S>, payment: ReceivedPayment): Promise<void>;
  /** The deadline of this contract has come. It must move the contract or its deadline. */
  hearDeadline(row: ContractRow<S>): Promise<void>;
  /** A new process: every contract that is not over takes up its work. */
  resume(): Promise<void>;
  /** The contract as it was when it came to that end. */
  contractOf(row: ContractRow<S>, finished: Pick<FinishedRow, 'state' | 'at'>): Contract;
}
