const COUNT_RESOURCES = `
const process = global.get('process');
const active = {};
for (const kind of process.getActiveResourcesInfo()) active[kind] = (active[kind] || 0) + 1;
const { events } = process.mainModule.require('@node-red/util');
msg.payload = { active, flowsStartedListeners: events.listenerCount('flows:started') };
return msg;`;

/** Node-RED flow of a fleet: every machine pays and tells its balance over HTTP, and writes what it receives to a file. */
export function fleetFlow(options: {
  machines: number;
  ledgerPort: number;
  receivedFile: string;
  policy: object;
}): object[] {
  const { machines, ledgerPort, receivedFile, policy } = options;
  const flow: object[] = [
    { id: 'fleet', type: 'tab', label: 'Fleet' },
    {
      id: 'ledger',
      type: 'iota-ledger',
      name: 'Sandbox',
      network: 'sandbox-tangle',
      port: ledgerPort,
      deviceBrokerPort: 0,
    },
    {
      id: 'received-line',
      type: 'function',
      z: 'fleet',
      func: 'msg.payload = JSON.stringify({ ...msg.payload, redelivered: msg.redelivered === true });\nreturn msg;',
      outputs: 1,
      wires: [['received-file']],
    },
    {
      id: 'received-file',
      type: 'file',
      z: 'fleet',
      filename: receivedFile,
      filenameType: 'str',
      appendNewline: true,
      createDir: false,
      overwriteFile: 'false',
      encoding: 'utf8',
      wires: [[]],
    },
    {
      id: 'answer',
      type: 'http response',
      z: 'fleet',
      statusCode: '',
      headers: { 'content-type': 'application/json' },
      wires: [],
    },
    { id: 'problems', type: 'catch', z: 'fleet', scope: null, uncaught: false, wires: [['problem']] },
    {
      id: 'problem',
      type: 'function',
      z: 'fleet',
      func: 'msg.statusCode = 409;\nmsg.payload = { code: msg.error.code, message: msg.error.message };\nreturn msg;',
      outputs: 1,
      wires: [['answer']],
    },
  ];
  flow.push(
    { id: 'resources-in', type: 'http in', z: 'fleet', url: '/resources', method: 'get', wires: [['resources']] },
    { id: 'resources', type: 'function', z: 'fleet', func: COUNT_RESOURCES, outputs: 1, wires: [['answer']] },
  );
  for (let i = 0; i < machines; i += 1) {
    flow.push(
      {
        id: `machine-${i}`,
        type: 'iota-machine',
        name: `Machine ${i}`,
        ledger: 'ledger',
        key: `fleet-${i}`,
        accountIndex: 0,
        policy: JSON.stringify(policy),
        contacts: '{}',
      },
      {
        id: `pay-in-${i}`,
        type: 'http in',
        z: 'fleet',
        url: `/pay/${i}`,
        method: 'post',
        upload: false,
        wires: [[`pay-${i}`]],
      },
      { id: `pay-${i}`, type: 'iota-pay', z: 'fleet', machine: `machine-${i}`, wires: [['answer'], []] },
      {
        id: `wallet-in-${i}`,
        type: 'http in',
        z: 'fleet',
        url: `/wallet/${i}/balance`,
        method: 'get',
        upload: false,
        wires: [[`wallet-${i}`]],
      },
      {
        id: `wallet-${i}`,
        type: 'iota-wallet',
        z: 'fleet',
        machine: `machine-${i}`,
        action: 'balance',
        wires: [['answer'], []],
      },
      {
        id: `listen-${i}`,
        type: 'iota-listen',
        z: 'fleet',
        source: 'payments',
        machine: `machine-${i}`,
        from: 'beginning',
        wires: [['received-line']],
      },
    );
  }
  return flow;
}
