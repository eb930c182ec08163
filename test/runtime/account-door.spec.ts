import assert from 'node:assert/strict';
import { setImmediate as turn } from 'node:timers/promises';
import { MessageChannel } from 'node:worker_threads';
import sinon from 'sinon';
import { CodedError, isCodedError } from '../../lib/errors';
import type { Contract } from '../../lib/market';
import { AccountDoor } from '../../lib/runtime/account-door';
import type { VaultHost } from '../../lib/runtime/vault-host';
import { callerOf, serve } from '../../lib/threads';
import type { Vault, VaultSignal } from '../../lib/vault';

const FROZEN = { event: 'frozen', code: 'JOURNAL_DAMAGED', reason: 'journal', outputId: null, by: null } as const;

describe('the door of an account', () => {
  /** A vault that had something to tell before anybody came to its door. */
  const hostWith = (backlog: readonly VaultSignal[]) => {
    let tell: (signal: VaultSignal) => void = () => {};
    const host = {
      vault: { reported: sinon.stub().resolves(), delivered: sinon.stub().resolves() },
      route: (_: string, listener: (signal: VaultSignal) => void) => {
        tell = listener;
        for (const signal of backlog) listener(signal);
      },
    };
    return { host: host as unknown as VaultHost, tell: (signal: VaultSignal) => tell(signal) };
  };

  it('tells every wallet of the flow, once, that the account opened frozen', async () => {
    const door = new AccountDoor('account', hostWith([{ accountId: 'account', event: FROZEN }]).host);
    const [first, second, late] = [sinon.spy(), sinon.spy(), sinon.spy()];
    door.onEvent(first);
    door.onEvent(second);
    await turn();
    sinon.assert.calledOnceWithExactly(first, FROZEN);
    sinon.assert.calledOnceWithExactly(second, FROZEN);
    door.onEvent(late);
    await turn();
    sinon.assert.notCalled(late);
  });

  it('refuses what is no data with a code, whatever a flow puts into an order', async () => {
    const { port1, port2 } = new MessageChannel();
    const caller = callerOf<Vault>(port1);
    serve(port2, { pay: async () => Promise.reject(new CodedError('CONFIG_INVALID', 'paymentId', 'is not text')) });
    try {
      const { host } = hostWith([]);
      const door = new AccountDoor('account', { ...host, vault: caller.remote } as unknown as VaultHost);
      const pay = (more: object) => door.pay({ to: 'x', amount: 1, origin: { nodeId: 'n' }, ...more }, () => {});
      for (const to of [() => {}, Symbol('x'), { deep: process.stdout }])
        await assert.rejects(pay({ to }), (error) => isCodedError(error, 'CONFIG_INVALID') && error.detail === 'order');
      for (const paymentId of [Object.create(null), { toString: null }, []])
        await assert.rejects(
          pay({ paymentId }),
          (error) => isCodedError(error, 'CONFIG_INVALID') && error.detail === 'paymentId',
        );
    } finally {
      port1.close();
    }
  });

  it('asks for purchases that no node takes a while after flows have started, and gives them to the wallet', async () => {
    const clock = sinon.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    try {
      const { host, tell } = hostWith([]);
      const market = sinon.stub().resolves();
      const door = new AccountDoor('account', { ...host, vault: { market } } as unknown as VaultHost);
      const wallet = sinon.spy();
      door.onEvent(wallet);
      const contract = { contractId: 'c1' } as unknown as Contract;
      const ended = { nodeId: 'gone', contract, origin: { nodeId: 'gone' }, noticeId: 'n1', redelivered: true };
      door.flowsStarted();
      tell({ accountId: 'account', market: ended });
      sinon.assert.notCalled(wallet);
      clock.tick(10_000);
      sinon.assert.calledOnceWithExactly(market, 'account', 'tellUnattended', []);
      tell({ accountId: 'account', market: ended });
      await turn();
      sinon.assert.calledOnceWithExactly(wallet, { event: 'contract', contract });
      sinon.assert.calledWithExactly(market, 'account', 'noticed', ['n1']);
      door.close();
    } finally {
      clock.restore();
    }
  });

  it('keeps what happens while a deploy has taken the wallet away, and not more than it can hold', async () => {
    const { host, tell } = hostWith([]);
    const door = new AccountDoor('account', host);
    door.onEvent(sinon.spy())();
    for (let n = 1; n <= 1_000; n += 1) tell({ accountId: 'account', event: { event: 'trouble', message: String(n) } });
    const wallet = sinon.spy();
    door.onEvent(wallet);
    await turn();
    assert.equal(wallet.callCount, 100);
    assert.equal(wallet.lastCall.args[0].message, '1000');
  });
});
