/** Machines pay one address many times. */
import { EmbeddedNodeRed, removeUserDirectory, userDirectory } from '../embedded-node-red';
import { Fleet, fleetFlow } from '../fleet';
import { scenario } from '../scenario';

const MACHINES = 8;

scenario<{ url: string; faucetUrl: string; to: string; payments: number }, { paid: number }>(
  async ({ url, faucetUrl, to, payments }) => {
    const ledger = { network: 'tangle', url, faucetUrl };
    const userDir = await userDirectory(fleetFlow({ machines: MACHINES, ledger }));
    const nodeRed = await EmbeddedNodeRed.start(userDir);
    const fleet = new Fleet(nodeRed);
    const everyone = Array.from({ length: MACHINES }, (_, n) => n);
    await Promise.all(everyone.map((n) => fleet.funded(n)));
    await Promise.all(Array.from({ length: payments }, (_, i) => fleet.pay(i % MACHINES, to)));
    await nodeRed.stop();
    await removeUserDirectory(userDir);
    return { paid: payments };
  },
);
