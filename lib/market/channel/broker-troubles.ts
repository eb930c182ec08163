/** Why a broker is away, in words for people. Nothing that the broker itself says is repeated: it may be anybody's. */
export function troubleOf(error: unknown, place: string): string {
  const { code, message } = (typeof error === 'object' && error !== null ? error : {}) as {
    code?: unknown;
    message?: unknown;
  };
  const known = REASONS.get(code);
  if (known) return known(place);
  if (typeof code === 'string' && /CERT|SSL|TLS|SELF_SIGNED|UNABLE_TO/.test(code)) {
    return `no safe connection to the broker at ${place}: ${code.slice(0, 60)}`;
  }
  if (typeof message === 'string' && /^connack timeout|^Keepalive timeout/.test(message)) return silent(place);
  if (typeof code === 'string' && /^[A-Z][A-Z0-9_]{2,40}$/.test(code)) return `the broker at ${place}: ${code}`;
  return `the connection to the broker at ${place} was lost`;
}

export function silent(place: string): string {
  return `the broker at ${place} does not answer`;
}

export function deaf(place: string, filter: string): string {
  return `the broker at ${place} does not allow to listen to ${filter}`;
}

const notLetIn = (place: string) => `the broker at ${place} does not accept user name and password`;

const REASONS = new Map<unknown, (place: string) => string>([
  ['ECONNREFUSED', (place) => `there is no broker at ${place}`],
  ['ENOTFOUND', (place) => `${place} is not found in the network`],
  ['EAI_AGAIN', (place) => `${place} is not found in the network`],
  ['ETIMEDOUT', silent],
  ['EHOSTUNREACH', (place) => `${place} cannot be reached`],
  ['ENETUNREACH', (place) => `${place} cannot be reached`],
  ['ECONNRESET', (place) => `the broker at ${place} ended the connection`],
  // MQTT 3.1.1 §3.2.2.3
  [1, (place) => `the broker at ${place} does not know this version of MQTT`],
  [2, (place) => `the broker at ${place} does not accept our name`],
  [3, (place) => `the broker at ${place} is not available`],
  [4, notLetIn],
  [5, notLetIn],
  // MQTT 5 §3.2.2.2
  [132, (place) => `the broker at ${place} does not know this version of MQTT`],
  [134, notLetIn],
  [135, notLetIn],
  [136, (place) => `the broker at ${place} is not available`],
  [137, (place) => `the broker at ${place} is busy`],
  [138, (place) => `the broker at ${place} has banned us`],
]);
