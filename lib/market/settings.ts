import { CodedError, isCodedError } from '../errors';
import { canonicalJson, parseStrictJson } from '../evidence';
import type { NetworkInfo } from '../ledger';
import { parsePayable } from '../values';
import type { BuyOrder, BuySettings, Choice, ChoiceRule, OfferSearch, OfferSettings, OfferTerms } from './market-order';
import { LONGEST_VALIDITY, MOST_AMOUNT_DIGITS, MOST_PARAMETERS } from './messages/limits';
import { type Place, UNITS, type Unit } from './messages/message';
import { parseOrderedQuantity } from './quantity';

/** It is part of a topic: no slash, no wildcard, nothing that somebody would have to escape. */
const SERVICE = /^[a-z0-9][a-z0-9._-]{0,63}$/;
const LONGEST_TITLE = 200;
const LONGEST_EXPRESSION = 10_000;
const YEAR = 366 * 24 * 3_600;
/** Kilometres: nothing on Earth is farther away. */
const FARTHEST = 40_000;

const CHOICES: readonly Choice[] = ['cheapest', 'fastest', 'nearest', 'weighted', 'jsonata'];

type Decimals = Pick<NetworkInfo, 'decimals'>;

/**
 * What an offer node says. Empty settings take their defaults.
 *
 * @throws CodedError `CONFIG_INVALID`, `AMOUNT_INVALID`
 */
export function parseOfferTerms(settings: OfferSettings, network: Decimals): OfferTerms {
  const service = serviceOf(settings.service);
  return {
    service,
    title: titleOf(settings.title) ?? service,
    price: parsePrice(settings.price, network),
    unit: unitOf(settings.unit),
    place: parsePlace(settings.place, 'place'),
    parameters: schemaOf(settings.parameters),
    validFor: wholeOf('validFor', settings.validFor, 1, LONGEST_VALIDITY / 1_000) ?? 60,
    capacity: wholeOf('capacity', settings.capacity, 1, 1_000_000) ?? 1,
    leadSeconds: wholeOf('leadSeconds', settings.leadSeconds, 0, YEAR),
    autoPropose: switchOf('autoPropose', settings.autoPropose) ?? true,
    underpaid: underpaidOf(settings.underpaid),
  };
}

/**
 * What a buy node says, with the message that came into it.
 *
 * @throws CodedError `CONFIG_INVALID`, `AMOUNT_INVALID`, `DATA_NOT_CANONICAL`, `DATA_TOO_LARGE`
 */
export function parseBuyOrder(settings: BuySettings, network: Decimals): BuyOrder {
  const near = parsePlace(settings.near, 'near');
  return {
    service: serviceOf(settings.service),
    parameters: parametersOf(settings.parameters),
    quantity: isEmpty(settings.quantity) ? '1' : parseOrderedQuantity(settings.quantity),
    maxPrice: parsePrice(settings.maxPrice, network),
    near,
    maxDistance: distanceOf(settings.maxDistance, near),
    waitSeconds: numberOf('waitSeconds', settings.waitSeconds, 0.1, 3_600) ?? 3,
    choice: choiceOf(settings, near),
    deliverWithin: wholeOf('deliverWithin', settings.deliverWithin, 1, YEAR),
  };
}

/** What a listener looks for. @throws CodedError `CONFIG_INVALID`, `AMOUNT_INVALID` */
export function parseOfferSearch(
  settings: { readonly [name in keyof OfferSearch]: unknown },
  network: Decimals,
): OfferSearch {
  const near = parsePlace(settings.near, 'near');
  return {
    service: isEmpty(settings.service) ? '' : serviceOf(settings.service),
    near,
    maxDistance: distanceOf(settings.maxDistance, near),
    maxPrice: parsePrice(settings.maxPrice, network),
  };
}

/**
 * `"52.52,13.405"`, or `{ lat, lng }`; null where it is empty.
 *
 * @param name of the setting
 * @throws CodedError `CONFIG_INVALID` (`place`)
 */
