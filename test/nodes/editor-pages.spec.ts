import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createContext, runInContext } from 'node:vm';

const ROOT = join(__dirname, '..', '..', 'nodes');
const TYPES = readdirSync(ROOT, { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .map(({ name }) => name);

interface Property {
  readonly value: unknown;
  readonly validate?: (this: object, value: unknown, options: object) => unknown;
}
interface Definition {
  readonly defaults: Readonly<Record<string, Property>>;
}

/** What a page registers, run without an editor. */
function definitionOf(type: string): Definition {
  const html = readFileSync(join(ROOT, type, `${type}.html`), 'utf8');
  const script = /<script type="text\/javascript">([\s\S]*?)<\/script>/.exec(html)?.[1] ?? '';
  let registered: Definition | undefined;
  const field = { val: () => undefined, length: 0 };
  const RED = {
    nodes: { registerType: (_: string, definition: Definition) => (registered = definition), node: () => null },
    validators: { typedInput: () => () => true },
  };
  runInContext(script, createContext({ RED, $: () => field, TextEncoder }));
  assert.ok(registered, type);
  return registered;
}

/** Things that no property should take for good, and some that it may. */
const VALUES = [
  '',
  'x',
  '{',
  '[]',
  '-1',
  '0',
  '99999999',
  'x'.repeat(100),
  5,
  -1,
  null,
  [''],
  [5],
  { a: 5 },
  '{"a": ""}',
];

describe('the properties of a node in the editor', () => {
  for (const type of TYPES) {
    it(`of ${type} are good as they come from the palette, except for what has to be chosen`, () => {
      const { defaults } = definitionOf(type);
      const node = {
        ...Object.fromEntries(Object.entries(defaults).map(([name, { value }]) => [name, value])),
        _: String,
      };
      for (const [name, { value, validate }] of Object.entries(defaults)) {
        if (!validate || ['machine', 'ledger', 'url'].includes(name)) continue;
        assert.equal(validate.call(node, value, {}), true, name);
      }
    });

    it(`of ${type} are called wrong by validators that Node-RED understands`, () => {
      // Node-RED takes a text for what is wrong only from a validator with two parameters, and for "good" from others.
      const { defaults } = definitionOf(type);
      for (const [name, { validate }] of Object.entries(defaults)) {
        const node = { network: 'tangle', source: 'data', _: (key: string) => key };
        const texts = VALUES.map((value) => validate?.call(node, value, {})).filter(
          (answer) => typeof answer === 'string',
        );
        if (texts.length > 0) assert.equal(validate?.length, 2, name);
      }
    });
  }
});
