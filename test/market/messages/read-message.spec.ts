import assert from 'node:assert/strict';
import { signDocument, signProofSet } from '../../../lib/evidence';
import {
  LONGEST_VALIDITY,
  MESSAGE_TYPES,
  type MessageOf,
  type MessageType,
  MOST_MESSAGE_BYTES,
  messageDocument,
  type Reader,
  readMessage,
  readOldMessage,
  type SignedMessage,
} from '../../../lib/market';
import {
  BEGIN,
  BUYER,
  CALL_BODY,
  type Machine,
  messagesOfADeal,
  NETWORK,
  PROPOSAL_BODY,
  RIVAL,
  SECOND,
  SELLER,
} from '../deal';

const DEAL = messagesOfADeal();
const NOW = BEGIN + 10 * SECOND;
const SKEW = 60 * SECOND;

const readerFor = (did: string, now = NOW): Reader => ({ did, network: NETWORK, now, skew: SKEW });
const readAs = (did: string, text: string | Uint8Array, now = NOW) =>
  readMessage(typeof text === 'string' ? Buffer.from(text) : text, readerFor(did, now));

/** Who it is for; a card or a call is for everybody. */
const readerOf = ({ message }: SignedMessage) => message.to ?? RIVAL.did;

function assertRefused(read: ReturnType<typeof readMessage>, reason: string, what = ''): void {
  assert.ok('refused' in read, `${what} was taken`);
  assert.equal(read.refused, reason, what);
}

/** The text of a document after something was done to it. */
function changed(text: string, change: (document: Record<string, unknown>) => void): string {
  const document = JSON.parse(text) as Record<string, unknown>;
  change(document);
  return JSON.stringify(document);
}

describe('a message of the marketplace', () => {
  for (const [name, signed] of Object.entries(DEAL)) {
    it(`is read as it was written: ${name}`, () => {
      assert.deepEqual(readAs(readerOf(signed), signed.text, Date.parse(signed.message.at)), signed);
    });
  }

  it('has a good example of every type here', () => {
    const types = new Set(Object.values(DEAL).map(({ message }) => message.type));
    assert.deepEqual([...types].sort(), [...MESSAGE_TYPES].sort());
  });

  it('has one hash, however its text is spaced and ordered', () => {
    const loose = `\n${JSON.stringify(Object.fromEntries(Object.entries(JSON.parse(DEAL.call.text)).reverse()), null, 2)} `;
    assert.notEqual(loose, DEAL.call.text);
    assert.deepEqual(readAs(SELLER.did, loose), DEAL.call);
  });

  it('is refused when any value in it is another one', () => {
    for (const [name, signed] of Object.entries(DEAL)) {
      let count = 0;
      for (const text of mutations(signed.text)) {
        const read = readAs(readerOf(signed), text, Date.parse(signed.message.at));
        assert.ok('refused' in read, `${name}: ${text}`);
        count += 1;
      }
      assert.ok(count >= 15, `${name}: ${count} mutations`);
    }
  });

  it('is refused when a member is missing, or one more is there, at any place', () => {
    for (const [name, signed] of Object.entries(DEAL)) {
      for (const text of [...withOneLess(signed.message), ...withOneMore(signed.message)]) {
        const forged = machineOf(signed).sign(JSON.parse(text) as MessageOf<MessageType>);
        assertRefused(
          readAs(readerOf(signed), forged.text, Date.parse(signed.message.at)),
          'schema',
          `${name}: ${text}`,
        );
      }
    }
  });
});

/** Every single value in turn, and every name of a member. */
function* mutations(text: string): Generator<string> {
  const document = JSON.parse(text) as object;
  for (const holder of holdersIn(document)) {
    for (const name of Object.keys(holder)) {
      const value = holder[name];
      if (typeof value === 'object' && value !== null) continue;
      holder[name] = other(value);
      yield JSON.stringify(document);
      holder[name] = value;
    }
  }
}

