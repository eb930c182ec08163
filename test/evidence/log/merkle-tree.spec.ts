import assert from 'node:assert/strict';
import fc from 'fast-check';
import {
  consistencyProof,
  EMPTY_ROOT,
  inclusionProof,
  leafHash,
  nodeHash,
  rootOf,
  type Subtrees,
  verifyConsistency,
  verifyInclusion,
} from '../../../lib/evidence';
import { ReferenceTree, rootByPath, rootsByProof } from './reference-tree';

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');
const leavesOf = (count: number) => Array.from({ length: count }, (_, n) => Buffer.from(`leaf ${n}`));

/** Complete subtrees out of a reference tree. */
const within = (tree: ReferenceTree): Subtrees => ({
  subtree: (height, index) => tree.mth(index * 2 ** height, (index + 1) * 2 ** height),
});

/** A tree of any size whose leaves are all the same: of each height there is one subtree. */
function uniform(): Subtrees {
  const heights = [leafHash(Buffer.from('same'))];
  for (let height = 1; height < 53; height += 1) {
    const below = heights[height - 1] as Uint8Array;
    heights.push(nodeHash(below, below));
  }
  return { subtree: (height) => heights[height] as Uint8Array };
}

describe('a Merkle tree', () => {
  it('has the published roots of the published leaves', () => {
    // The eight leaves with which implementations of Certificate Transparency are tested.
    const leaves = ['', '00', '10', '2021', '3031', '40414243', '5051525354555657', '606162636465666768696a6b6c6d6e6f'];
    const roots = [
      'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
      '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
      'fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125',
      'aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77',
      'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
      '4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4',
      '76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef',
      'ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c',
      '5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328',
    ];
    const tree = new ReferenceTree(leaves.map((leaf) => Buffer.from(leaf, 'hex')));
    assert.deepEqual(
      roots.map((_, size) => hex(rootOf(size, within(tree)))),
      roots,
    );
    assert.deepEqual(
      roots.map((_, size) => hex(tree.root(size))),
      roots,
    );
  });

  it('of up to 260 leaves proves each leaf as the RFC defines it', () => {
    const tree = new ReferenceTree(leavesOf(260));
    for (let size = 1; size <= 260; size += 1) {
      const root = rootOf(size, within(tree));
      assert.equal(hex(root), hex(tree.root(size)));
      for (let index = 0; index < size; index += 1) {
        const hashes = inclusionProof(index, size, within(tree));
        assert.deepEqual(hashes.map(hex), tree.path(index, 0, size).map(hex));
        const hash = tree.mth(index, index + 1);
        assert.ok(verifyInclusion({ leafHash: hash, index, size, hashes, root }), `${index} of ${size}`);
        assert.equal(verifyInclusion({ leafHash: hash, index: (index + 1) % size, size, hashes, root }), size === 1);
      }
    }
  }).timeout(60_000);

  it('of up to 260 leaves proves each of its beginnings as the RFC defines it', () => {
    const tree = new ReferenceTree(leavesOf(260));
    const roots = Array.from({ length: 261 }, (_, size) => tree.root(size));
    for (let size = 0; size <= 260; size += 1) {
      for (let oldSize = 0; oldSize <= size; oldSize += 1) {
        const hashes = consistencyProof(oldSize, size, within(tree));
        if (oldSize > 0) assert.deepEqual(hashes.map(hex), tree.proof(oldSize, size).map(hex));
        const [oldRoot, root] = [roots[oldSize] as Buffer, roots[size] as Buffer];
        assert.ok(verifyConsistency({ oldSize, size, oldRoot, root, hashes }), `${oldSize} of ${size}`);
        if (oldSize > 1) assert.ok(!verifyConsistency({ oldSize: oldSize - 1, size, oldRoot, root, hashes }));
      }
    }
  }).timeout(60_000);

  it('has proofs for trees larger than any disk', () => {
    const tree = uniform();
    const leaf = tree.subtree(0, 0);
    const sizes = fc.oneof(
      fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
      fc
        .tuple(fc.integer({ min: 1, max: 52 }), fc.integer({ min: -1, max: 1 }))
        .map(([height, step]) => 2 ** height + step),
    );
    fc.assert(
      fc.property(sizes, fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }), (size, part) => {
        const root = rootOf(size, tree);
        const index = Math.floor(part * size);
        const inclusion = inclusionProof(index, size, tree);
        assert.ok(verifyInclusion({ leafHash: leaf, index, size, hashes: inclusion, root }));
        assert.equal(hex(rootByPath(leaf, index, size, inclusion) as Buffer), hex(root));
        const oldSize = index + 1;
        const oldRoot = rootOf(oldSize, tree);
        const hashes = consistencyProof(oldSize, size, tree);
        assert.ok(verifyConsistency({ oldSize, size, oldRoot, root, hashes }));
        const roots = rootsByProof(oldRoot, oldSize, size, hashes);
        assert.deepEqual([hex(roots?.before as Buffer), hex(roots?.after as Buffer)], [hex(oldRoot), hex(root)]);
      }),
      { numRuns: 2000 },
    );
  }).timeout(60_000);
});

