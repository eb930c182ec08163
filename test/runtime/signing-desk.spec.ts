import assert from 'node:assert/strict';
import { CodedError } from '../../lib/errors';
import { SigningDesk } from '../../lib/runtime/signing-desk';
import type { ReadingToSign, SigningResult } from '../../lib/vault';

const reading = (text: string): ReadingToSign => ({
  document: { text, proofAt: 1 },
  format: 'jws',
  readers: [],
});

/** A vault whose answers come when the test says so. */
class SlowVault {
  readonly calls: { readings: readonly ReadingToSign[]; answer(results?: SigningResult[]): void; die(): void }[] = [];
  #waiting: (() => void)[] = [];
  #sequence = 0;

  readonly call = (readings: readonly ReadingToSign[]): Promise<SigningResult[]> =>
    new Promise((resolve, reject) => {
      this.calls.push({
        readings,
        answer: (results = readings.map(({ document }) => ({ payload: document.text, sequence: this.#sequence++ }))) =>
          resolve(results),
        die: () => reject(new CodedError('JOURNAL_DAMAGED', 'disk', 'gone')),
      });
      for (const heard of this.#waiting.splice(0)) heard();
    });

  async called(times: number): Promise<void> {
    while (this.calls.length < times) await new Promise<void>((heard) => this.#waiting.push(heard));
  }
}

describe('the desk where documents wait for the vault', () => {
  it('sends what came in the same moment in one call, and answers each by itself', async () => {
    const vault = new SlowVault();
    const desk = new SigningDesk(vault.call);
    const signed = Promise.all(['a', 'b', 'c'].map((text) => desk.sign(reading(text))));
    await vault.called(1);
    vault.calls[0]?.answer();
    assert.deepEqual(await signed, [
      { payload: 'a', sequence: 0 },
      { payload: 'b', sequence: 1 },
      { payload: 'c', sequence: 2 },
    ]);
    assert.equal(vault.calls.length, 1);
  });

  it('gathers while three calls are under way, and keeps the order', async () => {
    const vault = new SlowVault();
    const desk = new SigningDesk(vault.call);
    const asked: Promise<unknown>[] = [];
    for (let n = 0; n < 3; n += 1) {
      asked.push(desk.sign(reading(`early ${n}`)));
      await vault.called(n + 1);
    }
    for (let n = 0; n < 5; n += 1) asked.push(desk.sign(reading(`late ${n}`)));
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(vault.calls.length, 3, 'the rest waits');
    vault.calls[0]?.answer();
    await vault.called(4);
    assert.deepEqual(
      vault.calls[3]?.readings.map(({ document }) => document.text),
      ['late 0', 'late 1', 'late 2', 'late 3', 'late 4'],
    );
    for (const call of vault.calls) call.answer();
    await Promise.all(asked);
  });

  it('never asks for more than a batch at once', async () => {
    const vault = new SlowVault();
    const desk = new SigningDesk(vault.call);
    const asked = Array.from({ length: 1200 }, (_, n) => desk.sign(reading(String(n))));
    await vault.called(3);
    assert.deepEqual(
      vault.calls.map(({ readings }) => readings.length),
      [512, 512, 176],
    );
    for (const call of vault.calls) call.answer();
    await Promise.all(asked);
  });

  it('asks for little at once where documents are large: their answers are parsed where everything else waits', async () => {
    const vault = new SlowVault();
    const desk = new SigningDesk(vault.call);
    const texts = Array.from({ length: 8 }, (_, n) => String(n).repeat(100 * 1024));
    const asked = Promise.all(texts.map((text) => desk.sign(reading(text))));
    for (let call = 0; call < 4; call += 1) {
      await vault.called(call + 1);
      assert.equal(vault.calls[call]?.readings.length, 2);
      vault.calls[call]?.answer();
    }
    assert.deepEqual(
      (await asked).map(({ payload }) => payload),
      texts,
      'in their order',
    );
  });

  it('tells each document what the vault refused it for', async () => {
    const vault = new SlowVault();
    const desk = new SigningDesk(vault.call);
    const [good, bad] = [desk.sign(reading('good')), desk.sign(reading('bad'))];
    await vault.called(1);
    const refused = { code: 'BACKLOG_FULL', detail: 'default', message: 'full', parameters: { count: 7 } } as const;
    vault.calls[0]?.answer([{ payload: 'good', sequence: 4 }, { refused }]);
    assert.equal((await good).sequence, 4);
    await assert.rejects(bad, { code: 'BACKLOG_FULL', parameters: { count: 7 } });
  });

  it('fails the whole batch when the vault cannot answer, and takes the next', async () => {
    const vault = new SlowVault();
    const desk = new SigningDesk(vault.call);
    const lost = desk.sign(reading('lost'));
    await vault.called(1);
    vault.calls[0]?.die();
    await assert.rejects(lost, { code: 'JOURNAL_DAMAGED' });
    const next = desk.sign(reading('next'));
    await vault.called(2);
    vault.calls[1]?.answer();
    assert.equal((await next).payload, 'next');
  });

  it('says so when documents come faster than they can be signed, and takes more once there is room', async () => {
    const vault = new SlowVault();
    const desk = new SigningDesk(vault.call);
    const large = 'x'.repeat(1024 * 1024);
    const asked = Array.from({ length: 65 }, () => desk.sign(reading(large)));
    await assert.rejects(desk.sign(reading('one more')), { code: 'BACKLOG_FULL', detail: 'busy' });
    for (let n = 0; n < asked.length; n += 1) {
      await vault.called(n + 1);
      vault.calls[n]?.answer();
    }
    await Promise.all(asked);
    const later = desk.sign(reading('later'));
    await vault.called(asked.length + 1);
    vault.calls.at(-1)?.answer();
    await later;
  });
});
