import type { Sql, SqlRow } from '../../journal';
import { newPaymentId } from '../../payments';
import type { Contract, OfferEvent } from '../market-order';
import type { Failure, MarketOrigin, MarketPorts } from './market-ports';

/** What a flow must hear, whenever its node is there. */
export type NoticeBody =
  | { readonly offer: OfferEvent }
  | { readonly contract: Contract; readonly origin: MarketOrigin }
  | { readonly failure: Failure; readonly contract: Contract; readonly origin: MarketOrigin };

export interface Notice {
  readonly id: string;
  readonly nodeId: string;
  readonly contractId: string;
  readonly body: NoticeBody;
  /** It may have been told before. */
  readonly told: boolean;
}

/**
 * What flows must hear, on disk until they have it. {@link post} inside the write that decides, {@link tell} once that is
 * durable: nothing is told that a crash could undo. A node that is not there hears when it comes.
 */
export class Notices {
  readonly #attending = new Set<string>();
  /** Told since its node came: not again until it comes anew. */
  readonly #told = new Set<string>();

  /**
   * @param fresh completes a body in the moment in which it is told (a `start` counts from then on)
   */
  constructor(
    private readonly ports: MarketPorts,
    private readonly fresh: (notice: Notice) => NoticeBody = ({ body }) => body,
  ) {}

  /** Inside a write. @returns the notice's id */
  post(sql: Sql, { nodeId, contractId, body }: Pick<Notice, 'nodeId' | 'contractId' | 'body'>): string {
    const id = newPaymentId(this.ports.clock.now(), this.ports.random);
    sql.run('INSERT INTO market_notices (id, network, node_id, contract_id, signal, told) VALUES (?, ?, ?, ?, ?, 0)', [
      id,
      this.ports.network.networkId,
      nodeId,
      contractId,
      JSON.stringify(body),
    ]);
    return id;
  }

  /** Inside a write: it need not be heard any more. */
  withdraw(sql: Sql, id: string): void {
    sql.run('DELETE FROM market_notices WHERE id = ?', [id]);
  }

  /** Inside a write: a `start` of a contract that has ended meanwhile must not be told any more. */
  withdrawStart(sql: Sql, nodeId: string, contractId: string): void {
    for (const { id, body } of this.#rows('node_id = ? AND contract_id = ?', [nodeId, contractId]))
      if ('offer' in body && body.offer.event === 'start') this.withdraw(sql, id);
  }

  /** After the write: tells these if their node is there. */
  tell(ids: readonly string[]): void {
    for (const id of ids) {
      const notice = this.get(id);
      if (notice && this.#attending.has(notice.nodeId)) this.#emit(notice);
    }
  }

  /** The node is there: it hears everything that it has not acknowledged. */
  async attend(nodeId: string): Promise<void> {
    this.#attending.add(nodeId);
    for (const { id } of this.#rows('node_id = ?', [nodeId])) this.#told.delete(id);
    // What a write that is not durable yet has posted could still be undone.
    await this.ports.journal.write(() => undefined);
    for (const notice of this.#rows('node_id = ?', [nodeId]))
      if (this.#attending.has(nodeId) && !this.#told.has(notice.id)) this.#emit(notice);
  }

  absent(nodeId: string): void {
    this.#attending.delete(nodeId);
  }

  attends(nodeId: string): boolean {
    return this.#attending.has(nodeId);
  }

  /** Tells what nodes that are not there would hear of purchases: for the wallet. */
  async tellUnattended(): Promise<void> {
    await this.ports.journal.write(() => undefined);
    for (const notice of this.#rows('1', []))
      if (!this.#attending.has(notice.nodeId) && !('offer' in notice.body)) this.#emit(notice);
  }

  get(id: string): Notice | undefined {
    return this.#rows('id = ?', [id])[0];
  }

  #emit(notice: Notice): void {
    const { id: noticeId, nodeId, told } = notice;
    this.#told.add(noticeId);
    if (!told) void this.#markTold(noticeId);
    this.ports.emit({ nodeId, ...this.fresh(notice), noticeId, redelivered: told });
  }

  // Not waited for: at worst it is told once more without the mark. A journal that is closing may refuse.
  #markTold(id: string): Promise<void> {
    return this.ports.journal
      .write((_append, sql) => sql.run('UPDATE market_notices SET told = 1 WHERE id = ?', [id]))
      .catch(() => {});
  }

  #rows(condition: string, values: readonly string[]): Notice[] {
    return this.ports.journal.sql
      .all(`SELECT * FROM market_notices WHERE network = ? AND ${condition} ORDER BY position`, [
        this.ports.network.networkId,
        ...values,
      ])
      .map(noticeOf);
  }
}

function noticeOf(row: SqlRow): Notice {
  return {
    id: String(row['id']),
    nodeId: String(row['node_id']),
    contractId: String(row['contract_id']),
    body: JSON.parse(String(row['signal'])) as NoticeBody,
    told: Number(row['told']) === 1,
  };
}
