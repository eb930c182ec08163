import assert from 'node:assert/strict';
import { readCheckpoint } from '../../lib/evidence';
import { example, ObservedFlow, type Told } from './evidence-flow';

interface Data {
  readonly eventId: string;
  readonly tag: string;
  readonly sender: string | null;
  readonly bytes: { readonly type: 'Buffer'; readonly data: number[] };
  readonly transactionId: string;
}

const dataOf = (told: Told) => told.payload as Data;
const checkpointOf = (told: Told) => readCheckpoint(Buffer.from(dataOf(told).bytes.data).toString('utf8'));

describe('the example that listens, in a real Node-RED', function () {
  this.timeout(180_000);
  let flow: ObservedFlow;

  before(async () => {
    flow = await ObservedFlow.start(example('iota-listen'), {
      'listen-example-listen:0': 'paid',
      'listen-example-sign:0': 'signed',
      'listen-example-data:0': 'data',
      'listen-example-catch:0': 'failed',
    });
  });
  after(async () => flow.stop());

  it('hears of what a guest pays', async () => {
    const forTheDoor = ({ payload }: Told) => (payload as { reference: string }).reference === 'door';
    // A guest who presses before the faucet has given is told so, and presses again.
    for (let tries = 1; ; tries += 1) {
      await flow.press('listen-example-guest');
      const paid = flow.hears('paid', forTheDoor);
      const refused = flow.hears('failed', (_, index) => index === tries - 1);
      if ((await Promise.race([paid.then(() => 'paid'), refused.then(() => 'refused')])) === 'paid') break;
    }
    const paid = await flow.hears('paid', forTheDoor);
    assert.equal(paid.topic, 'payment');
    assert.equal((paid.payload as { amount: string }).amount, '200000');
  });

  it('hears of the checkpoint under the tag, from the ledger and with nobody else to ask', async () => {
    await flow.press('listen-example-measure');
    const data = await flow.hears('data');
    assert.deepEqual([data.topic, data.redelivered, data['eventId']], ['data', false, dataOf(data).eventId]);
    assert.equal(dataOf(data).tag, 'me1:shop');
    assert.match(dataOf(data).sender ?? '', /^tst1/);
    assert.ok(dataOf(data).eventId.includes(`:${dataOf(data).transactionId}:`));
    const { size, origin } = checkpointOf(data);
    assert.equal(size, 1);
    assert.match(origin, /^did:key:z6Mk/);
  });

  it('goes on where it was after a power cut, and tells what it may have told before', async () => {
    await flow.press('listen-example-measure');
    await flow.hears('data', (told) => checkpointOf(told).size === 2);
    await flow.killAndRestart();
    await flow.press('listen-example-measure');
    await flow.hears('data', (told) => checkpointOf(told).size === 3);
    const heard = await flow.heard('data');
    const fresh = heard.filter(({ redelivered }) => redelivered !== true);
    assert.deepEqual(
      fresh.map((told) => checkpointOf(told).size),
      [1, 2, 3],
    );
    assert.equal(new Set(fresh.map((told) => dataOf(told).eventId)).size, 3);
    for (const { error } of await flow.heard('failed')) assert.equal(error?.code, 'FUNDS_INSUFFICIENT');
  });
});
