import assert from 'node:assert/strict';
import { parametersCheck } from '../../../lib/market/channel/parameters-check';
import { refused } from '../../evidence/formats/signers';

describe('the check of a call by its seller', () => {
  it('says nothing of parameters that fit, and what is wrong with the others', () => {
    const problemOf = parametersCheck({ type: 'object', properties: { plate: { maxLength: 9 } }, required: ['plate'] });
    assert.equal(problemOf({ plate: 'B-ME 2026' }), undefined);
    assert.match(problemOf({ plate: 'B-ME 20266' }) ?? '', /plate.*9/);
    assert.match(problemOf(null) ?? '', /object/);
    assert.equal(problemOf({ plate: 'B' }), undefined);
  });

  it('is refused for a schema that is none', () => {
    refused('CONFIG_INVALID', 'schema', () => parametersCheck({ type: 'objekt' }));
    refused('CONFIG_INVALID', 'schema-version', () =>
      parametersCheck({ $schema: 'http://json-schema.org/draft-04/schema#' }),
    );
  });

  it('cuts off a pattern that takes for ever, and goes on', () => {
    const problemOf = parametersCheck({ type: 'string', pattern: '^(a|a)*$' });
    const started = performance.now();
    assert.equal(problemOf(`${'a'.repeat(60)}b`), 'it takes too long to check them');
    assert.ok(performance.now() - started < 2_000);
    assert.equal(problemOf('aaa'), undefined);
  });
});
