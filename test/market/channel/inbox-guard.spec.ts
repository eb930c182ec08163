import assert from 'node:assert/strict';
import { type MessageType, readMessage, type SignedMessage } from '../../../lib/market';
import { type GuardLimits, InboxGuard } from '../../../lib/market/channel/inbox-guard';
import { Turns } from '../../../lib/market/channel/turns';
import { Timeline } from '../../payments/simulation/timeline';
import { BEGIN, BUYER, CALL_BODY, Machine, messagesOfADeal, NETWORK, PROPOSAL_BODY, RIVAL, SELLER } from '../deal';

const DEAL = messagesOfADeal();
const CONTRACT = DEAL.call.hash;
const SPAMMER = new Machine('a spammer');
const bytesOf = ({ text }: { readonly text: string }) => Buffer.from(text);
const call = (machine: Machine, parameters: unknown) => machine.says('call', { ...CALL_BODY, parameters });
const proposal = (machine: Machine, title: string, contractId = CONTRACT) =>
  machine.says('proposal', { ...PROPOSAL_BODY, title }, { to: BUYER.did, contractId, previous: contractId });

/** Its form is right, and its signature is not. */
function forged(message: SignedMessage<MessageType>, from: string, n: number): Buffer {
  const id = `00000000-0000-7000-8000-${String(n).padStart(12, '0')}`;
  return Buffer.from(message.text.replaceAll(message.message.from, from).replace(message.message.id, id));
}

