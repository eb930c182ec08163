import { CodedError } from '../errors';

/**
 * A URL that a ledger may be reached at: http(s), ws(s) or mqtt(s), with no credentials in it, since URLs are shown and logged.
 *
 * @throws CodedError `CONFIG_INVALID` (`url`)
 */
export function parseNodeUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (!url || !/^(https?|wss?|mqtts?):$/.test(url.protocol) || url.username !== '' || url.password !== '') {
    const value = text
      .replace(/\/\/[^/]*@/, '//')
      .replace(/[^\x20-\x7e]+/g, ' ')
      .slice(0, 100);
    throw new CodedError('CONFIG_INVALID', 'url', `not a usable URL: ${value}`, { value });
  }
  return url;
}