function other(value: unknown): unknown {
  if (typeof value === 'string')
    return /[0-9]$/.test(value) ? value.replace(/.$/, (last) => (last === '1' ? '2' : '1')) : `${value}a`;
  if (typeof value === 'number') return value + 1;
  return typeof value === 'boolean' ? !value : 'x';
}

/** Free for their authors to fill. */
const FREE = new Set(['parameters']);

function* withOneLess(message: object): Generator<string> {
  const copy = structuredClone(message);
  for (const holder of holdersIn(copy, FREE)) {
    for (const name of Object.keys(holder)) {
      // Without these it is not even said what it should be.
      if (holder === (copy as unknown) && ['v', 'type', 'expires', 'at'].includes(name)) continue;
      const value = holder[name];
      delete holder[name];
      yield JSON.stringify(copy);
      holder[name] = value;
    }
  }
}

function* withOneMore(message: object): Generator<string> {
  const copy = structuredClone(message);
  for (const holder of holdersIn(copy, FREE)) {
    holder['payTo'] = 'rms1qqqq';
    yield JSON.stringify(copy);
    delete holder['payTo'];
  }
}

function* holdersIn(value: object, free: ReadonlySet<string> = new Set()): Generator<Record<string, unknown>> {
  if (!Array.isArray(value)) yield value as Record<string, unknown>;
  for (const [name, inner] of Object.entries(value))
    if (typeof inner === 'object' && inner !== null && !free.has(name)) yield* holdersIn(inner, free);
}

const machineOf = ({ message }: SignedMessage): Machine => (message.from === BUYER.did ? BUYER : SELLER);

describe('a message that is no message', () => {
  it('is refused before it is read when it is too large', () => {
    const big = BUYER.says('call', { ...CALL_BODY, parameters: 'x'.repeat(60_000) });
    assert.ok(!('refused' in readAs(SELLER.did, big.text)));
    const spaced = (bytes: number) => big.text + ' '.repeat(bytes - Buffer.byteLength(big.text));
    assert.ok(!('refused' in readAs(SELLER.did, spaced(MOST_MESSAGE_BYTES))));
    assertRefused(readAs(SELLER.did, spaced(MOST_MESSAGE_BYTES + 1)), 'too-large');
  });

  it('is refused when it is no JSON, or JSON that two readers could understand differently', () => {
    const { text } = DEAL.call;
    const hostile: Record<string, string | Uint8Array> = {
      nothing: '',
      'no JSON': 'hello',
      'not UTF-8': Buffer.from([0x7b, 0xff, 0x7d]),
      'a text with a byte that is none': Buffer.from(text.replace('B-ME', 'B\u00ffME'), 'latin1'),
      'a byte order mark': `\ufeff${text}`,
      'a number': '7',
      null: 'null',
      'half of it': text.slice(0, text.length / 2),
      'a member twice': text.replace('"v":1', '"v":1,"v":1'),
      'a body twice': text.replace('"body":', '"body":{},"body":'),
      __proto__: text.replace('"v":1', '"v":1,"__proto__":{"v":1}'),
      'an escaped __proto__': text.replace('"v":1', '"v":1,"__pr\\u006fto__":{"v":1}'),
      'a lone surrogate': text.replace('B-ME', '\\ud800'),
      'a number beyond all': text.replace('3.5', '1e999'),
      'a bottomless list': `${'['.repeat(30_000)}${']'.repeat(30_000)}`,
      'bottomless parameters': text.replace('"B-ME 2026"', `${'['.repeat(70)}${']'.repeat(70)}`),
      'an integer of more digits than a number keeps': text.replace('"B-ME 2026"', '12345678901234567890123'),
    };
    for (const [what, bytes] of Object.entries(hostile)) {
      assertRefused(readAs(SELLER.did, bytes), 'not-json', what);
    }
    assertRefused(readAs(SELLER.did, `[${text}]`), 'schema', 'a list');
    assert.equal(({} as { v?: unknown }).v, undefined);
  });

  it('is refused when it is written in a later version, whatever else is in it', () => {
    for (const v of [2, 0, 1.5]) assertRefused(readAs(SELLER.did, `{"v":${v},"anything":true}`), 'version', String(v));
    for (const v of ['"1"', 'null', 'true', '[1]']) assertRefused(readAs(SELLER.did, `{"v":${v}}`), 'schema', v);
  });

  it('is refused when its type is none', () => {
    for (const type of ['"invoice"', '"constructor"', '"__proto__"', '7', 'null', '["call"]'])
      assertRefused(readAs(SELLER.did, `{"v":1,"type":${type}}`), 'schema', type);
  });

  it('says of itself only what has the right form', () => {
    const claims = (document: object) => {
      const read = readAs(SELLER.did, JSON.stringify({ v: 2, ...document }));
      return 'refused' in read ? read.claimed : undefined;
    };
    const contractId = DEAL.call.hash;
    assert.deepEqual(claims({ type: 'paid', contractId, from: BUYER.did, to: 7, body: {} }), {
      type: 'paid',
      contractId,
      from: BUYER.did,
    });
    const wrong = { type: '<b>', contractId: contractId.toUpperCase(), from: `${BUYER.did}<script>` };
    assert.deepEqual(claims(wrong), {});
    assert.deepEqual(claims({ type: {}, contractId: [contractId], from: null }), {});
  });
});

