import type { Address } from '../../values';
import type { Holdings } from '../ledger';
import { type Connection, formOf } from './connection';
import { nonsense } from './failures';
import { type History, hexHash, isFor, type KnownOutput, receivedOutput, writeCursor } from './history';
import type { BasicOutputQuery, IndexerPage, NodeApi } from './node-api';
import type { BasicOutput } from './output';

const MOST_PAGES = 10_000;

/**
 * Everything that an address owns at the node's confirmed height. The indexer knows what is unspent at some height, at or
 * before that; from there the history leads to the present.
 */
export async function holdingsOf(
  address: Address,
  api: Pick<NodeApi, 'basicOutputIds'>,
  connection: Pick<Connection, 'look'>,
  history: History,
): Promise<Holdings> {
  const form = formOf(await connection.look());
  const mine = hexHash(address, form);
  const indexed = await indexedOutputs({ address }, (output) => isFor(output, mine), api, history);
  const held = new Map(
    indexed.outputs.map((item) => [item.outputId, receivedOutput(item, item.output, form)] as const),
  );
  let cursor = writeCursor({ milestone: indexed.height + 1, position: 0 });
  for (;;) {
    const page = await history.read(address, cursor);
    for (const output of page.received) held.set(output.outputId, output);
    for (const { outputId } of page.spent) held.delete(outputId);
    cursor = page.cursor;
    if (page.reached) {
      const { height, ledgerTime } = page;
      return { outputs: [...held.values()].sort(byAge), height, cursor, ledgerTime };
    }
  }
}

/**
 * What was unspent at one exact height, from an indexer that moves on while we turn its pages.
 *
 * The height is the lowest that any page was read at. What was unspent then is either still on the page that would list it,
 * or was spent between that height and the highest: the milestones in between name those.
 *
 * @param fits what the query asks for: an indexer's word is not enough
 */
export async function indexedOutputs(
  query: BasicOutputQuery,
  fits: (output: BasicOutput) => boolean,
  api: Pick<NodeApi, 'basicOutputIds'>,
  history: History,
): Promise<{ readonly height: number; readonly outputs: (KnownOutput & { readonly output: BasicOutput })[] }> {
  const pages = await allPages(query, api);
  const height = Math.min(...pages.map((page) => page.ledgerIndex));
  const highest = Math.max(...pages.map((page) => page.ledgerIndex));
  const candidates = new Map<string, number>();
  for (const page of pages) for (const id of page.outputIds) candidates.set(id, page.ledgerIndex);
  for (let index = height + 1; index <= highest; index += 1) {
    for (const id of (await history.changes(index)).consumed) candidates.set(id, index);
  }
  const known = await Promise.all([...candidates].map(([id, index]) => history.output(id, index)));
  const outputs = known.flatMap((item) => {
    const { output } = item;
    return output && item.booked.index <= height && fits(output) ? [{ ...item, output }] : [];
  });
  return { height, outputs };
}

interface Aged {
  readonly height: number;
  readonly outputId: string;
}

export function byAge(a: Aged, b: Aged): number {
  return a.height - b.height || (a.outputId < b.outputId ? -1 : 1);
}

export async function allPages(query: BasicOutputQuery, api: Pick<NodeApi, 'basicOutputIds'>): Promise<IndexerPage[]> {
  const pages: IndexerPage[] = [];
  let cursor: string | undefined;
  do {
    const page: IndexerPage = await api.basicOutputIds(query, cursor);
    pages.push(page);
    if (pages.length > MOST_PAGES || (page.cursor !== undefined && page.cursor === cursor))
      throw nonsense('its pages never end');
    cursor = page.cursor;
  } while (cursor !== undefined);
  return pages;
}
