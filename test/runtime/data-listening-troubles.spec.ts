import assert from 'node:assert/strict';
import { CodedError } from '../../lib/errors';
import type { LedgerRecord } from '../../lib/ledger';
import { NETWORK } from '../nodes/fake-runtime';
import { Disk, DOWN, eventually, Flow, HASTY, NEVER, RecordLedger, soon, UP } from './listening-flow';

describe('listening to a ledger, a node and a vault that let one down', () => {
  let flow: Flow;
  let ledger: RecordLedger;
  let disk: Disk;
  beforeEach(() => {
    ledger = new RecordLedger();
    disk = new Disk();
    flow = new Flow(ledger, disk);
  });
  afterEach(() => {
    flow.stop();
    assert.equal(ledger.held, 0, 'it still listens');
  });

  it('waits while the ledger is away, without a word, and goes on by itself', async () => {
    ledger.become(DOWN);
    flow.start(undefined, { ...HASTY, poll: NEVER });
    ledger.record('1');
    for (let turn = 0; turn < 20; turn += 1) await soon();
    assert.equal(ledger.asked, 0);
    ledger.become(UP);
    await flow.until(() => flow.heard.length === 1);
    ledger.failures.push(DOWN.error, DOWN.error);
    ledger.record('2');
    await flow.until(() => flow.heard.length === 2);
    assert.deepEqual(flow.troubles, []);
  });

  it('has its beginning on disk before it reads, so that a crash does not move it', async () => {
    const { readRecords } = ledger.ledger;
    ledger.ledger.readRecords = () => new Promise(() => {});
    flow.start({ from: 'now' });
    await eventually(() => disk.only !== undefined);
    flow.crash();
    ledger.ledger.readRecords = readRecords;
    ledger.record('1');
    flow.start();
    await flow.until(() => flow.heard.length === 1);
    assert.deepEqual(flow.texts, ['1']);
  });

  it('hands over once what it could not tell the disk that it did', async () => {
    ledger.pageSize = () => 100;
    for (const text of ['1', '2', '3', '4']) ledger.record(text);
    flow.onEvent = () => {
      if (flow.heard.length === 2) disk.failures.push(new CodedError('LEDGER_UNREACHABLE', 'vault-restarting', 'away'));
    };
    flow.start(undefined, { ...HASTY, window: 2 });
    await flow.until(() => flow.heard.length === 4);
    assert.deepEqual(flow.texts, ['1', '2', '3', '4']);
  });

  it('is not woken by every milestone while it waits after a failure, but by a ledger that comes back', async () => {
    flow.start(undefined, { ...HASTY, poll: NEVER, firstRetry: NEVER, longestRetry: NEVER });
    await eventually(() => disk.only !== undefined && ledger.asked > 0);
    ledger.failures.push(DOWN.error);
    ledger.record('1');
    await eventually(() => ledger.failures.length === 0);
    for (let turn = 0; turn < 20; turn += 1) await soon();
    const { asked } = ledger;
    ledger.record('2');
    for (let turn = 0; turn < 20; turn += 1) await soon();
    assert.equal(ledger.asked, asked);
    ledger.become(DOWN);
    ledger.become(UP);
    await flow.until(() => flow.heard.length === 2);
    // All is well again, so it hears of the next one at once.
    ledger.record('3');
    await flow.until(() => flow.heard.length === 3);
  });

  it('does not repeat what a ledger says itself that goes down whenever it is asked', async () => {
    ledger.record('1');
    const { readRecords } = ledger.ledger;
    let left = 8;
    ledger.ledger.readRecords = async (...question) => {
      if (left === 0) return readRecords(...question);
      left -= 1;
      ledger.become(DOWN);
      setImmediate(() => setImmediate(() => ledger.become(UP)));
      throw DOWN.error;
    };
    flow.start();
    await flow.until(() => flow.heard.length === 1);
    assert.deepEqual(flow.troubles, []);
  });

  it('goes on after the vault was restarted, and hands nothing over twice for that', async () => {
    flow.start();
    const restarting = new CodedError('LEDGER_UNREACHABLE', 'vault-restarting', 'the vault is restarting');
    for (let i = 0; i < 30; i += 1) {
      if (i % 3 === 0) disk.failures.push(restarting);
      ledger.record(`${i}`);
      await soon();
    }
    await flow.until(() => flow.heard.length === 30);
    assert.deepEqual(
      flow.texts,
      Array.from({ length: 30 }, (_, i) => `${i}`),
    );
  });

  it('says that a ledger which is up cannot be read, and that it can again', async () => {
    flow.start(undefined, { ...HASTY, broken: 1 });
    const odd = new CodedError('LEDGER_UNREACHABLE', 'answer', 'nonsense');
    ledger.failures.push(...Array.from({ length: 8 }, () => odd));
    ledger.record('1');
    await flow.until(() => flow.troubles.length === 2);
    assert.deepEqual(flow.troubles, [odd, undefined]);
    await flow.until(() => flow.heard.length === 1);
  });

  it('never skips what the node has forgotten, says so once, and goes on when it is found', async () => {
    ledger.record('1');
    flow.start();
    await eventually(() => disk.only?.cursor === '1');
    flow.stop();
    ledger.record('2');
    ledger.record('3');
    ledger.pruned = 2;
    flow.start();
    await flow.until(() => flow.troubles.length === 1);
    const asked = ledger.asked;
    await eventually(() => ledger.asked > asked + 3);
    assert.deepEqual(
      flow.troubles.map((trouble) => [trouble?.code, trouble?.detail]),
      [['HISTORY_PRUNED', 'records']],
    );
    assert.deepEqual(flow.texts, ['1']);
    // A node with full history.
    ledger.pruned = 0;
    await flow.until(() => flow.heard.length === 3);
    assert.equal(flow.troubles.at(-1), undefined);
    assert.deepEqual(flow.texts, ['1', '2', '3']);
  });

  it('begins with what the node still has, although it forgets more of it before it is read', async () => {
    for (const text of ['1', '2', '3']) ledger.record(text);
    const { recordsCursor } = ledger.ledger;
    ledger.ledger.recordsCursor = async (...question) => {
      const cursor = await recordsCursor(...question);
      ledger.pruned = 1;
      return cursor;
    };
    flow.start();
    await flow.until(() => flow.heard.length === 2);
    assert.deepEqual(flow.texts, ['2', '3']);
    assert.deepEqual(flow.troubles, []);
    // Who wanted nothing of the past has not lost it.
    const other = new Flow(ledger, new Disk(), { from: 'now' }).start();
    await eventually(() => other.disk.only !== undefined);
    other.stop();
    // Once it has begun nothing is given up.
    await eventually(() => disk.only?.cursor === '3');
    for (const text of ['4', '5'])
      ledger.records.push({ ...(ledger.records[0] as LedgerRecord), bytes: Buffer.from(text) });
    ledger.pruned = 5;
    await flow.until(() => flow.troubles.length === 1);
  });

  it('that began now gives nothing up either, although it has read nothing yet', async () => {
    const { recordsCursor } = ledger.ledger;
    ledger.record('1');
    ledger.ledger.recordsCursor = async (...question) => {
      const cursor = await recordsCursor(...question);
      ledger.record('2');
      ledger.pruned = 2;
      return cursor;
    };
    flow.start({ from: 'now' });
    await flow.until(() => flow.troubles.length === 1);
    assert.deepEqual([flow.troubles[0]?.code, flow.texts], ['HISTORY_PRUNED', []]);
  });

  it('says that its place cannot be kept, and hands nothing over meanwhile', async () => {
    const damaged = new CodedError('JOURNAL_DAMAGED', 'listeners', 'disk');
    ledger.record('1');
    disk.failures.push(...Array.from({ length: 10 }, () => damaged));
    flow.start();
    await flow.until(() => flow.troubles.length === 1);
    assert.deepEqual([flow.troubles, flow.texts], [[damaged], []]);
    await flow.until(() => flow.heard.length === 1);
    assert.deepEqual(flow.troubles, [damaged, undefined]);
  });

  it('goes on from what it had on a network when the connection leads to another one and back', async () => {
    ledger.record('1');
    flow.start();
    await flow.until(() => flow.heard.length === 1);
    await eventually(() => disk.only?.cursor === '1');
    ledger.become({ ...UP, network: { ...NETWORK, networkId: 'elsewhere' } });
    await flow.until(() => flow.heard.length === 2);
    assert.equal(flow.heard[1]?.event.eventId, 'elsewhere:0x0:1');
    await eventually(() => disk.positions.get('elsewhere node')?.cursor === '1');
    ledger.become(UP);
    ledger.record('2');
    await flow.until(() => flow.heard.length === 3);
    assert.equal(flow.heard[2]?.event.eventId, `${NETWORK.networkId}:0x1:1`);
  });
});
