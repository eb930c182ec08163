import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type RequestListener, type Server } from 'node:http';
import { isCodedError } from '../../../lib/errors';
import { exchange, guardFetchTo } from '../../../lib/ledger/stardust/http';

describe('an exchange with a node', () => {
  let server: Server;
  let url: URL;
  let answer: RequestListener;

  before(async () => {
    server = createServer((request, response) => answer(request, response));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    assert.ok(typeof address === 'object' && address);
    url = new URL(`http://127.0.0.1:${address.port}/`);
  });
  after(async () => {
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  });

  const limits = { milliseconds: 300, bytes: 1000 };
  const fails = (detail: string) => (error: unknown) =>
    isCodedError(error, 'LEDGER_UNREACHABLE') && error.detail === detail;

  it('hands over status and body', async () => {
    answer = (_, response) => response.writeHead(404).end('no such thing');
    assert.deepEqual(await exchange(url, limits), { status: 404, body: 'no such thing' });
  });

  it('ends when the answer does not begin', async () => {
    answer = () => {};
    await assert.rejects(exchange(url, limits), fails('timeout'));
  });

  it('ends when the answer does not end', async () => {
    answer = (_, response) => response.writeHead(200).write('{');
    await assert.rejects(exchange(url, limits), fails('timeout'));
  });

  it('ends when the answer is larger than it may be, whatever its head says', async () => {
    let hungUp = false;
    answer = (_, response) => {
      response.on('close', () => {
        hungUp = true;
      });
      response.writeHead(200);
      for (let i = 0; i < 100; i += 1) response.write('x'.repeat(1000));
    };
    await assert.rejects(exchange(url, limits), fails('answer'));
    answer = (_, response) => response.end('ok');
    await exchange(url, limits);
    assert.ok(hungUp);
  });

  it('follows nobody elsewhere', async () => {
    let asked = 0;
    answer = (_, response) => {
      asked += 1;
      response.writeHead(302, { location: '/elsewhere' }).end();
    };
    await assert.rejects(exchange(url, limits), fails('default'));
    assert.equal(asked, 1);
  });

  it('names the host, and nothing that may be secret in the URL', async () => {
    const nowhere = new URL('http://127.0.0.1:1/secret-path?token=abc');
    await assert.rejects(
      exchange(nowhere, limits),
      (error) =>
        isCodedError(error) &&
        error.message.includes('127.0.0.1:1') &&
        !error.message.includes('secret') &&
        !error.message.includes('abc'),
    );
  });

  describe('that the SDK makes by itself', () => {
    const other = globalThis.fetch;
    afterEach(() => assert.equal(globalThis.fetch, other, 'the guard was not taken away'));

    it('has the same limits, but only to our node and only while we are there', async () => {
      const release = guardFetchTo(url.origin, limits);
      const again = guardFetchTo(url.origin, limits);
      answer = () => {};
      await assert.rejects(fetch(url), { name: 'TimeoutError' });
      answer = (_, response) => response.writeHead(302, { location: '/elsewhere' }).end();
      await assert.rejects(fetch(new Request(url)), TypeError);
      answer = (_, response) => response.end('x'.repeat(1001));
      await assert.rejects(fetch(url));
      answer = (_, response) => response.writeHead(201, { 'x-kept': 'yes' }).end('{"blockId":"0x"}');
      const response = await fetch(new Request(url, { method: 'POST', body: 'x' }));
      assert.deepEqual(
        [response.status, response.url, response.headers.get('x-kept'), await response.json()],
        [201, url.href, 'yes', { blockId: '0x' }],
      );
      release();
      release();
      assert.notEqual(globalThis.fetch, other);
      again();
      answer = (_, response) => response.end('x'.repeat(1001));
      assert.equal((await (await fetch(url)).text()).length, 1001);
    });

    it('can still be given up by the SDK', async () => {
      const release = guardFetchTo(url.origin, { ...limits, milliseconds: 60_000 });
      answer = () => {};
      await assert.rejects(fetch(url, { signal: AbortSignal.timeout(50) }), { name: 'TimeoutError' });
      release();
    });
  });
});
