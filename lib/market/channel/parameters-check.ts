import { createContext, Script } from 'node:vm';
import { isCodedError } from '../../errors';
import { compileSchema } from '../../evidence';

/** Milliseconds. */
const LONGEST_CHECK = 100;

const SCRIPT = new Script('check()');

/**
 * Checks a call's parameters by the seller's own schema; undefined: they fit. The schema is the flow author's and the
 * parameters are a stranger's: a pattern that takes for ever on them is cut off, and does not fit.
 *
 * @throws CodedError `CONFIG_INVALID` (`schema`, `schema-version`)
 */
export function parametersCheck(schema: object): (parameters: unknown) => string | undefined {
  const check = compileSchema(schema);
  const globals = Object.assign(Object.create(null) as { check?: () => void });
  const context = createContext(globals);
  return (parameters) => {
    globals.check = () => check(parameters);
    try {
      SCRIPT.runInContext(context, { timeout: LONGEST_CHECK });
      return undefined;
    } catch (error) {
      return isCodedError(error) ? error.message : 'it takes too long to check them';
    } finally {
      delete globals.check;
    }
  };
}
