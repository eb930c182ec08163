export { CodedError, isCodedError } from '../errors';
export * from './runtime';
export { closeRuntimes, runtimeOf } from './runtime-of';