export function parsePlace(value: unknown, name: string): Place | null {
  if (isEmpty(value)) return null;
  const { lat, lng } = coordinatesOf(value);
  const isPlace = typeof lat === 'number' && typeof lng === 'number' && Math.abs(lat) <= 90 && Math.abs(lng) <= 180;
  if (isPlace) return { lat, lng };
  const given = shown(value);
  throw new CodedError('CONFIG_INVALID', 'place', `${name} is no place: ${given}`, { name, value: given });
}

function serviceOf(value: unknown): string {
  if (typeof value === 'string' && SERVICE.test(value)) return value;
  const given = shown(value);
  throw new CodedError('CONFIG_INVALID', 'service', `not the name of a service: ${given}`, { value: given });
}

function titleOf(value: unknown): string | undefined {
  if (isEmpty(value)) return undefined;
  if (typeof value === 'string' && value.length <= LONGEST_TITLE && !/[\p{Cc}\p{Surrogate}]/u.test(value)) return value;
  throw new CodedError('CONFIG_INVALID', 'title', `a title is a text of at most ${LONGEST_TITLE} characters`, {
    limit: LONGEST_TITLE,
  });
}

/**
 * A price of a flow, in base units per unit; null where it is empty.
 *
 * @throws CodedError `AMOUNT_INVALID`
 */
export function parsePrice(value: unknown, { decimals }: Decimals): string | null {
  if (isEmpty(value)) return null;
  const price = parsePayable(value, decimals).toString();
  // Such a message would be refused by everybody who reads it.
  if (price.length > MOST_AMOUNT_DIGITS)
    throw new CodedError('AMOUNT_INVALID', 'too-much', `more than there is: ${price}`, { value: price });
  return price;
}

function unitOf(value: unknown): Unit {
  if (isEmpty(value)) return 'once';
  if (UNITS.includes(value as Unit)) return value as Unit;
  const given = shown(value);
  throw new CodedError('CONFIG_INVALID', 'unit', `no unit: ${given}`, { value: given, units: UNITS.join(', ') });
}

const DEGREES = /^\s*([+-]?\d{1,3}(?:\.\d{1,15})?)\s*,\s*([+-]?\d{1,3}(?:\.\d{1,15})?)\s*$/;

function coordinatesOf(value: unknown): { readonly lat?: unknown; readonly lng?: unknown } {
  if (typeof value === 'object' && value !== null) return value;
  const [, lat, lng] = (typeof value === 'string' && DEGREES.exec(value)) || [];
  return lat === undefined ? {} : { lat: Number(lat), lng: Number(lng) };
}

function schemaOf(value: unknown): OfferTerms['parameters'] {
  if (isEmpty(value)) return null;
  let schema: unknown;
  try {
    const text = typeof value === 'string' ? value : canonicalJson(value, MOST_PARAMETERS);
    schema = parseStrictJson(text, MOST_PARAMETERS);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new CodedError('CONFIG_INVALID', 'schema', `not a usable schema: ${reason}`, { reason }, { cause });
  }
  if (typeof schema === 'object' && schema !== null && !Array.isArray(schema))
    return schema as OfferTerms['parameters'];
  throw new CodedError('CONFIG_INVALID', 'schema', 'not a usable schema: no JSON object', { reason: 'no JSON object' });
}

/** A copy of its own: nobody changes what was asked for while it is asked for. */
function parametersOf(value: unknown): unknown {
  if (value === undefined) return null;
  try {
    return JSON.parse(canonicalJson(value, MOST_PARAMETERS));
  } catch (error) {
    if (!isCodedError(error, 'DATA_TOO_LARGE') || error.detail !== 'bytes') throw error;
    // They cannot be split, nor signed in another way, as other documents can.
    const limit = MOST_PARAMETERS.bytes / 1_024;
    throw new CodedError('DATA_TOO_LARGE', 'message', `parameters of more than ${limit} KiB`, { limit });
  }
}

function underpaidOf(value: unknown): OfferTerms['underpaid'] {
  if (isEmpty(value)) return 'refund';
  if (value === 'refund' || value === 'topUp') return value;
  const given = shown(value);
  throw new CodedError('CONFIG_INVALID', 'underpaid', `underpaid is refund or topUp, not ${given}`, { value: given });
}

