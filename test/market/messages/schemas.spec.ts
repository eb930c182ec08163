import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { compileSchema } from '../../../lib/evidence';
import { MESSAGE_SCHEMAS, MESSAGE_TYPES, type MessageOf, type MessageType, readOldMessage } from '../../../lib/market';
import { CANCEL_REASONS, REJECT_REASONS, UNITS } from '../../../lib/market/messages/message';
import { BUYER, type Machine, messagesOfADeal, SELLER } from '../deal';

const NAMES = [...MESSAGE_TYPES, 'envelope', 'contract'];
const FOLDER = join(__dirname, '..', '..', '..', 'schemas');
const DEAL = messagesOfADeal();

type Json = { readonly [name: string]: unknown };
const schema = (name: string) => JSON.parse(readFileSync(join(FOLDER, `${name}.json`), 'utf8')) as Json;

/** Whether a message with other values in its body would be taken, signed by the same machine. */
function takes(signed: { readonly message: MessageOf<MessageType> }, values: object): boolean {
  const message = structuredClone(signed.message) as { body: object };
  Object.assign(message.body, values);
  return isTaken(message as unknown as MessageOf<MessageType>);
}

function isTaken(message: MessageOf<MessageType>): boolean {
  const machine: Machine = message.from === BUYER.did ? BUYER : SELLER;
  return !('refused' in readOldMessage(JSON.parse(machine.sign(message).text)));
}

function assertTakes(
  signed: { readonly message: MessageOf<MessageType> },
  member: string,
  good: unknown[],
  bad: unknown[],
) {
  for (const value of good) assert.ok(takes(signed, { [member]: value }), `${member}: ${JSON.stringify(value)}`);
  for (const value of bad) assert.ok(!takes(signed, { [member]: value }), `${member}: ${JSON.stringify(value)}`);
}

const AMOUNTS = {
  good: ['1', '750003', '9'.repeat(20)],
  bad: ['0', '-1', '01', '1.5', '1 IOTA', '1e3', '0x1', '', '1\n', '9'.repeat(21), 1, null],
};
const QUANTITIES = {
  good: ['1', '0.000000001', '2.5', '999999999.999999999'],
  bad: [
    '',
    '1.0',
    '1.',
    '.5',
    '01',
    '-1',
    '+1',
    '1e3',
    '1,5',
    '0.0000000001',
    '1000000000',
    '١',
    'NaN',
    'Infinity',
    1,
    null,
  ],
};
const SERVICES = {
  good: ['a', '7', 'parking.hour', 'spare-part_9', 'x'.repeat(64)],
  bad: ['', 'a/b', 'a+', '#', '.a', '-a', 'Parking', 'parkplatz zoo', 'ä', 'x'.repeat(65), 'a\n', null, 7],
};
const PLACES = {
  good: [null, { lat: -90, lng: 180 }, { lat: 0, lng: 0 }],
  bad: [
    { lat: 90.1, lng: 0 },
    { lat: 0, lng: -180.1 },
    { lat: '1', lng: '2' },
    { lat: 1 },
    { lat: 1, lng: 2, alt: 3 },
    [1, 2],
    '1,2',
  ],
};
const SECONDS = { good: [null, 0, 31_622_400], bad: [-1, 0.5, 31_622_401, '5', Number.MAX_SAFE_INTEGER] };
const TITLES = { good: ['', 'x'.repeat(200), '<b>'], bad: ['x'.repeat(201), null, 5] };
const TOKENS = { good: ['IOTA', '0x2::iota::IOTA'], bad: ['', 'x y', 'x'.repeat(101), '\u202eATOI', null] };
const DECIMALS = { good: [0, 6, 18], bad: [-1, 19, 1.5, '6', null] };
const TIMES = {
  good: ['2026-05-04T12:00:00.000Z'],
  bad: ['2026-05-04', '2026-02-30T12:00:00.000Z', 1_777_000_000_000, ''],
};
const TRANSACTIONS = { good: ['0xabc', 'x'.repeat(100)], bad: ['', 'a b', '../x', '<x>', 'x'.repeat(101), null] };
const TEXTS = { good: [null, '', 'x'.repeat(2000)], bad: ['x'.repeat(2001), 7, {}] };

