import { isCodedError } from '../../../lib/errors';
import { type Leaf, log } from '../../../lib/evidence';
import { openJournal } from '../../../lib/journal';
import { machine } from './machine';

/** Whose log it is. */
export const own = machine();
export const open = () => openJournal({ memory: true, projections: [log] });
export const leaves = (count: number, first = 0): Leaf[] =>
  Array.from({ length: count }, (_, n) => ({ text: `{"reading":${first + n}}` }));
export const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');
export const damaged = (error: unknown) => isCodedError(error, 'JOURNAL_DAMAGED') && error.detail === 'log';
