import { type CodedError, isCodedError } from '../lib/errors';

/** What a node's properties come to: worked out once, when the node is made. */
export interface Settings<T> {
  /** What is wrong with them. */
  readonly problem: CodedError | undefined;
  /** @throws CodedError the problem, so that every message that needs them ends at Catch */
  value(): T;
}

export function settings<T>(read: () => T): Settings<T> {
  try {
    const value = read();
    return { problem: undefined, value: () => value };
  } catch (problem) {
    if (!isCodedError(problem)) throw problem;
    return {
      problem,
      value: () => {
        throw problem;
      },
    };
  }
}
