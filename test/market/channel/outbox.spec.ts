import assert from 'node:assert/strict';
import { Outbox, type OutgoingMessage } from '../../../lib/market/channel/outbox';
import { Timeline } from '../../payments/simulation/timeline';

const BEGIN = 1_790_000_000_000;
const SECOND = 1_000;
const HOUR = 3_600 * SECOND;

describe('the outbox', () => {
  let timeline: Timeline;
  let published: { readonly text: string; readonly at: number }[];
  /** What the broker says to a publication. */
  let answer: () => Promise<boolean>;
  let outbox: Outbox;

  const open = (limit?: { readonly messages: number; readonly characters: number }) =>
    new Outbox({
      publish: (_topic, text) => {
        published.push({ text, at: (timeline.now() - BEGIN) / SECOND });
        return answer();
      },
      clock: timeline,
      ...(limit && { limit }),
    });
  const message = (hash: string, more: Partial<OutgoingMessage> = {}): OutgoingMessage => ({
    hash,
    topic: 't',
    text: hash,
    expiresAt: BEGIN + HOUR,
    once: false,
    ...more,
  });
  const settled = () => new Promise<void>((resolve) => setImmediate(resolve));
  const pass = async (seconds: number) => {
    await settled();
    await timeline.until(() => false, timeline.now() + seconds * SECOND);
  };
  const times = (text: string) => published.filter((one) => one.text === text).map(({ at }) => at);

  beforeEach(() => {
    timeline = new Timeline(BEGIN);
    // Something always comes, or no time would pass.
    timeline.after(10 * HOUR, () => {});
    published = [];
    answer = async () => true;
    outbox = open();
  });

  it('sends again after 1, 2, 4 ... and at most 60 seconds', async () => {
    outbox.up();
    outbox.put(message('call'));
    await pass(250);
    assert.deepEqual(times('call'), [0, 1, 3, 7, 15, 31, 63, 123, 183, 243]);
  });

  it('stops when it is answered, or expired, and forgets it', async () => {
    outbox.up();
    outbox.put(message('answered'));
    outbox.put(message('expires', { expiresAt: BEGIN + 5 * SECOND }));
    await pass(2);
    outbox.answered('answered');
    await pass(HOUR);
    assert.deepEqual(times('answered'), [0, 1]);
    assert.deepEqual(times('expires'), [0, 1, 3]);
    assert.equal(outbox.size, 0);
  });

  it('sends once what nobody answers, as soon as the broker has it', async () => {
    answer = async () => false;
    outbox.up();
    outbox.put(message('once', { once: true }));
    await pass(1.5);
    answer = async () => true;
    await pass(10);
    assert.deepEqual(times('once'), [0, 1, 2]);
    assert.equal(outbox.size, 0);
  });

  it('keeps what is said while the broker is away, and sends it when it is back', async () => {
    outbox.put(message('waiting'));
    outbox.put(message('too late', { expiresAt: BEGIN + SECOND }));
    await pass(100);
    assert.deepEqual(published, []);
    outbox.up();
    await pass(1.5);
    assert.deepEqual(times('waiting'), [100, 101]);
    outbox.down();
    await pass(100);
    outbox.up();
    await pass(0.5);
    assert.deepEqual(times('waiting'), [100, 101, 201.5]);
    assert.deepEqual(times('too late'), []);
    assert.equal(outbox.size, 1);
  });

  it('does not send a message again that the broker has not even taken', async () => {
    let take = (_: boolean) => {};
    answer = () =>
      new Promise((resolve) => {
        take = resolve;
      });
    outbox.up();
    outbox.put(message('slow'));
    await pass(30);
    assert.deepEqual(times('slow'), [0]);
    take(true);
    await pass(1.5);
    assert.deepEqual(times('slow'), [0, 31]);
  });

  it('waits for what became of one that went with a connection before it goes with the next', async () => {
    let lose = () => {};
    answer = () =>
      new Promise((resolve) => {
        lose = () => resolve(false);
      });
    outbox.up();
    outbox.put(message('lost'));
    outbox.down();
    outbox.up();
    assert.deepEqual(times('lost'), [0]);
    answer = async () => true;
    lose();
    await pass(1.5);
    assert.deepEqual(times('lost'), [0, 1]);
  });

  it('takes the same message once', async () => {
    outbox.up();
    outbox.put(message('call'));
    outbox.put(message('call'));
    await pass(0.5);
    assert.deepEqual(times('call'), [0]);
  });

  it('lets go of what needs no answer first, then of the oldest, when there is too much', async () => {
    outbox = open({ messages: 3, characters: 100 });
    for (const hash of ['a', 'b', 'c']) outbox.put(message(hash, { once: hash === 'b' }));
    outbox.put(message('d'));
    outbox.put(message('e'));
    assert.equal(outbox.size, 3);
    outbox.up();
    await pass(0.5);
    assert.deepEqual(
      published.map(({ text }) => text),
      ['c', 'd', 'e'],
    );
    outbox.put(message('large', { text: 'x'.repeat(100) }));
    assert.equal(outbox.size, 1);
  });

  it('has no timer left when it is closed', async () => {
    outbox.up();
    outbox.put(message('call'));
    await pass(2);
    outbox.close();
    await pass(HOUR);
    assert.deepEqual(times('call'), [0, 1]);
  });
});