function switchOf(name: string, value: unknown): boolean | undefined {
  if (isEmpty(value)) return undefined;
  if (typeof value === 'boolean') return value;
  const given = shown(value);
  throw new CodedError('CONFIG_INVALID', 'switch', `${name} is neither true nor false`, { name, value: given });
}

function choiceOf(settings: BuySettings, near: Place | null): ChoiceRule {
  const choose = isEmpty(settings.choose) ? 'cheapest' : (settings.choose as Choice);
  if (!CHOICES.includes(choose)) {
    const given = shown(choose);
    throw new CodedError('CONFIG_INVALID', 'choose', `no rule of choice: ${given}`, {
      value: given,
      choices: CHOICES.join(', '),
    });
  }
  const weights = choose === 'weighted' ? weightsOf(settings.weights) : null;
  if (choose === 'nearest' || (weights?.distance ?? 0) > 0) assertNear('choose', near);
  return {
    choose,
    weights,
    expression: choose === 'jsonata' ? expressionOf(settings.expression) : null,
    priceBand: numberOf('priceBand', settings.priceBand, 0, 1_000) ?? 0,
  };
}

function weightsOf(value: unknown): NonNullable<ChoiceRule['weights']> {
  const given = typeof value === 'object' && value !== null ? Object.entries(value) : [];
  const weights = { price: 0, time: 0, distance: 0 };
  for (const [name, weight] of given) {
    if (!Object.hasOwn(weights, name)) throw weightsInvalid(name);
    weights[name as keyof typeof weights] = numberOf('weights', weight, 0, 1_000_000) ?? 0;
  }
  if (weights.price + weights.time + weights.distance === 0) throw weightsInvalid(shown(value));
  return weights;
}

function weightsInvalid(value: string): CodedError {
  return new CodedError('CONFIG_INVALID', 'weights', `no weights: ${value}`, { value });
}

function expressionOf(value: unknown): string {
  if (typeof value === 'string' && value.trim() !== '' && value.length <= LONGEST_EXPRESSION) return value;
  throw new CodedError('CONFIG_INVALID', 'choice-expression', 'the choice needs an expression', {
    limit: LONGEST_EXPRESSION,
  });
}

function distanceOf(value: unknown, near: Place | null): number | null {
  const distance = numberOf('maxDistance', value, Number.MIN_VALUE, FARTHEST);
  if (distance !== null) assertNear('maxDistance', near);
  return distance;
}

/** Without a place to measure from, a distance would quietly leave out nobody or everybody. */
function assertNear(name: string, near: Place | null): void {
  if (near === null) throw new CodedError('CONFIG_INVALID', 'near-missing', `${name} needs a place`, { name });
}

function wholeOf(name: string, value: unknown, least: number, most: number): number | null {
  const number = numberOf(name, value, least, most);
  if (number === null || Number.isSafeInteger(number)) return number;
  throw new CodedError('CONFIG_INVALID', 'whole-number', `${name} is no whole number: ${number}`, {
    name,
    value: number,
  });
}

/** A number, or the text of one; null where it is empty. */
function numberOf(name: string, value: unknown, least: number, most: number): number | null {
  if (isEmpty(value)) return null;
  const text = typeof value === 'string' ? value.trim() : value;
  const number = typeof text === 'string' && /^\d{1,12}(\.\d{1,12})?$/.test(text) ? Number(text) : text;
  if (typeof number === 'number' && number >= least && number <= most) return number;
  const range = { name, value: shown(value), least: least === Number.MIN_VALUE ? 0 : least, most };
  throw new CodedError('CONFIG_INVALID', 'range', `${name} is no number from ${least} to ${most}`, range);
}

/** What a field of the editor, or a member that a message does not have, is when nobody filled it in. */
function isEmpty(value: unknown): boolean {
  return value === undefined || value === null || value === '';
}

function shown(value: unknown): string {
  if (typeof value === 'string') return value.slice(0, 100);
  return typeof value === 'number' || typeof value === 'boolean' ? String(value) : typeof value;
}
