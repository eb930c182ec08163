import type { Bid, ChoiceRule, Ranking } from '../market-order';
import type { MessageBodies } from '../messages/message';
import { becauseOf } from './because';
import { AMONG_EQUALS, amountOf, by, type Comparison, inTurn, leadOf, metresOf } from './comparison';
import { rankByExpression } from './expression';
import { withinLimits } from './limits';
import { weighted } from './weighted';

/**
 * Orders bids by the buyer's rule, the best first; the same bids give the same ranking in whatever order they came.
 *
 * The limits of the call are applied here and not before, so that `leftOut` says of everyone why it was not taken.
 *
 * @param call the body of the signed call
 * @throws CodedError `CONFIG_INVALID` (`expression`, `choice-time`, `choice-answer`): the buyer's own expression failed, and
 * nothing is bought by guessing what it would have said
 */
export async function rank(bids: readonly Bid[], rule: ChoiceRule, call: MessageBodies['call']): Promise<Ranking> {
  const { eligible, leftOut } = withinLimits([...bids].sort(AMONG_EQUALS), call, rule.priceBand);
  const { ranked, refused } =
    rule.choose === 'jsonata'
      ? await rankByExpression(eligible, rule.expression ?? '', call)
      : { ranked: [...eligible].sort(comparisonOf(rule, eligible)), refused: [] };
  const all = [...leftOut, ...refused.map((bid) => ({ bid, reason: 'expression' as const }))];
  return { ranked, leftOut: all, because: becauseOf(rule, ranked, all) };
}

function comparisonOf({ choose, weights }: ChoiceRule, bids: readonly Bid[]): Comparison {
  switch (choose) {
    case 'fastest':
      return inTurn(by(leadOf), AMONG_EQUALS);
    case 'nearest':
      return inTurn(by(metresOf), AMONG_EQUALS);
    case 'weighted':
      return inTurn(by(weighted(bids, weights ?? { price: 1, time: 0, distance: 0 })), AMONG_EQUALS);
    default:
      return inTurn(by(amountOf), AMONG_EQUALS);
  }
}
