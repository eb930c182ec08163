import assert from 'node:assert/strict';
import { CodedError } from '../../lib/errors';
import type { Verification } from '../../lib/evidence';
import { DID, EVIDENCE, type FakeMachine, type FakeVerification, UNREACHABLE, VALID } from './fake-runtime';
import {
  deploy,
  fake,
  helper,
  LEDGER,
  MACHINE,
  messagesOf,
  nextMessage,
  nextStatus,
  type Received,
  settled,
  sink,
  start,
  stop,
  TAB,
} from './palette';

const FRIEND = 'did:key:z6MkrkhLDn2XqjbDPhmvZk5J3GNwGyN56RUUun385EjCXZ5t';
const VERIFY = {
  id: 'verify',
  type: 'iota-verify-data',
  z: 'tab',
  ledger: '',
  machine: '',
  requireAnchor: false,
  trusted: [FRIEND],
  successions: '',
  wires: [['valid'], ['invalid']],
};
const CATCH = { id: 'catcher', type: 'catch', z: 'tab', scope: null, wires: [['caught']] };
const READER = { ...MACHINE, contacts: { boiler: FRIEND } };

const flow = (verify: object = {}) => [
  TAB,
  LEDGER,
  READER,
  { ...VERIFY, ...verify },
  CATCH,
  sink('valid'),
  sink('invalid'),
  sink('caught'),
];

const DOCUMENT = { celsius: 71, proof: { proofValue: 'z' } };
const INVALID: Verification = {
  ...VALID,
  valid: false,
  problems: [
    { code: 'PAYLOAD_CHANGED', message: 'the payload was changed', document: 3, parameters: { signer: DID } },
    { code: 'SEQUENCE_GAP', message: 'something is missing', parameters: { missing: 2 } },
  ],
  problemCount: 2,
};
const machine = () => fake.machines.at(-1) as FakeMachine;

async function verify(message: object): Promise<FakeVerification> {
  const asked = new Promise<FakeVerification>((resolve) => {
    fake.onVerification = resolve;
  });
  helper.getNode('verify').receive(message as never);
  return asked;
}

