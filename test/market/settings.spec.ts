import assert from 'node:assert/strict';
import {
  type BuySettings,
  LONGEST_VALIDITY,
  type OfferSettings,
  parseBuyOrder,
  parseOfferSearch,
  parseOfferTerms,
  parsePlace,
  parsePrice,
  UNITS,
} from '../../lib/market';
import { refused } from '../evidence/formats/signers';

const TANGLE = { decimals: 6 };

const OFFER: OfferSettings = {
  service: 'parking.hour',
  title: '',
  price: '0.3 IOTA',
  unit: 'hour',
  place: '',
  parameters: '',
  validFor: '',
  capacity: '',
  leadSeconds: '',
  autoPropose: undefined,
  underpaid: undefined,
};

const PURCHASE: BuySettings = {
  service: 'parking.hour',
  parameters: undefined,
  quantity: undefined,
  maxPrice: '',
  near: '',
  maxDistance: '',
  waitSeconds: '',
  choose: '',
  weights: undefined,
  expression: '',
  priceBand: '',
  deliverWithin: '',
};

const offer = (settings: Partial<OfferSettings>) => parseOfferTerms({ ...OFFER, ...settings }, TANGLE);
const purchase = (settings: Partial<BuySettings>) => parseBuyOrder({ ...PURCHASE, ...settings }, TANGLE);

const wrong = (detail: string, call: () => unknown, what: unknown = '') =>
  refused('CONFIG_INVALID', detail, call, JSON.stringify(what));

describe('the settings of an offer', () => {
  it('have defaults', () => {
    assert.deepEqual(offer({ unit: '' }), {
      service: 'parking.hour',
      title: 'parking.hour',
      price: '300000',
      unit: 'once',
      place: null,
      parameters: null,
      validFor: 60,
      capacity: 1,
      leadSeconds: null,
      autoPropose: true,
      underpaid: 'refund',
    });
  });

  it('are taken as they are given, numbers also as text', () => {
    const parameters = { type: 'object', required: ['plate'] };
    const given = {
      title: 'Parkplatz am Zoo',
      price: 7,
      place: '52.52, 13.405',
      parameters,
      validFor: '30',
      capacity: 2,
      leadSeconds: '0',
      autoPropose: false,
      underpaid: 'topUp',
    };
    const terms = offer(given);
    assert.deepEqual(terms, {
      service: 'parking.hour',
      title: 'Parkplatz am Zoo',
      price: '7',
      unit: 'hour',
      place: { lat: 52.52, lng: 13.405 },
      parameters,
      validFor: 30,
      capacity: 2,
      leadSeconds: 0,
      autoPropose: false,
      underpaid: 'topUp',
    });
    assert.deepEqual(offer({ parameters: JSON.stringify(parameters) }).parameters, parameters);
    assert.equal(offer({ price: '' }).price, null);
    assert.equal(parseOfferTerms(OFFER, { decimals: 9 }).price, '300000000');
    for (const unit of UNITS) assert.equal(offer({ unit }).unit, unit);
  });

  it('are refused when a service is no part of a topic', () => {
    for (const service of ['', null, undefined, 7, 'a/b', '+', '#', 'Parking', 'ä', '.a', 'x'.repeat(65), 'a\n'])
      wrong('service', () => offer({ service }), service);
  });

  it('are refused one by one', () => {
    for (const title of ['x'.repeat(201), 7, 'a\nb', '\ud800']) wrong('title', () => offer({ title }), title);
    for (const unit of ['hours', 'kwh', 7, 'constructor', {}]) wrong('unit', () => offer({ unit }), unit);
    for (const underpaid of ['topup', true]) wrong('underpaid', () => offer({ underpaid }), underpaid);
    for (const autoPropose of ['true', 1]) wrong('switch', () => offer({ autoPropose }), autoPropose);
    const week = LONGEST_VALIDITY / 1_000;
    assert.equal(offer({ validFor: week }).validFor, week);
    for (const validFor of [0, -1, week + 1, 'soon', '1e3', ' ', true, Number.NaN])
      wrong('range', () => offer({ validFor }), validFor);
    for (const validFor of [1.5, '59.9']) wrong('whole-number', () => offer({ validFor }), validFor);
    for (const capacity of [0, 1_000_001]) wrong('range', () => offer({ capacity }), capacity);
    for (const leadSeconds of [-1, 31_622_401]) wrong('range', () => offer({ leadSeconds }), leadSeconds);
  });

  it('are refused when the price is none', () => {
    refused('AMOUNT_INVALID', 'zero', () => offer({ price: '0' }));
    refused('AMOUNT_INVALID', 'fraction', () => offer({ price: '1.5' }));
    refused('AMOUNT_INVALID', 'number', () => offer({ price: 0.3 }));
    refused('AMOUNT_INVALID', 'type', () => offer({ price: {} }));
    assert.equal(parsePrice('9'.repeat(20), TANGLE), '9'.repeat(20));
    refused('AMOUNT_INVALID', 'too-much', () => parsePrice('1'.padEnd(21, '0'), TANGLE));
  });

  it('are refused when the schema of the parameters is no JSON object, or too large to be shown', () => {
    for (const parameters of ['{', '[]', 'true', [], true, 7, '{"a":1,"a":2}', { a: 1n }, { a: 'x'.repeat(50_000) }])
      wrong('schema', () => offer({ parameters }), typeof parameters);
  });
});

