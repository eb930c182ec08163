import assert from 'node:assert/strict';
import { compileSchema } from '../../../lib/evidence';
import { refused } from './signers';

const DRAFT_07 = 'http://json-schema.org/draft-07/schema#';
const DRAFT_2020_12 = 'https://json-schema.org/draft/2020-12/schema';

const READING = {
  type: 'object',
  required: ['at', 'value'],
  properties: {
    at: { type: 'string', format: 'date-time' },
    value: { type: 'number', maximum: 80 },
    unit: { enum: ['Cel', 'K'] },
    place: { $ref: '#/$defs/place' },
  },
  additionalProperties: false,
  $defs: { place: { type: 'object', properties: { 'lat/lng': { type: 'array', maxItems: 2 } } } },
};
const GOOD = { at: '2026-01-02T03:04:05Z', value: 21.5, unit: 'Cel', place: { 'lat/lng': [48, 11] } };

const unfit = (schema: unknown, value: unknown, path: string, rule: RegExp) => {
  const check = compileSchema(schema);
  const error = refused('SCHEMA_INVALID', 'rule', () => check(value), JSON.stringify(value));
  assert.equal(error.parameters.path, path);
  assert.match(String(error.parameters.rule), rule);
};
const unusable = (schema: unknown, reason: RegExp) => {
  const error = refused('CONFIG_INVALID', 'schema', () => compileSchema(schema), JSON.stringify(schema)?.slice(0, 100));
  assert.match(String(error.parameters.reason), reason);
};

describe('a schema', () => {
  it('lets pass what fits, as text and as object, in both versions', () => {
    for (const schema of [
      READING,
      JSON.stringify(READING),
      { ...READING, $schema: DRAFT_2020_12 },
      { ...READING, $schema: DRAFT_07 },
    ]) {
      compileSchema(schema)(GOOD);
    }
  });

  it('names what does not fit, and where', () => {
    unfit(READING, { ...GOOD, value: 81 }, '/value', /<= 80/);
    unfit(READING, { ...GOOD, at: 'noon' }, '/at', /format "date-time"/);
    unfit(READING, { ...GOOD, unit: 'F' }, '/unit', /allowed values/);
    unfit(READING, { at: GOOD.at }, '', /required property 'value'/);
    unfit(READING, { ...GOOD, place: { 'lat/lng': [1, 2, 3] } }, '/place/lat~1lng', /more than 2 items/);
    unfit(READING, { ...GOOD, 'a/b': 1 }, '/a~1b', /additional properties/);
    unfit(READING, [], '', /must be object/);
    unfit({ propertyNames: { maxLength: 1 } }, { ok: 1 }, '/ok', /more than 1 characters|property name/);
    unfit({ unevaluatedProperties: false, properties: { a: true } }, { b: 1 }, '/b', /unevaluated/);
  });

  it('means 2020-12 if it does not say what it means', () => {
    const tuple = { prefixItems: [{ type: 'string' }] };
    unfit(tuple, [1], '/0', /must be string/);
    unusable({ ...tuple, $schema: DRAFT_07 }, /prefixItems/);
    unusable({ items: [{ type: 'string' }] }, /items/);
    unfit({ items: [{ type: 'string' }], $schema: DRAFT_07 }, [1], '/0', /must be string/);
    for (const $schema of ['http://json-schema.org/draft-04/schema#', 'https://example.org/schema', 7, null]) {
      refused('CONFIG_INVALID', 'schema-version', () => compileSchema({ $schema }));
    }
  });

  it('does not change what it checks', () => {
    const schema = {
      properties: { a: { type: 'number', default: 1 }, b: { type: 'number' } },
      additionalProperties: true,
    };
    const value = Object.freeze({ c: 1 });
    compileSchema(schema)(value);
    assert.deepEqual(value, { c: 1 });
    unfit(schema, { b: '1' }, '/b', /must be number/);
  });

  it('asks the document for its members, not what its prototype has', () => {
    unfit({ required: ['toString'] }, {}, '', /toString/);
    unfit({ required: ['constructor'] }, {}, '', /constructor/);
  });

  it('stays as it was compiled', () => {
    const schema = { properties: { a: { maximum: 1 } } };
    const check = compileSchema(schema);
    schema.properties.a.maximum = 100;
    refused('SCHEMA_INVALID', 'rule', () => check({ a: 2 }));
  });

  it('does not know other schemas of its name', () => {
    const named = (maximum: number) => ({ $id: 'https://example.org/reading', maximum });
    const [low, high] = [compileSchema(named(1)), compileSchema(named(10))];
    high(5);
    refused('SCHEMA_INVALID', 'rule', () => low(5));
  });

  describe('is refused', () => {
    it('where a typing error would let everything pass', () => {
      unusable({ requierd: ['a'] }, /requierd/);
      unusable({ properties: { a: { type: 'string', format: 'datetime' } } }, /datetime/);
      unusable({ type: 'strnig' }, /type/);
      unusable({ properties: { a: { pattern: '(' } } }, /regular expression/i);
    });

    it('where it would have to be fetched, or leads nowhere', () => {
      unusable({ $ref: 'https://example.org/reading.json' }, /resolve/);
      unusable({ properties: { a: { $ref: 'file:///etc/passwd' } } }, /resolve/);
      unusable({ $ref: '#/$defs/none' }, /resolve/);
    });

    it('where it would compare the document with itself, or answer later', () => {
      unusable({ properties: { a: { minimum: { $data: '1/b' } }, b: {} } }, /minimum/);
      unusable({ $async: true, type: 'object' }, /\$async/);
    });

    it('where it is no schema', () => {
      for (const schema of ['', '{', 'true', '[]', 'null', '"x"', [], null, 5]) unusable(schema, /JSON/);
      unusable(undefined, /JSON/);
      unusable('{"type":"string","type":"number"}', /twice/);
      unusable({ type: 'object', description: new Date() }, /JSON/);
    });

    it('where it is larger than anybody writes', () => {
      unusable({ description: 'x'.repeat(70_000) }, /64 KiB/);
      unusable({ enum: Array.from({ length: 6000 }, (_, at) => at) }, /5000 values/);
    });
  });
});
