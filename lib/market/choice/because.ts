import type { Bid, ChoiceRule, Ranking } from '../market-order';

type Reason = Ranking['leftOut'][number]['reason'];

const WHY_LEFT_OUT: Record<Reason, string> = {
  price: 'above the price limit',
  band: 'far from the median price',
  distance: 'too far away or of unknown place',
  expression: 'not taken by the expression',
};

/** For the contract, and so in English: amounts are base units. Says nothing in words that a seller chose. */
export function becauseOf(rule: ChoiceRule, ranked: readonly Bid[], leftOut: Ranking['leftOut']): string {
  const [best, next] = ranked;
  const without = leftOutOf(leftOut);
  if (!best) return without ? `none can be taken: ${without}` : 'there was no proposal';
  const among = ranked.length === 1 ? 'the only proposal that can be taken' : `${ruleOf(rule)} of ${ranked.length}`;
  const sentence = [`${among}: ${saidBy(best)}`];
  if (next) sentence.push(`next best: ${saidBy(next)}`);
  if (without) sentence.push(`left out: ${without}`);
  return sentence.join('; ');
}

function ruleOf({ choose, weights }: ChoiceRule): string {
  if (choose === 'jsonata') return "the buyer's expression, first";
  if (choose !== 'weighted' || !weights) return choose;
  return `weighted best (price ${weights.price}, time ${weights.time}, distance ${weights.distance})`;
}

function saidBy({ amount, leadSeconds, distance }: Bid): string {
  const said = [`amount ${amount}`];
  if (leadSeconds !== null) said.push(`starts within ${leadSeconds} s`);
  if (distance !== null) said.push(`${distance} km away`);
  return said.join(', ');
}

function leftOutOf(leftOut: Ranking['leftOut']): string {
  return (Object.keys(WHY_LEFT_OUT) as Reason[])
    .map((reason) => ({ reason, count: leftOut.filter((left) => left.reason === reason).length }))
    .filter(({ count }) => count > 0)
    .map(({ reason, count }) => `${count} ${WHY_LEFT_OUT[reason]}`)
    .join(', ');
}
