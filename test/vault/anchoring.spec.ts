import assert from 'node:assert/strict';
import { generateKeyPairSync, sign } from 'node:crypto';
import { CodedError } from '../../lib/errors';
import { Log, log, readCheckpoint } from '../../lib/evidence';
import { type Journal, openJournal } from '../../lib/journal';
import type { LedgerRecord } from '../../lib/ledger';
import type { Clock, RecordOrder } from '../../lib/payments';
import { addressHash, didKeyOf, writeAddress } from '../../lib/values';
import { Anchoring } from '../../lib/vault/anchoring';

const NETWORK = 'test-tangle';

/** A clock that stands still until the test moves it. */
class TestClock implements Clock {
  time = 1_790_000_000_000;
  readonly #timers = new Set<{ at: number; run: () => void }>();

  now = () => this.time;
  elapsed = () => this.time;
  after = (milliseconds: number, run: () => void) => {
    const timer = { at: this.time + milliseconds, run };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  };

  pass(milliseconds: number): void {
    this.time += milliseconds;
    for (const timer of [...this.#timers]) {
      if (timer.at > this.time) continue;
      this.#timers.delete(timer);
      timer.run();
    }
  }
}

function identity() {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  const raw = new Uint8Array(publicKey.export({ format: 'der', type: 'spki' }).subarray(-32));
  return {
    did: didKeyOf(raw),
    publicKey: raw,
    address: writeAddress(addressHash(raw), { kind: 'bech32', prefix: 'tst' }),
    sign: (bytes: Uint8Array) => new Uint8Array(sign(null, bytes, privateKey)),
  };
}

type Identity = ReturnType<typeof identity>;

/** Everything around the anchoring of one log: the account takes records, the ledger shows them, the test confirms them. */
class Stage {
  readonly clock = new TestClock();
  readonly asked: RecordOrder[] = [];
  readonly reported: string[] = [];
  readonly onLedger: Pick<LedgerRecord, 'bytes'>[] = [];
  readonly damages: string[] = [];
  changes = 0;
  ledgerDown = false;
  frozen = false;
  stopped: CodedError | undefined;
  readonly log: Log;
  anchoring: Anchoring;

  constructor(
    readonly journal: Journal = openJournal({ memory: true, projections: [log], now: () => 1_790_000_000_000 }),
    readonly me: Identity = identity(),
    readonly settings = { tag: 'me1:log', batchCount: 5, batchSeconds: 60 },
  ) {
    this.log = new Log(journal, me);
    this.anchoring = this.start();
  }

  start(settings = this.settings): Anchoring {
    return new Anchoring(
      {
        identity: this.me,
        networkId: NETWORK,
        log: this.log,
        account: {
          record: async (order) => {
            if (this.frozen) throw new CodedError('JOURNAL_DAMAGED', 'foreign-spend', 'frozen');
            if (!this.asked.some(({ recordId }) => recordId === order.recordId)) this.asked.push(order);
          },
          recordReported: async (recordId) => {
            this.reported.push(recordId);
          },
        },
        ledger: {
          latestRecords: async () => {
            if (this.ledgerDown) throw new CodedError('LEDGER_UNREACHABLE', 'default', 'down');
            return this.onLedger as LedgerRecord[];
          },
        },
        clock: this.clock,
        stopped: () => this.stopped,
        changed: () => {
          this.changes += 1;
        },
        damaged: ({ detail }) => this.damages.push(detail),
      },
      settings,
    );
  }

  async sign(count: number, waiting = true): Promise<void> {
    const leaves = Array.from({ length: count }, (_, n) => ({
      text: `{"n":${this.log.size + n}}`,
      ...(waiting && { waiting: { nodeId: 'node' } }),
    }));
    await this.log.append(leaves);
    this.anchoring.kick();
    await settled();
  }

  async confirm(order = this.asked.at(-1)): Promise<void> {
    assert.ok(order, 'something was handed to the account');
    this.onLedger.splice(0, 1, { bytes: order.bytes });
    const { recordId } = order;
    await this.anchoring.recorded({
      recordId,
      transactionId: `0x${recordId}`,
      height: 7,
      confirmedAt: this.clock.time,
    });
    await settled();
  }

  /** The ledger does not take what was handed over last. */
  refuse(): void {
    const order = this.asked.pop();
    assert.ok(order, 'something was handed to the account');
    this.anchoring.refused(order.recordId, 'the ledger does not take it');
  }

