import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { EvidencedReading, LedgerConnection, Machine, MachineConfiguration } from '../../lib/runtime';
import { freePorts } from '../flows/node-red-process';

// The bundle, because the runtime starts worker threads from the files beside it.
const bundle = () =>
  require(resolve(__dirname, '..', '..', 'dist', 'runtime.js')) as typeof import('../../lib/runtime');

const QUICK = { tag: 'me1:log', batchCount: 1000, batchSeconds: 1 };

describe('machine nodes that share one key', function () {
  this.timeout(60_000);
  let userDir: string;
  let port: number;
  let events: EventEmitter;

  const runtime = () => bundle().runtimeOf({ settings: { userDir }, events });
  const sandbox = () =>
    runtime().openLedger({ nodeId: 'ledger', network: 'sandbox-tangle', port, deviceBrokerPort: 0 });
  const openMachine = (ledger: LedgerConnection, nodeId: string, more: Partial<MachineConfiguration> = {}) =>
    runtime().openMachine(
      { nodeId, key: 'press', accountIndex: 0, policy: null, contacts: null, anchoring: QUICK, ...more },
      ledger,
    );
  const sign = (machine: Machine, nodeId: string, n: number) =>
    machine.sign({ payload: { n }, format: 'jws', readers: [], origin: { nodeId } });
  const evidenceOf = (machine: Machine, nodeId: string): EvidencedReading[] => {
    const heard: EvidencedReading[] = [];
    machine.onEvidence(nodeId, (reading) => heard.push(reading));
    return heard;
  };
  const until = async (holds: () => boolean) => {
    while (!holds()) await new Promise((again) => setTimeout(again, 20));
  };

  beforeEach(async () => {
    events = new EventEmitter();
    userDir = await mkdtemp(join(tmpdir(), 'machine-economy-sharing-'));
    [port] = (await freePorts(1)) as [number];
  });
  afterEach(async () => {
    await bundle().closeRuntimes();
    await rm(userDir, { recursive: true, force: true, maxRetries: 5 });
  });

  it('do not take evidence from the sign nodes of each other', async () => {
    const ledger = sandbox();
    const [one, other] = [openMachine(ledger, 'one'), openMachine(ledger, 'other')];
    const told: unknown[] = [];
    for (const machine of [one, other]) machine.onEvent((event) => event.event === 'evidence' && told.push(event));
    const [first, second] = [evidenceOf(one, 'sign-one'), evidenceOf(other, 'sign-other')];
    await Promise.all([0, 1, 2].flatMap((n) => [sign(one, 'sign-one', n), sign(other, 'sign-other', n)]));
    events.emit('flows:started');
    await until(() => first.length + second.length + told.length >= 6);
    assert.deepEqual([first.length, second.length, told.length], [3, 3, 0]);
    assert.deepEqual(new Set([...first, ...second].map(({ sequence }) => sequence)).size, 6, 'each once');
  });

  it('tell the owner once of what nobody takes', async () => {
    const ledger = sandbox();
    const [one, other] = [openMachine(ledger, 'one'), openMachine(ledger, 'other')];
    const told: unknown[] = [];
    one.onEvent((event) => event.event === 'evidence' && told.push(event));
    const mine = evidenceOf(other, 'sign-other');
    await Promise.all([0, 1, 2].map((n) => sign(one, 'gone', n)));
    await sign(other, 'sign-other', 3);
    events.emit('flows:started');
    await until(() => told.length >= 3 && mine.length === 1);
    await one.succeed({ key: 'next' }).catch(() => {});
    assert.equal(told.length, 3);
  });
});
