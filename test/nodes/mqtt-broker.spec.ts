import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { Node, NodeAPI } from 'node-red';
import { isCodedError } from '../../lib/errors';
import type { MqttSettings } from '../../lib/market';
import { brokerSettings } from '../../nodes/mqtt-broker';
import { certificates } from '../market/channel/brokers';
import { helper } from './palette';

const requireHere = createRequire(__filename);
const core = join(
  dirname(createRequire(requireHere.resolve('node-red/package.json')).resolve('@node-red/nodes/package.json')),
  'core',
  'network',
);
const TLS = requireHere(join(core, '05-tls.js')) as (RED: NodeAPI) => void;
const MQTT = requireHere(join(core, '10-mqtt.js')) as (RED: NodeAPI) => void;

/** As Node-RED's editor saves one. */
const BROKER = {
  id: 'broker',
  type: 'mqtt-broker',
  name: '',
  broker: 'localhost',
  port: '1883',
  clientid: '',
  autoConnect: true,
  usetls: false,
  protocolVersion: '4',
  keepalive: '60',
  cleansession: true,
};
const TLS_CONFIG = {
  id: 'tls',
  type: 'tls-config',
  name: '',
  cert: '',
  key: '',
  ca: '',
  certname: '',
  keyname: '',
  caname: '',
  servername: '',
  verifyservercert: true,
  alpnprotocol: '',
};

