import { writeAddress } from '../../../values';
import { type Faucet, FaucetRefusal } from '../faucet';
import type { Tangle } from '../tangle';
import { json, plainError } from './answer';
import { jsonBody, path, type Route } from './router';

/** The routes of inx-faucet. */
export function faucetRoutes(tangle: Tangle, faucet: Faucet): Route[] {
  return [
    {
      method: 'GET',
      path: path('/api/info'),
      answer: () => {
        const { bech32Hrp } = tangle.parameters;
        const hash = Buffer.from(tangle.identity.faucet.address.slice(4), 'hex');
        const address = writeAddress(hash, { kind: 'bech32', prefix: bech32Hrp });
        return json({ address, balance: Number(faucet.balance()), tokenName: 'IOTA', bech32Hrp });
      },
    },
    {
      method: 'POST',
      path: path('/api/enqueue'),
      answer: (request) => {
        const body = jsonBody(request);
        try {
          return json(
            faucet.enqueue(typeof body === 'object' && body !== null && 'address' in body ? body.address : undefined),
            202,
          );
        } catch (error) {
          if (error instanceof FaucetRefusal) return plainError(error.kind === 'request' ? 400 : 500, error.message);
          throw error;
        }
      },
    },
  ];
}
