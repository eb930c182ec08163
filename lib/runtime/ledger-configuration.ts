import { createHash } from 'node:crypto';
import { CodedError } from '../errors';
import { parseNodeUrl } from '../ledger';
import type { LedgerConfiguration, Network } from './runtime';

/** A ledger configuration that has been checked: what is needed to reach it, and the key under which it is shared. */
export type LedgerPlan =
  | {
      readonly kind: 'sandbox-tangle';
      readonly shareKey: string;
      readonly port: number;
      readonly deviceBrokerPort: number;
    }
  | {
      readonly kind: 'tangle';
      readonly shareKey: string;
      readonly url: string;
      readonly mqttUrl?: string;
      readonly faucetUrl?: string;
      readonly indexerUrl?: string;
      readonly authToken?: string;
    };

export const DEFAULT_SANDBOX_PORT = 14265;
export const DEFAULT_DEVICE_BROKER_PORT = 1885;

const NOT_BUILT: readonly Network[] = ['sandbox-iota', 'iota-testnet', 'iota-devnet', 'iota-mainnet', 'iota-url'];

/** Node-RED hands over what a person or a foreign flow typed. @throws CodedError `CONFIG_INVALID` */
export function planLedger(configuration: LedgerConfiguration): LedgerPlan {
  const { network } = configuration;
  if (network === 'sandbox-tangle') {
    const port = portOf('port', configuration.port, DEFAULT_SANDBOX_PORT);
    if (port === 0) throw invalid('port', 'port', '0');
    return {
      kind: 'sandbox-tangle',
      shareKey: `sandbox-tangle:${port}`,
      port,
      deviceBrokerPort: portOf('deviceBrokerPort', configuration.deviceBrokerPort, DEFAULT_DEVICE_BROKER_PORT),
    };
  }
  if (network === 'tangle') {
    const url = urlOf('url', configuration.url, ['http:', 'https:']);
    if (url === undefined) throw invalid('url-missing', 'url', '');
    const mqttUrl = urlOf('mqttUrl', configuration.mqttUrl, ['ws:', 'wss:', 'mqtt:', 'mqtts:']);
    const faucetUrl = urlOf('faucetUrl', configuration.faucetUrl, ['http:', 'https:']);
    const indexerUrl = urlOf('indexerUrl', configuration.indexerUrl, ['http:', 'https:']);
    const authToken = configuration.ledgerAuthToken || undefined;
    return {
      kind: 'tangle',
      shareKey: shareKeyOf(['tangle', url, mqttUrl, faucetUrl, indexerUrl, authToken]),
      url,
      ...(mqttUrl !== undefined && { mqttUrl }),
      ...(faucetUrl !== undefined && { faucetUrl }),
      ...(indexerUrl !== undefined && { indexerUrl }),
      ...(authToken !== undefined && { authToken }),
    };
  }
  if (NOT_BUILT.includes(network)) {
    throw new CodedError('CONFIG_INVALID', 'network-not-built', `the network ${network} is not supported yet`, {
      network,
    });
  }
  throw invalid('network', 'network', String(network));
}

/** Hashed, because it contains a secret and keys tend to end up in logs. */
function shareKeyOf(parts: readonly (string | undefined)[]): string {
  return `tangle:${createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 16)}`;
}

function portOf(property: string, value: unknown, otherwise: number): number {
  if (value === undefined || value === null || value === '') return otherwise;
  const port = typeof value === 'string' && /^\d{1,5}$/.test(value.trim()) ? Number(value) : value;
  if (typeof port === 'number' && Number.isInteger(port) && port >= 0 && port <= 65_535) return port;
  throw invalid('port', property, String(value));
}

function urlOf(property: string, value: unknown, protocols: readonly string[]): string | undefined {
  if (value === undefined || value === null || value === '') return undefined;
  if (typeof value !== 'string') throw invalid('url', property, typeof value);
  const url = parseNodeUrl(value.trim());
  if (!protocols.includes(url.protocol)) throw invalid('url', property, url.host);
  return url.href.replace(/\/$/, '');
}

function invalid(detail: string, property: string, value: string): CodedError {
  const shown = value.slice(0, 100);
  return new CodedError('CONFIG_INVALID', detail, `the ledger's ${property} is not usable: "${shown}"`, {
    property,
    value: shown,
  });
}
