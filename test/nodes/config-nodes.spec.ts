import assert from 'node:assert/strict';
import { inspect } from 'node:util';
import { CodedError } from '../../lib/errors';
import { ADDRESS, DID, type FakeMachine, UNREACHABLE, WORDS } from './fake-runtime';
import { deploy, fake, helper, LEDGER, MACHINE, nextMessage, sink, start, stop, TAB } from './palette';

const PAY = { id: 'pay', type: 'iota-pay', z: 'tab', machine: 'machine', wires: [[], []] };
const CATCH = { id: 'catcher', type: 'catch', z: 'tab', scope: null, wires: [['caught']] };
/** How a property names an environment variable. */
const variable = (name: string) => `\${${name}}`;
const machine = () => fake.machines.at(-1) as FakeMachine;

describe('a ledger node', () => {
  afterEach(stop);

  it('hands over what was filled in, and nothing that was not', async () => {
    const tangle = {
      ...LEDGER,
      network: 'tangle',
      port: '',
      deviceBrokerPort: '',
      url: 'https://node.example',
      mqttUrl: '',
      faucetUrl: 'https://faucet.example/api/enqueue',
      indexerUrl: '',
    };
    await start([TAB, tangle, MACHINE], { ledger: { ledgerAuthToken: 'secret' } });
    assert.deepEqual(fake.ledgers[0]?.configuration, {
      nodeId: 'ledger',
      network: 'tangle',
      url: 'https://node.example',
      faucetUrl: 'https://faucet.example/api/enqueue',
      ledgerAuthToken: 'secret',
    });
  });

  it('shows its secrets to nobody who looks at a node', async () => {
    const secrets = {
      ledger: { ledgerAuthToken: 'canary-token' },
      machine: { machinePassphrase: 'canary-passphrase' },
    };
    await start([TAB, LEDGER, MACHINE], secrets);
    // What they hand to the runtime is the runtime's to keep: the fake one keeps it in the open.
    assert.equal(machine().configuration.machinePassphrase, 'canary-passphrase');
    for (const id of ['ledger', 'machine']) {
      const { account: _, ...node } = helper.getNode(id) as object as { account?: unknown };
      assert.doesNotMatch(inspect(node, { depth: 3 }), /canary/, id);
    }
  });

  it('costs nothing until a machine needs it, and serves all that do', async () => {
    await start([TAB, LEDGER]);
    assert.equal(fake.ledgers.length, 0);
    await deploy([TAB, LEDGER, MACHINE, { ...MACHINE, id: 'second' }], 'full');
    assert.equal(fake.ledgers.length, 1);
    assert.equal(fake.machines.length, 2);
  });

  it('reads ports as numbers', async () => {
    await start([TAB, { ...LEDGER, port: '15000', deviceBrokerPort: '0' }, MACHINE]);
    assert.deepEqual(
      [fake.ledgers[0]?.configuration.port, fake.ledgers[0]?.configuration.deviceBrokerPort],
      [15000, 0],
    );
  });

  it('warns once when the ledger goes away', async () => {
    await start([TAB, LEDGER, MACHINE]);
    const warned: string[] = [];
    const ledger = helper.getNode('ledger') as unknown as NodeJS.EventEmitter;
    const twice = new Promise<void>((resolve) => {
      ledger.on('call:warn', (call: { args: [string] }) => {
        warned.push(call.args[0]);
        if (warned.length === 2) resolve();
      });
    });
    const up = fake.ledgers[0]?.state;
    for (let time = 0; time < 3; time += 1) fake.ledgers[0]?.become({ phase: 'down', error: UNREACHABLE });
    if (up) fake.ledgers[0]?.become(up);
    fake.ledgers[0]?.become({ phase: 'down', error: UNREACHABLE });
    await twice;
    assert.equal(warned.length, 2);
  });

  it('that cannot work makes its machines say so', async () => {
    fake.nextError = undefined;
    await start([TAB, LEDGER, CATCH, sink('caught')]);
    fake.nextError = new CodedError('CONFIG_INVALID', 'network-not-built', 'not yet');
    await deploy([TAB, LEDGER, MACHINE, PAY, CATCH, sink('caught')], 'full');
    const caught = nextMessage('caught');
    helper.getNode('pay').receive({ payload: {} });
    assert.equal((await caught).error?.code, 'CONFIG_INVALID');
  });
});

