import assert from 'node:assert/strict';
import * as fc from 'fast-check';
import { CodedError } from '../../lib/errors';
import type { LedgerRecord } from '../../lib/ledger';
import { ADDRESS, NETWORK } from '../nodes/fake-runtime';
import { Disk, DOWN, eventually, Flow, HASTY, RecordLedger, soon, UP } from './listening-flow';

describe('listening to the records of a ledger', () => {
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

  it('tells each record as contract and ledger have it', async () => {
    ledger.record('{"reading":21.5,"unit":"Cel"}');
    ledger.record('no JSON');
    flow.start();
    await flow.until(() => flow.heard.length === 2);
    assert.deepEqual(
      flow.heard.map(({ event }) => event),
      [
        {
          eventId: `${NETWORK.networkId}:0x0:1`,
          tag: 'a',
          sender: ADDRESS,
          bytes: Buffer.from('{"reading":21.5,"unit":"Cel"}'),
          json: { reading: 21.5, unit: 'Cel' },
          transactionId: '0x0',
          confirmedAt: '2026-01-01T00:00:00.000Z',
        },
        {
          eventId: `${NETWORK.networkId}:0x1:1`,
          tag: 'a',
          sender: null,
          bytes: Buffer.from('no JSON'),
          transactionId: '0x1',
          confirmedAt: '2026-01-01T00:00:01.000Z',
        },
      ],
    );
    assert.ok(Buffer.isBuffer(flow.heard[0]?.event.bytes));
  });

  it('gives JSON only where everybody reads the same in it', async () => {
    const texts = [
      '1',
      'null',
      '[]',
      ' {"a":1} ',
      '{"a":1,"a":2}',
      '{"__proto__":1}',
      '\ufeff{}',
      '"\\ud800"',
      '',
      '{',
    ];
    for (const text of texts) ledger.record(text);
    ledger.records.push({ ...(ledger.records[0] as LedgerRecord), bytes: Uint8Array.from([0x22, 0xff, 0x22]) });
    flow.start();
    await flow.until(() => flow.heard.length === texts.length + 1);
    assert.deepEqual(
      flow.heard.map(({ event }) => ('json' in event ? event.json : 'none')),
      [1, null, [], { a: 1 }, ...Array.from({ length: 7 }, () => 'none')],
    );
  });

  it('listens to its tag, or to every tag', async () => {
    ledger.record('1', 'a');
    ledger.record('2', 'b');
    ledger.record('3', '\u0001');
    flow.start({ tag: '0x61' });
    const all = new Flow(ledger, disk, { listenerId: 'all', tag: '' }).start();
    await all.until(() => all.heard.length === 3);
    await flow.until(() => flow.heard.length === 1);
    assert.deepEqual(flow.texts, ['1']);
    assert.deepEqual(
      all.heard.map(({ event }) => event.tag),
      ['a', 'b', '0x01'],
    );
    all.stop();
  });

  it('begins where it was told to the first time, and goes on where it was from then on', async () => {
    for (const [from, first] of [
      ['now', ['3']],
      ['last', ['2', '3']],
      ['beginning', ['1', '2', '3']],
    ] as const) {
      const one = new RecordLedger();
      const listener = new Flow(one, new Disk(), { from });
      for (const text of ['1', '2']) one.record(text);
      listener.start();
      await eventually(() => listener.disk.only !== undefined);
      one.record('3');
      await listener.until(() => listener.heard.length === first.length);
      await eventually(() => listener.disk.only?.cursor === '3' && listener.disk.only.offered === 0);
      listener.crash();
      one.record('4');
      // Another choice changes nothing now.
      listener.start({ from: 'beginning' });
      await listener.until(() => listener.heard.length === first.length + 1);
      assert.deepEqual(listener.texts, [...first, '4']);
      listener.stop();
    }
  });

  it('marks what may have come before a crash, and nothing else', async () => {
    for (const text of ['1', '2', '3']) ledger.record(text);
    ledger.pageSize = () => 10;
    flow.start();
    // Killed before the disk knows that the flow has them.
    await flow.until(() => flow.heard.length === 3);
    flow.crash();
    ledger.record('4');
    flow.start();
    await flow.until(() => flow.heard.length === 7);
    assert.deepEqual(flow.texts, ['1', '2', '3', '1 again', '2 again', '3 again', '4']);
    await eventually(() => disk.only?.cursor === '4' && disk.only.offered === 0);
    flow.crash();
    ledger.record('5');
    flow.start();
    await flow.until(() => flow.heard.length === 8);
    assert.equal(flow.texts.at(-1), '5');
  });

  it('hands over a bounded number before it is on disk that it did', async () => {
    for (let i = 0; i < 200; i += 1) ledger.record(`${i}`);
    ledger.pageSize = () => 1000;
    flow.start();
    await flow.until(() => flow.heard.length >= 64);
    flow.crash();
    const before = flow.heard.length;
    assert.ok(before < 200);
    flow.start();
    await flow.until(() => flow.texts.at(-1) === '199');
    const again = flow.texts.filter((text) => text.endsWith('again'));
    assert.ok(again.length <= 32, `${again.length} came again`);
    assert.equal(flow.heard.length, 200 + again.length);
  });

  it('hands nothing over once it was stopped, wherever it was, and nothing of that is marked later', async () => {
    for (const text of ['1', '2', '3']) ledger.record(text);
    const { readRecords } = ledger.ledger;
    // Stopped while the disk is told that something will be handed over.
    ledger.ledger.readRecords = async (...question) => {
      const page = await readRecords(...question);
      setImmediate(() => setImmediate(() => flow.stop()));
      return page;
    };
    flow.start();
    await eventually(() => ledger.held === 0);
    for (let turn = 0; turn < 20; turn += 1) await soon();
    assert.deepEqual(flow.texts, []);
    ledger.ledger.readRecords = readRecords;
    flow.start();
    await flow.until(() => flow.heard.length === 3);
    assert.deepEqual(flow.texts, ['1', '2', '3']);
  });

  it('hands nothing more over when the flow stops it in the middle', async () => {
    for (const text of ['1', '2', '3']) ledger.record(text);
    flow.onEvent = () => flow.stop();
    flow.start(undefined, { ...HASTY, window: 3 });
    await flow.until(() => flow.heard.length === 1);
    for (let turn = 0; turn < 20; turn += 1) await soon();
    assert.deepEqual(flow.texts, ['1']);
    flow.onEvent = () => {};
    flow.start();
    await flow.until(() => flow.heard.length === 4);
    // Whether the flow has the first one is not known.
    assert.deepEqual(flow.texts, ['1', '1 again', '2', '3']);
  });

  it('counts what was handed over of a page only among records with the same tag', async () => {
    ledger.pageSize = () => 100;
    for (const [text, tag] of [
      ['1', 'a'],
      ['x', 'b'],
      ['y', 'b'],
      ['2', 'a'],
      ['3', 'a'],
    ] as const)
      ledger.record(text, tag);
    flow.onEvent = () => {
      if (flow.heard.length === 2) flow.crash();
    };
    flow.start(undefined, { ...HASTY, window: 1 });
    await flow.until(() => flow.heard.length === 2);
    assert.deepEqual(disk.only, { tag: '0x61', cursor: '0', handed: 1, offered: 1 });
    flow.onEvent = () => {};
    flow.start({ tag: 'b' });
    await flow.until(() => flow.heard.length === 4);
    assert.deepEqual(flow.texts, ['1', '2', 'x', 'y']);
  });

  it('does not repeat what was handed over when a page is cut before that', async () => {
    ledger.pageSize = () => 100;
    for (const text of ['1', '2', '3', '4', '5']) ledger.record(text);
    flow.onEvent = () => {
      if (flow.heard.length === 4) flow.crash();
    };
    flow.start(undefined, { ...HASTY, window: 1 });
    await flow.until(() => flow.heard.length === 4);
    assert.equal(disk.only?.handed, 3);
    flow.onEvent = () => {};
    ledger.pageSize = () => 1;
    flow.start();
    await flow.until(() => flow.heard.length === 6);
    assert.deepEqual(flow.texts, ['1', '2', '3', '4', '4 again', '5']);
  });

  it('keeps its place when its tag changes, without losing what has the new one', async () => {
    ledger.pageSize = () => 100;
    for (const [text, tag] of [
      ['1', 'a'],
      ['x', 'b'],
      ['2', 'a'],
    ] as const)
      ledger.record(text, tag);
    flow.start();
    await flow.until(() => flow.heard.length === 2);
    // Two with tag a are counted, and the cursor is before them.
    flow.crash();
    assert.deepEqual(disk.only, { tag: '0x61', cursor: '0', handed: 0, offered: 2 });
    flow.start({ tag: 'b' });
    await flow.until(() => flow.heard.length === 3);
    assert.equal(flow.texts.at(-1), 'x');
  });

  it('saves where it is when nothing is recorded now and then, and when it stops', async () => {
    flow.start({ from: 'now', tag: 'nothing' });
    await eventually(() => disk.only !== undefined);
    for (let i = 0; i < 10; i += 1) ledger.record(`${i}`, 'other');
    const asked = ledger.asked;
    await eventually(() => ledger.asked > asked + 5);
    assert.equal(disk.only?.cursor, '0');
    flow.stop();
    await eventually(() => disk.only?.cursor === '10');
    assert.equal(disk.writes, 2);
    flow.start({ tag: 'nothing' }, { ...HASTY, idleSave: 0 });
    ledger.record('11', 'other');
    await eventually(() => disk.only?.cursor === '11');
  });

  it('refuses a tag that is none and a beginning that is none', () => {
    for (const order of [{ tag: '0x' }, { tag: '0xabc' }, { tag: 'x'.repeat(65) }, { from: 'yesterday' as never }])
      assert.throws(() => flow.start(order), CodedError, JSON.stringify(order));
  });

  it('loses nothing and keeps the order, whatever crashes, fails and is deployed anew', async () => {
    const anyDeed = fc.oneof(
      { weight: 6, arbitrary: fc.constantFrom('record', 'record other') },
      { weight: 4, arbitrary: fc.constant('pass') },
      { weight: 1, arbitrary: fc.constantFrom('crash', 'redeploy', 'ledger fails', 'vault fails', 'away', 'back') },
    );
    await fc.assert(
      fc.asyncProperty(
        fc.array(anyDeed, { maxLength: 80 }),
        fc.infiniteStream(fc.integer({ min: 1, max: 12 })),
        fc.integer({ min: 1, max: 4 }),
        async (deeds, sizes, window) => {
          const pace = { ...HASTY, window };
          const ledger = new RecordLedger();
          // Pages are cut differently each time they are asked for.
          ledger.pageSize = () => Number(sizes.next().value);
          const flow = new Flow(ledger, new Disk()).start(undefined, pace);
          const wanted: string[] = [];
          const record = (tag: string) => {
            if (tag === 'a') wanted.push(`${ledger.records.length}`);
            ledger.record(`${ledger.records.length}`, tag);
          };
          const away = new CodedError('LEDGER_UNREACHABLE', 'default', 'away');
          for (const deed of deeds) {
            if (deed === 'record') record('a');
            else if (deed === 'record other') record('b');
            else if (deed === 'pass') await soon();
            else if (deed === 'ledger fails') ledger.failures.push(away);
            else if (deed === 'vault fails') flow.disk.failures.push(away);
            else if (deed === 'away') ledger.become(DOWN);
            else if (deed === 'back') ledger.become(UP);
            else {
              if (deed === 'crash') flow.crash();
              else flow.stop();
              flow.start();
            }
          }
          ledger.become(UP);
          record('a');
          await flow.until(() =>
            flow.texts.some((text) => text === wanted.at(-1) || text === `${wanted.at(-1)} again`),
          );
          flow.stop();
          const texts = flow.heard.map(({ event }) => event.bytes.toString());
          const firsts = [...new Set(texts)];
          assert.deepEqual(firsts, wanted);
          const seen = new Set<string>();
          for (const [i, text] of texts.entries()) {
            if (seen.has(text)) assert.equal(flow.heard[i]?.redelivered, true, `${text} came again without a word`);
            seen.add(text);
          }
        },
      ),
      { numRuns: 300 },
    );
  });
});
