import assert from 'node:assert/strict';
import fc from 'fast-check';
import { distanceInKm } from '../../../lib/market/choice';

const place = fc.record({
  lat: fc.double({ min: -90, max: 90, noNaN: true }),
  lng: fc.double({ min: -180, max: 180, noNaN: true }),
});

describe('the distance between two places', () => {
  for (const { what, from, to, km } of [
    // A degree of a meridian of this sphere.
    { what: 'a degree to the north', from: { lat: 0, lng: 0 }, to: { lat: 1, lng: 0 }, km: 111.195 },
    { what: 'a degree to the east at 60° north', from: { lat: 60, lng: 0 }, to: { lat: 60, lng: 1 }, km: 55.597 },
    { what: 'across the date line', from: { lat: 0, lng: 179.5 }, to: { lat: 0, lng: -179.5 }, km: 111.195 },
    { what: 'half the world', from: { lat: 0, lng: 0 }, to: { lat: 0, lng: 180 }, km: 20015.115 },
    { what: 'from pole to pole', from: { lat: 90, lng: 12 }, to: { lat: -90, lng: -100 }, km: 20015.115 },
    {
      what: 'Berlin to Munich',
      from: { lat: 52.52, lng: 13.405 },
      to: { lat: 48.137, lng: 11.575 },
      km: 504.4,
    },
    { what: 'a step of a metre', from: { lat: 48, lng: 11 }, to: { lat: 48.000009, lng: 11 }, km: 0.001 },
  ]) {
    it(`is right for ${what}`, () => {
      const measured = distanceInKm(from, to);
      assert.ok(Math.abs(measured - km) <= Math.max(0.001, km * 0.0005), `${measured} km`);
    });
  }

  it('is half the world between antipodes, wherever they are', () => {
    fc.assert(
      fc.property(place, ({ lat, lng }) => {
        const away = distanceInKm({ lat, lng }, { lat: -lat, lng: lng > 0 ? lng - 180 : lng + 180 });
        assert.ok(Math.abs(away - 20_015.114) <= 0.002, `${away} km`);
      }),
      // Where the formula comes out a hair above 1.
      { examples: [[{ lat: -47.23542075677991, lng: 149.54296655465964 }]] },
    );
  });

  it('is the same there and back, 0 where one is, never more than half the world, and whole metres', () => {
    fc.assert(
      fc.property(place, place, (a, b) => {
        const there = distanceInKm(a, b);
        assert.equal(distanceInKm(b, a), there);
        assert.equal(distanceInKm(a, a), 0);
        assert.ok(there >= 0 && there <= 20_015.116);
        assert.equal(Math.round(there * 1000) / 1000, there);
      }),
    );
  });
});