describe('the signature of a message', () => {
  const message = DEAL.proposal.message;
  const document = messageDocument(message);
  const facts = (machine: Machine) => ({ signer: machine.key, created: NOW, sequence: 0 });

  it('is that of its sender and of nobody else', () => {
    const forged = signDocument(document, 'data-integrity', facts(RIVAL));
    assertRefused(readAs(BUYER.did, forged), 'signature', 'signed by another');
    const renamed = changed(forged, (parts) => {
      (parts['proof'] as { verificationMethod: string }).verificationMethod = methodOf(SELLER);
    });
    assertRefused(readAs(BUYER.did, renamed), 'signature', 'in the name of the sender');
  });

  it('is one, and not one of several', () => {
    const both = signProofSet(document, [facts(SELLER), facts(RIVAL)]);
    assertRefused(readAs(BUYER.did, both), 'schema');
    const alone = signProofSet(document, [facts(SELLER)]);
    assertRefused(readAs(BUYER.did, alone), 'schema', 'a list of one would be a second text of the same message');
  });

  it('is there', () => {
    assertRefused(readAs(BUYER.did, document.text), 'schema', 'none');
    const jws = signDocument(document, 'jws', facts(SELLER));
    assertRefused(readAs(BUYER.did, jws), 'not-json', 'a JWS');
  });

  it('covers all of it', () => {
    for (const member of ['@context', 'previousProof', 'domain', 'challenge', 'expires']) {
      const more = changed(DEAL.proposal.text, (parts) => {
        (parts['proof'] as Record<string, unknown>)[member] = 'https://www.w3.org/ns/credentials/v2';
      });
      assertRefused(readAs(BUYER.did, more), 'schema', member);
    }
    const context = changed(DEAL.proposal.text, (parts) => {
      parts['@context'] = 'https://www.w3.org/ns/credentials/v2';
    });
    assertRefused(readAs(BUYER.did, context), 'schema');
  });

  it('may come from somebody who keeps no log', () => {
    const text = signDocument(document, 'data-integrity', { signer: SELLER.key, created: NOW });
    assert.ok(!('refused' in readAs(BUYER.did, text)));
  });
});

const methodOf = ({ did }: Machine) => `${did}#${did.slice('did:key:'.length)}`;