describe('the settings of a purchase', () => {
  it('have defaults', () => {
    assert.deepEqual(purchase({}), {
      service: 'parking.hour',
      parameters: null,
      quantity: '1',
      maxPrice: null,
      near: null,
      maxDistance: null,
      waitSeconds: 3,
      choice: { choose: 'cheapest', weights: null, expression: null, priceBand: 0 },
      deliverWithin: null,
    });
  });

  it('are taken as they are given', () => {
    const order = purchase({
      parameters: { plate: 'B-ME 2026' },
      quantity: 2.5,
      maxPrice: '0.4 IOTA',
      near: { lat: 52.52, lng: 13.405 },
      maxDistance: '3.5',
      waitSeconds: 0.5,
      choose: 'weighted',
      weights: { price: 2, distance: '0.5' },
      priceBand: 20,
      deliverWithin: '600',
    });
    assert.deepEqual(order, {
      service: 'parking.hour',
      parameters: { plate: 'B-ME 2026' },
      quantity: '2.5',
      maxPrice: '400000',
      near: { lat: 52.52, lng: 13.405 },
      maxDistance: 3.5,
      waitSeconds: 0.5,
      choice: { choose: 'weighted', weights: { price: 2, time: 0, distance: 0.5 }, expression: null, priceBand: 20 },
      deliverWithin: 600,
    });
  });

  it('are a copy: what is asked for does not change while it is asked for', () => {
    const parameters = { plate: 'B-ME 2026' };
    const order = purchase({ parameters });
    parameters.plate = 'B-ME 2027';
    assert.deepEqual(order.parameters, { plate: 'B-ME 2026' });
  });

  it('are refused when the parameters are no data, or too much of it', () => {
    refused('DATA_NOT_CANONICAL', 'type', () => purchase({ parameters: () => 1 }));
    refused('DATA_TOO_LARGE', 'message', () => purchase({ parameters: 'x'.repeat(49_152) }));
    refused('DATA_TOO_LARGE', 'values', () => purchase({ parameters: Array(5_000).fill(1) }));
  });

  it('are refused one by one', () => {
    wrong('service', () => purchase({ service: '' }));
    for (const quantity of [0, '-1', 'two']) wrong('quantity', () => purchase({ quantity }), quantity);
    refused('AMOUNT_INVALID', 'zero', () => purchase({ maxPrice: 0 }));
    for (const waitSeconds of [0, 0.05, 3_601]) wrong('range', () => purchase({ waitSeconds }), waitSeconds);
    for (const deliverWithin of [0, 31_622_401]) wrong('range', () => purchase({ deliverWithin }), deliverWithin);
    wrong('whole-number', () => purchase({ deliverWithin: 0.5 + 1 }));
    for (const priceBand of [-1, 1_001, 'wide']) wrong('range', () => purchase({ priceBand }), priceBand);
  });

  it('need a place where distance counts', () => {
    const near = '52.52,13.405';
    for (const maxDistance of [0, -1, 40_001]) wrong('range', () => purchase({ near, maxDistance }), maxDistance);
    wrong('near-missing', () => purchase({ maxDistance: 5 }));
    wrong('near-missing', () => purchase({ choose: 'nearest' }));
    wrong('near-missing', () => purchase({ choose: 'weighted', weights: { price: 1, distance: 1 } }));
    assert.equal(purchase({ choose: 'nearest', near }).choice.choose, 'nearest');
    assert.ok(purchase({ choose: 'weighted', weights: { price: 1, distance: 0 } }));
  });

  it('have a rule of choice, with what it needs and nothing else', () => {
    for (const choose of ['Cheapest', 'toString', 7, {}]) wrong('choose', () => purchase({ choose }), choose);
    for (const weights of [
      undefined,
      null,
      {},
      { price: 0 },
      { cost: 1 },
      { price: 1, constructor: 1 },
      { constructor: 1 },
      'price',
      [1],
    ])
      wrong('weights', () => purchase({ choose: 'weighted', weights }), weights);
    for (const price of [-1, Number.NaN, Number.POSITIVE_INFINITY, 'much'])
      wrong('range', () => purchase({ choose: 'weighted', weights: { price } }), price);
    for (const expression of ['', ' \n', undefined, 7, 'x'.repeat(10_001)])
      wrong('choice-expression', () => purchase({ choose: 'jsonata', expression }), typeof expression);
    const unused = purchase({ weights: 'nonsense', expression: 7 }).choice;
    assert.deepEqual([unused.weights, unused.expression], [null, null]);
    assert.equal(purchase({ choose: 'jsonata', expression: 'proposals[0]' }).choice.expression, 'proposals[0]');
  });
});

