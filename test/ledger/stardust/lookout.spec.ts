import assert from 'node:assert/strict';
import sinon from 'sinon';
import { CodedError } from '../../../lib/errors';
import type { LedgerSignal, NetworkInfo } from '../../../lib/ledger';
import { Lookout } from '../../../lib/ledger/stardust/lookout';
import type { NodeInfo } from '../../../lib/ledger/stardust/node-api';

const options = { interval: 5_000, quietInterval: 20_000, longestPause: 15_000 };
const network = { networkId: 'test' } as NetworkInfo;
const at = (height: number) => ({ network, info: { confirmed: { index: height, time: 0 } } as NodeInfo });
const gone = new CodedError('LEDGER_UNREACHABLE', 'default', 'gone');

describe('the lookout for a node', () => {
  let clock: sinon.SinonFakeTimers;
  let foreignTimers: number;
  let look: sinon.SinonStub<[], Promise<ReturnType<typeof at>>>;
  let signals: string[];
  let lookout: Lookout;

  beforeEach(() => {
    clock = sinon.useFakeTimers({ now: 1_000_000, toFake: ['setTimeout', 'clearTimeout', 'Date'] });
    foreignTimers = clock.countTimers();
    look = sinon.stub<[], Promise<ReturnType<typeof at>>>().resolves(at(1));
    signals = [];
    lookout = new Lookout(look, (signal) => signals.push(short(signal)), options);
  });
  afterEach(() => {
    lookout.close();
    const left = clock.countTimers() - foreignTimers;
    clock.restore();
    assert.equal(left, 0, 'a timer is left');
  });

  it('says up once, and wakes for every height once', async () => {
    await clock.tickAsync(1);
    assert.deepEqual(signals, ['up', 'wake 1']);
    await clock.tickAsync(5_000);
    look.resolves(at(3));
    await clock.tickAsync(5_000);
    assert.deepEqual(signals, ['up', 'wake 1', 'wake 3']);
  });

  it('wakes at once when it hears of a milestone, and looks less often while it hears', async () => {
    await clock.tickAsync(1);
    for (let height = 2; height < 20; height += 1) {
      lookout.heard(height);
      await clock.tickAsync(5_000);
    }
    assert.equal(signals.length, 2 + 18);
    assert.ok(look.callCount <= 7, `looked ${look.callCount} times`);
  });

  it('looks by itself when the events fall silent', async () => {
    await clock.tickAsync(1);
    lookout.heard(2);
    look.resolves(at(9));
    await clock.tickAsync(25_000);
    assert.deepEqual(signals, ['up', 'wake 1', 'wake 2', 'wake 9']);
    const before = look.callCount;
    await clock.tickAsync(20_000);
    assert.ok(look.callCount - before >= 4);
  });

  it('is not misled by a height that comes twice or late', async () => {
    await clock.tickAsync(1);
    for (const height of [5, 5, 4, 6]) lookout.heard(height);
    assert.deepEqual(signals, ['up', 'wake 1', 'wake 5', 'wake 6']);
  });

  it('says down once, tries again with growing pauses, and says up when it is over', async () => {
    await clock.tickAsync(1);
    look.rejects(gone);
    await clock.tickAsync(5_000);
    assert.deepEqual(signals.slice(2), ['down LEDGER_UNREACHABLE']);
    const failures = look.callCount;
    await clock.tickAsync(120_000);
    const tries = look.callCount - failures;
    assert.ok(tries >= 8 && tries <= 25, `tried ${tries} times in two minutes`);
    look.resolves(at(30));
    await clock.tickAsync(20_000);
    assert.deepEqual(signals.slice(2), ['down LEDGER_UNREACHABLE', 'up', 'wake 30']);
  });

  it('says down again when the reason changes', async () => {
    look.rejects(gone);
    await clock.tickAsync(1);
    look.rejects(new CodedError('LEDGER_WRONG_NETWORK', 'default', 'another'));
    await clock.tickAsync(3_000);
    look.rejects(new CodedError('LEDGER_OUT_OF_SYNC', 'stale', 'old'));
    await clock.tickAsync(10_000);
    assert.deepEqual(signals, ['down LEDGER_UNREACHABLE', 'down LEDGER_WRONG_NETWORK', 'down LEDGER_OUT_OF_SYNC']);
  });

  it('looks at once when a call has failed, but not twice at the same time', async () => {
    await clock.tickAsync(1);
    let answer = (_: ReturnType<typeof at>) => {};
    look.callsFake(() => new Promise((resolve) => (answer = resolve)));
    const before = look.callCount;
    lookout.lookSoon();
    await clock.tickAsync(1);
    for (let i = 0; i < 10; i += 1) lookout.lookSoon();
    await clock.tickAsync(1);
    assert.equal(look.callCount, before + 1);
    answer(at(2));
    await clock.tickAsync(1);
    assert.equal(look.callCount, before + 2);
  });

  it('tells who comes later how it stands', async () => {
    assert.deepEqual([lookout.state], [undefined]);
    await clock.tickAsync(1);
    assert.equal(lookout.state?.kind, 'up');
  });

  it('says nothing any more once it is closed, even if it was just looking', async () => {
    let answer = (_: ReturnType<typeof at>) => {};
    look.callsFake(() => new Promise((resolve) => (answer = resolve)));
    await clock.tickAsync(1);
    lookout.close();
    answer(at(2));
    await clock.tickAsync(60_000);
    assert.deepEqual(signals, []);
  });
});

function short(signal: LedgerSignal): string {
  if (signal.kind === 'wake') return `wake ${signal.height}`;
  return signal.kind === 'down' ? `down ${signal.code}` : 'up';
}
