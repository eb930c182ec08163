import type { ErrorObject, Options, ValidateFunction } from 'ajv';
import { CodedError, isCodedError } from '../errors';
import type { JsonObject, JsonValue } from '../journal';
import { canonicalJson, type JsonLimits, jsonPointer } from './canonical-json';
import { parseStrictJson } from './strict-json';

/** Many times what somebody writes by hand. */
const SCHEMA_LIMITS: JsonLimits = { bytes: 64 * 1024, values: 5000 };

const DRAFT_07 = 'http://json-schema.org/draft-07/schema';
const DRAFT_2020_12 = 'https://json-schema.org/draft/2020-12/schema';

/**
 * Makes the check of a JSON Schema, draft-07 or 2020-12 as its `$schema` says; 2020-12 if it says nothing.
 *
 * - A keyword or a format that is not known is an error: with a typing error in it, a schema would let everything pass.
 * - Formats (`date-time`, `uri` ...) are checked.
 * - Nothing is fetched: `$ref` leads to somewhere in the schema itself.
 * - A check ends at the first problem and changes nothing. Its patterns are the author's: one that takes for ever does so.
 *
 * @param schema JSON text, or the object
 * @throws CodedError `CONFIG_INVALID` (`schema`, `schema-version`); the check throws `SCHEMA_INVALID` (`path`, `rule`)
 */
export function compileSchema(schema: unknown): (value: unknown) => void {
  const validate = compile(readSchema(schema));
  return (value) => {
    if (!validate(value)) throw schemaInvalid(validate.errors?.[0]);
  };
}

function readSchema(schema: unknown): JsonObject {
  let read: JsonValue;
  try {
    const text = typeof schema === 'string' ? schema : canonicalJson(schema, SCHEMA_LIMITS);
    read = parseStrictJson(text, SCHEMA_LIMITS);
  } catch (cause) {
    throw notASchema(isCodedError(cause) ? cause.message : 'no JSON', cause);
  }
  if (typeof read !== 'object' || read === null || Array.isArray(read)) throw notASchema('no JSON object');
  return read as JsonObject;
}

function compile(schema: JsonObject): ValidateFunction {
  const draft = typeof schema['$schema'] === 'string' ? schema['$schema'].replace(/#$/, '') : schema['$schema'];
  if (draft !== undefined && draft !== DRAFT_07 && draft !== DRAFT_2020_12) {
    const value = String(draft).slice(0, 100);
    throw new CodedError('CONFIG_INVALID', 'schema-version', `not a known version of JSON Schema: ${value}`, { value });
  }
  let validate: ValidateFunction;
  try {
    const { Ajv, formats } = validator(draft);
    validate = new Ajv({ ...OPTIONS, formats }).compile(schema);
  } catch (cause) {
    throw notASchema(cause instanceof Error ? cause.message : String(cause), cause);
  }
  // Its answer would be a promise, which is never false.
  if ('$async' in validate) throw notASchema('$async');
  return validate;
}

const OPTIONS: Options = {
  strict: true,
  // Of strict mode only what finds mistakes: these rules are about style, and refuse schemas that are in use.
  strictTypes: false,
  strictTuples: false,
  strictRequired: false,
  allErrors: false,
  /** `required: ["constructor"]` is about the document, not about where its prototype comes from. */
  ownProperties: true,
  logger: false,
};

/** Loaded when the first schema is compiled: most flows have none, and Node-RED starts sooner. */
function validator(draft: string | undefined) {
  const { fullFormats } = require('ajv-formats/dist/formats') as typeof import('ajv-formats/dist/formats');
  const formats: NonNullable<Options['formats']> = fullFormats;
  if (draft === DRAFT_07) return { Ajv: (require('ajv') as typeof import('ajv')).Ajv, formats };
  return { Ajv: (require('ajv/dist/2020') as typeof import('ajv/dist/2020')).Ajv2020, formats };
}

function notASchema(reason: string, cause?: unknown): CodedError {
  const shown = reason.slice(0, 300);
  return new CodedError('CONFIG_INVALID', 'schema', `not a usable schema: ${shown}`, { reason: shown }, { cause });
}

function schemaInvalid(error: ErrorObject | undefined): CodedError {
  // The name of a member that should not be there is not in the path.
  const { additionalProperty, unevaluatedProperty } = error?.params ?? {};
  const name: unknown = error?.propertyName ?? additionalProperty ?? unevaluatedProperty;
  const path = jsonPointer(wayOf(error?.instancePath ?? '')) + (typeof name === 'string' ? jsonPointer([name]) : '');
  const rule = (error?.message ?? 'not valid').slice(0, 200);
  return new CodedError('SCHEMA_INVALID', 'rule', `"${path}" ${rule}`, { path, rule });
}

/** RFC 6901 §4. */
function wayOf(pointer: string): string[] {
  const steps = pointer.split('/').slice(1);
  return steps.map((step) => step.replace(/~1/g, '/').replace(/~0/g, '~'));
}
