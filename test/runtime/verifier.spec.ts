import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { MessageChannel, type MessagePort } from 'node:worker_threads';
import { isCodedError } from '../../lib/errors';
import type { RecordLedger } from '../../lib/evidence';
import { type LedgerSource, Verifier } from '../../lib/runtime/verifier';
import { serve } from '../../lib/threads';
import { FakeLedger, Notary, parsed } from '../evidence/verification/notary';

const WORKER = join(__dirname, '..', '..', 'dist', 'evidence-worker.js');
const FRAGILE = join(__dirname, 'fixtures', 'fragile-verifier.cjs');

describe('the verifier in its thread', function () {
  this.timeout(30_000);
  const machine = new Notary(1);
  for (let n = 0; n < 300; n++) machine.next({ n });
  const documents = machine.leaves.map(parsed);
  const payload = { document: documents[3], evidence: machine.evidence(3) };
  const ask = { trusted: [machine.did], requireAnchor: false };
  const verifiers: Verifier[] = [];
  const ports: MessagePort[] = [];

  before(() => assert.ok(existsSync(WORKER), 'run npm run build first'));
  afterEach(async () => {
    for (const port of ports.splice(0)) port.close();
    await Promise.all(verifiers.splice(0).map((verifier) => verifier.close()));
  });

  function open(file = WORKER, heapMegabytes?: number): Verifier {
    const verifier = new Verifier(file, heapMegabytes);
    verifiers.push(verifier);
    return verifier;
  }

  /** A ledger of this thread, behind a port as any other. */
  function source(ledger: FakeLedger, ledgerId = 'tangle:1') {
    const consumers = new Set<(port: MessagePort) => void>();
    let connections = 0;
    const attach = (onPort: (port: MessagePort) => void) => {
      const { port1, port2 } = new MessageChannel();
      ports.push(port1);
      port1.unref();
      serve<RecordLedger>(port1, {
        network: () => ledger.network(),
        recordsOf: (id) => ledger.recordsOf(id),
        latestRecords: (author) => ledger.latestRecords(author),
        previousRecord: (record) => ledger.previousRecord(record),
      });
      connections += 1;
      onPort(port2);
    };
    const connected: LedgerSource & { readonly connections: number; readonly consumers: number; renew(): void } = {
      ledgerId,
      connect(onPort) {
        consumers.add(onPort);
        attach(onPort);
        return () => consumers.delete(onPort);
      },
      get connections() {
        return connections;
      },
      get consumers() {
        return consumers.size;
      },
      renew() {
        for (const port of ports.splice(0)) port.close();
        for (const consumer of consumers) attach(consumer);
      },
    };
    return connected;
  }

  it('gives the same verdict as without a thread', async () => {
    const { valid, sequence, warnings } = await open().verify({ ...ask, payload });
    assert.deepEqual([valid, sequence, warnings.map(({ code }) => code)], [true, 3, ['ANCHOR_UNCHECKED']]);
  });

  it('asks the ledger that it is told to, through a port of its own', async () => {
    const [ledger, empty] = [new FakeLedger(), new FakeLedger()];
    ledger.record(machine, 300);
    const [one, two] = [source(ledger), source(empty, 'tangle:2')];
    const verifier = open();
    const request = { ...ask, payload, requireAnchor: true };
    assert.ok((await verifier.verify(request, one)).anchored);
    assert.ok((await verifier.verify(request, one)).anchored);
    assert.equal(one.connections, 1);
    assert.deepEqual(
      (await verifier.verify(request, two)).problems.map(({ code }) => code),
      ['ANCHOR_NOT_FOUND'],
    );
    assert.equal((await verifier.verify(request)).anchored, false);
  });

  it('finds a ledger again whose worker was started anew', async () => {
    const ledger = new FakeLedger();
    ledger.record(machine, 300);
    const tangle = source(ledger);
    const verifier = open();
    const request = { ...ask, payload, requireAnchor: true };
    assert.ok((await verifier.verify(request, tangle)).anchored);
    tangle.renew();
    assert.ok((await verifier.verify(request, tangle)).anchored);
  });

  it('says nothing when the ledger is gone', async () => {
    const ledger = new FakeLedger();
    const tangle = source(ledger);
    const verifier = open();
    ledger.unreachable = true;
    const unreachable = (error: unknown) => isCodedError(error, 'LEDGER_UNREACHABLE');
    await assert.rejects(verifier.verify({ ...ask, payload }, tangle), unreachable);
    await assert.rejects(
      verifier.verify({ ...ask, payload }, { ledgerId: 'tangle:3', connect: () => () => {} }),
      unreachable,
    );
  });

  it('lets go of a ledger that is closed, and takes it up when it is opened again', async () => {
    const ledger = new FakeLedger();
    ledger.record(machine, 300);
    const verifier = open();
    const request = { ...ask, payload, requireAnchor: true };
    const before = source(ledger);
    assert.ok((await verifier.verify(request, before)).anchored);
    verifier.detachLedger(before.ledgerId);
    assert.equal(before.consumers, 0);
    const after = source(ledger);
    assert.ok((await verifier.verify(request, after)).anchored);
    verifier.detachLedger('tangle:9');
  });

  for (const [what, large] of [
    ['a long list', [...documents, { document: documents[0], evidence: machine.evidence(0) }]],
    ['a long text', Array.from({ length: 10 }, () => machine.leaves.join('\n')).join('\n')],
  ] as const) {
    it(`takes ${what} in pieces`, async () => {
      const { documents: summary } = await open().verify({ ...ask, payload: large });
      assert.equal(summary?.count, what === 'a long list' ? 301 : 3_000);
    });
  }

  it('judges one document while it is busy with many', async () => {
    const verifier = open();
    let done = false;
    const many = verifier
      .verify({ ...ask, payload: Array.from({ length: 20 }, () => machine.leaves.join('\n')).join('\n') })
      .then(() => {
        done = true;
      });
    assert.ok((await verifier.verify({ ...ask, payload })).valid);
    assert.equal(done, false);
    await many;
  });

  it('refuses what is no data, and goes on', async () => {
    const verifier = open();
    for (const odd of [{ proof: () => {} }, [...documents, () => {}]]) {
      await assert.rejects(verifier.verify({ ...ask, payload: odd }), (error) =>
        isCodedError(error, 'DATA_NOT_CANONICAL'),
      );
    }
    assert.ok((await verifier.verify({ ...ask, payload })).valid);
  });

  it('is started again after it died, with its ledgers; what was asked meanwhile fails with a code', async () => {
    const ledger = new FakeLedger();
    ledger.record(machine, 300);
    const tangle = source(ledger);
    const verifier = open(FRAGILE);
    await assert.rejects(verifier.verify({ ...ask, payload: 'die' }, tangle), (error) => {
      return isCodedError(error, 'LEDGER_UNREACHABLE') && error.detail === 'verifier-ended';
    });
    const { signer } = await verifier.verify({ ...ask, payload: 'answer' }, tangle);
    assert.equal(signer, 'attached');
  });

  it('says that something was too large for it', async () => {
    const verifier = open(FRAGILE, 32);
    await assert.rejects(verifier.verify({ ...ask, payload: 'eat' }), (error) => isCodedError(error, 'DATA_TOO_LARGE'));
    await verifier.verify({ ...ask, payload: 'answer' });
  });

  it('fails when its file is missing, and does nothing after it was closed', async () => {
    const interrupted = (error: unknown) => isCodedError(error, 'LEDGER_UNREACHABLE');
    await assert.rejects(open(`${WORKER}.missing`).verify({ ...ask, payload }), interrupted);
    const verifier = open();
    await verifier.close();
    await assert.rejects(verifier.verify({ ...ask, payload }), interrupted);
  });
});