describe('a place', () => {
  it('is latitude and longitude in degrees', () => {
    assert.deepEqual(parsePlace('52.52,13.405', 'near'), { lat: 52.52, lng: 13.405 });
    assert.deepEqual(parsePlace(' -33.9 , +18 ', 'near'), { lat: -33.9, lng: 18 });
    assert.deepEqual(parsePlace({ lat: 90, lng: -180, name: 'a pole' }, 'near'), { lat: 90, lng: -180 });
    for (const nowhere of ['', null, undefined]) assert.equal(parsePlace(nowhere, 'near'), null);
  });

  it('is refused when it is none', () => {
    const bad = ['Berlin', '52.52', '52.52;13.4', '52,52,13,4', '91,0', '0,181', '0x1,2', '1e1,2', ',', '1,2\n3'];
    for (const value of [...bad, 7, true, {}, { lat: '1', lng: '2' }, { lat: Number.NaN, lng: 1 }, [1, 2]]) {
      const { parameters } = wrong('place', () => parsePlace(value, 'near'), value);
      assert.equal(parameters['name'], 'near');
    }
  });
});

describe('what a listener looks for', () => {
  const search = (settings: object) =>
    parseOfferSearch({ service: '', near: '', maxDistance: '', maxPrice: '', ...settings }, TANGLE);

  it('is everything, or something', () => {
    assert.deepEqual(search({}), { service: '', near: null, maxDistance: null, maxPrice: null });
    assert.deepEqual(search({ service: 'a', near: '1,2', maxDistance: 3, maxPrice: '1 IOTA' }), {
      service: 'a',
      near: { lat: 1, lng: 2 },
      maxDistance: 3,
      maxPrice: '1000000',
    });
  });

  it('is refused when it cannot be looked for', () => {
    wrong('service', () => search({ service: '+' }));
    wrong('near-missing', () => search({ maxDistance: 3 }));
    wrong('place', () => search({ near: 'here' }));
    refused('AMOUNT_INVALID', 'grammar', () => search({ maxPrice: 'cheap' }));
  });
});