describe('a verify-data node', () => {
  afterEach(stop);

  it('sends what is valid on its first output, unchanged, with the verdict beside it', async () => {
    await start(flow());
    const received = nextMessage('valid');
    const message = { _msgid: 'm1', topic: 'boiler', kept: 1, payload: DOCUMENT, evidence: EVIDENCE };
    const asked = await verify({ ...message });
    assert.deepEqual(asked.request, { payload: DOCUMENT, evidence: EVIDENCE, trusted: [FRIEND], requireAnchor: false });
    assert.equal(asked.ledger, undefined);
    asked.answer();
    const { verification, payload, _msgid, topic, kept, evidence } = await received;
    assert.deepEqual({ payload, _msgid, topic, kept, evidence }, message);
    assert.deepEqual(verification, VALID);
  });

  it('sends what is not valid on its second output, with every problem', async () => {
    await start(flow());
    const [valid, invalid] = [messagesOf('valid'), nextMessage('invalid')];
    (await verify({ payload: DOCUMENT })).answer(INVALID);
    const { verification, payload } = (await invalid) as Received & { verification: Verification };
    assert.deepEqual(payload, DOCUMENT);
    assert.deepEqual(
      verification.problems.map(({ code, message, document }) => ({ code, message, document })),
      [
        { code: 'PAYLOAD_CHANGED', message: 'the payload was changed', document: 3 },
        { code: 'SEQUENCE_GAP', message: 'something is missing', document: undefined },
      ],
    );
    assert.equal(valid.length, 0);
  });

  it('hands over whatever form the payload has: a pair, a list, a text, bytes', async () => {
    await start(flow());
    for (const payload of [
      { document: DOCUMENT, evidence: EVIDENCE },
      [DOCUMENT, DOCUMENT],
      JSON.stringify(DOCUMENT),
      Buffer.from(JSON.stringify(DOCUMENT)),
      'eyJhbGciOiJFZDI1NTE5In0.e30.AAAA',
      undefined,
    ]) {
      const received = nextMessage('valid');
      const asked = await verify({ payload });
      assert.equal(asked.request.payload, payload);
      asked.answer();
      assert.equal((await received).payload, payload);
    }
  });

  it('asks the ledger that it was given, and demands what it was told to', async () => {
    await start(flow({ ledger: 'ledger', requireAnchor: true }));
    const asked = await verify({ payload: DOCUMENT });
    assert.equal(asked.ledger, fake.ledgers[0]);
    assert.equal(asked.request.requireAnchor, true);
  });

  it('judges nothing while the ledger cannot be asked', async () => {
    await start(flow({ ledger: 'ledger' }));
    const [valid, invalid, caught] = [messagesOf('valid'), messagesOf('invalid'), nextMessage('caught')];
    (await verify({ _msgid: 'm1', payload: DOCUMENT })).fail(UNREACHABLE);
    const message = await caught;
    assert.deepEqual([message.error?.code, message._msgid, message.payload], ['LEDGER_UNREACHABLE', 'm1', DOCUMENT]);
    assert.deepEqual([valid.length, invalid.length], [0, 0]);
  });

  it('judges nothing without the ledger that it was given', async () => {
    await start(flow({ ledger: 'gone' }));
    const caught = nextMessage('caught');
    helper.getNode('verify').receive({ payload: DOCUMENT });
    assert.equal((await caught).error?.code, 'CONFIG_INVALID');
    assert.equal(fake.verifications.length, 0);
  });

  it('keeps messages in their order, whichever verdict comes first', async () => {
    await start(flow());
    const seen: (string | undefined)[] = [];
    for (const output of ['valid', 'invalid', 'caught']) {
      helper.getNode(output).on('input', ({ _msgid }) => seen.push(_msgid));
    }
    const asked: FakeVerification[] = [];
    for (const _msgid of ['a', 'b', 'c', 'd']) asked.push(await verify({ _msgid, payload: DOCUMENT }));
    asked[3]?.answer();
    asked[2]?.fail(new CodedError('LEDGER_UNREACHABLE', 'default', 'away'));
    asked[1]?.answer(INVALID);
    await settled();
    assert.deepEqual(seen, []);
    asked[0]?.answer();
    await settled();
    assert.deepEqual(seen, ['a', 'b', 'c', 'd']);
  });
});

describe('whom a verify-data node trusts', () => {
  afterEach(stop);

  it('can be named by identity, by contact and as a machine of this Node-RED', async () => {
    await start(flow({ machine: 'machine', trusted: [FRIEND, 'boiler', 'machine'] }));
    assert.deepEqual((await verify({ payload: DOCUMENT })).request.trusted, [FRIEND, FRIEND, DID]);
  });

  it('is still known while the ledger of that machine is away', async () => {
    await start(flow({ trusted: ['machine'] }));
    (await verify({ payload: DOCUMENT })).answer();
    machine().become({ phase: 'down', error: UNREACHABLE });
    assert.deepEqual((await verify({ payload: DOCUMENT })).request.trusted, [DID]);
  });

  it('is waited for while that machine starts', async () => {
    await start(flow({ trusted: ['machine'] }));
    const ready = machine().state;
    machine().become({ phase: 'starting' });
    helper.getNode('verify').receive({ payload: DOCUMENT });
    await settled();
    assert.equal(fake.verifications.length, 0);
    machine().become(ready);
    await settled();
    assert.deepEqual(fake.verifications[0]?.request.trusted, [DID]);
  });

  it('is anyone where nobody is named, and that shows', async () => {
    await start(flow({ trusted: [] }));
    const shown = nextStatus('verify', 'iota-verify-data.status.validOfAnyone');
    const asked = await verify({ payload: DOCUMENT });
    assert.deepEqual(asked.request.trusted, []);
    asked.answer();
    assert.equal((await shown).fill, 'yellow');
  });

  for (const [why, wrong] of [
    ['a list that is none', { trusted: FRIEND }],
    ['a name that came out empty', { trusted: [''] }],
    ['a name that nobody has', { machine: 'machine', trusted: ['stranger'] }],
    ['a contact without a machine that knows it', { trusted: ['boiler'] }],
    ['statements of succession that are no JSON', { successions: '{' }],
  ] as const) {
    it(`is not guessed from ${why}`, async () => {
      await start(flow(wrong));
      const caught = nextMessage('caught');
      helper.getNode('verify').receive({ payload: DOCUMENT });
      assert.equal((await caught).error?.code, 'CONFIG_INVALID');
      assert.equal(fake.verifications.length, 0);
    });
  }

  it('may have handed over: what the node knows and what the message brings is looked at together', async () => {
    const statements = [{ successor: 'a' }, { successor: 'b' }, { successor: 'c' }];
    await start(flow({ successions: JSON.stringify(statements[0]) }));
    const asked = async (more: object) => (await verify({ payload: DOCUMENT, ...more })).request.successions;
    assert.deepEqual(await asked({}), [statements[0]]);
    assert.deepEqual(await asked({ successions: statements.slice(1) }), statements);
    assert.deepEqual(await asked({ successions: JSON.stringify(statements[2]) }), [statements[0], statements[2]]);
    assert.deepEqual(await asked({ successions: 'a.b.c' }), [statements[0], 'a.b.c']);
  });
});

