import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { cycles, importsOf, layerViolations } from './imports';

const ROOT = join(__dirname, '..', '..');

describe('the layers', () => {
  const imports = importsOf(sources('lib', 'nodes'));

  it('import in one direction, through the doors of folders', () => {
    assert.deepEqual(layerViolations(imports), []);
  });

  it('have no files that need each other to load', () => {
    assert.deepEqual(cycles(imports), []);
  });

  it('would be seen if they were crossed', () => {
    const crossed = new Map([
      [
        'nodes/iota-pay/iota-pay.ts',
        "import { journal } from '../../lib/journal';\nimport '../../lib/sandbox/tangle/node';",
      ],
      ['lib/journal/index.ts', "export * from './journal';"],
      [
        'lib/journal/journal.ts',
        "import type { Order } from '../payments/order';\nimport { hash } from '../values/hash';",
      ],
      ['lib/payments/order.ts', "const { thing } = require('../errors');"],
      ['lib/values/hash.ts', ''],
    ]);
    assert.deepEqual(layerViolations(importsOf(crossed)), [
      'nodes/iota-pay/iota-pay.ts -> lib/sandbox/tangle/node/index: lib/sandbox is spoken to over the network only',
      'lib/journal/journal.ts -> lib/payments/order: goes up',
      'lib/journal/journal.ts -> lib/values/hash: not through lib/values/index.ts',
    ]);
  });

  it('would show a cycle, and know that types make none', () => {
    const files = (back: string) =>
      new Map([
        ['lib/values/a.ts', "import { b } from './b';"],
        ['lib/values/b.ts', `${back} from './a';`],
      ]);
    assert.deepEqual(cycles(importsOf(files('import { a }'))), ['lib/values/a -> lib/values/b -> lib/values/a']);
    assert.deepEqual(cycles(importsOf(files('import type { A }'))), []);
  });
});

function sources(...folders: string[]): Map<string, string> {
  const found = new Map<string, string>();
  for (const folder of folders) {
    for (const entry of readdirSync(join(ROOT, folder), { recursive: true, withFileTypes: true })) {
      if (!entry.isFile() || !entry.name.endsWith('.ts')) continue;
      const path = join(entry.parentPath, entry.name);
      found.set(relative(ROOT, path).split('\\').join('/'), readFileSync(path, 'utf8'));
    }
  }
  return found;
}
