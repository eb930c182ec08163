import assert from 'node:assert/strict';
import { setImmediate as turn } from 'node:timers/promises';
import sinon from 'sinon';
import { AccountDoor } from '../../lib/runtime/account-door';
import type { VaultHost } from '../../lib/runtime/vault-host';
import type { VaultSignal } from '../../lib/vault';

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
