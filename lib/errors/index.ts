export { CodedError, type ErrorCode, type ErrorParameters, isCodedError } from './coded-error';