describe('the schema of', () => {
  it('an offer', () => {
    assertTakes(DEAL.offer, 'service', SERVICES.good, SERVICES.bad);
    assertTakes(DEAL.offer, 'title', TITLES.good, TITLES.bad);
    assertTakes(DEAL.offer, 'unit', [...UNITS], ['', 'hours', 'constructor', null]);
    assertTakes(
      DEAL.offer,
      'price',
      [null, ...AMOUNTS.good],
      AMOUNTS.bad.filter((value) => value !== null),
    );
    assertTakes(DEAL.offer, 'token', TOKENS.good, TOKENS.bad);
    assertTakes(DEAL.offer, 'decimals', DECIMALS.good, DECIMALS.bad);
    assertTakes(DEAL.offer, 'place', PLACES.good, PLACES.bad);
    assertTakes(DEAL.offer, 'parameters', [null, {}, { $ref: 'https://example.com/' }], ['{}', [], true]);
    assertTakes(DEAL.offer, 'capacity', [1, 1_000_000], [0, -1, 1.5, 1_000_001, null, '1']);
    assertTakes(DEAL.offer, 'leadSeconds', SECONDS.good, SECONDS.bad);
  });

  it('a call', () => {
    assertTakes(DEAL.call, 'service', SERVICES.good, SERVICES.bad);
    assertTakes(DEAL.call, 'parameters', [null, 7, 'text', [1, { a: null }], { type: 'x', v: 2, constructor: {} }], []);
    assertTakes(DEAL.call, 'quantity', QUANTITIES.good, ['0', ...QUANTITIES.bad]);
    assertTakes(
      DEAL.call,
      'maxPrice',
      [null, ...AMOUNTS.good],
      AMOUNTS.bad.filter((value) => value !== null),
    );
    assertTakes(DEAL.call, 'near', PLACES.good, PLACES.bad);
    assertTakes(DEAL.call, 'maxDistance', [null, 0.001, 40_000], [0, -1, 40_001, '5', 1e300]);
    assertTakes(DEAL.call, 'deliverWithin', [null, 1, 31_622_400], [0, -1, 1.5, 31_622_401, '60']);
  });

  it('a proposal', () => {
    assertTakes(DEAL.proposal, 'service', SERVICES.good, SERVICES.bad);
    assertTakes(DEAL.proposal, 'title', TITLES.good, TITLES.bad);
    assertTakes(DEAL.proposal, 'unit', [...UNITS], ['week', null]);
    assertTakes(DEAL.proposal, 'price', AMOUNTS.good, AMOUNTS.bad);
    assertTakes(DEAL.proposal, 'amount', AMOUNTS.good, AMOUNTS.bad);
    assertTakes(DEAL.proposal, 'quantity', QUANTITIES.good, ['0', ...QUANTITIES.bad]);
    assertTakes(DEAL.proposal, 'token', TOKENS.good, TOKENS.bad);
    assertTakes(DEAL.proposal, 'decimals', DECIMALS.good, DECIMALS.bad);
    assertTakes(DEAL.proposal, 'place', PLACES.good, PLACES.bad);
    assertTakes(DEAL.proposal, 'leadSeconds', SECONDS.good, SECONDS.bad);
    assertTakes(DEAL.proposal, 'payWithin', [1, 604_800], [0, -1, 0.5, 604_801, null, '60']);
  });

  it('an accept', () => {
    assertTakes(DEAL.taken, 'amount', AMOUNTS.good, AMOUNTS.bad);
    assertTakes(DEAL.confirmed, 'payBy', [null, ...TIMES.good], TIMES.bad);
  });

  it('a reject', () => {
    assertTakes(DEAL.reject, 'reason', [...REJECT_REASONS], ['', 'toString', 'silent', null]);
    assertTakes(DEAL.reject, 'text', TEXTS.good, TEXTS.bad);
  });

  it('a message that says paid', () => {
    assertTakes(DEAL.paid, 'amount', AMOUNTS.good, AMOUNTS.bad);
    const reference = `me1:${'0'.repeat(32)}`;
    assertTakes(
      DEAL.paid,
      'reference',
      [reference],
      [`${reference}0`, `${reference}/refund`, reference.toUpperCase(), ''],
    );
    assertTakes(DEAL.paid, 'transactionId', TRANSACTIONS.good, TRANSACTIONS.bad);
  });

  it('a message that says delivered', () => {
    assertTakes(DEAL.delivered, 'final', [true, false], ['true', 1, null]);
    assertTakes(DEAL.delivered, 'quantity', ['0', ...QUANTITIES.good], QUANTITIES.bad);
    assertTakes(DEAL.delivered, 'startedAt', TIMES.good, [null, ...TIMES.bad]);
    assertTakes(DEAL.delivered, 'endedAt', [null, ...TIMES.good], TIMES.bad);
  });

  it('a message that says complete', () => {
    assertTakes(DEAL.complete, 'stoppedAt', [null, ...TIMES.good], TIMES.bad);
  });

  it('a cancel', () => {
    assertTakes(DEAL.cancel, 'reason', [...CANCEL_REASONS], ['', 'valueOf', 'not-chosen', null]);
    assertTakes(DEAL.cancel, 'text', TEXTS.good, TEXTS.bad);
    const refund = { amount: '5', transactionId: '0xabc', of: ['0xdef'] };
    const refunds = (values: object) => ({ ...refund, ...values });
    assertTakes(
      DEAL.cancel,
      'refund',
      [null, refund, refunds({ of: Array.from({ length: 100 }, (_, n) => `0x${n}`) })],
      [
        {},
        'all',
        refunds({ of: [] }),
        refunds({ of: Array.from({ length: 101 }, (_, n) => `0x${n}`) }),
        refunds({ of: '0xdef' }),
        refunds({ of: [''] }),
        refunds({ to: 'rms1q' }),
        ...AMOUNTS.bad.map((amount) => refunds({ amount })),
        ...TRANSACTIONS.bad.map((transactionId) => refunds({ transactionId })),
      ],
    );
  });

  it('what every message has', () => {
    const { message } = DEAL.proposal;
    const having = (values: object) => isTaken({ ...message, ...values } as MessageOf<MessageType>);
    assert.ok(having({}));
    for (const id of ['', message.id.toUpperCase(), message.id.replace('-7', '-4'), `${message.id}0`, 7])
      assert.ok(!having({ id }));
    for (const hash of [null, '', message.contractId.toUpperCase(), `${message.contractId}0`, 7]) {
      assert.ok(!having({ contractId: hash }));
      assert.ok(!having({ previous: hash }));
    }
    for (const to of [
      null,
      '',
      'did:web:example.com',
      `${message.to}x`,
      message.to.replace('z6Mk', 'z6Ml'),
      [message.to],
    ])
      assert.ok(!having({ to }), String(to));
    for (const network of ['', 'x'.repeat(201), null, 7]) assert.ok(!having({ network }));
    for (const body of [null, [], 'body', 7]) assert.ok(!having({ body }));
  });

  it('a card or a call is for everybody, and answers nothing', () => {
    for (const { message } of [DEAL.offer, DEAL.call]) {
      for (const values of [{ to: RECIPIENT }, { contractId: DEAL.call.hash }, { previous: DEAL.call.hash }])
        assert.ok(!isTaken({ ...message, ...values } as unknown as MessageOf<MessageType>));
    }
  });

  it('one type does not let the body of another pass', () => {
    const signed = Object.values(DEAL);
    for (const { message } of signed) {
      for (const { message: other } of signed) {
        if (other.type === message.type) continue;
        assert.ok(
          !isTaken({ ...message, body: other.body } as MessageOf<MessageType>),
          `${message.type} ${other.type}`,
        );
      }
    }
  });
});

