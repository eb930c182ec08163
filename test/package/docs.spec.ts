import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { ARCHITECTURE, withStates } from '../../scripts/print-states';
import { LAYERS } from './imports';

describe('the page of architecture', () => {
  const page = readFileSync(ARCHITECTURE, 'utf8');

  it('shows the state machines as the code has them', () => {
    assert.equal(withStates(page), page, 'npm run docs prints them again');
  });

  it('lists the layers in the order that the imports keep', () => {
    const listed = [...page.matchAll(/^\| `((?:lib\/)?[a-z]+)` \|/gm)].map(([, layer]) => layer);
    assert.deepEqual(
      listed.filter((layer) => layer === 'nodes' || layer?.startsWith('lib/')),
      LAYERS,
    );
  });
});
