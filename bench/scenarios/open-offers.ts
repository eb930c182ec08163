/** What it takes to know ten thousand open offers: cards as they come from a broker, read and kept for whoever searches. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { readMessage } from '../../lib/market';
import { CardDirectory } from '../../lib/market/channel/card-directory';
import type { SignedMessage } from '../../lib/market/messages/message';
import { systemClock } from '../../lib/payments';
import { Stranger } from '../../test/flows/stranger';
import { scenario } from '../scenario';

export interface OpenOffersParameters {
  readonly cards: number;
}

export interface OpenOffersMeasured {
  /** Bytes that the process grew by: heap and what hangs on it. */
  readonly memory: number;
  /** Bytes of the cards as they came. */
  readonly text: number;
  readonly known: number;
  readonly found: number;
  /** Milliseconds to read all of them, and to search among them. */
  readonly reading: number;
  readonly searching: number;
}

const NETWORK = 'bench';
const SERVICE = 'listed';
/** Without somebody who searches nothing is kept; it finds none of these. */
const NOTHING = { service: SERVICE, near: { lat: -80, lng: 0 }, maxDistance: 1, maxPrice: null };
const EVERYTHING = { service: SERVICE, near: null, maxDistance: null, maxPrice: null };

scenario<OpenOffersParameters, OpenOffersMeasured>(async ({ cards }) => {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  let found = 0;
  const directory = new CardDirectory({
    read: (bytes) => {
      const read = readMessage(bytes, { did: '', network: NETWORK, now: Date.now(), skew: 60_000, types: ['offer'] });
      return 'refused' in read ? undefined : (read as SignedMessage<'offer'>);
    },
    clock: systemClock,
    tell: () => {
      found += 1;
    },
    wake: () => {},
  });
  directory.search('nothing', NOTHING);
  lay(directory, 1, 'warm-up');
  const before = used(collect);
  let text = 0;
  let reading = 0;
  for (let n = 0; n < cards; n += 1) {
    const { bytes, did } = card(n);
    text += bytes.length;
    const begun = performance.now();
    directory.heard(SERVICE, did, bytes);
    directory.take()?.();
    reading += performance.now() - begun;
  }
  const memory = used(collect) - before;
  const begun = performance.now();
  directory.search('everything', EVERYTHING);
  return { memory, text, known: directory.cards, found, reading, searching: performance.now() - begun };
});

function lay(directory: CardDirectory, count: number, title: string): void {
  for (let n = 0; n < count; n += 1) {
    const { bytes, did } = card(n, title);
    directory.heard(SERVICE, did, bytes);
    directory.take()?.();
    directory.heard(SERVICE, did, new Uint8Array());
  }
}

/** Of a seller of its own, as it arrives: not a view of something larger. */
function card(n: number, title = `Offer ${n}`): { readonly bytes: Uint8Array; readonly did: string } {
  const seller = new Stranger(NETWORK);
  const { text } = seller.card({
    service: SERVICE,
    title,
    unit: 'hour',
    price: String(100_000 + n),
    token: 'IOTA',
    decimals: 6,
    place: { lat: 48 + (n % 100) / 100, lng: 11 + (n % 77) / 77 },
    parameters: { type: 'object', properties: { weight: { type: 'number', maximum: n } } },
    capacity: 1,
    leadSeconds: null,
  });
  return { bytes: new TextEncoder().encode(text), did: seller.did };
}

function used(collect: () => void): number {
  collect();
  collect();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}