describe('a verify-data node that is a reader', () => {
  afterEach(stop);
  const sealed = (ciphertext: string) => ({ ciphertext, recipients: [{}], iv: 'i', tag: 't' });
  const reading = flow({ machine: 'machine' });

  async function startReading(): Promise<void> {
    await start(reading);
    for (const name of ['one', 'two']) machine().sealed.set(name, { name, proof: {} });
  }

  const ONE = { name: 'one', proof: {} };
  const TWO = { name: 'two', proof: {} };
  for (const [form, payload, opened] of [
    ['a document', sealed('one'), ONE],
    ['its text', JSON.stringify(sealed('one')), ONE],
    ['its bytes', Buffer.from(JSON.stringify(sealed('one'))), ONE],
    [
      'a document with its evidence',
      { document: sealed('one'), evidence: EVIDENCE },
      { document: ONE, evidence: EVIDENCE },
    ],
    ['a list, some of it', [DOCUMENT, sealed('one'), { document: sealed('two') }], [DOCUMENT, ONE, { document: TWO }]],
    [
      'the lines of a file',
      `${JSON.stringify({ document: sealed('one') })}\na.b.c\n\n${JSON.stringify(sealed('two'))}\n`,
      [{ document: ONE }, 'a.b.c', TWO],
    ],
  ] as const) {
    it(`opens ${form} first, and sends what it verified`, async () => {
      await startReading();
      const received = nextMessage('valid');
      const asked = await verify({ payload });
      assert.deepEqual(asked.request.payload, opened);
      asked.answer();
      assert.deepEqual((await received).payload, opened);
    });
  }

  it('leaves what is not encrypted as it is', async () => {
    await startReading();
    for (const payload of [
      DOCUMENT,
      [DOCUMENT],
      '{"about":"\\"ciphertext\\"","ciphertext":1}',
      Buffer.from([0xff, 0xfe]),
      // No text, whatever it looks like from afar.
      Buffer.concat([
        Buffer.from(JSON.stringify(sealed('one')).slice(0, -1)),
        Buffer.from(',"x":"'),
        Buffer.from([0xff, 0x22, 0x7d]),
      ]),
    ]) {
      assert.equal((await verify({ payload })).request.payload, payload);
    }
  });

  it('calls invalid what was altered on the way', async () => {
    await startReading();
    const invalid = nextMessage('invalid');
    machine().nextError = new CodedError('SIGNATURE_INVALID', 'encrypted', 'it was altered');
    const asked = await verify({ payload: sealed('one') });
    assert.deepEqual(asked.request.payload, sealed('one'));
    const problem = { code: 'DOCUMENT_ENCRYPTED', message: 'encrypted', parameters: {} } as const;
    asked.answer({ ...VALID, valid: false, problems: [problem], problemCount: 1 });
    const { verification } = (await invalid) as Received & { verification: Verification };
    assert.deepEqual(verification.problems, [{ ...problem, message: 'it was altered' }]);
  });

  it('does not judge what is for others', async () => {
    await startReading();
    const caught = nextMessage('caught');
    machine().nextError = new CodedError('KEY_MISSING', 'not-a-reader', 'for others');
    helper.getNode('verify').receive({ payload: sealed('one') } as never);
    assert.equal((await caught).error?.code, 'KEY_MISSING');
    assert.equal(fake.verifications.length, 0);
  });

  it('says that its machine is not there', async () => {
    await start(flow({ machine: 'gone' }));
    const caught = nextMessage('caught');
    helper.getNode('verify').receive({ payload: sealed('one') } as never);
    assert.equal((await caught).error?.code, 'CONFIG_INVALID');
  });
});

