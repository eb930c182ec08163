import { type Campaign, runCampaign } from './campaign';

/** One of the processes that a campaign is spread over. */
process.once('message', (message) => {
  const { step, ...campaign } = message as Campaign & { step: number };
  runCampaign(campaign, step).then(
    (result) => process.send?.(result, () => process.disconnect()),
    (error: unknown) => {
      console.error(error);
      process.exit(1);
    },
  );
});
