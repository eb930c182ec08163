import type { MqttSettings } from '../lib/market';
import { configInvalid } from './failure';
import { type Api, type Node, runningNode } from './node-red';

/** What Node-RED's own `mqtt-broker` node makes of its settings, without being connected. */
interface BrokerNode extends Node {
  readonly brokerurl?: unknown;
  readonly options?: BrokerOptions;
}

interface BrokerOptions {
  readonly protocolVersion?: unknown;
  readonly keepalive?: unknown;
  readonly username?: unknown;
  readonly password?: unknown;
  readonly ca?: unknown;
  readonly cert?: unknown;
  readonly key?: unknown;
  readonly passphrase?: unknown;
  readonly servername?: unknown;
  readonly ALPNProtocols?: unknown;
  readonly rejectUnauthorized?: unknown;
}

interface TlsNode extends Node {
  readonly valid?: boolean;
}

/** What the `mqtt` package calls them -> ours, with the port that goes with it. */
const PROTOCOLS: Readonly<Record<string, { readonly protocol: string; readonly secure: boolean }>> = {
  'mqtt:': { protocol: 'mqtt', secure: false },
  'tcp:': { protocol: 'mqtt', secure: false },
  'mqtts:': { protocol: 'mqtts', secure: true },
  'ssl:': { protocol: 'mqtts', secure: true },
  'tls:': { protocol: 'mqtts', secure: true },
  'ws:': { protocol: 'ws', secure: false },
  'wss:': { protocol: 'wss', secure: true },
};

/**
 * The settings of a chosen `mqtt-broker` node, as that node itself understands them. It is only read: nobody registers with
 * it, so it does not connect because of us.
 *
 * @throws CodedError `CONFIG_INVALID` (`broker-missing`, `broker-url`, `broker-tls`)
 */
export function brokerSettings(RED: Api, brokerId: string | undefined): MqttSettings {
  const broker = brokerId ? runningNode<BrokerNode>(RED, brokerId, 'mqtt-broker') : undefined;
  if (!broker) throw configInvalid('broker-missing', 'no MQTT broker is chosen');
  const { options = {} } = broker;
  const { url, secure, username, password } = place(broker.brokerurl);
  assertTls(RED, broker);

  const version = options.protocolVersion === 3 || options.protocolVersion === 5 ? options.protocolVersion : 4;
  // What is in the address wins in the `mqtt` package, too.
  const user = username ?? text(options.username);
  const secret = username === undefined ? text(options.password) : password;
  return {
    kind: 'mqtt',
    url,
    version,
    keepalive: seconds(options.keepalive),
    ...(user !== undefined && { username: user }),
    ...(secret !== undefined && { password: secret }),
    ...(secure && { tls: tlsOf(options) }),
  };
}

function place(brokerurl: unknown) {
  try {
    const { protocol, host, hostname, pathname, search, username, password } = new URL(String(brokerurl ?? ''));
    const known = PROTOCOLS[protocol];
    // A variable that is not set leaves its name or nothing in the address.
    if (known && hostname !== '' && !hostname.includes('$')) {
      const way = known.protocol.startsWith('ws') ? `${pathname}${search}` : '';
      return {
        url: `${known.protocol}://${host}${way}`,
        secure: known.secure,
        username: text(decodeURIComponent(username)),
        password: text(decodeURIComponent(password)),
      };
    }
  } catch {
    // Neither an address nor a user name can be read like this.
  }
  throw configInvalid('broker-url', 'the address of the MQTT broker is not usable');
}

/** A `tls-config` that could not be read leaves nothing in the options: the connection would be made without it. */
function assertTls(RED: Api, broker: Node): void {
  let tlsId: unknown;
  RED.nodes.eachNode((config) => {
    const { id, usetls, tls } = config as { id: string; usetls?: unknown; tls?: unknown };
    if (id === broker.id && (usetls === true || usetls === 'true')) tlsId = tls;
  });
  if (typeof tlsId !== 'string' || tlsId === '') return;
  if (runningNode<TlsNode>(RED, tlsId, 'tls-config')?.valid === true) return;
  throw configInvalid('broker-tls', 'the TLS settings of the MQTT broker cannot be used');
}

function tlsOf(options: BrokerOptions): NonNullable<MqttSettings['tls']> {
  const read = {
    ca: pem(options.ca),
    cert: pem(options.cert),
    key: pem(options.key),
    passphrase: text(options.passphrase),
    servername: text(options.servername),
    alpn: Array.isArray(options.ALPNProtocols) ? text(options.ALPNProtocols[0]) : undefined,
  };
  const given = Object.fromEntries(Object.entries(read).filter(([, value]) => value !== undefined));
  // As the node has it, so that the same broker is not safe for one node and refused by the other.
  return { ...given, verify: options.rejectUnauthorized !== false };
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}

function pem(value: unknown): string | undefined {
  return text(Buffer.isBuffer(value) ? value.toString('utf8') : value);
}

/** 0 switches it off there; what that means for us is up to the channel. */
function seconds(value: unknown): number {
  const read = Number(value ?? 60);
  return Number.isFinite(read) && read >= 0 && read <= 65_535 ? Math.floor(read) : 60;
}