describe('the status of a verify-data node', () => {
  afterEach(stop);

  it('says what the last verdict was', async () => {
    await start(flow());
    const valid = nextStatus('verify', 'iota-verify-data.status.valid');
    (await verify({ payload: DOCUMENT })).answer();
    assert.equal((await valid).fill, 'green');
    const invalid = nextStatus('verify', 'iota-verify-data.status.invalid');
    (await verify({ payload: DOCUMENT })).answer(INVALID);
    assert.equal((await invalid).fill, 'red');
  });

  it('says that the ledger is away, and that it is back', async () => {
    await start(flow({ ledger: 'ledger' }));
    const up = fake.ledgers[0]?.state;
    const down = nextStatus('verify', /short\.LEDGER_UNREACHABLE$/);
    fake.ledgers[0]?.become({ phase: 'down', error: UNREACHABLE });
    await down;
    const back = nextStatus('verify', 'iota-verify-data.status.ready');
    if (up) fake.ledgers[0]?.become(up);
    assert.equal((await back).fill, 'green');
  });

  it('is not reset by a ledger that says once more that it is there', async () => {
    // The other node's status is as slow as this one's: when it has changed twice, this one could have, too.
    const other = { ...VERIFY, id: 'other', wires: [[], []] };
    await start([...flow({ ledger: 'ledger' }), other]);
    const valid = nextStatus('verify', 'iota-verify-data.status.valid');
    (await verify({ payload: DOCUMENT })).answer();
    await valid;
    let resets = 0;
    (helper.getNode('verify') as unknown as NodeJS.EventEmitter).on('call:status', () => {
      resets += 1;
    });
    const ledger = fake.ledgers[0];
    if (ledger) ledger.become(ledger.state);
    fake.onVerification = (asked) => asked.answer(fake.verifications.length % 2 === 0 ? VALID : INVALID);
    for (const text of ['valid', 'invalid']) {
      const shown = nextStatus('other', `iota-verify-data.status.${text}`);
      helper.getNode('other').receive({ payload: DOCUMENT });
      await shown;
    }
    assert.equal(resets, 0);
  });

  it('goes with the node, which leaves nothing behind', async () => {
    await start(flow({ ledger: 'ledger', machine: 'machine' }));
    const [ledger, opened] = [fake.ledgers[0], machine()];
    const users = () =>
      ['ledger', 'machine'].map((id) =>
        Object.keys((helper.getNode(id) as unknown as { users: object }).users).includes('verify'),
      );
    assert.deepEqual(users(), [true, true]);
    const before = ledger?.listeners.size ?? 0;
    await deploy(
      flow().filter((node) => !('id' in node) || node.id !== 'verify'),
      'nodes',
    );
    assert.deepEqual(users(), [false, false]);
    assert.equal(ledger?.listeners.size, before - 1);
    await stop();
    assert.equal(opened.held, 0);
    await start(flow());
  });
});
