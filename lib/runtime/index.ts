/** The one door of `dist/runtime.js`: everything that nodes use, theirs and what they need of the layers below. */
export { CodedError, type ErrorCode, type ErrorParameters, isCodedError } from '../errors';
export { compileSchema, isEncrypted } from '../evidence';
export { formatAmount, parseAmount, parsePayable } from '../values';
export * from './marketplace';
export * from './runtime';
export { closeRuntimes, runtimeOf } from './runtime-of';
export { SafeState } from './safe-state';