describe('a message that is not for us', () => {
  it('is one of another network', () => {
    const text = SELLER.says('proposal', PROPOSAL_BODY, {
      network: 'sandbox-2',
      to: BUYER.did,
      contractId: DEAL.call.hash,
      previous: DEAL.call.hash,
    }).text;
    assertRefused(readAs(BUYER.did, text), 'network');
  });

  it('is one to somebody else, and our own', () => {
    assertRefused(readAs(RIVAL.did, DEAL.proposal.text), 'not-for-us');
    assertRefused(readAs(SELLER.did, DEAL.proposal.text), 'not-for-us');
    assertRefused(readAs(BUYER.did, DEAL.call.text), 'not-for-us');
    const toItself = SELLER.says('proposal', PROPOSAL_BODY, {
      to: SELLER.did,
      contractId: DEAL.call.hash,
      previous: DEAL.call.hash,
    });
    assertRefused(readAs(SELLER.did, toItself.text), 'not-for-us');
  });

  it('is one of a type that has no business where it was found', () => {
    const read = (types: readonly MessageType[]) =>
      readMessage(Buffer.from(DEAL.call.text), { ...readerFor(SELLER.did), types });
    assert.ok(!('refused' in read(['call', 'offer'])));
    assertRefused(read(['offer']), 'not-for-us');
    assertRefused(read([]), 'not-for-us');
  });
});

describe('the time of a message', () => {
  const { at, expires } = DEAL.proposal.message;
  const from = Date.parse(at);
  const until = Date.parse(expires);

  it('begins and ends, give or take what clocks may differ', () => {
    const { text } = DEAL.proposal;
    assert.ok(!('refused' in readAs(BUYER.did, text, from - SKEW)));
    assertRefused(readAs(BUYER.did, text, from - SKEW - 1), 'clock');
    assert.ok(!('refused' in readAs(BUYER.did, text, until + SKEW)));
    assertRefused(readAs(BUYER.did, text, until + SKEW + 1), 'expired');
  });

  it('is at most a week, and more than nothing', () => {
    const lasting = (milliseconds: number) =>
      BUYER.says('call', CALL_BODY, { at: NOW, expires: NOW + milliseconds }).text;
    assert.ok(!('refused' in readAs(SELLER.did, lasting(1))));
    assert.ok(!('refused' in readAs(SELLER.did, lasting(LONGEST_VALIDITY))));
    for (const milliseconds of [0, -1, LONGEST_VALIDITY + 1])
      assertRefused(readAs(SELLER.did, lasting(milliseconds)), 'schema', String(milliseconds));
  });

  it('has one spelling', () => {
    for (const time of [
      '2026-05-04T12:00:00Z',
      '2026-05-04T12:00:00.000+00:00',
      '2026-05-04t12:00:00.000z',
      '2026-05-04 12:00:00.000Z',
      '2026-02-30T12:00:00.000Z',
      '2026-05-04T24:00:00.000Z',
      '2026-05-04T12:00:60.000Z',
      '+002026-05-04T12:00:00.000Z',
      '2026-05-04T12:00:00.000Z\n',
      '',
    ]) {
      const message = { ...BUYER.message('call', CALL_BODY), at: time };
      assertRefused(readAs(SELLER.did, BUYER.sign(message).text), 'schema', time);
    }
  });
});

describe('a message of a contract that is over', () => {
  it('is read as it was, whoever it was for and however long ago', () => {
    for (const signed of Object.values(DEAL)) assert.deepEqual(readOldMessage(JSON.parse(signed.text)), signed);
  });

  it('is refused like a new one when it is none, or was changed', () => {
    assertRefused(readOldMessage(undefined), 'not-json');
    assertRefused(readOldMessage({ v: 1n }), 'not-json');
    assertRefused(readOldMessage('text'), 'not-json');
    assertRefused(readOldMessage({ v: 1, type: 'call' }), 'schema');
    const forged = JSON.parse(DEAL.paid.text.replace('"amount":"750003"', '"amount":"750004"')) as object;
    assertRefused(readOldMessage(forged), 'signature');
  });
});
