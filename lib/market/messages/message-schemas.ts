import type { ValidateFunction } from 'ajv';
import accept from '../../../schemas/accept.json';
import call from '../../../schemas/call.json';
import cancel from '../../../schemas/cancel.json';
import complete from '../../../schemas/complete.json';
import delivered from '../../../schemas/delivered.json';
import envelope from '../../../schemas/envelope.json';
import offer from '../../../schemas/offer.json';
import paid from '../../../schemas/paid.json';
import proposal from '../../../schemas/proposal.json';
import reject from '../../../schemas/reject.json';
import type { MessageType } from './message';

/** As published in the package: `schemas/<type>.json`. */
export const MESSAGE_SCHEMAS: { readonly [type in MessageType]: object } = {
  offer,
  call,
  proposal,
  accept,
  reject,
  paid,
  delivered,
  complete,
  cancel,
};

let validators: ReadonlyMap<unknown, ValidateFunction> | undefined;

/** Takes a fraction of a second, which the first message would otherwise wait for. */
export function prepareSchemas(): void {
  validators ??= compiled();
}

/** What is wrong with a signed document as a message, or undefined. The signature itself is not checked. */
export function schemaProblem(document: object): string | undefined {
  validators ??= compiled();
  const validate = validators.get((document as { type?: unknown }).type);
  if (!validate) return 'type';
  if (validate(document)) return undefined;
  const [error] = validate.errors ?? [];
  return `"${error?.instancePath ?? ''}" ${error?.message ?? 'not valid'}`;
}

/** Ours are the only schemas that are compiled here. Loaded when they are needed: not every machine trades. */
function compiled(): ReadonlyMap<unknown, ValidateFunction> {
  const { Ajv2020 } = require('ajv/dist/2020') as typeof import('ajv/dist/2020');
  const ajv = new Ajv2020({ strict: true, strictTypes: false, allErrors: false, ownProperties: true, logger: false });
  ajv.addFormat('date-time', { type: 'string', validate: isTime });
  ajv.addSchema(envelope);
  return new Map(Object.entries(MESSAGE_SCHEMAS).map(([type, schema]) => [type, ajv.compile(schema)]));
}

/** RFC 3339, in the one spelling that we write: a time has one text, and 30 February none. */
function isTime(text: string): boolean {
  const at = Date.parse(text);
  return !Number.isNaN(at) && new Date(at).toISOString() === text;
}