const RECIPIENT = DEAL.proposal.message.to;

describe('the published schemas', () => {
  it('are one for each type, one for what all have, and one for a contract', () => {
    const files = readdirSync(FOLDER).sort();
    assert.deepEqual(files, NAMES.map((name) => `${name}.json`).sort());
    for (const type of MESSAGE_TYPES) assert.deepEqual(MESSAGE_SCHEMAS[type], schema(type));
  });

  it('say what they are, in the version that they are written in', () => {
    const ids = NAMES.map((name) => {
      const { $schema, $id, title } = schema(name);
      assert.equal($schema, 'https://json-schema.org/draft/2020-12/schema');
      assert.ok(title, name);
      return $id;
    });
    assert.equal(new Set(ids).size, ids.length);
  });

  it('know the words that the code knows', () => {
    const { properties, $defs } = schema('envelope') as { properties: { type: Json }; $defs: { unit: Json } };
    assert.deepEqual(properties.type['enum'], MESSAGE_TYPES);
    assert.deepEqual($defs.unit['enum'], UNITS);
    const reasons = (type: string) =>
      (schema(type) as { properties: { body: { properties: { reason: Json } } } }).properties.body.properties.reason[
        'enum'
      ];
    assert.deepEqual(reasons('reject'), REJECT_REASONS);
    assert.deepEqual(reasons('cancel'), CANCEL_REASONS);
  });

  it('know of a contract what they know of a message', () => {
    const words = (name: string) => schema(name)['$defs'] as Json;
    const shared = Object.keys(words('contract')).filter((name) => name in words('envelope'));
    assert.ok(shared.length >= 10);
    for (const name of shared) assert.deepEqual(words('contract')[name], words('envelope')[name], name);
  });

  it('bound every text, number and list, and leave no object open', () => {
    for (const name of NAMES) {
      for (const [path, part] of partsOf(schema(name), name)) {
        const types = [part['type']].flat();
        const has = (...keywords: string[]) => keywords.some((keyword) => keyword in part);
        if (types.includes('string')) assert.ok(has('maxLength', 'pattern'), path);
        if (types.includes('number') || types.includes('integer')) {
          assert.ok(has('minimum', 'exclusiveMinimum') && has('maximum'), path);
        }
        if (types.includes('array')) assert.ok(has('maxItems') && has('items'), path);
        const isOpen = path.endsWith('/body') && name === 'envelope';
        // Of an author's own, and the signed documents, each of which has a schema.
        const isTheirs = /\/(parameters|messages\/items)$/.test(path);
        if (types.includes('object') && !isOpen && !isTheirs) {
          assert.equal(part['additionalProperties'], false, path);
          assert.ok(has('required'), path);
        }
        if (typeof part['pattern'] === 'string') assert.match(part['pattern'], /^\^.*\$$/, path);
      }
    }
  });

  it('can be used by others as they are', () => {
    // Everything in one, as somebody would who has no resolver of references.
    const envelope = schema('envelope');
    for (const { message, text } of Object.values(DEAL)) {
      const own = schema(message.type);
      const { $id, $schema, ...inner } = own;
      const check = compileSchema({
        $schema,
        $id,
        ...inner,
        $defs: { ...(own['$defs'] as Json), envelope },
      });
      check(JSON.parse(text));
    }
  });
});

function* partsOf(value: unknown, path: string): Generator<[string, Json]> {
  if (typeof value !== 'object' || value === null) return;
  if (!Array.isArray(value) && !/\/(properties|\$defs)$/.test(path)) yield [path, value as Json];
  for (const [name, inner] of Object.entries(value)) yield* partsOf(inner, `${path}/${name}`);
}