describe('the settings of a chosen MQTT broker', () => {
  let RED: NodeAPI;
  // The helper gives no other way to what a node type is given.
  const reader = (api: NodeAPI): void => {
    RED = api;
    api.nodes.registerType('reader', function (this: Node, config) {
      api.nodes.createNode(this, config);
    });
  };
  const tab = { id: 'tab', type: 'tab', label: 'Flow' };
  const reads = { id: 'reader', type: 'reader', z: 'tab', x: 1, y: 1, wires: [], broker: 'broker' };

  const start = (nodes: readonly object[], credentials: object = {}) =>
    helper.load([TLS, MQTT, reader], [tab, ...nodes, reads], credentials);
  async function read(broker: object, credentials: object = {}, more: readonly object[] = []): Promise<MqttSettings> {
    await start([...more, { ...BROKER, ...broker }], { broker: credentials });
    return brokerSettings(RED, 'broker');
  }
  const refusal = (detail: string) => (error: unknown) => {
    assert.ok(isCodedError(error, 'CONFIG_INVALID'), String(error));
    assert.equal(error.detail, detail);
    assert.doesNotMatch(error.message, /secret/);
    return true;
  };

  afterEach(() => helper.unload());

  it('are those that its node has', async () => {
    assert.deepEqual(await read({}), { kind: 'mqtt', url: 'mqtt://localhost:1883', version: 4, keepalive: 60 });
  });

  it('are read without connecting to it', async () => {
    await read({});
    const { client, users } = helper.getNode('broker') as unknown as { client?: unknown; users: object };
    assert.equal(client, undefined);
    assert.deepEqual(users, {});
  });

  it('have the version, keepalive, user name and password', async () => {
    const credentials = { user: 'machine', password: 'sécret' };
    assert.deepEqual(await read({ protocolVersion: '5', keepalive: '15', port: 8883 }, credentials), {
      kind: 'mqtt',
      url: 'mqtt://localhost:8883',
      version: 5,
      keepalive: 15,
      username: 'machine',
      password: 'sécret',
    });
  });

  for (const [version, options] of [
    [3, { protocolVersion: '3' }],
    [3, { protocolVersion: undefined, compatmode: true }],
    [4, { protocolVersion: undefined }],
    [4, { protocolVersion: '' }],
  ] as const) {
    it(`are those of version ${version} with ${JSON.stringify(options)}`, async () => {
      assert.equal((await read(options)).version, version);
    });
  }

  for (const [broker, url] of [
    [{ broker: '', port: '' }, 'mqtt://localhost:1883'],
    [{ broker: '192.168.1.7', port: '' }, 'mqtt://192.168.1.7:1883'],
    [{ broker: 'fe80::1', port: '1884' }, 'mqtt://[fe80::1]:1884'],
    [{ broker: 'mqtt://broker.example:1999' }, 'mqtt://broker.example:1999'],
    [{ broker: 'tcp://broker.example' }, 'mqtt://broker.example'],
    [{ broker: 'ws://broker.example:9001/mqtt?a=b' }, 'ws://broker.example:9001/mqtt?a=b'],
  ] as const) {
    it(`have the address ${url} for ${JSON.stringify(broker)}`, async () => {
      const settings = await read(broker);
      assert.equal(settings.url, url);
      assert.equal(settings.tls, undefined);
    });
  }

  it('take user and password out of the address', async () => {
    const { url, username, password } = await read({ broker: 'mqtt://m%40x:s%2Fecret@broker.example:1883' });
    assert.deepEqual(
      { url, username, password },
      {
        url: 'mqtt://broker.example:1883',
        username: 'm@x',
        password: 's/ecret',
      },
    );
  });

  it('have the certificates of its TLS settings, as they were pasted', async () => {
    const { ca, cert, key } = certificates();
    await start(
      [
        { ...TLS_CONFIG, servername: 'other.example', alpnprotocol: 'mqtt' },
        { ...BROKER, port: '8883', usetls: true, tls: 'tls' },
      ],
      { tls: { cadata: ca, certdata: cert, keydata: key, passphrase: 'secret' } },
    );
    assert.deepEqual(brokerSettings(RED, 'broker'), {
      kind: 'mqtt',
      url: 'mqtts://localhost:8883',
      version: 4,
      keepalive: 60,
      tls: { ca, cert, key, passphrase: 'secret', servername: 'other.example', alpn: 'mqtt', verify: true },
    });
  });

  it('have them from files, too', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'machine-economy-tls-'));
    try {
      const { ca } = certificates();
      writeFileSync(join(folder, 'ca.pem'), ca);
      const tls = { ...TLS_CONFIG, ca: join(folder, 'ca.pem'), verifyservercert: false };
      const settings = await read({ usetls: true, tls: 'tls' }, {}, [tls]);
      assert.deepEqual(settings.tls, { ca, verify: false });
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });

  it('are safe for wss, and check what its node would check', async () => {
    const tls = { ...TLS_CONFIG };
    const { url, tls: read1 } = await read({ broker: 'wss://broker.example/mqtt', usetls: true, tls: 'tls' }, {}, [
      tls,
    ]);
    assert.deepEqual({ url, read1 }, { url: 'wss://broker.example/mqtt', read1: { verify: true } });
    await helper.unload();
    // Without TLS settings of its own the node checks nothing; one broker is not two things to two nodes.
    assert.deepEqual((await read({ broker: 'mqtts://broker.example' })).tls, { verify: false });
  });

  it('are refused when its certificates cannot be read, instead of going without', async () => {
    const lost = { ...TLS_CONFIG, ca: '/nowhere/secret.pem' };
    await assert.rejects(read({ usetls: true, tls: 'tls' }, {}, [lost]), refusal('broker-tls'));
    await helper.unload();
    await assert.rejects(read({ usetls: true, tls: 'tls' }), refusal('broker-tls'));
  });

  it('are refused when none is chosen, or it is not there', async () => {
    await start([BROKER]);
    for (const id of [undefined, '', 'nobody', 'reader']) {
      assert.throws(() => brokerSettings(RED, id), refusal('broker-missing'));
    }
    await helper.unload();
    await start([{ ...BROKER, d: true }]);
    assert.throws(() => brokerSettings(RED, 'broker'), refusal('broker-missing'));
  });

  it('are refused for an address that is none', async () => {
    for (const broker of ['http://machine:secret@broker.example', 'mqtt://', '$(BROKER)', 'a b', 'mqtt://m:%E0%A4@x']) {
      await assert.rejects(read({ broker }), refusal('broker-url'), broker);
      await helper.unload();
    }
  });

  it('come from variables as its node has them', async () => {
    process.env['MARKET_BROKER'] = 'broker.example';
    try {
      // biome-ignore lint/suspicious/noTemplateCurlyInString: that is how a flow names a variable
      assert.equal((await read({ broker: '${MARKET_BROKER}' })).url, 'mqtt://broker.example:1883');
    } finally {
      delete process.env['MARKET_BROKER'];
    }
  });
});