  sizes(): number[] {
    return this.asked.map(({ bytes }) => readCheckpoint(Buffer.from(bytes).toString()).size);
  }
}

/** Commits of a journal in memory come with the next turns of the event loop. */
async function settled(): Promise<void> {
  for (let turn = 0; turn < 10; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}

describe('the way of checkpoints to the ledger', () => {
  it('hands a checkpoint over as soon as enough documents wait', async () => {
    const stage = new Stage();
    await stage.sign(4);
    assert.deepEqual(stage.sizes(), []);
    await stage.sign(1);
    assert.deepEqual(stage.sizes(), [5]);
    assert.equal(Buffer.from(stage.asked[0]?.tag ?? []).toString(), 'me1:log');
  });

  it('hands it over once the oldest document has waited long enough', async () => {
    const stage = new Stage();
    await stage.sign(1);
    stage.clock.pass(59_999);
    await settled();
    assert.deepEqual(stage.sizes(), []);
    stage.clock.pass(1);
    await settled();
    assert.deepEqual(stage.sizes(), [1]);
  });

  it('does not wait for years when the clock was set back', async () => {
    const stage = new Stage();
    stage.clock.time -= 365 * 86_400_000;
    await stage.sign(1);
    assert.deepEqual(stage.sizes(), [1]);
  });

  it('asks for nothing when nobody waits for evidence', async () => {
    const stage = new Stage();
    await stage.sign(1000, false);
    stage.clock.pass(3_600_000);
    await settled();
    assert.deepEqual(stage.sizes(), []);
  });

  it('has one checkpoint on its way at a time, and puts everything signed meanwhile into the next', async () => {
    const stage = new Stage();
    await stage.sign(5);
    await stage.sign(7);
    await stage.sign(6);
    assert.deepEqual(stage.sizes(), [5]);
    await stage.confirm();
    assert.deepEqual(stage.sizes(), [5, 18]);
    await stage.confirm();
    assert.deepEqual(stage.reported, ['checkpoint:5:me1:log', 'checkpoint:18:me1:log']);
    assert.equal(stage.log.lastAnchor(NETWORK)?.size, 18);
  });

  it('takes up after a restart what an earlier process had handed over', async () => {
    const stage = new Stage();
    await stage.sign(5);
    stage.anchoring.close();
    await stage.log.append([{ text: '{"n":5}', waiting: { nodeId: 'node' } }]);
    // By these settings nothing would be due yet: what was handed over is followed all the same.
    stage.anchoring = stage.start({ ...stage.settings, batchCount: 1000 });
    stage.asked.length = 0;
    stage.anchoring.kick();
    await settled();
    assert.deepEqual(stage.sizes(), [5], 'the same, under the same id');
    await stage.confirm();
    assert.equal(stage.log.lastAnchor(NETWORK)?.size, 5);
  });

  it('remembers the tag that a checkpoint was recorded under, though the settings have changed since', async () => {
    const stage = new Stage();
    await stage.sign(5);
    stage.anchoring.configure({ ...stage.settings, tag: 'another' });
    await stage.confirm();
    assert.equal(stage.log.lastAnchor(NETWORK)?.tag, 'me1:log');
    await stage.sign(5);
    assert.equal(Buffer.from(stage.asked[1]?.tag ?? []).toString(), 'another');
  });

  it('says what the ledger says of a checkpoint that was told twice only once', async () => {
    const stage = new Stage();
    await stage.sign(5);
    await stage.confirm();
    const first = stage.log.lastAnchor(NETWORK);
    stage.clock.pass(1000);
    await stage.confirm();
    assert.deepEqual(stage.log.lastAnchor(NETWORK), first);
  });

  it('tries again when the ledger does not answer, and says why nothing goes on meanwhile', async () => {
    const stage = new Stage();
    stage.ledgerDown = true;
    await stage.sign(5);
    assert.equal(stage.anchoring.problem?.code, 'LEDGER_UNREACHABLE');
    stage.ledgerDown = false;
    stage.clock.pass(5_000);
    await settled();
    assert.deepEqual(stage.sizes(), [5]);
    await stage.confirm();
    assert.equal(stage.anchoring.problem, undefined);
  });

  it('says that money is missing until the checkpoint is on the ledger', async () => {
    const stage = new Stage();
    await stage.sign(5);
    stage.anchoring.waits(new CodedError('FUNDS_INSUFFICIENT', 'record', 'no money'));
    assert.equal(stage.anchoring.problem?.code, 'FUNDS_INSUFFICIENT');
    await stage.confirm();
    assert.equal(stage.anchoring.problem, undefined);
  });

  it('records nothing from a log that is behind its own checkpoint on the ledger', async () => {
    const stage = new Stage();
    await stage.sign(8);
    const copy = new Stage(undefined, stage.me);
    copy.onLedger.push({ bytes: Buffer.from(stage.log.checkpointOf(8)) });
    await copy.sign(5);
    assert.deepEqual(copy.sizes(), []);
    assert.deepEqual([copy.anchoring.problem?.code, copy.anchoring.problem?.detail], ['JOURNAL_DAMAGED', 'log-behind']);
    assert.deepEqual(copy.damages, ['log-behind']);
  });

  it('records nothing from a log that has another history than the ledger', async () => {
    const stage = new Stage();
    await stage.sign(5);
    const copy = new Stage(undefined, stage.me);
    copy.onLedger.push({ bytes: Buffer.from(stage.log.checkpointOf(3)) });
    await copy.log.append([0, 1, 2, 3, 4].map((n) => ({ text: `{"other":${n}}`, waiting: { nodeId: 'node' } })));
    copy.anchoring.kick();
    await settled();
    assert.deepEqual(copy.sizes(), []);
    assert.equal(copy.anchoring.problem?.detail, 'log-differs');
  });

  it('looks before anybody waits for evidence, and again until the ledger has answered', async () => {
    const stage = new Stage();
    await stage.sign(8);
    const copy = new Stage(undefined, stage.me);
    copy.onLedger.push({ bytes: Buffer.from(stage.log.checkpointOf(8)) });
    copy.ledgerDown = true;
    copy.anchoring.kick();
    await settled();
    assert.deepEqual([copy.damages, copy.anchoring.problem], [[], undefined]);
    copy.ledgerDown = false;
    copy.clock.pass(5_000);
    await settled();
    assert.deepEqual(copy.damages, ['log-behind']);
  });

  it('does not mind records of other things, or of other machines', async () => {
    const stage = new Stage();
    const stranger = new Stage();
    await stranger.sign(9);
    stage.onLedger.push({ bytes: Buffer.from('no checkpoint') }, { bytes: Buffer.from(stranger.log.checkpointOf(9)) });
    await stage.sign(5);
    assert.deepEqual(stage.sizes(), [5]);
  });

  it('does nothing any more once it is closed', async () => {
    const stage = new Stage();
    await stage.sign(4);
    stage.anchoring.close();
    await stage.sign(4);
    stage.clock.pass(3_600_000);
    await settled();
    assert.deepEqual(stage.sizes(), []);
  });
});

describe('a checkpoint that a ledger does not take', () => {
  it('is told, tried again after a while, and stands in the way of nothing', async () => {
    const stage = new Stage();
    await stage.sign(5);
    stage.refuse();
    await settled();
    assert.equal(stage.anchoring.problem?.code, 'EVIDENCE_INVALID');
    await stage.sign(5);
    assert.deepEqual(stage.sizes(), [], 'not at once');
    assert.equal(stage.anchoring.problem?.code, 'EVIDENCE_INVALID');
    stage.clock.pass(600_000);
    await settled();
    assert.deepEqual(stage.sizes(), [5]);
    await stage.confirm();
    assert.equal(stage.anchoring.problem, undefined);
    assert.deepEqual(stage.sizes(), [5, 10]);
  });

  it('is tried again at once under another tag', async () => {
    const stage = new Stage();
    await stage.sign(5);
    stage.refuse();
    stage.anchoring.configure({ ...stage.settings, tag: 'another' });
    await settled();
    assert.deepEqual(
      stage.asked.map(({ tag }) => Buffer.from(tag).toString()),
      ['another'],
    );
  });

  it('of which nobody hears any more does not let the next one go twice', async () => {
    const stage = new Stage();
    await stage.sign(5);
    stage.anchoring.refused('checkpoint:4:me1:log', 'one of an earlier process');
    await stage.sign(5);
    assert.deepEqual(stage.sizes(), [5]);
    assert.equal(stage.anchoring.problem, undefined);
  });
});

describe('an account that does not sign records any more', () => {
  it('is told and asked again, while the log goes on', async () => {
    const stage = new Stage();
    stage.frozen = true;
    await stage.sign(5);
    assert.deepEqual(
      [stage.anchoring.problem?.code, stage.anchoring.problem?.detail],
      ['JOURNAL_DAMAGED', 'foreign-spend'],
    );
    assert.deepEqual(stage.damages, [], 'the log is sound');
    stage.frozen = false;
    stage.clock.pass(600_000);
    await settled();
    assert.deepEqual(stage.sizes(), [5]);
  });
});

describe('the ways of one log to several ledgers', () => {
  it('end together when one of them finds out that the log must not go on', async () => {
    const stage = new Stage();
    stage.stopped = new CodedError('JOURNAL_DAMAGED', 'log-behind', 'the other ledger knows more');
    await stage.sign(5);
    stage.clock.pass(60_000);
    await settled();
    assert.deepEqual(stage.sizes(), []);
    assert.deepEqual(stage.damages, ['log-behind'], 'told once');
  });

  it('bring a checkpoint that was made for another ledger only to where somebody waits for it', async () => {
    const stage = new Stage();
    await stage.sign(3);
    const made = await stage.log.checkpoint();
    await stage.log.settled([0, 1, 2]);
    stage.anchoring.kick();
    await settled();
    assert.deepEqual(stage.sizes(), [], 'nobody waits');
    await stage.sign(1);
    assert.deepEqual(stage.sizes(), [], 'it would not help');
    await stage.sign(4);
    assert.deepEqual(stage.sizes(), [8]);
    assert.equal(made.size, 3);
  });
});

describe('a report on a checkpoint that cannot be written down', () => {
  it('stops a log that is not the one of the report', async () => {
    const stage = new Stage();
    await stage.sign(5);
    await stage.anchoring.recorded({
      recordId: 'checkpoint:9:me1:log',
      transactionId: '0x9',
      height: 7,
      confirmedAt: 1,
    });
    assert.deepEqual(stage.damages, ['log-behind']);
    assert.equal(stage.anchoring.problem?.code, 'JOURNAL_DAMAGED');
  });
});
