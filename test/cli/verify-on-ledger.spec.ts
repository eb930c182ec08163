import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { NetworkInfo, SpendableOutput } from '../../lib/ledger';
import { StardustLedger } from '../../lib/ledger/stardust';
import { type SandboxTangle, startTangle } from '../../lib/sandbox';
import { type Address, addressHash, writeAddress } from '../../lib/values';
import { Notary, parsed, TAG } from '../evidence/verification/notary';

const COMMAND = join(__dirname, '..', '..', 'dist', 'machine-economy.js');

/** The anchor of a checkpoint that was really put on a ledger. */
type RealAnchor = ReturnType<Notary['evidence']>['anchor'];

describe('machine-economy verify --ledger, against a Tangle', function () {
  this.timeout(90_000);
  const machine = new Notary(77);
  let directory: string;
  let tangle: SandboxTangle;
  let ledger: StardustLedger;
  let network: NetworkInfo;
  let address: Address;
  let funds: readonly SpendableOutput[];

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'verify-'));
    tangle = await startTangle({ port: 0, milestoneInterval: 200 });
    ledger = new StardustLedger({ url: tangle.url, mqttUrl: tangle.mqttUrl, faucetUrl: tangle.faucetUrl });
    network = await ledger.network();
    address = writeAddress(addressHash(machine.publicKey), network.addressForm);
    await ledger.requestFunds(address);
    funds = await until(async () => {
      const { outputs } = await ledger.holdings(address);
      return outputs.length > 0 ? outputs : undefined;
    });
  });
  after(async () => {
    await ledger.close();
    await tangle.close();
    await rm(directory, { recursive: true, force: true });
  });

  /** Asks again with every milestone. */
  async function until<T>(ask: () => Promise<T | undefined>): Promise<T> {
    for (;;) {
      const heard = new Promise<void>((resolve) => {
        const stop = ledger.onSignal(({ kind }) => {
          if (kind !== 'wake') return;
          stop();
          resolve();
        });
      });
      const answer = await ask();
      if (answer !== undefined) return answer;
      await heard;
    }
  }

  /** Each record spends the one before, as machines do it. */
  async function anchor(text: string): Promise<RealAnchor> {
    const records = [{ tag: Buffer.from(TAG), bytes: Buffer.from(text) }];
    const prepared = await ledger.prepare({ from: address, payments: [], records, claims: [] }, funds);
    const signature = machine.sign(prepared.signingHash);
    const sealed = await ledger.seal(prepared.essence, { publicKey: machine.publicKey, signature });
    await ledger.submit(sealed);
    const { transactionId } = sealed;
    const outcome = await until(async () => {
      const found = await ledger.outcome({ transactionId, inputs: prepared.inputs });
      return found.state === 'final' ? found : undefined;
    });
    funds = (await ledger.holdings(address)).outputs;
    const confirmedAt = new Date(outcome.confirmedAt).toISOString();
    return { network: network.networkId, tag: TAG, transactionId, milestone: outcome.height, confirmedAt };
  }

  async function run(content: unknown): Promise<{ code: number; out: string }> {
    const file = join(directory, 'document.json');
    await writeFile(file, JSON.stringify(content));
    const parameters = [COMMAND, 'verify', file, '--trust', machine.did, '--ledger', tangle.url];
    let out = '';
    const child = execFile(process.execPath, parameters, (_, stdout, stderr) => {
      out = stdout + stderr;
    });
    const [code] = await once(child, 'close');
    return { code: code as number, out };
  }

  it('finds what was recorded, and nothing else', async () => {
    for (let n = 0; n < 5; n++) machine.next({ temperature: n });
    const early = await anchor(machine.checkpoint(3));
    const late = await anchor(machine.checkpoint(5));
    const document = parsed(machine.leaves[2] as string);
    for (const [size, place] of [
      [3, early],
      [5, late],
    ] as const) {
      const { code, out } = await run({ document, evidence: machine.evidence(2, { size, anchor: place }) });
      assert.equal(code, 0, out);
      assert.ok(out.includes(`on the ledger since ${place.confirmedAt}`), out);
      assert.doesNotMatch(out, /note/);
    }
    for (const [evidence, problem] of [
      [machine.evidence(2, { size: 3, anchor: late }), 'ANCHOR_DIFFERS'],
      [
        machine.evidence(2, { size: 3, anchor: { ...early, transactionId: `0x${'ab'.repeat(32)}` } }),
        'ANCHOR_NOT_FOUND',
      ],
      [machine.evidence(2, { size: 3, anchor: { ...early, network: 'another' } }), 'ANCHOR_NETWORK'],
    ] as const) {
      const { code, out } = await run({ document, evidence });
      assert.equal(code, 1, out);
      assert.ok(out.includes(`(${problem})`), out);
    }
    const bare = await run(document);
    assert.equal(bare.code, 1);
    assert.match(bare.out, /ANCHOR_MISSING/);
  });

  it('finds a second history of the same size', async () => {
    const twin = new Notary(77);
    for (let n = 0; n < 5; n++) twin.next({ temperature: -n });
    const place = await anchor(twin.checkpoint(5));
    const evidence = twin.evidence(2, { size: 5, anchor: place });
    const { code, out } = await run({ document: parsed(twin.leaves[2] as string), evidence });
    assert.equal(code, 1, out);
    assert.match(out, /of size 5 and 5 contradict each other\. \(CHECKPOINT_CONFLICT\)/);
  });
});
