import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

interface ExampleNode {
  readonly id: string;
  readonly type: string;
  readonly z?: string;
  readonly name?: string;
  readonly wires?: readonly (readonly string[])[];
  readonly [property: string]: unknown;
}

const ROOT = join(__dirname, '..', '..');
const EXAMPLES = readdirSync(join(ROOT, 'examples')).filter((file) => file.startsWith('iota-'));
const OURS = readdirSync(join(ROOT, 'nodes'), { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .map(({ name }) => name);
const read = (file: string) => JSON.parse(readFileSync(join(ROOT, 'examples', file), 'utf8')) as ExampleNode[];

describe('the examples of the nodes', () => {
  it('are there for every node', () => {
    assert.deepEqual(EXAMPLES.sort(), OURS.map((type) => `${type}.json`).sort());
    for (const type of OURS)
      assert.ok(
        read(`${type}.json`).some((node) => node.type === type),
        type,
      );
  });

  it('can all be imported into one Node-RED', () => {
    const ids = readdirSync(join(ROOT, 'examples')).flatMap((file) => read(file).map(({ id }) => id));
    assert.equal(new Set(ids).size, ids.length);
  });

  for (const file of EXAMPLES) {
    it(`${file} is whole: every wire, machine and ledger leads somewhere`, () => {
      const nodes = new Map(read(file).map((node) => [node.id, node]));
      for (const { id, type, z, wires, machine, ledger } of nodes.values()) {
        if (z !== undefined) assert.equal(nodes.get(z)?.type, 'tab', id);
        for (const target of wires?.flat() ?? []) assert.equal(nodes.get(target)?.z, z, `${id} -> ${target}`);
        // Data can be verified without either, and a listener has one of them.
        const optional = type === 'iota-verify-data' || type === 'iota-listen';
        const leads = (to: unknown) => to !== undefined && !(optional && to === '');
        if (leads(machine)) assert.equal(nodes.get(machine as string)?.type, 'iota-machine', id);
        if (leads(ledger)) assert.equal(nodes.get(ledger as string)?.type, 'iota-ledger', id);
      }
    });

    it(`${file} needs nothing filled in, and says in two languages what it does`, () => {
      const nodes = read(file);
      for (const { type, network } of nodes) if (type === 'iota-ledger') assert.equal(network, 'sandbox-tangle');
      const comments = nodes.filter(({ type }) => type === 'comment').map(({ name }) => name ?? '');
      assert.equal(comments.length, 2);
      assert.ok(
        comments.some((comment) => /\b(Deploy|deploy)\b/.test(comment)),
        'English',
      );
      assert.ok(
        comments.some((comment) => /übernehmen/i.test(comment)),
        'German',
      );
    });

    it(`${file} writes every amount with its unit`, () => {
      const text = JSON.stringify(read(file));
      const amounts = [...text.matchAll(/\\?"(?:amount|maxPerPayment)\\?": ?\\?"([^"\\]*)\\?"/g)].map(
        ([, amount]) => amount,
      );
      for (const amount of amounts) assert.match(amount ?? '', /^(payload\.amount|msg|[\d.]+ IOTA)$/);
    });
  }
});
