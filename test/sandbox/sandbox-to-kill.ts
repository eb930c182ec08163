import { startTangle } from '../../lib/sandbox/tangle';

/** A sandbox with fast milestones, so that a kill at a random moment often hits one that is being written. */
const [dataDir] = process.argv.slice(2);
if (!dataDir) throw new Error('needs a directory');

startTangle({ dataDir, port: 0, milestoneInterval: 15 }).then(
  ({ url, networkName }) => process.stdout.write(`${JSON.stringify({ url, networkName })}\n`),
  (error: unknown) => {
    process.stderr.write(`${String(error)}\n`);
    process.exitCode = 1;
  },
);
