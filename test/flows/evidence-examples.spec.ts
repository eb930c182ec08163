import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { example, type FlowNode, ObservedFlow } from './evidence-flow';

describe('the example with a signed sensor', function () {
  this.timeout(180_000);
  let flow: ObservedFlow;

  before(async () => {
    flow = await ObservedFlow.start(example('signed-sensor'), {
      'signed-sensor-verify:0': 'accepted',
      'signed-sensor-verify:1': 'refused',
      'signed-sensor-machine-catch:0': 'not-signed',
      'signed-sensor-customer-catch:0': 'not-verified',
    });
  });
  after(async () => flow.stop());

  it('brings readings over MQTT to a customer who knows who signed them, and since when the ledger has them', async () => {
    const { verification, payload } = await flow.hears('accepted');
    assert.ok(verification?.valid && verification.anchored);
    assert.match(verification.signer ?? '', /^did:key:z6Mk/);
    assert.ok(Date.parse(verification.anchoredAt ?? '') >= Date.parse(verification.signedAt ?? ''));
    const { document } = payload as { document: { sensor: string; celsius: number } };
    assert.equal(document.sensor, 'boiler-7');
    // One after the other, none missing.
    await flow.hears('accepted', (told) => told.verification?.sequence === (verification.sequence ?? 0) + 3);
    const sequences = (await flow.heard('accepted')).map((told) => told.verification?.sequence);
    assert.deepEqual(
      sequences,
      sequences.map((_, index) => (sequences[0] as number) + index),
    );
  });

  it('refuses a reading that was changed on the way, and accepts the next one', async () => {
    await flow.press('signed-sensor-forge-button');
    const { verification, payload } = await flow.hears('refused');
    assert.equal(verification?.valid, false);
    assert.equal(verification.problems[0]?.code, 'PAYLOAD_CHANGED');
    assert.match(verification.problems[0]?.message ?? '', /changed/);
    const { document } = payload as { document: { celsius: number } };
    assert.ok(document.celsius < 70, 'three degrees less than any reading');
    const { length: count } = await flow.heard('accepted');
    await flow.hears('accepted', (_, index) => index >= count);
    assert.deepEqual([await flow.heard('not-signed'), await flow.heard('not-verified')], [[], []]);
    assert.ok(
      (await flow.heard('accepted')).every(
        (told) => (told.payload as typeof payload & { document: { celsius: number } }).document.celsius >= 70,
      ),
    );
  });
});

describe('the example with an auditor', function () {
  this.timeout(180_000);
  const file = `machine-economy-auditor-${randomUUID()}.jsonl`;
  const path = join(tmpdir(), file);
  let flow: ObservedFlow;

  before(async () => {
    const own = example('auditor').map((node): FlowNode => {
      if (typeof node.func !== 'string') return node;
      return { ...node, func: node.func.replace('machine-economy-auditor-example.jsonl', file) };
    });
    flow = await ObservedFlow.start(own, {
      'auditor-write:0': 'written',
      'auditor-verify:0': 'good',
      'auditor-verify:1': 'objection',
      'auditor-auditor-catch:0': 'not-verified',
    });
  });
  after(async () => {
    await flow.stop();
    await rm(path, { force: true });
  });

  it('writes a file whose every line stands for itself', async () => {
    await flow.hears('written', (_, index) => index === 5);
    const [line] = readFileSync(path, 'utf8').split('\n');
    const { document, evidence } = JSON.parse(line as string) as { document: { proof: object }; evidence: object };
    assert.ok('proof' in document);
    assert.deepEqual(Object.keys(evidence).sort(), ['anchor', 'proof', 'type']);
  });

  it('finds nothing to object to in the file as it is', async () => {
    await flow.press('auditor-as-it-is');
    const { verification } = await flow.hears('good');
    assert.ok(verification?.valid && verification.anchored);
    assert.ok((verification.documents?.count ?? 0) >= 6);
    assert.equal(verification.documents?.logs.length, 1);
  });

  for (const [what, button, code] of [
    ['a reading is missing', 'auditor-one-less', 'SEQUENCE_GAP'],
    ['a reading was changed', 'auditor-one-changed', 'PAYLOAD_CHANGED'],
  ] as const) {
    it(`objects when ${what}`, async () => {
      await flow.press(button);
      const { verification } = await flow.hears('objection', (told) =>
        Boolean(told.verification?.problems.some((problem) => problem.code === code)),
      );
      assert.equal(verification?.valid, false);
      assert.deepEqual(
        verification.problems.map((problem) => problem.code),
        [code],
      );
    });
  }

  it('has verified the file itself, untouched, and met no error', async () => {
    assert.ok(existsSync(path));
    assert.equal((await flow.heard('good')).length, 1);
    assert.deepEqual(await flow.heard('not-verified'), []);
  });
});
