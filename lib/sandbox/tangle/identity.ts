import { randomBytes } from 'node:crypto';
import { outputBytes } from './codec';
import { NOTHING_BEFORE } from './coordinator';
import { SandboxKey } from './ed25519';
import { TOKEN_SUPPLY } from './parameters';
import type { TangleStore } from './storage';
import type { LedgerOutput } from './white-flag';
import { outputIdOf } from './white-flag';

/** Who this sandbox is: made once per data directory, since a wiped sandbox is a different network. */
export interface SandboxIdentity {
  readonly networkName: string;
  readonly coordinator: SandboxKey;
  readonly faucet: SandboxKey;
}

/**
 * Reads the identity of the store, or makes it together with the genesis output, which gives the faucet all there is.
 *
 * @throws Error when the store belongs to another network than the one asked for
 */
export function openIdentity(store: TangleStore, networkName: string | undefined, now: number): SandboxIdentity {
  const known = store.setting('networkName');
  if (known === undefined) makeIdentity(store, networkName ?? `sandbox-tangle-${randomBytes(4).toString('hex')}`, now);
  const name = String(store.setting('networkName'));
  if (networkName !== undefined && networkName !== name) {
    throw new Error(`the data directory belongs to the network ${name}, not to ${networkName}`);
  }
  return { networkName: name, coordinator: keyOf(store, 'coordinatorSeed'), faucet: keyOf(store, 'faucetSeed') };
}

function makeIdentity(store: TangleStore, networkName: string, now: number): void {
  const faucetSeed = randomBytes(32);
  const output = { amount: TOKEN_SUPPLY, nativeTokens: [], address: new SandboxKey(faucetSeed).address };
  const genesis: LedgerOutput = {
    outputId: outputIdOf(NOTHING_BEFORE, 0),
    output,
    bytes: outputBytes(output),
    blockId: NOTHING_BEFORE,
  };
  store.begin({ networkName, coordinatorSeed: randomBytes(32), faucetSeed }, genesis, now);
}

function keyOf(store: TangleStore, name: string): SandboxKey {
  const seed = store.setting(name);
  if (!(seed instanceof Uint8Array)) throw new Error(`the data directory has no ${name}`);
  return new SandboxKey(seed);
}
