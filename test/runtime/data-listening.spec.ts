import assert from 'node:assert/strict';
import * as fc from 'fast-check';
import { CodedError } from '../../lib/errors';
import type { LedgerRecord, RecordFilter, RecordPage } from '../../lib/ledger';
import { DataListening, type Pace, type PositionKeeper, type RecordSource } from '../../lib/runtime/data-listening';
import type { DataEvent, DataListenOrder, LedgerState } from '../../lib/runtime/runtime';
import type { ListenerPosition } from '../../lib/vault';
import { ADDRESS, NETWORK } from '../nodes/fake-runtime';

const HASTY: Pace = { window: 32, poll: 5, idleSave: 1e9, firstRetry: 1, longestRetry: 2, broken: 1 };
const NEVER = 1e9;
const UP: LedgerState = { phase: 'up', network: NETWORK, url: '' };
const DOWN: LedgerState = { phase: 'down', error: new CodedError('LEDGER_UNREACHABLE', 'default', 'away') };

/** A ledger's records in one list: a cursor is a place in it, whatever the filter. */
class RecordLedger implements RecordSource {
  readonly records: LedgerRecord[] = [];
  readonly failures: Error[] = [];
  state: LedgerState = UP;
  pruned = 0;
  asked = 0;
  /** Records, wanted or not, on a page. */
  pageSize = (): number => 3;
  readonly #watchers = new Set<(state: LedgerState) => void>();
  readonly #wakers = new Set<() => void>();

  get held(): number {
    return this.#watchers.size + this.#wakers.size;
  }

  readonly ledger = {
    readRecords: async ({ tag }: RecordFilter, cursor: string): Promise<RecordPage> => {
      this.asked += 1;
      await soon();
      this.#fail();
      const from = Number(cursor);
      if (from < this.pruned) throw new CodedError('HISTORY_PRUNED', 'default', 'gone');
      const to = Math.min(this.records.length, from + this.pageSize());
      const records = this.records
        .slice(from, to)
        .filter((record) => tag === null || Buffer.compare(record.tag, tag) === 0);
      return { records, cursor: String(to), height: to, ledgerTime: to, reached: to === this.records.length };
    },
    recordsCursor: async (from: 'now' | 'last' | 'beginning', { tag }: RecordFilter): Promise<string> => {
      await soon();
      this.#fail();
      if (from === 'beginning') return String(this.pruned);
      const last = this.records.findLastIndex((record) => tag === null || Buffer.compare(record.tag, tag) === 0);
      return String(from === 'last' && last >= 0 ? last : this.records.length);
    },
  };

  watch(listener: (state: LedgerState) => void): () => void {
    this.#watchers.add(listener);
    listener(this.state);
    return () => this.#watchers.delete(listener);
  }

  onWake(listener: () => void): () => void {
    this.#wakers.add(listener);
    return () => this.#wakers.delete(listener);
  }

  record(text: string, tag = 'a'): void {
    const number = this.records.length;
    this.records.push({
      transactionId: `0x${number}`,
      outputIndex: 1,
      outputId: `0x${number}.1`,
      tag: Buffer.from(tag),
      bytes: Buffer.from(text),
      author: number % 2 === 0 ? (ADDRESS as LedgerRecord['author']) : null,
      height: number + 1,
      confirmedAt: Date.UTC(2026, 0, 1) + number * 1000,
    });
    for (const waker of [...this.#wakers]) waker();
  }

  become(state: LedgerState): void {
    this.state = state;
    for (const watcher of [...this.#watchers]) watcher(state);
  }

  #fail(): void {
    const error = this.failures.shift();
    if (error) throw error;
  }
}

/** What is on the disk, and the process that writes it. */
class Disk {
  readonly positions = new Map<string, ListenerPosition>();
  readonly failures: Error[] = [];
  writes = 0;

  /** A vault of a process that can be killed: from then on nothing of it reaches the disk. */
  process(): PositionKeeper & { kill(): void } {
    let dead = false;
    const step = async () => {
      await soon();
      if (dead) await new Promise(() => {});
      const error = this.failures.shift();
      if (error) throw error;
    };
    return {
      kill: () => {
        dead = true;
      },
      listenerPosition: async (network, id) => {
        await step();
        return this.positions.get(`${network} ${id}`);
      },
      moveListener: async (network, id, position) => {
        await step();
        this.writes += 1;
        this.positions.set(`${network} ${id}`, position);
        await soon();
        if (dead) await new Promise(() => {});
      },
    };
  }

  get only(): ListenerPosition | undefined {
    assert.ok(this.positions.size <= 1);
    return [...this.positions.values()][0];
  }
}

interface Heard {
  readonly event: DataEvent;
  readonly redelivered: boolean;
}

/** A flow that listens, and remembers over all its lives what it heard. */
class Flow {
  readonly heard: Heard[] = [];
  readonly troubles: (CodedError | undefined)[] = [];
  onEvent: () => void = () => {};
  #listening: DataListening | undefined;
  #process: ReturnType<Disk['process']>;
  readonly #waiting = new Set<() => void>();

  constructor(
    readonly ledger: RecordLedger,
    readonly disk: Disk,
    private order: Partial<DataListenOrder> = {},
  ) {
    this.#process = disk.process();
  }

  start(order: Partial<DataListenOrder> = this.order, pace: Pace = HASTY): this {
    this.order = order;
    this.#listening = new DataListening(
      this.ledger,
      this.#process,
      { listenerId: 'node', from: 'beginning', tag: 'a', ...order },
      {
        event: (event, redelivered) => {
          this.heard.push({ event, redelivered });
          this.onEvent();
          this.#changed();
        },
        trouble: (error) => {
          this.troubles.push(error);
          this.#changed();
        },
      },
      pace,
    );
    return this;
  }

  stop(): void {
    this.#listening?.stop();
  }

  crash(): void {
    this.#process.kill();
    this.stop();
    this.#process = this.disk.process();
  }

  get texts(): string[] {
    return this.heard.map(({ event, redelivered }) => `${event.bytes}${redelivered ? ' again' : ''}`);
  }

  async until(done: () => boolean): Promise<void> {
    while (!done()) await new Promise<void>((resolve) => this.#waiting.add(resolve));
  }

  #changed(): void {
    for (const resolve of this.#waiting) resolve();
    this.#waiting.clear();
  }
}

function soon(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** Asks the event loop, until it is so. */
async function eventually(done: () => boolean): Promise<void> {
  while (!done()) await soon();
}

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
