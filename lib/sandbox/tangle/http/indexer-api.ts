import type { JSValue } from 'node-sqlite3-wasm';
import { hashOfAddress } from '../../../values';
import { bytesOf, MAX_TAG_BYTES } from '../codec';
import type { Tangle } from '../tangle';
import { type Answer, HttpError, json } from './answer';
import { numberParameter, path, type Request, type Route } from './router';

const BASE = '/api/indexer/v1/outputs';
const MAX_PAGE_SIZE = 1_000;
// Booking time in 8 hex digits, and the output id in 68.
const CURSOR = /^([0-9a-f]{8})([0-9a-f]{68})\.(\d{1,10})$/i;

type Condition = { readonly sql: string; readonly values: readonly JSValue[] };
type Filter = (tangle: Tangle, value: string, name: string) => Condition;

/** Query parameters of inx-indexer, and what each means for the table of unspent outputs. */
const BASIC_FILTERS: Record<string, Filter> = {
  address: byAddress('address = ?'),
  sender: byAddress('sender = ?'),
  tag: (_, value, name) => ({ sql: 'tag = ?', values: [tagOf(value, name)] }),
  unlockableByAddress: byAddress('(address = ? OR expiration_address = ? OR return_address = ?)', 3),
  storageDepositReturnAddress: byAddress('return_address = ?'),
  expirationReturnAddress: byAddress('expiration_address = ?'),
  hasStorageDepositReturn: byPresence('return_address'),
  hasExpiration: byPresence('expiration'),
  hasTimelock: byPresence('timelock'),
  expiresBefore: byTime('expiration <'),
  expiresAfter: byTime('expiration >'),
  timelockedBefore: byTime('timelock <'),
  timelockedAfter: byTime('timelock >'),
  createdBefore: byTime('booked_at <'),
  createdAfter: byTime('booked_at >'),
  hasNativeTokens: (_, value, name) => ({ sql: flag(value, name) ? 'token_count > 0' : 'token_count = 0', values: [] }),
  minNativeTokenCount: (_, value, name) => ({ sql: 'token_count >= ?', values: [numberParameter(value, 64, name)] }),
  maxNativeTokenCount: (_, value, name) => ({ sql: 'token_count <= ?', values: [numberParameter(value, 64, name)] }),
};

const COMBINED_FILTERS = [
  'unlockableByAddress',
  'createdBefore',
  'createdAfter',
  'hasNativeTokens',
  'minNativeTokenCount',
  'maxNativeTokenCount',
];

/** The routes of inx-indexer. This network has basic outputs only, so the others are always none. */
export function indexerRoutes(tangle: Tangle): Route[] {
  const get = (pattern: string, answer: Route['answer']): Route => ({
    method: 'GET',
    path: path(BASE + pattern),
    answer,
  });
  const none = (request: Request) => {
    const { pageSize } = pageOf(request.query);
    return json({ ledgerIndex: tangle.latest.index, pageSize, items: [] });
  };
  const unknown = () => {
    throw new HttpError(404, 'record not found');
  };
  return [
    get('', (request) => search(tangle, request.query, COMBINED_FILTERS)),
    get('/basic', (request) => search(tangle, request.query, Object.keys(BASIC_FILTERS))),
    ...['alias', 'nft', 'foundry'].flatMap((kind) => [get(`/${kind}`, none), get(`/${kind}/:id`, unknown)]),
  ];
}

function search(tangle: Tangle, query: URLSearchParams, allowed: readonly string[]): Answer {
  const conditions: Condition[] = [];
  for (const name of allowed) {
    const value = query.get(name);
    if (value) conditions.push(BASIC_FILTERS[name]!(tangle, value, name));
  }
  const { pageSize, from } = pageOf(query);
  if (from) conditions.push({ sql: '(booked_at, id) >= (?, ?)', values: [from.bookedAt, from.id] });
  const where = ['spent_index IS NULL', ...conditions.map(({ sql }) => sql)].join(' AND ');
  // One more than the page: it is where the next page begins.
  const sql = `SELECT id, booked_at FROM outputs WHERE ${where} ORDER BY booked_at, id LIMIT ?`;
  const rows = tangle.store.database.all(sql, [...conditions.flatMap(({ values }) => values), pageSize + 1]);
  const ids = rows.map(({ id }) => Buffer.from(id as Uint8Array).toString('hex'));
  const next = rows[pageSize];
  return json({
    ledgerIndex: tangle.latest.index,
    pageSize,
    ...(next && { cursor: `${Number(next.booked_at).toString(16).padStart(8, '0')}${ids[pageSize]}.${pageSize}` }),
    items: ids.slice(0, pageSize).map((id) => `0x${id}`),
  });
}

interface Page {
  readonly pageSize: number;
  readonly from?: { readonly bookedAt: number; readonly id: Buffer };
}

function pageOf(query: URLSearchParams): Page {
  const cursor = query.get('cursor');
  if (cursor) {
    const [, bookedAt, id, size] = CURSOR.exec(cursor) ?? [];
    if (!bookedAt || !id || !size) throw new HttpError(400, 'query parameter cursor has wrong format');
    const pageSize = Math.max(1, Math.min(Number(size), MAX_PAGE_SIZE));
    return { pageSize, from: { bookedAt: Number.parseInt(bookedAt, 16), id: Buffer.from(id, 'hex') } };
  }
  // What is no page size is ignored, as inx-indexer does.
  const size = Number(query.get('pageSize') ?? MAX_PAGE_SIZE);
  return { pageSize: Number.isInteger(size) && size > 0 && size < MAX_PAGE_SIZE ? size : MAX_PAGE_SIZE };
}

function byAddress(sql: string, times = 1): Filter {
  return (tangle, value, name) => ({
    sql,
    values: Array.from({ length: times }, () => addressOf(tangle, value, name)),
  });
}

function byPresence(column: string): Filter {
  return (_, value, name) => ({ sql: `${column} IS ${flag(value, name) ? 'NOT ' : ''}NULL`, values: [] });
}

function byTime(comparison: string): Filter {
  return (_, value, name) => ({ sql: `${comparison} ?`, values: [numberParameter(value, 0xffff_ffff, name)] });
}

function addressOf(tangle: Tangle, value: string, name: string): Buffer {
  try {
    const hash = hashOfAddress(value, { kind: 'bech32', prefix: tangle.parameters.bech32Hrp });
    return Buffer.from([0, ...hash]);
  } catch {
    throw new HttpError(400, `invalid address: ${value.slice(0, 120)}, query parameter ${name}`);
  }
}

function tagOf(value: string, name: string): Buffer {
  if (/^0x([0-9a-f]{2})+$/i.test(value) && value.length <= 2 + 2 * MAX_TAG_BYTES)
    return bytesOf(value.toLowerCase() as `0x${string}`);
  throw new HttpError(400, `invalid hex in query parameter ${name}`);
}

function flag(value: string, name: string): boolean {
  if (/^(true|1|t)$/i.test(value)) return true;
  if (/^(false|0|f)$/i.test(value)) return false;
  throw new HttpError(400, `invalid boolean in query parameter ${name}`);
}
