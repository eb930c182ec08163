import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { type CodedError, type ErrorCode, isCodedError } from '../../../lib/errors';
import { MachineKey } from '../../../lib/machine';

/** A machine's key, the same in every run. */
export function keyNamed(name: string): MachineKey {
  return new MachineKey(createHash('sha256').update(name).digest(), { protected: true, backedUp: true });
}

export const SENSOR = keyNamed('a sensor');
export const METER = keyNamed('a meter');

/** The error that a call must end with. */
export function refused(code: ErrorCode, detail: string, call: () => unknown, what = ''): CodedError {
  let caught: unknown;
  try {
    call();
  } catch (error) {
    caught = error;
  }
  assert.ok(isCodedError(caught, code), `${what} should be refused (${code}), got ${String(caught)}`);
  assert.equal(caught.detail, detail, what);
  return caught;
}