describe('the verification of a Merkle proof', () => {
  const tree = new ReferenceTree(leavesOf(37));
  const claim = (index: number, size: number) => ({
    leafHash: tree.mth(index, index + 1),
    index,
    size,
    hashes: tree.path(index, 0, size),
    root: tree.root(size),
  });
  const step = (oldSize: number, size: number) => ({
    oldSize,
    size,
    oldRoot: tree.root(oldSize),
    root: tree.root(size),
    hashes: tree.proof(oldSize, size),
  });
  const flipped = (bytes: Uint8Array, bit: number) => {
    const copy = Buffer.from(bytes);
    copy[bit >> 3] = (copy[bit >> 3] as number) ^ (1 << (bit & 7));
    return copy;
  };

  it('notices each flipped bit', () => {
    for (const good of [claim(5, 37), claim(36, 37)]) {
      assert.ok(verifyInclusion(good));
      for (let bit = 0; bit < 256; bit += 1) {
        assert.ok(!verifyInclusion({ ...good, leafHash: flipped(good.leafHash, bit) }));
        assert.ok(!verifyInclusion({ ...good, root: flipped(good.root, bit) }));
        for (const position of good.hashes.keys()) {
          const hashes = good.hashes.with(position, flipped(good.hashes[position] as Buffer, bit));
          assert.ok(!verifyInclusion({ ...good, hashes }));
        }
      }
    }
    for (const good of [step(32, 37), step(7, 37), step(6, 7)]) {
      assert.ok(verifyConsistency(good));
      for (let bit = 0; bit < 256; bit += 1) {
        assert.ok(!verifyConsistency({ ...good, oldRoot: flipped(good.oldRoot, bit) }));
        assert.ok(!verifyConsistency({ ...good, root: flipped(good.root, bit) }));
        for (const position of good.hashes.keys()) {
          const hashes = good.hashes.with(position, flipped(good.hashes[position] as Buffer, bit));
          assert.ok(!verifyConsistency({ ...good, hashes }));
        }
      }
    }
  });

  it('refuses a hash too many, too few, or in another place', () => {
    for (let size = 2; size <= 37; size += 1) {
      for (let index = 0; index < size; index += 1) {
        const good = claim(index, size);
        const { hashes } = good;
        assert.ok(!verifyInclusion({ ...good, hashes: hashes.slice(1) }));
        assert.ok(!verifyInclusion({ ...good, hashes: hashes.slice(0, -1) }));
        for (const extra of [good.root, good.leafHash, EMPTY_ROOT]) {
          assert.ok(!verifyInclusion({ ...good, hashes: [...hashes, extra] }));
          assert.ok(!verifyInclusion({ ...good, hashes: [extra, ...hashes] }));
        }
        if (hashes.length > 1) assert.ok(!verifyInclusion({ ...good, hashes: hashes.toReversed() }));
      }
      for (let oldSize = 1; oldSize < size; oldSize += 1) {
        const good = step(oldSize, size);
        const { hashes } = good;
        assert.ok(!verifyConsistency({ ...good, hashes: hashes.slice(1) }));
        assert.ok(!verifyConsistency({ ...good, hashes: hashes.slice(0, -1) }));
        assert.ok(!verifyConsistency({ ...good, hashes: [] }));
        assert.ok(!verifyConsistency({ ...good, hashes: [...hashes, good.root] }));
        assert.ok(!verifyConsistency({ ...good, hashes: [good.oldRoot, ...hashes] }));
        assert.ok(!verifyConsistency({ ...good, oldSize: size }));
        assert.ok(!verifyConsistency({ ...good, oldSize: 0 }));
      }
    }
  });

  it('agrees with the definition on sizes and indices that the proof was not made for', () => {
    for (let size = 1; size <= 20; size += 1) {
      for (let index = 0; index < size; index += 1) {
        const good = claim(index, size);
        for (let otherSize = 0; otherSize <= 21; otherSize += 1) {
          for (let other = 0; other <= 21; other += 1) {
            const byDefinition =
              other < otherSize && rootByPath(good.leafHash, other, otherSize, good.hashes)?.equals(good.root) === true;
            assert.equal(verifyInclusion({ ...good, index: other, size: otherSize }), byDefinition);
          }
        }
      }
    }
  }).timeout(60_000);

  it('says of the empty tree that everything continues it, and that it continues nothing', () => {
    const root = tree.root(5);
    const empty = { oldSize: 0, oldRoot: EMPTY_ROOT, hashes: [] };
    assert.ok(verifyConsistency({ ...empty, size: 5, root }));
    assert.ok(verifyConsistency({ ...empty, size: 0, root: EMPTY_ROOT }));
    assert.ok(!verifyConsistency({ ...empty, size: 0, root }));
    assert.ok(!verifyConsistency({ ...empty, size: 5, root, oldRoot: root }));
    assert.ok(!verifyConsistency({ ...empty, size: 5, root, hashes: [root] }));
    assert.ok(!verifyConsistency({ oldSize: 5, size: 0, oldRoot: root, root: EMPTY_ROOT, hashes: [] }));
    assert.ok(!verifyConsistency({ oldSize: 5, size: 5, oldRoot: root, root: tree.root(6), hashes: [] }));
    assert.ok(!verifyConsistency({ oldSize: 5, size: 5, oldRoot: root, root, hashes: [root] }));
    assert.ok(!verifyInclusion({ leafHash: EMPTY_ROOT, index: 0, size: 0, hashes: [], root: EMPTY_ROOT }));
  });

  it('is false for anything odd, and never throws', () => {
    const oddNumbers = fc.constantFrom(-1, 0, 1, 0.5, Number.NaN, Infinity, 2 ** 53, -0, 2 ** 31, 2 ** 32 + 1);
    const anyHash = fc.oneof(fc.uint8Array({ maxLength: 40 }), fc.uint8Array({ minLength: 32, maxLength: 32 }));
    const anyHashes = fc.array(anyHash, { maxLength: 70 });
    fc.assert(
      fc.property(
        fc.oneof(oddNumbers, fc.nat()),
        fc.oneof(oddNumbers, fc.nat()),
        anyHash,
        anyHash,
        anyHashes,
        (index, size, leaf, root, hashes) => {
          assert.ok(!verifyInclusion({ leafHash: leaf, index, size, hashes, root: Buffer.alloc(32) }));
          assert.ok(!verifyConsistency({ oldSize: index, size, oldRoot: leaf, root, hashes: [...hashes, root] }));
        },
      ),
      { numRuns: 5000 },
    );
    const good = claim(5, 37);
    for (const wrong of [null, undefined, 'text', { length: 6 }, new Uint8Array(32)]) {
      const hashes = wrong as unknown as Uint8Array[];
      assert.ok(!verifyInclusion({ ...good, hashes }));
      assert.ok(!verifyConsistency({ ...step(7, 37), hashes }));
    }
    for (const wrong of [null, undefined, 'text', [1, 2], new Uint8Array(31), new Uint8Array(33)]) {
      const hash = wrong as unknown as Uint8Array;
      assert.ok(!verifyInclusion({ ...good, leafHash: hash }));
      assert.ok(!verifyInclusion({ ...good, root: hash }));
      assert.ok(!verifyInclusion({ ...good, hashes: good.hashes.with(1, hash as Buffer) }));
      assert.ok(!verifyConsistency({ ...step(7, 37), oldRoot: hash }));
      assert.ok(!verifyConsistency({ ...step(7, 37), root: hash }));
    }
    for (const wrong of ['5', null, undefined, 5n, {}]) {
      const size = wrong as unknown as number;
      assert.ok(!verifyInclusion({ ...good, size }));
      assert.ok(!verifyInclusion({ ...good, index: size }));
      assert.ok(!verifyConsistency({ ...step(7, 37), size }));
      assert.ok(!verifyConsistency({ ...step(7, 37), oldSize: size }));
    }
  });
});
