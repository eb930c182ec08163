import assert from 'node:assert/strict';
import { leafHash } from '../../../lib/evidence';
import { TiledTree } from '../../../lib/evidence/tiled-tree';

describe('a tree over its tiles', () => {
  it('keeps the tiles in memory that were asked for last, and not all of them', () => {
    const stored = new Map<string, Uint8Array>();
    const read: string[] = [];
    const open = (size: number) =>
      TiledTree.open(size, (level, index) => {
        read.push(`${level}/${index}`);
        return stored.get(`${level}/${index}`) ?? new Uint8Array();
      });
    const leaf = leafHash(Buffer.from('same'));
    const { tree, tiles } = open(0).grow(Array.from({ length: 300 * 256 }, () => leaf));
    for (const { level, index, hashes } of tiles) stored.set(`${level}/${index}`, hashes.slice());
    const again = open(tree.size);
    const ask = (tile: number): number => {
      read.length = 0;
      again.subtree(0, tile * 256);
      return read.length;
    };
    ask(0);
    assert.equal(ask(0), 0);
    for (let tile = 1; tile < 250; tile += 1) assert.equal(ask(tile), 1);
    assert.equal(ask(0), 0);
    for (let tile = 250; tile < 300; tile += 1) assert.equal(ask(tile), 1);
    assert.equal(ask(0), 0, 'asked for in between');
    assert.equal(ask(1), 1, 'the first to go');
    assert.equal(ask(299), 0);
  }).timeout(30_000);

  it('remembers the tiles that have just been filled', () => {
    const leaf = leafHash(Buffer.from('same'));
    const nothing = () => {
      throw new Error('it was read');
    };
    const { tree, tiles } = TiledTree.open(0, nothing).grow(Array.from({ length: 600 }, () => leaf));
    tree.remember(tiles);
    assert.deepEqual([...tree.subtree(0, 5)], [...leaf]);
  });
});
