import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { ARCHITECTURE, PAGES, withStates } from '../../scripts/print-states';
import { LAYERS } from './imports';

for (const { path, tables } of PAGES) {
  describe(`the page ${basename(path)}`, () => {
    it('shows the state machines as the code has them', () => {
      const page = readFileSync(path, 'utf8');
      assert.equal(withStates(page, tables), page, 'npm run docs prints them again');
    });
  });
}

describe('the page of architecture', () => {
  const page = readFileSync(ARCHITECTURE, 'utf8');

  it('lists the layers in the order that the imports keep', () => {
    const listed = [...page.matchAll(/^\| `((?:lib\/)?[a-z]+)` \|/gm)].map(([, layer]) => layer);
    assert.deepEqual(
      listed.filter((layer) => layer === 'nodes' || layer?.startsWith('lib/')),
      LAYERS,
    );
  });
});
