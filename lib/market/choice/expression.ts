import { createContext, Script } from 'node:vm';
import jsonata from 'jsonata';
import { CodedError } from '../../errors';
import type { Bid } from '../market-order';
import type { MessageBodies } from '../messages/message';

/** For all that an expression does about one choice, milliseconds. */
const TIME = 1_000;
/** Evaluations within evaluations. */
const DEPTH = 300;
/** Members of any list that it makes. */
const LONGEST_LIST = 100_000;
/** An expression that names one proposal is asked for so many, lest there is no next best when the first is silent. */
const PLACES = 5;

export interface ExpressionRanking {
  /** Best first. */
  readonly ranked: readonly Bid[];
  readonly refused: readonly Bid[];
}

/**
 * Ranks by the buyer's own expression over `{ proposals, call }`, in which money, quantities and times are numbers. It answers
 * with a proposal, its `seller`, its `hash` or its index, with a list of these (best first), or with nothing.
 *
 * @param bids in an order that does not depend on how they came: an index means a place in it
 * @throws CodedError `CONFIG_INVALID` (`expression`, `choice-time`, `choice-answer`)
 */
export async function rankByExpression(
  bids: readonly Bid[],
  text: string,
  call: MessageBodies['call'],
): Promise<ExpressionRanking> {
  const expression = compiled(text);
  const deadline = Date.now() + TIME;
  const ranked: Bid[] = [];
  let left = bids;
  while (left.length > 0 && ranked.length < PLACES) {
    let named: { readonly bids: readonly Bid[]; readonly list: boolean };
    try {
      named = bidsNamed(await evaluate(expression, deadline - Date.now(), inputOf(left, call)), left);
    } catch (error) {
      // Who is best is known by now, and an expression need not have an answer to what it was not written for.
      if (ranked.length > 0) break;
      throw error;
    }
    ranked.push(...named.bids);
    left = left.filter((bid) => !named.bids.includes(bid));
    if (named.list || named.bids.length === 0) break;
  }
  return { ranked, refused: left };
}

/** Why an expression cannot be used at all, if so. */
export function problemOfExpression(text: string): string | undefined {
  try {
    compiled(text);
    return undefined;
  } catch (error) {
    return error instanceof CodedError ? String(error.parameters.reason) : String(error);
  }
}

interface Compiled {
  readonly expression: jsonata.Expression;
  readonly regexes: BoundedRegexes;
  readonly options: { timeout: number };
}

function compiled(text: string): Compiled {
  const regexes = new BoundedRegexes();
  const options = {
    timeout: TIME,
    stack: DEPTH,
    sequence: LONGEST_LIST,
    // Only `new` and `exec` of it are used.
    RegexEngine: regexes.engine as unknown as RegExpConstructor,
  };
  try {
    const expression = jsonata(text, options);
    // What a seller wrote is never run as code.
    expression.registerFunction('eval', () => refuse('$eval'));
    // One step of it can take any time and memory, which no limit on steps sees.
    expression.registerFunction('pad', () => refuse('$pad'));
    return { expression, regexes, options };
  } catch (error) {
    // Syntax errors are about the expression alone: their text holds nothing of a stranger's.
    throw failed(error instanceof Error || isProblem(error) ? String(error.message) : 'it has no syntax', error);
  }
}

async function evaluate({ expression, regexes, options }: Compiled, time: number, input: object): Promise<unknown> {
  if (time <= 0) throw tooLong();
  options.timeout = time;
  regexes.deadline = Date.now() + time;
  try {
    return await expression.evaluate(input);
  } catch (error) {
    if (error instanceof CodedError) throw error;
    const { code, position, token } = isProblem(error)
      ? error
      : { code: undefined, position: undefined, token: undefined };
    if (code === 'D1011' || code === 'D1012' || code === 'D2014' || code === 'D2015') throw tooLong(error);
    // Messages of the evaluator quote values, and these are the sellers'. Tokens are the expression's own.
    const where = position === undefined ? '' : ` at character ${position}${token ? ` (${token})` : ''}`;
    throw failed(code ? `JSONata error ${code}${where}` : 'it ran out of memory or depth', error);
  }
}

