import { runSandbox, SANDBOX_USAGE } from './sandbox-command';
import { runVerify, VERIFY_USAGE } from './verify-command';

const USAGE = `Usage: machine-economy <command> [options]

Commands:
  sandbox   the embedded ledger on its own, for other machines
  verify    signed documents and their evidence, contracts: are they what their machines signed?

machine-economy <command> --help tells more.
`;

/** @returns the exit code */
async function main([command, ...parameters]: readonly string[]): Promise<number> {
  switch (command) {
    case 'sandbox':
      return runSandbox(parameters);
    case 'verify':
      return runVerify(parameters);
    case undefined:
    case 'help':
    case '--help':
    case '-h':
      process.stdout.write(`${USAGE}\n${SANDBOX_USAGE}\n${VERIFY_USAGE}`);
      return command === undefined ? 2 : 0;
    default:
      process.stderr.write(`machine-economy: there is no command ${JSON.stringify(command)}\n\n${USAGE}`);
      return 2;
  }
}

main(process.argv.slice(2)).then(
  (code) => {
    process.exitCode = code;
  },
  (error: unknown) => {
    process.stderr.write(`machine-economy: ${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = 1;
  },
);
