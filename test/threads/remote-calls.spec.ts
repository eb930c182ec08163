import assert from 'node:assert/strict';
import { MessageChannel, type MessagePort } from 'node:worker_threads';
import { CodedError, isCodedError } from '../../lib/errors';
import { callerOf, onSignal, ReconnectingCaller, serve, signal } from '../../lib/threads';

interface Till {
  add(amount: bigint): Promise<bigint>;
  refuse(): Promise<never>;
  never(): Promise<never>;
}

class RealTill implements Till {
  #sum = 0n;
  async add(amount: bigint) {
    this.#sum += amount;
    return this.#sum;
  }
  async refuse(): Promise<never> {
    throw new CodedError('POLICY_BUDGET', 'exhausted', 'no budget left', { window: '24h' });
  }
  never(): Promise<never> {
    return new Promise(() => {});
  }
}

describe('calls between threads', () => {
  const ports: MessagePort[] = [];
  const channel = () => {
    const { port1, port2 } = new MessageChannel();
    ports.push(port1, port2);
    return { port1, port2 };
  };
  afterEach(() => {
    for (const port of ports.splice(0)) port.close();
  });

  it('bring exact amounts there and results back, in order', async () => {
    const { port1, port2 } = channel();
    serve<Till>(port1, new RealTill());
    const { remote } = callerOf<Till>(port2);
    assert.deepEqual(await Promise.all([remote.add(2n ** 70n), remote.add(1n)]), [2n ** 70n, 2n ** 70n + 1n]);
  });

  it('keep the code, detail and parameters of an error', async () => {
    const { port1, port2 } = channel();
    serve<Till>(port1, new RealTill());
    await assert.rejects(callerOf<Till>(port2).remote.refuse(), (error) => {
      assert.ok(isCodedError(error, 'POLICY_BUDGET'));
      assert.deepEqual([error.detail, error.parameters], ['exhausted', { window: '24h' }]);
      return true;
    });
  });

  it('to a method that does not exist, or an inherited one, are refused', async () => {
    const { port1, port2 } = channel();
    serve<Till>(port1, new RealTill());
    const remote = callerOf<Record<string, () => Promise<unknown>>>(port2).remote;
    for (const method of ['absent', 'constructor', 'toString', '__proto__', 'hasOwnProperty']) {
      await assert.rejects(remote[method]?.() ?? Promise.reject(new Error('no such method')), /no such method/, method);
    }
  });

  it('fail, pending and later ones, when the other side is gone', async () => {
    const { port1, port2 } = channel();
    serve<Till>(port1, new RealTill());
    const caller = callerOf<Till>(port2);
    const pending = caller.remote.never();
    caller.fail(new Error('worker died'));
    await assert.rejects(pending, /worker died/);
    await assert.rejects(caller.remote.add(1n), /worker died/);
  });

  it('find a peer that came back on a fresh port, and hear only that one', async () => {
    const heard: string[] = [];
    let heardNext = () => {};
    const caller = new ReconnectingCaller<Till, string>(
      () => new Error('no till'),
      (text) => {
        heard.push(text);
        heardNext();
      },
    );
    await assert.rejects(caller.remote.add(1n), /no till/);
    const first = channel();
    serve<Till>(first.port1, new RealTill());
    caller.connect(first.port2);
    assert.equal(await caller.remote.add(5n), 5n);
    const pending = caller.remote.never();
    const second = channel();
    serve<Till>(second.port1, new RealTill());
    caller.connect(second.port2);
    await assert.rejects(pending, /no till/);
    assert.equal(await caller.remote.add(1n), 1n);
    signal(first.port1, 'old');
    const arrived = new Promise<void>((resolve) => {
      heardNext = resolve;
    });
    signal(second.port1, 'new');
    await arrived;
    assert.deepEqual(heard, ['new']);
  });

  it('can be told something unasked', async () => {
    const { port1, port2 } = channel();
    const heard = new Promise((resolve) => onSignal(port2, resolve));
    signal(port1, { height: 7n });
    assert.deepEqual(await heard, { height: 7n });
  });
});