/** New for each evaluation: whatever an expression does to it, it does to its own copy. */
function inputOf(bids: readonly Bid[], call: MessageBodies['call']): object {
  return {
    // As text, "9" would be more than "10".
    proposals: bids.map((bid) =>
      withoutNulls({
        ...bid,
        place: bid.place && { ...bid.place },
        price: Number(bid.price),
        quantity: Number(bid.quantity),
        amount: Number(bid.amount),
      }),
    ),
    call: withoutNulls({
      ...structuredClone(call),
      quantity: Number(call.quantity),
      maxPrice: call.maxPrice === null ? null : Number(call.maxPrice),
    }),
  };
}

/** What is missing compares as false; null would be an error, and one seller who does not say when could stop every choice. */
function withoutNulls(members: object): object {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== null));
}

/** Each once, in the order of the answer. @throws CodedError `CONFIG_INVALID` (`choice-answer`) */
function bidsNamed(answer: unknown, bids: readonly Bid[]): { readonly bids: readonly Bid[]; readonly list: boolean } {
  const answers: readonly unknown[] | undefined = Array.isArray(answer) ? answer : undefined;
  const named = (answers ?? [answer]).filter((one) => one !== undefined && one !== null);
  return { bids: [...new Set(named.map((one) => bidNamed(one, bids)))], list: answers !== undefined };
}

function bidNamed(answer: unknown, bids: readonly Bid[]): Bid {
  const key = typeof answer === 'object' && answer !== null && 'hash' in answer ? answer.hash : answer;
  const bid =
    typeof key === 'number'
      ? bids[key]
      : (bids.find(({ hash }) => hash === key) ?? bids.find(({ seller }) => seller === key));
  if (bid) return bid;
  throw new CodedError(
    'CONFIG_INVALID',
    'choice-answer',
    'the expression that chooses answered with something that is none of the proposals',
  );
}

/**
 * Regular expressions whose backtracking ends in time: the pattern is the buyer's, but the text that it runs on a stranger's,
 * and one match is one step, however long it takes.
 */
class BoundedRegexes {
  deadline = 0;
  readonly #context = createContext(Object.create(null) as { run?: () => void });
  readonly #script = new Script('run()');

  readonly engine = ((regexes: BoundedRegexes) =>
    class BoundedRegex {
      readonly #regex: RegExp;
      constructor(pattern: RegExp) {
        this.#regex = new RegExp(pattern);
      }
      get lastIndex(): number {
        return this.#regex.lastIndex;
      }
      set lastIndex(index: number) {
        this.#regex.lastIndex = index;
      }
      exec(text: string): RegExpExecArray | null {
        return regexes.#inTime(() => this.#regex.exec(text));
      }
    })(this);

  #inTime<T>(work: () => T): T {
    const timeout = Math.ceil(this.deadline - Date.now());
    if (timeout <= 0) throw tooLong();
    let result: { readonly value: T } | undefined;
    this.#context.run = () => {
      result = { value: work() };
    };
    try {
      // Whatever runs inside is stopped with it, although it is not the context's own.
      this.#script.runInContext(this.#context, { timeout });
    } catch (error) {
      throw tooLong(error);
    }
    if (!result) throw tooLong();
    return result.value;
  }
}

interface Problem {
  readonly code?: string;
  readonly position?: number;
  readonly token?: string;
  readonly message?: string;
}

/** The evaluator throws plain objects. */
function isProblem(error: unknown): error is Problem {
  return typeof error === 'object' && error !== null && 'code' in error && typeof error.code === 'string';
}

function refuse(name: string): never {
  throw failed(`${name} is not available here`);
}

function failed(reason: string, cause?: unknown): CodedError {
  const parameters = { name: 'expression', reason };
  return new CodedError('CONFIG_INVALID', 'expression', `the expression that chooses failed: ${reason}`, parameters, {
    cause,
  });
}

function tooLong(cause?: unknown): CodedError {
  return new CodedError(
    'CONFIG_INVALID',
    'choice-time',
    'the expression that chooses takes too long, goes too deep or makes too long a list',
    {},
    { cause },
  );
}