describe('a machine node', () => {
  afterEach(stop);

  it('uses its own id as the name of its key, without saying so in the flow', async () => {
    await start([TAB, LEDGER, { ...MACHINE, key: '', accountIndex: '3', contacts: { shop: ADDRESS } }], {
      machine: { machinePassphrase: 'open sesame' },
    });
    assert.deepEqual(machine().configuration, {
      nodeId: 'machine',
      key: 'machine',
      accountIndex: 3,
      policy: { payees: ['*'] },
      contacts: { shop: ADDRESS },
      // As a flow has it that was made before machines had logs.
      anchoring: { tag: 'me1:log', batchCount: 1000, batchSeconds: 60 },
      machinePassphrase: 'open sesame',
    });
  });

  it('says when its log goes to the ledger, and under which tag', async () => {
    process.env.ME_TEST_TAG = 'plant-7';
    try {
      await start([TAB, LEDGER, { ...MACHINE, tag: variable('ME_TEST_TAG'), batchCount: '50', batchSeconds: '2' }]);
      assert.deepEqual(machine().configuration.anchoring, { tag: 'plant-7', batchCount: 50, batchSeconds: 2 });
    } finally {
      delete process.env.ME_TEST_TAG;
    }
  });

  it('leaves it to the runtime to refuse what is no number', async () => {
    await start([TAB, LEDGER, { ...MACHINE, tag: '', batchCount: 'many', batchSeconds: '' }]);
    assert.deepEqual(machine().configuration.anchoring, { tag: 'me1:log', batchCount: Number.NaN, batchSeconds: 60 });
  });

  it('takes the name of its key from the environment', async () => {
    process.env.ME_TEST_KEY = 'truck-17';
    try {
      await start([TAB, LEDGER, { ...MACHINE, key: variable('ME_TEST_KEY') }]);
      assert.equal(machine().configuration.key, 'truck-17');
    } finally {
      delete process.env.ME_TEST_KEY;
    }
  });

  for (const [why, wrong] of [
    ['a variable that is not set', { key: variable('ME_TEST_NO_SUCH_VARIABLE') }],
    ['a tag from a variable that is not set', { tag: variable('ME_TEST_NO_SUCH_VARIABLE') }],
    ['an account that is no number', { accountIndex: 'first' }],
    ['no ledger', { ledger: '' }],
  ] as const) {
    it(`refuses ${why}, and its flow hears of it`, async () => {
      await start([TAB, LEDGER, { ...MACHINE, ...wrong }, PAY, CATCH, sink('caught')]);
      assert.equal(fake.machines.length, 0);
      const caught = nextMessage('caught');
      helper.getNode('pay').receive({ payload: {} });
      assert.equal((await caught).error?.code, 'CONFIG_INVALID');
    });
  }

  it('is closed after its ledger was asked for, once each', async () => {
    await start([TAB, LEDGER, MACHINE, PAY]);
    const [ledger, opened] = [fake.ledgers[0], machine()];
    await stop();
    assert.deepEqual([ledger?.closed, ledger?.listeners.size, opened.closed, opened.held], [1, 0, 1, 0]);
    await start([TAB]);
  });

  it('knows its users, so that its errors reach their flows, and forgets them', async () => {
    await start([TAB, LEDGER, MACHINE, PAY]);
    const { users } = helper.getNode('machine') as unknown as { users: Record<string, unknown> };
    assert.deepEqual(Object.keys(users), ['pay']);
    await deploy([TAB, LEDGER, MACHINE], 'nodes');
    assert.deepEqual(Object.keys(users), []);
  });
});

