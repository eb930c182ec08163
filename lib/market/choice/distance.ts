import type { Place } from '../messages/message';

/** Mean radius of the earth (IUGG R1), kilometres. */
const EARTH_RADIUS = 6371.0088;

const RADIANS_PER_DEGREE = Math.PI / 180;

/**
 * Great-circle distance in kilometres by the haversine formula, to the metre: what the formula leaves in the digits behind
 * that differs from machine to machine, and must not decide between two sellers.
 */
export function distanceInKm(from: Place, to: Place): number {
  const north = ((to.lat - from.lat) * RADIANS_PER_DEGREE) / 2;
  const east = ((to.lng - from.lng) * RADIANS_PER_DEGREE) / 2;
  const haversine =
    Math.sin(north) ** 2 +
    Math.cos(from.lat * RADIANS_PER_DEGREE) * Math.cos(to.lat * RADIANS_PER_DEGREE) * Math.sin(east) ** 2;
  // Rounding can leave antipodes a hair above 1, where asin knows no answer.
  const kilometres = 2 * EARTH_RADIUS * Math.asin(Math.sqrt(Math.min(1, haversine)));
  return Math.round(kilometres * 1000) / 1000;
}
