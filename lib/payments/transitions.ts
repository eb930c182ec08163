/**
 * The life of a payment and of an attempt, as data. A *payment* is what the user asked for; an *attempt* is one signed
 * transaction, which may carry several payments. The journal's tables change by these tables and by nothing else: an
 * event that a state does not list is refused, and with it the whole write.
 */
export const PAYMENT_STATES = ['INTENT', 'READY', 'IN_FLIGHT', 'CONFIRMED', 'REPORTED', 'REJECTED', 'FAILED'] as const;
export type PaymentState = (typeof PAYMENT_STATES)[number];

/**
 * - `intend`: a flow asks for it, and policy and budgets allow it
 * - `clear`: nothing stands between the intent and its signature any more
 * - `reject`: somebody whose approval it needs says no
 * - `fail`: given up, allowed only while no signed transaction carries it
 * - `sign`: an attempt that carries it is signed
 * - `release`: every attempt that carries it is dead
 * - `settle`: an attempt that carries it is final
 * - `report`: its receipt was handed to the flow
 */
export type PaymentEvent = 'intend' | 'clear' | 'reject' | 'fail' | 'sign' | 'release' | 'settle' | 'report';

export const ATTEMPT_STATES = ['SIGNED', 'SUBMITTED', 'FINAL', 'DEAD'] as const;
export type AttemptState = (typeof ATTEMPT_STATES)[number];

/**
 * - `sign`: bytes, id and inputs are in the journal
 * - `submit`: a node took the bytes for the first time
 * - `final`: the ledger holds it for good
 * - `die`: the ledger says that it can never be executed
 */
export type AttemptEvent = 'sign' | 'submit' | 'final' | 'die';

/** What else happens in the same write. */
export type Effect =
  | 'reserve budget'
  | 'release budget'
  | 'hold inputs'
  | 'free inputs'
  | 'record change'
  | 'settle payments'
  | 'release payments'
  | 'forget bytes';

export interface Transition<S extends string> {
  readonly to: S;
  readonly effects: readonly Effect[];
}

/** `NEW` stands for "not in the journal yet". */
export type TransitionTable<S extends string, E extends string> = {
  readonly [state in S | 'NEW']: { readonly [event in E]?: Transition<S> };
};

function to<S extends string>(state: S, ...effects: Effect[]): Transition<S> {
  return { to: state, effects };
}

export const PAYMENT_TRANSITIONS: TransitionTable<PaymentState, PaymentEvent> = {
  NEW: { intend: to('INTENT', 'reserve budget') },
  INTENT: { clear: to('READY'), reject: to('REJECTED', 'release budget'), fail: to('FAILED', 'release budget') },
  // A payment whose attempts were all called dead is ready again; the one that was called so wrongly may still settle it.
  READY: { sign: to('IN_FLIGHT'), settle: to('CONFIRMED'), fail: to('FAILED', 'release budget') },
  IN_FLIGHT: { release: to('READY'), settle: to('CONFIRMED') },
  CONFIRMED: { report: to('REPORTED', 'forget bytes') },
  REPORTED: {},
  REJECTED: { intend: to('INTENT', 'reserve budget') },
  FAILED: { intend: to('INTENT', 'reserve budget') },
};

export const ATTEMPT_TRANSITIONS: TransitionTable<AttemptState, AttemptEvent> = {
  NEW: { sign: to('SIGNED', 'hold inputs') },
  SIGNED: {
    submit: to('SUBMITTED'),
    final: to('FINAL', 'record change', 'settle payments'),
    die: to('DEAD', 'free inputs', 'release payments'),
  },
  SUBMITTED: {
    final: to('FINAL', 'record change', 'settle payments'),
    die: to('DEAD', 'free inputs', 'release payments'),
  },
  FINAL: {},
  // A node may have been wrong: a dead attempt is followed until its payments are settled. And what replaces it may turn
  // out to be the very same transaction, byte for byte.
  DEAD: { final: to('FINAL', 'record change', 'settle payments'), sign: to('SIGNED', 'hold inputs') },
};

/** @throws Error when the state does not know the event */
export function transition<S extends string, E extends string>(
  table: TransitionTable<S, E>,
  state: S | 'NEW',
  event: E,
): Transition<S> {
  const found = table[state][event];
  if (!found) throw new Error(`no transition for "${event}" in state ${state}`);
  return found;
}

type Printed = { readonly to: string; readonly effects: readonly string[] };

/** A table of transitions, of payments or of anything else, as Markdown for the docs. */
export function printTransitions(table: {
  readonly [state: string]: { readonly [event: string]: Printed | undefined };
}): string {
  const rows = Object.entries(table).flatMap(([state, events]) =>
    Object.entries(events).map(
      ([event, next]) => `| ${state} | ${event} | ${next?.to} | ${next?.effects.join(', ')} |`,
    ),
  );
  return ['| state | event | next | effects |', '|---|---|---|---|', ...rows, ''].join('\n');
}
