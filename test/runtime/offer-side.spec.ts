import assert from 'node:assert/strict';
import sinon from 'sinon';
import { CodedError } from '../../lib/errors';
import type { OfferEvent } from '../../lib/market/market-order';
import type { OfferState } from '../../lib/runtime';
import { OfferSide } from '../../lib/runtime/offer-side';

const NOW = Date.UTC(2026, 5, 1, 12);
const DAY = 24 * 60 * 60_000;

function event(contractId: string | null, name: OfferEvent['event'], more: Partial<OfferEvent> = {}): OfferEvent {
  const fixed = { service: 'parking', quantity: '2', unit: 'minute', buyer: 'did:key:buyer', until: null } as const;
  return { contractId, event: name, ...fixed, ...more };
}

describe('the node side of an offer', () => {
  let clock: sinon.SinonFakeTimers;
  let told: string[];
  let states: OfferState[];
  let noticed: string[];
  let side: OfferSide;

  beforeEach(() => {
    clock = sinon.useFakeTimers({
      now: NOW,
      toFake: ['setTimeout', 'clearTimeout', 'Date', 'performance', 'setImmediate'],
    });
    told = [];
    states = [];
    noticed = [];
    const tell = (what: string) => (offer: OfferEvent, redelivered?: boolean) =>
      void told.push(
        [what, offer.contractId, offer.reason, redelivered === true ? 'again' : ''].filter(Boolean).join(' '),
      );
    side = new OfferSide(
      { start: tell('start'), stop: tell('stop'), event: tell('event'), state: (state) => states.push(state) },
      { noticed: (noticeId) => noticed.push(noticeId) },
    );
  });

  afterEach(() => clock.restore());

  const hear = (offer: OfferEvent, noticeId: string | null = 'n', redelivered = false) =>
    side.hear({ nodeId: 'offer', offer, noticeId, redelivered });
  const until = (milliseconds: number) => new Date(NOW + milliseconds).toISOString();

  it('turns everything off when it begins', () => {
    side.begin('parking', 'minute');
    assert.deepEqual(told, ['stop safe-state']);
  });

  it('says so again, as long as nothing runs: what leads to the actuators may not have been connected', () => {
    side.begin('parking', 'minute');
    clock.tick(60_000);
    assert.deepEqual(told.splice(0), Array(4).fill('stop safe-state'));
    side.channel({ up: true });
    clock.tick(60_000);
    assert.deepEqual(told, [], 'nothing was away');
    side.channel({ up: false, message: 'no broker' });
    side.channel({ up: true });
    hear(event('c1', 'start', { until: until(124_000) }));
    clock.tick(2_000);
    assert.deepEqual(told.splice(0), ['start c1'], 'not while something runs');
    clock.tick(60_000);
    assert.deepEqual(told.splice(0), ['stop c1', 'stop safe-state', 'stop safe-state']);
  });

  it('says nothing any more once it is closed', () => {
    side.begin('parking', 'minute');
    side.close();
    clock.tick(60_000);
    assert.deepEqual(told, ['stop safe-state']);
  });

  it('stops a service at its time, with nobody telling it to', () => {
    hear(event('c1', 'start', { until: until(120_000) }));
    clock.tick(119_999);
    assert.deepEqual(told, ['start c1']);
    clock.tick(1);
    assert.deepEqual(told, ['start c1', 'stop c1']);
  });

  it('stops once, whoever says so first', () => {
    hear(event('c1', 'start', { until: until(1_000) }));
    hear(event('c1', 'stop'));
    clock.tick(5_000);
    hear(event('c2', 'start', { until: until(6_000) }));
    clock.tick(5_000);
    hear(event('c2', 'stop'));
    assert.deepEqual(told, ['start c1', 'stop c1', 'start c2', 'stop c2']);
  });

  it('keeps to the duration when the clock of the machine is set meanwhile', () => {
    hear(event('c1', 'start', { until: until(60_000) }));
    clock.setSystemTime(NOW - 10 * DAY);
    clock.tick(60_000);
    assert.deepEqual(told, ['start c1', 'stop c1']);
  });

  it('leaves nothing on for longer than was paid, though the clock of the machine is years behind', () => {
    hear(event('c1', 'start', { until: until(50 * 365 * DAY) }), 'n', true);
    clock.tick(119_999);
    assert.deepEqual(told, ['start c1 again']);
    clock.tick(1);
    assert.deepEqual(told, ['start c1 again', 'stop c1']);
  });

  it('waits longer than a timer can', () => {
    hear(event('c1', 'start', { until: until(30 * DAY), quantity: '43200' }));
    clock.tick(30 * DAY - 1);
    assert.deepEqual(told, ['start c1']);
    clock.tick(1);
    assert.deepEqual(told, ['start c1', 'stop c1']);
  });

  it('stops at once what should have ended already', () => {
    hear(event('c1', 'start', { until: until(-1) }));
    clock.tick(1);
    assert.deepEqual(told, ['start c1', 'stop c1']);
  });

  it('does not start again what runs, but ends it at its new time', () => {
    hear(event('c1', 'start', { until: until(1_000) }), 'n1');
    hear(event('c1', 'start', { until: until(9_000) }), 'n2', true);
    clock.tick(8_999);
    assert.deepEqual(told, ['start c1']);
    clock.tick(1);
    assert.deepEqual(
      [told, noticed],
      [
        ['start c1', 'stop c1'],
        ['n1', 'n2'],
      ],
    );
  });

  it('acknowledges when the message has left, and only what wants it', () => {
    hear(event('c1', 'start'), 'n1');
    assert.deepEqual(noticed, []);
    clock.runToLast();
    assert.deepEqual(noticed, ['n1']);
    hear(event('c1', 'proposed'), null);
    clock.runToLast();
    assert.deepEqual(noticed, ['n1']);
  });

  it('passes on a stop of an earlier process, whose start nobody knows any more', () => {
    hear(event('c1', 'stop'), 'n1', true);
    hear(event('c2', 'stop'), 'n2', false);
    assert.deepEqual(told.splice(0), ['stop c1', 'stop c2']);
    hear(event('c3', 'start', { until: until(1_000) }), 'n3');
    clock.tick(1_000);
    hear(event('c3', 'stop'), 'n4', true);
    assert.deepEqual(told, ['start c3', 'stop c3'], 'one that was stopped here is not stopped again');
  });

  it('stops everything when the node closes, and when the vault is gone', () => {
    hear(event('c1', 'start', { until: until(1_000) }));
    hear(event('c2', 'start'));
    side.vaultGone();
    assert.deepEqual(told.splice(0), ['start c1', 'start c2', 'stop c1 fault', 'stop c2 fault']);
    hear(event('c2', 'start'), 'n', true);
    side.close();
    clock.tick(5_000);
    assert.deepEqual(told, ['start c2 again', 'stop c2 closed']);
  });

  it('says how the offer stands: what is wrong before what is away, before what is offered', () => {
    const standing = { price: '5', paused: false, withdrawn: false, delivering: 0 };
    side.begin('parking', 'minute');
    side.standing(standing);
    side.channel({ up: false, message: 'no broker' });
    side.channel({ up: true });
    side.standing({ ...standing, delivering: 1 });
    side.standing({ ...standing, delivering: 1 });
    side.standing({ ...standing, delivering: 1, withdrawn: true });
    side.standing({ ...standing, withdrawn: true });
    side.wrong(new CodedError('CONFIG_INVALID', 'service', 'no service'));
    const { price, paused } = standing;
    assert.deepEqual(states.slice(0, -1), [
      { phase: 'starting' },
      { phase: 'offline', message: 'no broker' },
      { phase: 'open', delivering: 0, price, paused },
      { phase: 'open', delivering: 1, price, paused },
      { phase: 'withdrawn' },
    ]);
    assert.equal(states.at(-1)?.phase, 'wrong');
  });
});