describe('the dialog of a machine', () => {
  afterEach(stop);
  const post = (url: string, body: object) => helper.request().post(url).send(body);

  it('makes a key whose words are shown once and then only compared', async () => {
    await start([TAB, LEDGER, MACHINE]);
    const made = await post('/iota-machine/keys', { id: 'machine', key: 'mine', passphrase: 'p' });
    assert.equal(made.status, 200);
    assert.deepEqual(made.body, { words: WORDS, key: { key: 'mine', did: DID, protected: true, backedUp: false } });
    assert.equal(made.headers['cache-control'], 'no-store');
    const wrong = await post('/iota-machine/keys/backup', { id: 'machine', key: 'mine', words: 'other words' });
    assert.deepEqual(wrong.body, { confirmed: false });
    const right = await post('/iota-machine/keys/backup', {
      id: 'machine',
      key: 'mine',
      words: `  ${WORDS.toUpperCase()}\n`,
    });
    assert.deepEqual(right.body, { confirmed: true });
    const listed = await helper.request().get('/iota-machine/keys');
    assert.deepEqual(listed.body, { keys: [{ key: 'mine', did: DID, protected: true, backedUp: true }] });
    assert.ok(!JSON.stringify(listed.body).includes(WORDS.slice(0, 20)));
  });

  it('never makes a key over an existing one', async () => {
    await start([TAB, LEDGER, MACHINE]);
    await post('/iota-machine/keys', { key: 'mine' });
    const again = await post('/iota-machine/keys', { key: 'mine' });
    assert.equal(again.status, 400);
    assert.deepEqual([again.body.code, again.body.detail], ['CONFIG_INVALID', 'key-exists']);
    assert.equal('words' in again.body, false);
  });

  it('imports words, and says nothing back but whose they are', async () => {
    await start([TAB, LEDGER, MACHINE]);
    const { body } = await post('/iota-machine/keys/import', { key: 'old', words: WORDS });
    assert.deepEqual(body, { key: { key: 'old', did: DID, protected: false, backedUp: true } });
  });

  it('uses the stored passphrase where the dialog shows that there is one', async () => {
    await start([TAB, LEDGER, MACHINE], { machine: { machinePassphrase: 'stored' } });
    await post('/iota-machine/keys', { id: 'machine', key: 'mine', passphrase: '__PWRD__' });
    assert.equal(fake.keystore.keys.get('mine')?.passphrase, 'stored');
  });

  it('shows account, QR code and balance of the deployed machine', async () => {
    await start([TAB, LEDGER, MACHINE]);
    const { body } = await helper.request().get('/iota-machine/machine/account');
    const { qr, balance, address, did } = body as {
      qr: string;
      balance: Record<string, string>;
      address: string;
      did: string;
    };
    assert.deepEqual([address, did], [ADDRESS, DID]);
    assert.equal(balance.available, '12.5 IOTA');
    assert.match(qr, /^<svg/);
    assert.deepEqual((await helper.request().get('/iota-machine/other/account')).body, { phase: 'not-deployed' });
    assert.equal((await post('/iota-machine/other/fund', {})).body.detail, 'machine-not-deployed');
  });

  it('asks the faucet', async () => {
    await start([TAB, LEDGER, MACHINE]);
    assert.deepEqual((await post('/iota-machine/machine/fund', {})).body, { requested: true });
    assert.equal(machine().funded, 1);
  });

  it('hands the word of the deployed machine over to another key', async () => {
    await start([TAB, LEDGER, MACHINE]);
    const { status, body } = await post('/iota-machine/machine/succeed', { key: 'next', passphrase: 'p' });
    assert.deepEqual([status, body], [200, { statement: { value: { successor: DID }, proof: [] } }]);
    assert.deepEqual(machine().successor, { key: 'next', passphrase: 'p' });
    await post('/iota-machine/machine/succeed', { key: 'unprotected', passphrase: '' });
    assert.deepEqual(machine().successor, { key: 'unprotected' });
  });

  it('tells why it could not hand over', async () => {
    await start([TAB, LEDGER, MACHINE]);
    assert.equal((await post('/iota-machine/machine/succeed', {})).body.detail, 'request');
    assert.equal((await post('/iota-machine/other/succeed', { key: 'next' })).body.detail, 'machine-not-deployed');
    machine().nextError = new CodedError('KEY_MISSING', 'default', 'there is no such key', { key: 'next' });
    const { status, body } = await post('/iota-machine/machine/succeed', { key: 'next' });
    assert.deepEqual([status, body.code], [400, 'KEY_MISSING']);
  });

  it('refuses what is no small JSON', async () => {
    await start([TAB, LEDGER, MACHINE]);
    const form = await helper
      .request()
      .post('/iota-machine/keys')
      .set('content-type', 'text/plain')
      .send('{"key":"mine"}');
    assert.equal(form.status, 415);
    assert.equal((await post('/iota-machine/keys', { key: 'mine', more: 'x'.repeat(10_000) })).status, 413);
    for (const body of [{}, { key: 5 }, { key: 'k'.repeat(200) }, [], { key: 'mine', passphrase: {} }]) {
      assert.equal((await post('/iota-machine/keys', body)).body.code, 'CONFIG_INVALID', JSON.stringify(body));
    }
    assert.equal(fake.keystore.keys.size, 0);
  });
});

describe('the dialog of a ledger', () => {
  afterEach(stop);
  const test = (body: object) => helper.request().post('/iota-ledger/test').send(body);

  it('tells whom it reached, and lets go of it', async () => {
    await start([TAB]);
    const { body } = await test({ id: 'ledger', network: 'sandbox-tangle', port: '15000' });
    assert.deepEqual([body.ok, body.decimals], [true, 6]);
    assert.deepEqual([fake.ledgers[0]?.closed, fake.ledgers[0]?.listeners.size], [1, 0]);
  });

  it('tells why it did not reach anybody', async () => {
    await start([TAB]);
    fake.onLedger = (ledger) => {
      ledger.state = { phase: 'down', error: UNREACHABLE };
    };
    const { body } = await test({ id: 'ledger', network: 'tangle', url: 'http://127.0.0.1:1' });
    assert.equal(body.ok, false);
    assert.equal((body.problem as { code: string }).code, 'LEDGER_UNREACHABLE');
  });

  it('sends a stored token only where it was stored for', async () => {
    const tangle = { ...LEDGER, network: 'tangle', url: 'https://mine.example' };
    await start([TAB, tangle], { ledger: { ledgerAuthToken: 'secret' } });
    const request = { id: 'ledger', network: 'tangle', ledgerAuthToken: '__PWRD__' };
    const elsewhere = await test({ ...request, url: 'https://evil.example' });
    assert.equal(elsewhere.body.detail, 'token-again');
    const alsoElsewhere = await test({ ...request, url: 'https://mine.example', indexerUrl: 'https://evil.example' });
    assert.equal(alsoElsewhere.body.detail, 'token-again');
    assert.equal(fake.ledgers.length, 0);
    await test({ ...request, url: 'https://mine.example' });
    assert.equal(fake.ledgers[0]?.configuration.ledgerAuthToken, 'secret');
  });
});
