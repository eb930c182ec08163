export { distanceInKm } from './distance';
export { problemOfExpression } from './expression';
export { rank } from './rank';
