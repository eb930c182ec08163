import assert from 'node:assert/strict';
import fc from 'fast-check';
import { FairQueue } from '../../../lib/market/channel/fair-queue';

/** The same numbers in every run. */
function dice(seed = 1): () => number {
  let state = seed;
  return () => {
    state = (state * 1_103_515_245 + 12_345) % 2 ** 31;
    return state / 2 ** 31;
  };
}

const takeAll = <T>(queue: FairQueue<T>) => {
  const taken: T[] = [];
  for (let item = queue.take(); item !== undefined; item = queue.take()) taken.push(item);
  return taken;
};

describe('a fair queue', () => {
  it('gives everybody their turn', () => {
    const queue = new FairQueue<string>({ items: 100, itemsPerKey: 100 }, dice());
    for (const item of ['a1', 'a2', 'a3', 'a4', 'b1', 'c1', 'b2']) assert.ok(queue.put(item[0] as string, item));
    assert.deepEqual(takeAll(queue), ['a1', 'b1', 'c1', 'a2', 'b2', 'a3', 'a4']);
    assert.equal(queue.size, 0);
  });

  it('never holds more than it may, of anybody and of all, and loses nothing without need', () => {
    const limits = { items: 6, itemsPerKey: 3 };
    const step = fc.oneof(
      fc.record({ key: fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f', 'g', 'h') }),
      fc.constant('take'),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), fc.nat(), (steps, seed) => {
        const queue = new FairQueue<string>(limits, dice(seed));
        let [inside, lost] = [0, 0];
        for (const next of steps) {
          if (typeof next === 'string') {
            if (queue.take() !== undefined) inside -= 1;
          } else if (queue.put(next.key, next.key)) inside += 1;
          else lost += 1;
          assert.equal(queue.size, inside);
          assert.ok(queue.size <= limits.items);
        }
        const taken = takeAll(queue);
        assert.equal(taken.length, inside);
        for (const key of new Set(taken)) {
          assert.ok(taken.filter((one) => one === key).length <= limits.itemsPerKey);
        }
        if (steps.length <= limits.itemsPerKey) assert.equal(lost, 0);
      }),
    );
  });

  it('takes from those who brought much when it is full', () => {
    const queue = new FairQueue<string>({ items: 40, itemsPerKey: 38 }, dice());
    for (let n = 0; n < 1_000; n += 1) queue.put('flood', `flood ${n}`);
    for (let n = 0; n < 10; n += 1) queue.put('honest', `honest ${n}`);
    assert.equal(takeAll(queue).filter((item) => item.startsWith('honest')).length, 10);
  });

  it('lets nobody who has brought much push out those who have brought little', () => {
    const queue = new FairQueue<string>({ items: 40, itemsPerKey: 40 }, dice());
    for (let n = 0; n < 30; n += 1) queue.put(`somebody ${n}`, 'honest');
    for (let n = 0; n < 1_000; n += 1) queue.put('flood', 'flood');
    assert.equal(takeAll(queue).filter((item) => item === 'honest').length, 30);
  });

  it('lets in by lot when everybody in it has one: who comes again and again gets in', () => {
    let entered = 0;
    for (let round = 0; round < 200; round += 1) {
      const queue = new FairQueue<string>({ items: 20, itemsPerKey: 4 }, dice(round + 1));
      for (let n = 0; n < 60; n += 1) queue.put(`somebody ${n}`, 'spam');
      queue.put('honest', 'honest');
      if (takeAll(queue).includes('honest')) entered += 1;
    }
    assert.ok(entered > 60 && entered < 140, `${entered} of 200`);
  });

  it('keeps nobody out for ever whose name a forger uses', () => {
    let entered = 0;
    for (let round = 0; round < 200; round += 1) {
      const queue = new FairQueue<string>({ items: 20, itemsPerKey: 4 }, dice(round + 1));
      for (let n = 0; n < 60; n += 1) queue.put('honest', 'forged');
      queue.put('honest', 'honest');
      if (takeAll(queue).includes('honest')) entered += 1;
    }
    assert.ok(entered > 120 && entered < 200, `${entered} of 200`);
  });
});