describe('the guard of an inbox', () => {
  let timeline: Timeline;
  let checks: number;
  let messages: SignedMessage[];
  let calls: SignedMessage<'call'>[];
  let refused: { readonly contractId: string; readonly from: string | null; readonly reason: string }[];
  let turns: Turns;
  let guard: InboxGuard;

  /** Of the buyer, who has made the call of the deal. */
  function open({ did = BUYER.did, limits = {} as Partial<GuardLimits> } = {}): void {
    timeline = new Timeline(BEGIN);
    checks = 0;
    [messages, calls, refused] = [[], [], []];
    guard = new InboxGuard({
      check: (bytes) => {
        checks += 1;
        return readMessage(bytes, { did, network: NETWORK, now: timeline.now(), skew: 60_000 });
      },
      clock: timeline,
      random: Math.random,
      wake: () => turns.wake(),
      onMessage: (message) => messages.push(message),
      onCall: (heard) => calls.push(heard),
      onRefused: (one) => refused.push(one),
      limits,
    });
    turns = new Turns(guard.lanes, timeline);
    guard.expectAlso(CONTRACT);
  }

  /** Lets it work until it has nothing left to do, or must wait. */
  async function work(seconds = 0): Promise<void> {
    for (let turn = 0; turn < 5; turn += 1) await new Promise((resolve) => setImmediate(resolve));
    timeline.after(seconds * 1_000, () => {});
    await timeline.until(() => false, timeline.now() + seconds * 1_000);
    for (let turn = 0; turn < 5; turn += 1) await new Promise((resolve) => setImmediate(resolve));
  }

  beforeEach(() => open());
  afterEach(() => turns.close());

  it('lets through what is for us and of a contract of ours', async () => {
    guard.heardInInbox(bytesOf(DEAL.proposal));
    await work();
    assert.deepEqual(messages, [DEAL.proposal]);
  });

  it('takes a message however it is spaced', async () => {
    guard.heardInInbox(Buffer.from(JSON.stringify(JSON.parse(DEAL.proposal.text), null, 2)));
    await work();
    assert.deepEqual(messages, [DEAL.proposal]);
  });

  it('does not even read what names no contract of ours', async () => {
    const other = proposal(SELLER, 'another', 'ab'.repeat(32));
    for (let n = 0; n < 1_000; n += 1) guard.heardInInbox(forged(other, SPAMMER.did, n));
    guard.heardInInbox(bytesOf(other));
    guard.heardInInbox(Buffer.from('{'.repeat(60_000)));
    guard.heardInInbox(Buffer.alloc(0));
    guard.expectNoMore(CONTRACT);
    guard.heardInInbox(bytesOf(DEAL.proposal));
    guard.expect(['ab'.repeat(32)]);
    guard.heardInInbox(bytesOf(DEAL.proposal));
    await work();
    assert.equal(checks, 0);
    assert.deepEqual([messages, refused], [[], []]);
  });

  it('is not led astray by a contract that is named where anything may stand', async () => {
    const parameters = { contractId: CONTRACT, from: SELLER.did };
    const decoy = proposal(SELLER, `"contractId":"${CONTRACT}"`, 'ab'.repeat(32));
    guard.heardInInbox(bytesOf(decoy));
    guard.heardInInbox(bytesOf(SELLER.says('call', { ...CALL_BODY, parameters })));
    await work();
    assert.deepEqual(messages, []);
  });

  it('says of which contract a refused message claims to be, and why it was refused', async () => {
    const large = { ...JSON.parse(DEAL.proposal.text), zzz: 'x'.repeat(70_000) } as object;
    const claim = `{"contractId":"${CONTRACT}","from":"${RIVAL.did}"}`;
    guard.heardInInbox(forged(DEAL.proposal, RIVAL.did, 1));
    guard.heardInInbox(Buffer.from(DEAL.proposal.text.replace(NETWORK, 'other-net')));
    guard.heardInInbox(Buffer.from(JSON.stringify(large)));
    guard.heardInInbox(Buffer.from(claim));
    await work();
    const reasons = refused.map(({ reason, from }) => `${reason} ${from === RIVAL.did ? 'rival' : 'seller'}`).sort();
    assert.deepEqual(reasons, ['network seller', 'schema rival', 'signature rival', 'too-large seller']);
    assert.ok(refused.every(({ contractId }) => contractId === CONTRACT));
    assert.deepEqual(messages, []);
  });

  it('tells of so many refused messages and no more', async () => {
    open({ limits: { refusals: { burst: 3, perSecond: 1 } } });
    for (let n = 0; n < 100; n += 1) guard.heardInInbox(forged(DEAL.proposal, SPAMMER.did, n));
    await work();
    assert.equal(refused.length, 3);
  });

  it('looks at the same bytes again only when somebody honest could have sent them again', async () => {
    for (let n = 0; n < 50; n += 1) guard.heardInInbox(bytesOf(DEAL.proposal));
    await work(0.4);
    guard.heardInInbox(bytesOf(DEAL.proposal));
    await work(0.2);
    assert.deepEqual([checks, messages.length], [1, 1]);
    guard.heardInInbox(bytesOf(DEAL.proposal));
    await work();
    assert.deepEqual([checks, messages.length], [2, 2]);
  });

  it('reads the one we are dealing with at once, however many forged messages wait', async () => {
    guard.dealWith(CONTRACT, SELLER.did);
    let checksBefore = 0;
    for (let n = 0; n < 3_000; n += 1) {
      guard.heardInInbox(forged(DEAL.proposal, `${SPAMMER.did.slice(0, -4)}${1111 + (n % 700)}`, n));
    }
    guard.heardInInbox(bytesOf(DEAL.confirmed));
    while (messages.length === 0 && checks < 1_000) {
      checksBefore = checks;
      for (const lane of guard.lanes) {
        for (let turn = 0; turn < lane.weight; turn += 1) lane.take()?.();
      }
    }
    assert.ok(checksBefore <= 8, `${checksBefore} others came first`);
    assert.deepEqual(messages, [DEAL.confirmed]);
  });

  it('gives strangers their turn beside one who sends and sends', async () => {
    for (let n = 0; n < 3_000; n += 1) guard.heardInInbox(bytesOf(proposal(SPAMMER, `spam ${n % 40}`)));
    guard.heardInInbox(bytesOf(DEAL.proposal));
    for (let turn = 0; turn < 3; turn += 1) guard.lanes[1]?.take()?.();
    assert.ok(messages.some(({ hash }) => hash === DEAL.proposal.hash));
  });

  it('passes on so many valid messages of one sender in a contract, and those of others nevertheless', async () => {
    guard.dealWith(CONTRACT, SELLER.did);
    for (let n = 0; n < 60; n += 1) {
      guard.heardInInbox(bytesOf(proposal(RIVAL, `rival ${n}`)));
      guard.heardInInbox(bytesOf(proposal(SELLER, `seller ${n}`)));
      await work();
    }
    const passed = (machine: Machine) => messages.filter(({ message }) => message.from === machine.did).length;
    assert.deepEqual([passed(RIVAL), passed(SELLER)], [40, 40]);
    await work(1);
    guard.heardInInbox(bytesOf(DEAL.proposal));
    await work();
    assert.equal(passed(SELLER), 41, 'it may again after a while');
  });

  it('passes on so much of all that it has not written to, and whom it has nevertheless', async () => {
    open({ limits: { messagesOfStrangers: { burst: 4, perSecond: 0 } } });
    guard.dealWith(CONTRACT, SELLER.did);
    for (let n = 0; n < 10; n += 1) guard.heardInInbox(bytesOf(proposal(new Machine(`stranger ${n}`), '')));
    await work();
    guard.heardInInbox(bytesOf(DEAL.proposal));
    await work();
    assert.equal(messages.length, 5);
    assert.equal(messages[4]?.hash, DEAL.proposal.hash);
  });

  it('holds no more than it may, and says that there was too much', async () => {
    for (let n = 0; n < 5_000; n += 1) guard.heardInInbox(forged(DEAL.proposal, SPAMMER.did, n));
    const waiting = guard.lanes.reduce((sum, { size }) => sum + size, 0);
    assert.equal(waiting, 32);
    assert.ok(refused.every(({ reason }) => reason === 'flood'));
    assert.ok(refused.length > 0);
    await work();
  });

  describe('for calls', () => {
    beforeEach(() => open({ did: SELLER.did }));

    it('passes on those for the service of their topic', async () => {
      guard.heardCall(CALL_BODY.service, bytesOf(DEAL.call));
      guard.heardCall('another.service', bytesOf(call(RIVAL, 1)));
      guard.heardCall(CALL_BODY.service, bytesOf(DEAL.offer));
      guard.heardCall(CALL_BODY.service, bytesOf(DEAL.paid));
      guard.heardCall(CALL_BODY.service, Buffer.from('{}'));
      await work();
      assert.deepEqual(calls, [DEAL.call]);
      assert.deepEqual(refused, []);
    });

    it('lets one sender call so often, and the others nevertheless', async () => {
      open({ did: SELLER.did, limits: { callsOfOne: { burst: 5, perSecond: 1 } } });
      for (let n = 0; n < 20; n += 1) guard.heardCall(CALL_BODY.service, bytesOf(call(SPAMMER, n)));
      guard.heardCall(CALL_BODY.service, bytesOf(DEAL.call));
      await work();
      assert.equal(calls.filter(({ message }) => message.from === SPAMMER.did).length, 5);
      assert.equal(calls.filter(({ message }) => message.from === BUYER.did).length, 1);
    });

    it('lets all together call so often, and reads the rest when it may', async () => {
      open({ did: SELLER.did, limits: { calls: { burst: 4, perSecond: 2 } } });
      const machines = Array.from({ length: 10 }, (_, n) => new Machine(`buyer ${n}`));
      for (const machine of machines) guard.heardCall(CALL_BODY.service, bytesOf(call(machine, 1)));
      await work();
      assert.deepEqual([calls.length, checks], [4, 4]);
      await work(1.1);
      assert.deepEqual([calls.length, checks], [6, 6]);
      await work(5);
      assert.equal(calls.length, 10);
    });

    it('hears those it knows although strangers use up what all may call, and not who only says so', async () => {
      open({ did: SELLER.did, limits: { calls: { burst: 4, perSecond: 0 } } });
      guard.know([BUYER.did]);
      const machines = Array.from({ length: 10 }, (_, n) => new Machine(`buyer ${n}`));
      for (const machine of machines) guard.heardCall(CALL_BODY.service, bytesOf(call(machine, 1)));
      await work();
      assert.equal(calls.length, 4);
      guard.heardCall(CALL_BODY.service, forged(call(SPAMMER, 1), BUYER.did, 1));
      guard.heardCall(CALL_BODY.service, bytesOf(DEAL.call));
      await work();
      assert.deepEqual(calls.slice(4), [DEAL.call]);
      guard.know([]);
      guard.heardCall(CALL_BODY.service, bytesOf(call(BUYER, 2)));
      await work();
      assert.equal(calls.length, 5);
    });

    it('charges nobody for what others forge in their name', async () => {
      open({ did: SELLER.did, limits: { callsOfOne: { burst: 1, perSecond: 0 }, calls: { burst: 1, perSecond: 0 } } });
      for (let n = 0; n < 30; n += 1) guard.heardCall(CALL_BODY.service, forged(call(SPAMMER, n), BUYER.did, n));
      await work();
      guard.heardCall(CALL_BODY.service, bytesOf(DEAL.call));
      await work();
      assert.deepEqual(calls, [DEAL.call]);
    });
  });
});
