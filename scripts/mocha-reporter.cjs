/** Mocha's own spec report, and the totals as JSON for scripts/test.mjs, which adds them up. */
const { writeFileSync } = require('node:fs');
const { reporters, Runner } = require('mocha');

module.exports = class extends reporters.Spec {
  constructor(runner, options) {
    super(runner, options);
    runner.once(Runner.constants.EVENT_RUN_END, () => {
      const { passes, failures, pending } = runner.stats;
      if (process.env.MOCHA_TOTALS)
        writeFileSync(process.env.MOCHA_TOTALS, JSON.stringify({ passes, failures, pending }));
    });
  }
};
