import assert from 'node:assert/strict';
import {
  callsTopic,
  cardsFilter,
  cardTopic,
  inboxTopic,
  isOnline,
  placeOf,
  presenceTopic,
} from '../../../lib/market/channel/topics';

describe('topics of the marketplace', () => {
  it('are those of the contract with users', () => {
    assert.deepEqual(
      [cardTopic('s', 'did:key:z'), presenceTopic('did:key:z'), callsTopic('s'), inboxTopic('did:key:z')],
      ['me/1/offers/s/did:key:z', 'me/1/presence/did:key:z', 'me/1/calls/s', 'me/1/inbox/did:key:z'],
    );
    assert.deepEqual([cardsFilter('s'), cardsFilter('')], ['me/1/offers/s/+', 'me/1/offers/+/+']);
  });

  it('are read as they were made', () => {
    assert.deepEqual(placeOf(cardTopic('s', 'd')), { kind: 'card', service: 's', did: 'd' });
    assert.deepEqual(placeOf(presenceTopic('d')), { kind: 'presence', did: 'd' });
    assert.deepEqual(placeOf(callsTopic('s')), { kind: 'calls', service: 's' });
    assert.deepEqual(placeOf(inboxTopic('d')), { kind: 'inbox', did: 'd' });
  });

  it('are nothing else', () => {
    for (const topic of [
      '',
      'me',
      'me/1',
      'me/1/calls',
      'me/1/calls/',
      'me/1/calls/a/b',
      'me/2/calls/a',
      'you/1/calls/a',
      'me/1/offers/a',
      'me/1/offers/a/b/c',
      'me/1/other/a',
    ]) {
      assert.equal(placeOf(topic), undefined, topic);
    }
  });

  it('carry presence that is understood, or is none', () => {
    const read = (text: string) => isOnline(Buffer.from(text));
    assert.deepEqual(['{"v":1,"online":true}', '{"v":1,"online":false}'].map(read), [true, false]);
    for (const text of ['', 'null', '1', '{', '{"v":2,"online":true}', '{"v":1,"online":1}', ' '.repeat(300)]) {
      assert.equal(read(text), undefined, text);
    }
  });
});
