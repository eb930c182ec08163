import type { Address, AddressForm } from '../../values';
import type { Holdings, ReceivedOutput } from '../ledger';
import { type Connection, formOf } from './connection';
import { nonsense } from './failures';
import { type History, hexHash, receivedOutput, writeCursor } from './history';
import type { IndexerPage, NodeApi } from './node-api';

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
  const indexed = await indexedOutputs(address, api, formOf(await connection.look()), history);
  const held = new Map(indexed.outputs.map((output) => [output.outputId, output]));
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
 * What the address had unspent at one exact height, from an indexer that moves on while we turn its pages.
 *
 * The height is the lowest that any page was read at. What was unspent then is either still on the page that would list it,
 * or was spent between that height and the highest: the milestones in between name those.
 */
async function indexedOutputs(
  address: Address,
  api: Pick<NodeApi, 'basicOutputIds'>,
  form: AddressForm,
  history: History,
): Promise<{ readonly height: number; readonly outputs: ReceivedOutput[] }> {
  const mine = hexHash(address, form);
  const pages = await allPages(address, api);
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
    if (item.booked.index > height || output?.address.kind !== 'ed25519' || output.address.hash !== mine) return [];
    return [receivedOutput(item, output, form)];
  });
  return { height, outputs };
}

function byAge(a: ReceivedOutput, b: ReceivedOutput): number {
  return a.height - b.height || (a.outputId < b.outputId ? -1 : 1);
}

async function allPages(address: Address, api: Pick<NodeApi, 'basicOutputIds'>): Promise<IndexerPage[]> {
  const pages: IndexerPage[] = [];
  let cursor: string | undefined;
  do {
    const page: IndexerPage = await api.basicOutputIds(address, cursor);
    pages.push(page);
    if (pages.length > MOST_PAGES || (page.cursor !== undefined && page.cursor === cursor))
      throw nonsense('its pages never end');
    cursor = page.cursor;
  } while (cursor !== undefined);
  return pages;
}
