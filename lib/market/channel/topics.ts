/** Where on a broker what is said (contract.md "Marketplace messages"). */
const ROOT = 'me/1';

/** Everything under one of these is said to us. */
export const callsTopic = (service: string) => `${ROOT}/calls/${service}`;
export const inboxTopic = (did: string) => `${ROOT}/inbox/${did}`;
export const cardTopic = (service: string, did: string) => `${ROOT}/offers/${service}/${did}`;
export const presenceTopic = (did: string) => `${ROOT}/presence/${did}`;

/** Empty: cards of every service. */
export const cardsFilter = (service: string) => `${ROOT}/offers/${service === '' ? '+' : service}/+`;
export const EVERY_PRESENCE = `${ROOT}/presence/+`;

export type Place =
  | { readonly kind: 'calls'; readonly service: string }
  | { readonly kind: 'inbox'; readonly did: string }
  | { readonly kind: 'card'; readonly service: string; readonly did: string }
  | { readonly kind: 'presence'; readonly did: string };

/** What a topic is; undefined: none of ours. */
export function placeOf(topic: string): Place | undefined {
  const [me, version, kind, first, second, ...more] = topic.split('/');
  if (`${me}/${version}` !== ROOT || first === undefined || first === '' || more.length > 0) return undefined;
  if (kind === 'offers') return second ? { kind: 'card', service: first, did: second } : undefined;
  if (second !== undefined) return undefined;
  if (kind === 'calls') return { kind, service: first };
  if (kind === 'inbox' || kind === 'presence') return { kind, did: first };
  return undefined;
}

export const ONLINE = '{"v":1,"online":true}';
export const OFFLINE = '{"v":1,"online":false}';

/** What somebody's presence says; undefined: nothing that we understand. */
export function isOnline(payload: Uint8Array): boolean | undefined {
  if (payload.length > 200) return undefined;
  try {
    const { v, online } = JSON.parse(Buffer.from(payload).toString('utf8')) as { v?: unknown; online?: unknown };
    return v === 1 && typeof online === 'boolean' ? online : undefined;
  } catch {
    return undefined;
  }
}
