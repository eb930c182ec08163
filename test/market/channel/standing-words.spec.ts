import assert from 'node:assert/strict';
import { StandingWords } from '../../../lib/market/channel/standing-words';
import { Timeline } from '../../payments/simulation/timeline';

describe('words that are to stand at a broker', () => {
  let timeline: Timeline;
  let said: string[];
  let words: StandingWords;
  const settled = () => new Promise<void>((resolve) => setImmediate(resolve));
  const pass = async (seconds: number) => {
    await settled();
    await timeline.until(() => false, timeline.now() + seconds * 1_000);
  };
  const hear = (topic: string, text: string) => words.heard(topic, Buffer.from(text));

  beforeEach(() => {
    timeline = new Timeline(0);
    timeline.after(1e9, () => {});
    said = [];
    words = new StandingWords({
      publish: async (topic, payload) => {
        said.push(`${topic}=${payload}`);
        return true;
      },
      clock: timeline,
    });
  });

  it('are said when the broker is there, and whenever it is back', () => {
    words.set('card', 'a');
    assert.deepEqual(said, []);
    words.up();
    words.set('card', 'b');
    words.down();
    words.set('presence', 'c');
    words.up();
    assert.deepEqual(said, ['card=a', 'card=b', 'card=b', 'presence=c']);
  });

  it('are said again when something else stands there, but not all the time', async () => {
    words.up();
    words.set('card', 'a');
    for (let n = 0; n < 50; n += 1) assert.ok(hear('card', 'vandal'));
    await pass(4.9);
    assert.deepEqual(said, ['card=a']);
    await pass(0.2);
    assert.deepEqual(said, ['card=a', 'card=a']);
    hear('card', '');
    await pass(60);
    assert.deepEqual(said, ['card=a', 'card=a', 'card=a']);
  });

  it('are not said again for what they themselves were before', async () => {
    words.up();
    words.set('card', 'a');
    words.set('card', 'b');
    hear('card', 'a');
    hear('card', 'b');
    await pass(60);
    assert.deepEqual(said, ['card=a', 'card=b']);
  });

  it('leave other words alone', () => {
    words.up();
    assert.equal(hear('other', 'x'), false);
  });

  it('are taken away when they are to stand no more, even if the broker comes only later', async () => {
    words.up();
    words.set('card', 'a');
    words.down();
    words.clear('card');
    words.clear('never said');
    words.up();
    await pass(1);
    hear('card', 'a');
    await pass(60);
    words.down();
    words.up();
    assert.deepEqual(said, ['card=a', 'card=']);
  });

  it('are said no more once it is closed', async () => {
    words.up();
    words.set('card', 'a');
    hear('card', 'x');
    words.close();
    await pass(60);
    assert.deepEqual(said, ['card=a']);
  });
});
