import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ContractsVerdict } from '../../lib/cli/verify-contracts';
import { contractOf, DEAL, FULFILLED } from '../market/contracts';
import { BUYER, RIVAL, SELLER } from '../market/deal';

const COMMAND = join(__dirname, '..', '..', 'dist', 'machine-economy.js');

describe('machine-economy verify, of contracts', function () {
  this.timeout(60_000);
  let directory: string;
  const good = contractOf();
  const unpaid = contractOf({ receipts: [] });

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'verify-contracts-'));
  });
  after(() => rm(directory, { recursive: true, force: true }));

  async function verify(content: string, ...options: string[]) {
    const path = join(directory, 'contracts');
    await writeFile(path, content);
    return new Promise<{ code: number; out: string; err: string }>((done) => {
      execFile(process.execPath, [COMMAND, 'verify', path, ...options], (error, out, err) =>
        done({ code: typeof error?.code === 'number' ? error.code : 0, out, err }),
      );
    });
  }

  it('says in one line what became of it, between whom and for how much', async () => {
    const { code, out, err } = await verify(JSON.stringify(good, null, 2));
    assert.deepEqual([code, err], [0, '']);
    const [headline, note, end] = out.split('\n');
    assert.equal(
      headline,
      `VALID  completed: ${BUYER.did} from ${SELLER.did} for 0.750003 IOTA, as its buyer says; contract ${DEAL.call.hash}`,
    );
    assert.match(note ?? '', /^ {2}note: The receipts are not signed: .*\(LEDGER_NOT_ASKED\)$/);
    assert.equal(end, '');
  });

  it('says what is wrong, and ends with 1', async () => {
    const { code, out } = await verify(JSON.stringify(contractOf({}, [...FULFILLED, DEAL.complete])));
    assert.equal(code, 1);
    assert.match(out, /^INVALID {2}completed: /);
    assert.match(out, /\n {2}message 9: The same message is there more than once. \(MESSAGE_TWICE\)\n/);
  });

  it('takes many, as a list or a line each', async () => {
    const many = [good, unpaid, good];
    for (const text of [JSON.stringify(many), many.map((one) => JSON.stringify(one)).join('\n')]) {
      const { code, out } = await verify(text);
      assert.equal(code, 1);
      assert.match(out, /^INVALID {2}3 contracts, 1 of them not valid\n/);
      assert.match(out, /\n {2}contract 2: There is no receipt of the payment. \(RECEIPT_MISSING\)\n/);
    }
    const valid = await verify(JSON.stringify([good, good]));
    assert.equal(valid.code, 0);
    assert.match(valid.out, /^VALID {2}2 contracts\n/);
  });

  it('finds among them what is none', async () => {
    for (const other of ['{"temperature":20}', '{"contractId":', DEAL.call.text])
      assert.equal((await verify(`${JSON.stringify(good)}\n${other}\n`)).code, 1, other);
  });

  it('finds it also when it is the first, and looks like one', async () => {
    const { code, out } = await verify(JSON.stringify([{ ...good, note: 'paid in cash' }, good]));
    assert.equal(code, 1);
    assert.match(out, /^INVALID {2}2 contracts, 1 of them not valid\n {2}contract 1: .*\(CONTRACT_UNREADABLE\)\n/);
  });

  it('could not tell of something that only looks like one', async () => {
    const { code, out } = await verify(JSON.stringify({ contractId: 'x', status: 'completed', messages: [] }));
    assert.equal(code, 2);
    assert.match(out, /^COULD NOT TELL {2}no contract\n {2}This is not a contract: .*\(CONTRACT_UNREADABLE\)\n$/);
  });

  it('wants both sides to be trusted', async () => {
    const text = JSON.stringify(good);
    assert.equal((await verify(text, '--trust', BUYER.did, '--trust', SELLER.did)).code, 0);
    const { code, out } = await verify(text, '--trust', BUYER.did, '--trust', RIVAL.did);
    assert.equal(code, 1);
    assert.match(out, /PARTY_UNTRUSTED/);
  });

  it('prints everything as JSON', async () => {
    const { code, out } = await verify(JSON.stringify([good, unpaid]), '--json');
    const { valid, contracts } = JSON.parse(out) as ContractsVerdict;
    assert.deepEqual([code, valid, contracts.map((contract) => contract.valid)], [1, false, [true, false]]);
    assert.deepEqual(
      contracts[1]?.problems.map((problem) => problem.code),
      ['RECEIPT_MISSING'],
    );
    assert.equal(contracts[0]?.contract?.seller, SELLER.did);
  });

  it('could not tell when it was asked for what a contract does not have', async () => {
    for (const option of ['--evidence', '--succession', '--ledger']) {
      const { code, err } = await verify(JSON.stringify(good), option, 'http://127.0.0.1:9');
      assert.equal(code, 2);
      assert.ok(err.includes(option), err);
    }
  });

  it('still takes a single message for what it is, a signed document', async () => {
    const { code, out } = await verify(DEAL.call.text);
    assert.equal(code, 0);
    assert.match(out, /^VALID {2}signed by /);
  });

  it('prints some of many problems', async () => {
    const { out } = await verify(JSON.stringify(Array(30).fill(unpaid)));
    assert.match(out, /\n {2}and \d+ more\n$/);
  });
});
